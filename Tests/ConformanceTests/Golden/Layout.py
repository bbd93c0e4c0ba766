"""reshape, transpose, broadcast, slice, slice/backward, concatenate, pad, reverse."""

import torch
import torch.nn.functional as F

from golden import Family, gradient, grid, integers

family = Family("Layout")
for shape, to in [((1,), (1, 1)), ((3, 4), (2, 6)), ((2, 3, 4), (24,)), ((0, 3), (3, 0))]:
    x = grid(*shape)
    family.add("reshape", {"shape": list(to)}, [x], [x.reshape(to)])

for shape, permutation in [((3, 5), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4, 5), (0, 3, 1, 2)), ((0, 3), (1, 0))]:
    x = grid(*shape)
    family.add("transpose", {"permutation": list(permutation)}, [x], [x.permute(permutation)])

for shape, to in [((), (3, 2)), ((3,), (2, 3)), ((4, 1, 5), (4, 3, 5)), ((1, 1), (0, 2))]:
    x = grid(*shape)
    family.add("broadcast", {"shape": list(to)}, [x], [x.expand(to)])

for shape, starts, sizes, strides in [
    ((7,), (2,), (3,), (1,)), ((5, 7), (1, 2), (3, 2), (1, 1)), ((5, 7), (1, 0), (2, 3), (2, 3)),
    ((2, 3, 3), (0, 1, 0), (2, 0, 3), (1, 1, 1)),
]:
    where = tuple(slice(a, a + n * s, s) for a, n, s in zip(starts, sizes, strides))
    x = grid(*shape)
    family.add(
        "slice", {"starts": list(starts), "sizes": list(sizes), "strides": list(strides)}, [x], [x[where]])
    dy = grid(*sizes)
    family.add(
        "slice/backward", {"starts": list(starts), "strides": list(strides), "inputShape": list(shape)}, [dy],
        [gradient(lambda x: x[where], [x], dy)])

for shapes, axis in [([(1,)], 0), ([(2, 3), (4, 3)], 0), ([(2, 3), (2, 1), (2, 5)], 1), ([(2, 0, 2), (2, 3, 2)], 1)]:
    parts = [grid(*shape) for shape in shapes]
    family.add("concatenate", {"axis": axis}, parts, [torch.cat(parts, dim=axis)])

for shape, low, high, value in [
    ((3,), (1,), (2,), 0.5), ((2, 3), (0, 1), (2, 0), 0.0), ((0, 2), (1, 0), (1, 1), -1.0), ((2, 3, 2), (1, 0, 2), (0, 1, 1), 0.0)
]:
    x = grid(*shape)
    pairs = [n for pair in reversed(list(zip(low, high))) for n in pair]
    family.add("pad", {"low": list(low), "high": list(high), "value": value}, [x], [F.pad(x, pairs, value=value)])

for shape, axis in [((1,), 0), ((7,), 0), ((5, 3), 0), ((5, 3), 1), ((2, 3, 4), 1), ((2, 0, 3), 2), ((0, 3), 0)]:
    x = grid(*shape)
    family.add("reverse", {"axis": axis}, [x], [x.flip(axis)])
whole, mask = integers(3, 5, below=100), integers(2, 7, below=2).bool()
family.add("reverse", {"axis": 0}, [whole], [whole.flip(0)])
family.add("reverse", {"axis": 1}, [mask], [mask.flip(1)])
family.add("reverse", {"axis": 1}, [whole.to(torch.uint8)], [whole.to(torch.uint8).flip(1)])
family.write()
