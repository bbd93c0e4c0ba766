"""What Golden/model-1.safetensors answers, computed from its numbers: python3 model.py > model-1.json.

The file is a table's network with one output behind the sigmoid that its loss (binary_crossentropy, from_logits)
implies. No library is used: safetensors is a length, a JSON header and bytes."""

import json
import math
import os
import struct

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "model-1.safetensors"), "rb") as file:
    data = file.read()
(length,) = struct.unpack("<Q", data[:8])
header = json.loads(data[8 : 8 + length])
metadata = header.pop("__metadata__")
assert metadata["format"] == "switchback-model-1"
samples = json.loads(metadata["samples"])


def tensor(name):
    begin, end = header[name]["data_offsets"]
    return struct.unpack("<%df" % ((end - begin) // 4), data[8 + length + begin : 8 + length + end])


def dense(x, layer):
    kernel, bias = tensor(layer + "/kernel"), tensor(layer + "/bias")
    return [b + sum(v * kernel[i * len(bias) + j] for i, v in enumerate(x)) for j, b in enumerate(bias)]


rows = [[1e8 + 3, -0.5, 0.25], [1e8, 0, -2], [1e8 - 1, -3, 7], [1e8 + 2, -1.25, -0.5], [1e8 - 5, 0.5, 1]]
outputs = []
for row in rows:
    x = [(v - n["mean"]) / (n["deviation"] or 1) for v, n in zip(row, samples["normalization"])]
    x = [v * s for v, s in zip(x, tensor("layers.0.scaled/scale"))]
    (z,) = dense([math.tanh(v) for v in dense(x, "layers.1.dense")], "layers.2.dense")
    outputs.append([1 / (1 + math.exp(-z))])
classes = [samples["classNames"][int(p[0] > 0.5)] for p in outputs]
print(json.dumps({"rows": rows, "outputs": outputs, "classes": classes}, indent=1))
