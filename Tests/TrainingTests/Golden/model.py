"""Trained models' files of formats 1 and 2, written from the description of the formats alone, and what they answer:
`python3 model.py` writes model-1.safetensors, model-1.json, and the same of 2. Later programs must read the files as they
are here.

The first is a table's network with one output behind the sigmoid that its loss (binary_crossentropy, from_logits) implies.
The second reads images and a table, and answers a class of three and a number. No library is used: safetensors is a length,
a JSON header and bytes."""

import json
import math
import os
import random
import struct

PROGRAM = """program predict
input %0 images f32[1,3]
state %1 layers.0.scaled/scale f32[3]
state %3 layers.1.dense/kernel f32[3,4]
state %5 layers.1.dense/bias f32[4]
state %8 layers.2.dense/kernel f32[4,1]
state %10 layers.2.dense/bias f32[1]
%2: f32[1,3] = binary(%0, %1) {function: "multiply"} @layers.0.scaled
%4: f32[1,4] = matmul(%2, %3) {transposeA: false, transposeB: false} @layers.1.dense
%6: f32[1,4] = binary(%4, %5) {function: "add"} @layers.1.dense
%7: f32[1,4] = unary(%6) {alpha: 0.0, function: "tanh"} @layers.1.dense
%9: f32[1,1] = matmul(%7, %8) {transposeA: false, transposeB: false} @layers.2.dense
%11: f32[1,1] = binary(%9, %10) {function: "add"} @layers.2.dense
%12: f32[1,1] = unary(%11) {alpha: 0.0, function: "sigmoid"} @loss
output predictions %12
"""
SAMPLES = {
    "classNames": ["no", "yes"],
    "features": ["a", "b", "c"],
    "labels": ["class"],
    "normalization": [
        {"deviation": 2, "mean": 100000000},
        {"deviation": 0.5, "mean": -1},
        {"deviation": 0, "mean": 0},
    ],
    "shape": [3],
    "targets": {},
}
SHAPES = {
    "layers.0.scaled/scale": [3],
    "layers.1.dense/bias": [4],
    "layers.1.dense/kernel": [3, 4],
    "layers.2.dense/bias": [1],
    "layers.2.dense/kernel": [4, 1],
}


def fnv(state, data):
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) % (1 << 64)
    return state


def pack(numbers):
    return struct.pack("<%df" % len(numbers), *numbers)


def drawn(seed, shapes):
    generator = random.Random(seed)
    return {
        name: struct.unpack(
            "<%df" % math.prod(shape), pack([generator.uniform(-1, 1) for _ in range(math.prod(shape))])
        )
        for name, shape in shapes.items()
    }


def write(version, program, samples, shapes, tensors):
    metadata = {
        "format": "switchback-model-%d" % version,
        "program": program,
        "samples": json.dumps(samples, separators=(",", ":")),
        "weights": "raw",
    }
    checksum = 0xCBF29CE484222325
    for key in ["format", "program", "samples", "weights"]:
        checksum = fnv(checksum, metadata[key].encode() + b"\xff")
    for name in sorted(tensors):
        head = name.encode() + b"\xff" + ("F32 %s" % shapes[name]).encode() + b"\xff"
        checksum = fnv(checksum, head + pack(tensors[name]))
    metadata["checksum"] = "%x" % checksum

    header, offset = {"__metadata__": metadata}, 0
    for name in sorted(tensors):
        size = 4 * len(tensors[name])
        header[name] = {"dtype": "F32", "shape": shapes[name], "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model-%d.safetensors" % version), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(pack(tensors[name]) for name in sorted(tensors)))


def say(version, answers):
    with open(os.path.join(folder, "model-%d.json" % version), "w") as file:
        json.dump(answers, file, indent=1)
        file.write("\n")


folder = os.path.dirname(os.path.abspath(__file__))

# Format 1.

tensors = drawn(1, SHAPES)
write(1, PROGRAM, SAMPLES, SHAPES, tensors)


