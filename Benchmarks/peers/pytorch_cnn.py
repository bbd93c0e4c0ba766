"""The network of configs/mnist-cnn.yaml in PyTorch: what one run of a few hundred steps reaches.

python pytorch_cnn.py MODE STEPS MNIST_FOLDER    MODE: nchw | channels_last | compile
Prints one line of JSON. Same optimizer (RMSprop, rho 0.9, epsilon 1e-7), loss, batch size and data; the batch is
gathered from memory in the loop, as ours is.
"""
import gzip
import json
import sys
import time

import numpy
import torch
from torch import nn


def idx(path):
    with gzip.open(path, "rb") as file:
        data = file.read()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return numpy.frombuffer(data, dtype=numpy.uint8, offset=4 + 4 * rank).reshape(shape)


def network():
    def conv(channels_in, channels_out):
        layer = nn.Conv2d(channels_in, channels_out, 3)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        return layer

    def dense(units_in, units_out):
        layer = nn.Linear(units_in, units_out)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        return layer

    return nn.Sequential(
        conv(1, 32), nn.ReLU(), nn.MaxPool2d(2), conv(32, 64), nn.ReLU(), nn.MaxPool2d(2), conv(64, 64), nn.ReLU(),
        nn.Flatten(), dense(576, 64), nn.ReLU(), dense(64, 10),
    )


def main(mode, steps, folder):
    torch.manual_seed(1)
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    images = torch.from_numpy(idx(f"{folder}/train-images-idx3-ubyte.gz").copy())
    labels = torch.from_numpy(idx(f"{folder}/train-labels-idx1-ubyte.gz").astype(numpy.int64))
    model = network()
    if mode != "nchw":
        model = model.to(memory_format=torch.channels_last)
    step_model = torch.compile(model) if mode == "compile" else model
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    loss_of = nn.CrossEntropyLoss()
    order = torch.randperm(len(images))
    batch = 64

    def step(i):
        at = order[(i * batch) % (len(order) - batch) :][:batch]
        x = images[at].unsqueeze(1).float().mul_(1 / 255)
        if mode != "nchw":
            x = x.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(step_model(x), labels[at])
        loss.backward()
        optimizer.step()
        return loss

    for i in range(20):
        step(i)
    start = time.perf_counter()
    for i in range(steps):
        loss = step(20 + i)
    seconds = time.perf_counter() - start
    print(json.dumps({"peer": f"pytorch {torch.__version__}", "mode": mode, "steps": steps,
                      "samplesPerSecond": steps * batch / seconds, "loss": loss.item()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
