"""reduce, argmax."""

import torch

from golden import Family, distinct, grid

family = Family("Reduction")
FUNCTIONS = {
    "sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin,
    "sumSquares": lambda x, **k: torch.sum(x * x, **k),
}
for name, function in FUNCTIONS.items():
    for shape, axes, keep in [
        ((1,), (0,), False), ((5, 7), (0,), False), ((5, 7), (1,), True), ((3, 5, 2), (0, 2), False),
        ((2, 3, 2, 5), (0, 1, 2), False), ((2, 3, 4, 2), (1, 2), True),
    ]:
        x = distinct(*shape)
        attributes = {"function": name, "axes": list(axes), "keepDimensions": keep}
        family.add("reduce", attributes, [x], [function(x, dim=axes, keepdim=keep)])
x = grid(0, 3)
family.add("reduce", {"function": "sum", "axes": [0], "keepDimensions": False}, [x], [x.sum(dim=0)])

for x, axis in [(grid(1), 0), (distinct(5, 10), 1), (distinct(3, 4, 2), 0), (distinct(3, 4, 2), 1), (grid(0, 4), 1)]:
    family.add("argmax", {"axis": axis}, [x], [torch.argmax(x, dim=axis).int()])
# Of equal elements the first: PyTorch leaves it open, so it is stated here.
family.add(
    "argmax", {"axis": 1}, [torch.tensor([[1.0, 2, 2], [3, 3, 3], [0, -1, 0]]).double()],
    [torch.tensor([1, 0, 0], dtype=torch.int32)])
family.write()
