"""random: Philox 4x32-10 written out in whole numbers and held to its authors' published answers."""

import math

import torch

from golden import Family

MASK = 0xFFFFFFFF


def philox(counter, key):
    """Salmon, Moraes, Dror and Shaw, SC 2011, section 3.3."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        first, second = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (second >> 32) ^ c1 ^ k0, second & MASK, (first >> 32) ^ c3 ^ k1, first & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return [c0, c1, c2, c3]


# The known answers that come with Random123 (kat_vectors, philox4x32 10).
assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox([MASK] * 4, [MASK] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
assert philox(
    [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]
) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]

family = Family("RandomNumbers")
for distribution in ("uniform", "normal"):
    for shape, stream, seed, step in [((1,), 0, 0, 0), ((7,), 3, 1, 5), ((3, 5), 2, 2**40 + 7, 1000), ((0,), 1, 1, 1)]:
        count = math.prod(shape)
        words = []
        for block in range((count + 3) // 4):
            words += philox([block, 0, stream, step], [seed & MASK, seed >> 32])
        uniform = [(word >> 8) * 2.0**-24 for word in words]
        if distribution == "normal":
            for e in range(0, len(uniform), 2):
                radius = math.sqrt(-2 * math.log(uniform[e] + 2.0**-24))
                angle = 2 * math.pi * uniform[e + 1]
                uniform[e], uniform[e + 1] = radius * math.cos(angle), radius * math.sin(angle)
        family.add(
            "random", {"distribution": distribution, "shape": list(shape), "stream": stream, "elementType": "f32"},
            [torch.tensor([seed, step], dtype=torch.int64)], [torch.tensor(uniform[:count], dtype=torch.float64)])
family.write()
