"""maxPool2d, averagePool2d and their gradients. A padded cell never wins and never counts."""

import torch
import torch.nn.functional as F

from golden import Family, distinct, gradient, grid

family = Family("Pooling")
CASES = [
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    ((2, 7, 5, 3), (2, 2), (2, 2), (0, 0, 0, 0)),
    ((0, 4, 4, 2), (2, 2), (2, 2), (0, 0, 0, 0)),
    ((1, 8, 5, 2), (3, 2), (2, 1), (0, 0, 0, 0)),  # overlapping windows
    ((2, 6, 7, 3), (3, 3), (2, 2), (0, 1, 1, 1)),  # asymmetric same
    ((1, 7, 8, 1), (2, 3), (3, 3), (0, 0, 0, 0)),  # cells between the windows
]

for image, pool, strides, (top, bottom, left, right) in CASES:
    def padded(x, value):
        return F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom), value=value)

    def maximum(x):
        return F.max_pool2d(padded(x, float("-inf")), pool, strides).permute(0, 2, 3, 1)

    def average(x):
        cells = F.avg_pool2d(padded(torch.ones_like(x), 0), pool, strides)
        return (F.avg_pool2d(padded(x, 0), pool, strides) / cells).permute(0, 2, 3, 1)

    attributes = {"poolSize": list(pool), "strides": list(strides), "padding": [top, bottom, left, right]}
    # The second operand has ties: the first cell of a window wins.
    for x in (distinct(*image), grid(*image, low=-1, high=1).round()):
        y = maximum(x)
        dy = grid(*y.shape)
        family.add("maxPool2d", attributes, [x], [y])
        family.add("maxPool2d/backward", attributes, [x, dy], [gradient(maximum, [x], dy)])
    y = average(x)
    dy = grid(*y.shape)
    family.add("averagePool2d", attributes, [x], [y])
    family.add(
        "averagePool2d/backward", attributes | {"inputSize": list(image[1:3])}, [dy],
        [gradient(average, [x], dy)])
family.write()
