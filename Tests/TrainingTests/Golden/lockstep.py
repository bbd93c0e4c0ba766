"""The CNN's loss and gradients by PyTorch, from the weights and the batch of each step: python lockstep.py FOLDER

Reads FOLDER/step-N.safetensors (weights, images, labels, and Switchback's own loss and gradients) and prints one line
of JSON a step: the relative difference of the losses, and of each parameter's gradient in L2.
"""

import json
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as F


def tensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8: 8 + length])
    header.pop("__metadata__", None)
    result = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        kind = {"F32": numpy.float32, "I32": numpy.int32}[entry["dtype"]]
        values = numpy.frombuffer(data[8 + length + begin: 8 + length + end], dtype=kind)
        result[name] = torch.tensor(values.reshape(entry["shape"]))
    return result


def relative(found, truth):
    return (torch.linalg.vector_norm((found - truth).double()) / torch.linalg.vector_norm(truth.double())).item()


for path in sorted(pathlib.Path(sys.argv[1]).glob("step-*.safetensors"), key=lambda p: int(p.stem.split("-")[1])):
    step = tensors(path)
    w = {name: value.requires_grad_() for name, value in step.items() if name.startswith("layers.")}

    def convolution(x, layer):
        kernel = w[layer + "/kernel"].permute(3, 2, 0, 1)
        return F.relu(F.conv2d(x, kernel, w[layer + "/bias"]))

    x = step["images"].permute(0, 3, 1, 2)
    x = F.max_pool2d(convolution(x, "layers.0.conv2d"), 2)
    x = F.max_pool2d(convolution(x, "layers.2.conv2d"), 2)
    x = convolution(x, "layers.4.conv2d").permute(0, 2, 3, 1).flatten(1)
    x = F.relu(x @ w["layers.6.dense/kernel"] + w["layers.6.dense/bias"])
    loss = F.cross_entropy(x @ w["layers.7.dense/kernel"] + w["layers.7.dense/bias"], step["labels"].long())
    loss.backward()
    print(json.dumps({
        "loss": relative(step["loss"], loss.detach()),
        "gradients": {name: relative(step["gradient/" + name], value.grad) for name, value in w.items()},
    }))
