"""Writes golden cases: an operation with its attributes, operands, and the results PyTorch or a closed form gives.

Operands lie on a grid of 1/64, so that Float32 holds them exactly; results are computed in Float64. A case with no
closed form of its own comes from torch (2.13.0, CPU). `python all.py` rewrites every file.
"""

import json
import math
import pathlib

import torch

TYPES = {
    torch.float64: "f32", torch.float32: "f32", torch.int32: "i32", torch.int64: "i64", torch.bool: "bool",
    torch.uint8: "u8",
}


def grid(*shape, low=-2.0, high=2.0, seed=None):
    """Random numbers of the grid; `seed` is the number of the call within its family unless given."""
    grid.calls += 1
    generator = torch.Generator().manual_seed(grid.calls if seed is None else seed)
    return torch.randint(int(low * 64), int(high * 64) + 1, shape, generator=generator).double() / 64


grid.calls = 0


def distinct(*shape):
    """Pairwise different, none zero."""
    grid.calls += 1
    count = math.prod(shape)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(grid.calls))
    return ((2 * order - count + 1 + (count % 2)).double() / 64).reshape(shape)


def integers(*shape, below):
    grid.calls += 1
    return torch.randint(0, below, shape, generator=torch.Generator().manual_seed(grid.calls)).int()


def numbers(tensor):
    values = tensor.detach().reshape(-1).tolist()
    def plain(value):
        if isinstance(value, (bool, int)):
            return int(value)
        if math.isnan(value):
            return "nan"
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return int(value) if value == int(value) and abs(value) < 1e9 else value
    return [plain(value) for value in values]


class Family:
    def __init__(self, stem):
        # A family's numbers do not depend on how many cases the families before it have.
        grid.calls = 0
        self.path = pathlib.Path(__file__).parent / f"{stem}.json"
        self.cases = []

    def add(self, operation, attributes, inputs, outputs):
        """`outputs` in the operation's order; None is a result that is not compared."""
        self.cases.append({
            "operation": operation,
            "attributes": attributes,
            "inputs": [
                {"type": TYPES[x.dtype], "shape": list(x.shape), "values": numbers(x)} for x in inputs
            ],
            "outputs": [None if y is None else numbers(y) for y in outputs],
        })

    def write(self):
        lines = ",\n".join(json.dumps(case) for case in self.cases)
        self.path.write_text("[\n" + lines + "\n]\n")
        print(f"{self.path.name}: {len(self.cases)} cases, {self.path.stat().st_size // 1024} KiB")


def gradient(function, operands, upstream, index=0):
    """dΣ(upstream · function(operands)) / d operands[index]."""
    leaves = [x.clone().requires_grad_(i == index) for i, x in enumerate(operands)]
    (function(*leaves) * upstream).sum().backward()
    return leaves[index].grad
