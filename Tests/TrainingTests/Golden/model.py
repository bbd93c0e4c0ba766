"""A trained model's file of format 1, written from the description of the format alone, and what it answers:
`python3 model.py` writes model-1.safetensors and model-1.json. Later programs must read the file as it is here.

It is a table's network with one output behind the sigmoid that its loss (binary_crossentropy, from_logits) implies. No
library is used: safetensors is a length, a JSON header and bytes."""

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


generator = random.Random(1)
tensors = {
    name: struct.unpack("<%df" % math.prod(shape), pack([generator.uniform(-1, 1) for _ in range(math.prod(shape))]))
    for name, shape in SHAPES.items()
}
metadata = {
    "format": "switchback-model-1",
    "program": PROGRAM,
    "samples": json.dumps(SAMPLES, separators=(",", ":")),
    "weights": "raw",
}
checksum = 0xCBF29CE484222325
for key in ["format", "program", "samples", "weights"]:
    checksum = fnv(checksum, metadata[key].encode() + b"\xff")
for name in sorted(tensors):
    checksum = fnv(checksum, name.encode() + b"\xff" + ("F32 %s" % SHAPES[name]).encode() + b"\xff" + pack(tensors[name]))
metadata["checksum"] = "%x" % checksum

header, offset = {"__metadata__": metadata}, 0
for name in sorted(tensors):
    size = 4 * len(tensors[name])
    header[name] = {"dtype": "F32", "shape": SHAPES[name], "data_offsets": [offset, offset + size]}
    offset += size
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "model-1.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + b"".join(pack(tensors[name]) for name in sorted(tensors)))


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
with open(os.path.join(folder, "model-1.json"), "w") as file:
    json.dump({"rows": rows, "outputs": outputs, "classes": classes}, file, indent=1)
    file.write("\n")