def dense(x, layer):
    kernel, bias = tensors[layer + "/kernel"], tensors[layer + "/bias"]
    return [b + sum(v * kernel[i * len(bias) + j] for i, v in enumerate(x)) for j, b in enumerate(bias)]


rows = [[1e8 + 3, -0.5, 0.25], [1e8, 0, -2], [1e8 - 1, -3, 7], [1e8 + 2, -1.25, -0.5], [1e8 - 5, 0.5, 1]]
outputs = []
for row in rows:
    x = [(v - n["mean"]) / (n["deviation"] or 1) for v, n in zip(row, SAMPLES["normalization"])]
    x = [v * s for v, s in zip(x, tensors["layers.0.scaled/scale"])]
    (z,) = dense([math.tanh(v) for v in dense(x, "layers.1.dense")], "layers.2.dense")
    outputs.append([1 / (1 + math.exp(-z))])
classes = [SAMPLES["classNames"][int(p[0] > 0.5)] for p in outputs]
say(1, {"rows": rows, "outputs": outputs, "classes": classes})

# Format 2.

PROGRAM = """program predict
input %0 images f32[1,2,2,1]
input %1 table f32[1,2]
state %3 seen/kernel f32[4,3]
state %5 side/kernel f32[2,3]
state %9 what/kernel f32[3,3]
state %12 ink/kernel f32[3,1]
%2: f32[1,4] = reshape(%0) {shape: [1, 4]} @layers.0.flatten
%4: f32[1,3] = matmul(%2, %3) {transposeA: false, transposeB: false} @seen
%6: f32[1,3] = matmul(%1, %5) {transposeA: false, transposeB: false} @side
%7: f32[1,3] = binary(%4, %6) {function: "add"} @both
%8: f32[1,3] = unary(%7) {alpha: 0.0, function: "tanh"} @both
%10: f32[1,3] = matmul(%8, %9) {transposeA: false, transposeB: false} @what
%11: f32[1,3] = softmax(%10) {axis: 1} @what
%13: f32[1,1] = matmul(%8, %12) {transposeA: false, transposeB: false} @ink
output what/predictions %11
output ink/predictions %13
"""
NORMALIZATION = [{"deviation": 2, "mean": 10}, {"deviation": 0, "mean": -1}]
SAMPLES = {
    "inputs": [
        {"channels": "gray", "column": "file", "name": "images", "shape": [2, 2, 1], "type": "f32"},
        {"features": ["a", "b"], "name": "table", "normalization": NORMALIZATION, "shape": [2], "type": "f32"},
    ],
    "outputs": [
        {"classNames": ["x", "y", "z"], "labels": ["kind"], "name": "what", "target": "kind", "targets": {}},
        {"classNames": [], "labels": ["ink"], "name": "ink", "target": "ink", "targets": {"values": 1}},
    ],
}
SHAPES = {"ink/kernel": [3, 1], "seen/kernel": [4, 3], "side/kernel": [2, 3], "what/kernel": [3, 3]}
tensors = drawn(2, SHAPES)
write(2, PROGRAM, SAMPLES, SHAPES, tensors)


def product(x, name):
    kernel, width = tensors[name + "/kernel"], SHAPES[name + "/kernel"][1]
    return [sum(v * kernel[i * width + j] for i, v in enumerate(x)) for j in range(width)]


images = [[0, 1, 0.25, 0.5], [1, 1, 0, 0], [0.5, 0, 0, 1]]
rows = [[12, -1.5], [7, 0], [10, 2]]
answers = {"images": images, "rows": rows, "what": [], "ink": []}
for image, row in zip(images, rows):
    x = [(v - n["mean"]) / (n["deviation"] or 1) for v, n in zip(row, NORMALIZATION)]
    both = [math.tanh(a + b) for a, b in zip(product(image, "seen"), product(x, "side"))]
    scores = [math.exp(z) for z in product(both, "what")]
    answers["what"].append([score / sum(scores) for score in scores])
    answers["ink"].append(product(both, "ink"))
say(2, answers)
