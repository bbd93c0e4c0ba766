"""What a peer needs to start where Switchback starts: the order of its samples, and the weights of a checkpoint."""
import gzip
import json
import os
import re

import numpy

INCREMENT, MASK = 0x9E3779B97F4A7C15, 2**64 - 1


def split_mix(state):
    """One step of SplitMix64: the next state and its number."""
    state = (state + INCREMENT) & MASK
    z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return state, z ^ z >> 31


def order(count, seed, epoch):
    """The samples of an epoch, shuffled as `BatchOrder` does (version `mixed`)."""
    state = 0
    for number in (seed, epoch):
        _, state = split_mix(state ^ number)
    indices = list(range(count))
    for last in range(count - 1, 0, -1):
        state, number = split_mix(state)
        other = number * (last + 1) >> 64
        indices[last], indices[other] = indices[other], indices[last]
    return numpy.array(indices)


def idx(path):
    """An IDX file, compressed or not."""
    packed = path + ".gz"
    with gzip.open(packed, "rb") if os.path.exists(packed) else open(path, "rb") as file:
        data = file.read()
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3])]
    return numpy.frombuffer(data, dtype=numpy.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def mnist(folder):
    """Images u8 [60000, 28, 28] and labels i64."""
    return idx(f"{folder}/train-images-idx3-ubyte").copy(), idx(f"{folder}/train-labels-idx1-ubyte").astype(numpy.int64)


def pictures(folder):
    """Images u8 [N, 32, 32, 3] and labels i64 of files in CIFAR-10's form: the label, then red, green and blue."""
    files = [numpy.fromfile(f"{folder}/data_batch_{number}.bin", numpy.uint8) for number in range(1, 6)]
    records = numpy.concatenate(files).reshape(-1, 1 + 3 * 32 * 32)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
    return images, records[:, 0].astype(numpy.int64)


def weights(path):
    """Of each layer of a checkpoint that has weights its arrays by name, by paths in the order of the layers."""
    with open(path, "rb") as file:
        data = file.read()
    begin = 8 + int.from_bytes(data[:8], "little")
    tensors = {name: entry for name, entry in json.loads(data[8:begin]).items() if name.startswith("layers.")}

    def place(name):
        return [int(part) if part.isdigit() else part for part in re.split(r"\.", name.split("/")[0])]

    layers = {}
    for name in sorted(tensors, key=place):
        (path, own), (first, end) = name.split("/"), tensors[name]["data_offsets"]
        array = numpy.frombuffer(data[begin + first : begin + end], numpy.float32).reshape(tensors[name]["shape"])
        layers.setdefault(path, {})[own] = array
    return layers
