#!/usr/bin/env python3
"""The CNN of configs/mnist-cnn.yaml trained by tinygrad on an OpenCL device: samples a second.

    DEV=CL python Benchmarks/peers/tinygrad_mnist_cnn.py STEPS [MNIST_FOLDER]

tinygrad has no RMSprop: Adam stands for it, which costs about the same. The whole step is one TinyJit; the first steps,
in which it compiles, do not count. Needs tinygrad and NumPy in a virtual environment."""
import gzip
import sys
import time

import numpy
from tinygrad import Device, Tensor, TinyJit, nn
from tinygrad.helpers import Context

BATCH = 64


class Network:
    def __init__(self):
        self.convolutions = [nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3), nn.Conv2d(64, 64, 3)]
        self.dense = [nn.Linear(576, 64), nn.Linear(64, 10)]

    def __call__(self, x):
        x = self.convolutions[0](x).relu().max_pool2d(2)
        x = self.convolutions[1](x).relu().max_pool2d(2)
        x = self.convolutions[2](x).relu().flatten(1)
        return self.dense[1](self.dense[0](x).relu())


def main(steps, folder):
    def read(name, header):
        return numpy.frombuffer(gzip.open(f"{folder}/{name}.gz").read(), numpy.uint8, offset=header)

    images = (read("train-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28) / 255).astype(numpy.float32)
    labels = read("train-labels-idx1-ubyte", 8).astype(numpy.int32)
    network = Network()
    optimizer = nn.optim.Adam(nn.state.get_parameters(network), lr=0.001)

    @TinyJit
    def step(x, y):
        optimizer.zero_grad()
        loss = network(x).sparse_categorical_crossentropy(y)
        loss.backward()
        optimizer.step()
        return loss.realize()

    order = numpy.random.default_rng(1).permutation(len(images))
    losses = []
    with Context(TRAINING=1):
        for number in range(steps + 5):
            if number == 5:
                begin = time.monotonic()
            rows = order[number * BATCH % (len(order) - BATCH):][:BATCH]
            losses.append(step(Tensor(images[rows]).realize(), Tensor(labels[rows]).realize()).item())
    seconds = time.monotonic() - begin
    print(f"tinygrad on {Device.DEFAULT}: {steps * BATCH / seconds:.0f} samples/s, "
          f"loss {losses[0]:.3f} to {numpy.mean(losses[-10:]):.3f}")


# The guard matters: tinygrad compiles in processes of its own, which import this file.
if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "../shared/data/mnist")
