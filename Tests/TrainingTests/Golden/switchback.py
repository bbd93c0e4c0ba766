"""What Switchback starts from, worked out again in Python: initial weights, batch order, MNIST.

Philox is held to its authors' published answers in Tests/ConformanceTests/Golden/RandomNumbers.py.
"""

import gzip

import numpy

MASK = numpy.uint64(0xFFFFFFFF)


def philox(counters, seed):
    """counters uint64[n, 4] (32-bit words), seed: the words uint64[n, 4]."""
    c = [counters[:, i].astype(numpy.uint64) for i in range(4)]
    k = [numpy.uint64(seed & 0xFFFFFFFF), numpy.uint64(seed >> 32 & 0xFFFFFFFF)]
    for _ in range(10):
        first, second = c[0] * numpy.uint64(0xD2511F53), c[2] * numpy.uint64(0xCD9E8D57)
        high = numpy.uint64(32)
        c = [(second >> high) ^ c[1] ^ k[0], second & MASK, (first >> high) ^ c[3] ^ k[1], first & MASK]
        k = [(k[0] + numpy.uint64(0x9E3779B9)) & MASK, (k[1] + numpy.uint64(0xBB67AE85)) & MASK]
    return numpy.stack(c, axis=1)


def glorot_uniform(name, shape, seed):
    """Glorot and Bengio (2010), eq. 16, drawn as Switchback draws it, in Float32."""
    hashed = 0xCBF29CE484222325
    for byte in name.encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) & (2**64 - 1)
    count = int(numpy.prod(shape))
    counters = numpy.zeros(((count + 3) // 4, 4), dtype=numpy.uint64)
    counters[:, 0] = numpy.arange(len(counters))
    counters[:, 2] = hashed & 0xFFFFFFFF
    counters[:, 3] = hashed >> 32 | 0x80000000
    uniform = (philox(counters, seed).reshape(-1)[:count] >> numpy.uint64(8)).astype(numpy.float64) * 2.0**-24
    field = int(numpy.prod(shape[:-2]))
    limit = (6 / (field * (shape[-2] + shape[-1]))) ** 0.5
    return (limit * (2 * uniform - 1)).astype(numpy.float32).reshape(shape)


def batch_order(count, seed, epoch):
    """Fisher and Yates with SplitMix64."""
    state = (seed * 0x9E3779B97F4A7C15 + epoch) & (2**64 - 1)
    indices = list(range(count))
    for last in range(count - 1, 0, -1):
        state = (state + 0x9E3779B97F4A7C15) & (2**64 - 1)
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & (2**64 - 1)
        z ^= z >> 31
        other = z * (last + 1) >> 64
        indices[last], indices[other] = indices[other], indices[last]
    return indices


def idx(path):
    with gzip.open(path, "rb") as file:
        data = file.read()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i: 8 + 4 * i], "big") for i in range(rank)]
    return numpy.frombuffer(data, dtype=numpy.uint8, offset=4 + 4 * rank).reshape(shape)


def mnist(folder):
    """Images f32[60000, 28, 28, 1] in 0…1 as Switchback scales them, labels."""
    images = idx(f"{folder}/train-images-idx3-ubyte.gz").astype(numpy.float32) * numpy.float32(1 / 255)
    return images[..., None], idx(f"{folder}/train-labels-idx1-ubyte.gz").astype(numpy.int64)
