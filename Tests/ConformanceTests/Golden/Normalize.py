"""normalize and its gradient: layer, group, instance and RMS normalization. Every case states its epsilon."""

import math

import torch
import torch.nn.functional as F

from golden import Family, gradient, grid

family = Family("Normalize")


def layer(x, axis, epsilon):
    return F.layer_norm(x, x.shape[axis:], eps=epsilon)


def rms(x, axis, epsilon):
    return F.rms_norm(x, x.shape[axis:], eps=epsilon)


def group(x, groups, epsilon):
    return F.group_norm(x.movedim(-1, 1), groups, eps=epsilon).movedim(1, -1)


def add(function, x, axis, groups, epsilon, centered):
    """1/sigma of groups in closed form, which torch keeps to itself."""
    positions = x.reshape(*x.shape[:axis], math.prod(x.shape[axis:-1]), groups, x.shape[-1] // groups)
    folded = (axis, positions.dim() - 1)
    mean = positions.mean(folded, keepdim=True) if centered else torch.zeros(())
    inverse = 1 / torch.sqrt(((positions - mean) ** 2).mean(folded) + epsilon)
    y = function(x)
    attributes = {"axis": axis, "groups": groups, "centered": centered}
    family.add("normalize", {**attributes, "epsilon": epsilon}, [x], [y, inverse])
    dy = grid(*x.shape)
    family.add("normalize/backward", attributes, [y, inverse, dy], [gradient(function, [x], dy)])


for shape, axis, epsilon in [
    ((1, 1), 1, 1e-3), ((5, 7), 1, 1e-3), ((3, 5, 4), 1, 1e-5), ((3, 5, 4), 2, 1e-3), ((0, 3), 1, 1e-3),
]:
    add(lambda x: layer(x, axis, epsilon), grid(*shape), axis, 1, epsilon, True)
    add(lambda x: rms(x, axis, epsilon), grid(*shape), axis, 1, epsilon, False)
for shape, groups, epsilon in [((2, 3, 5, 6), 3, 1e-3), ((2, 3, 5, 6), 6, 1e-5), ((3, 1, 4, 6), 1, 1e-3), ((3, 8), 2, 1e-3)]:
    add(lambda x: group(x, groups, epsilon), grid(*shape), 1, groups, epsilon, True)
x = grid(2, 5, 7, 3)
add(lambda x: F.instance_norm(x.movedim(-1, 1), eps=1e-3).movedim(1, -1), x, 1, 3, 1e-3, True)
# A mean of 4096 beside a deviation of 1.
add(lambda x: layer(x, 1, 1e-5), grid(3, 33) + 4096, 1, 1, 1e-5, True)
family.write()
