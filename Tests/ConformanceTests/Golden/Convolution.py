"""conv2d and its two gradients. PyTorch has images N, C, H, W and filters O, I, H, W."""

import torch
import torch.nn.functional as F

from golden import Family, gradient, grid

family = Family("Convolution")


def same(size, kernel, strides, dilations=(1, 1)):
    """Keras's rule: ceil(size / stride) rows; the odd cell of padding at the bottom and right."""
    result = []
    for axis in range(2):
        rows = -(-size[axis] // strides[axis])
        total = max(0, (rows - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - size[axis])
        result += [total // 2, total - total // 2]
    return result


# image N H W C, filter Kh Kw O, strides, padding (top, bottom, left, right), dilations, groups
CASES = [
    ((1, 1, 1, 1), (1, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((2, 7, 5, 3), (3, 3, 4), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((0, 5, 5, 2), (3, 3, 2), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((2, 9, 8, 2), (3, 2, 3), (2, 3), (0, 0, 0, 0), (1, 1), 1),  # strided; columns that no window reaches
    ((1, 9, 10, 2), (3, 3, 2), (1, 1), (0, 0, 0, 0), (2, 3), 1),  # dilated
    ((2, 5, 6, 4), (3, 3, 6), (1, 1), (0, 0, 0, 0), (1, 1), 2),  # grouped
    ((1, 6, 5, 4), (3, 3, 4), (1, 1), (1, 1, 1, 1), (1, 1), 4),  # depthwise
    ((1, 6, 5, 3), (3, 3, 6), (2, 2), same((6, 5), (3, 3), (2, 2)), (1, 1), 3),  # depthwise, two filters a channel
    ((1, 5, 5, 2), (4, 4, 3), (1, 1), same((5, 5), (4, 4), (1, 1)), (1, 1), 1),  # even kernel: asymmetric same
    ((2, 6, 7, 2), (2, 2, 3), (2, 2), same((6, 7), (2, 2), (2, 2)), (1, 1), 1),
    ((1, 8, 6, 2), (3, 3, 2), (2, 2), same((8, 6), (3, 3), (2, 2)), (1, 1), 1),  # strided: asymmetric same
    ((1, 7, 8, 2), (2, 3, 2), (1, 1), same((7, 8), (2, 3), (1, 1), (3, 2)), (3, 2), 1),  # dilated same
    ((2, 7, 8, 3), (2, 3, 3), (2, 1), (1, 0, 2, 1), (1, 2), 3),  # all at once
]

for image, (height, width, filters), strides, padding, dilations, groups in CASES:
    x = grid(*image)
    w = grid(height, width, image[3] // groups, filters)
    top, bottom, left, right = padding

    def convolution(x, w):
        padded = F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
        y = F.conv2d(padded, w.permute(3, 2, 0, 1), stride=strides, dilation=dilations, groups=groups)
        return y.permute(0, 2, 3, 1)

    y = convolution(x, w)
    dy = grid(*y.shape)
    geometry = {
        "strides": list(strides), "padding": list(padding), "dilations": list(dilations), "groups": groups,
    }
    family.add("conv2d", geometry, [x, w], [y])
    family.add(
        "conv2d/backwardInput", geometry | {"inputSize": list(image[1:3])}, [dy, w],
        [gradient(convolution, [x, w], dy, 0)])
    family.add(
        "conv2d/backwardFilter", geometry | {"kernelSize": [height, width]}, [x, dy],
        [gradient(convolution, [x, w], dy, 1)])
family.write()
