"""unary, unary/backward, binary, select, cast, fill."""

import torch
import torch.nn.functional as F

from golden import Family, distinct, gradient, grid, integers

family = Family("Elementwise")

# name: (function, alpha, operand's range, whether unary/backward is written in terms of the result)
UNARY = {
    "identity": (lambda x: x * 1, 0, None, False),
    "negate": (torch.neg, 0, None, False),
    "absolute": (torch.abs, 0, None, False),
    "exp": (torch.exp, 0, None, True),
    "log": (torch.log, 0, (0.25, 4), False),
    "sqrt": (torch.sqrt, 0, (0.25, 4), True),
    "rsqrt": (torch.rsqrt, 0, (0.25, 4), True),
    "square": (torch.square, 0, None, False),
    "reciprocal": (torch.reciprocal, 0, (0.25, 4), True),
    "sign": (torch.sign, 0, None, None),
    "floor": (torch.floor, 0, None, None),
    "relu": (F.relu, 0, None, True),
    "leakyRelu": (lambda x: F.leaky_relu(x, 0.25), 0.25, None, True),
    "elu": (lambda x: F.elu(x, 0.5), 0.5, None, True),
    "selu": (F.selu, 0, None, True),
    "gelu": (F.gelu, 0, None, False),
    "geluTanh": (lambda x: F.gelu(x, approximate="tanh"), 0, None, False),
    "swish": (F.silu, 0, None, False),
    "sigmoid": (torch.sigmoid, 0, None, True),
    # Written out: F.hardsigmoid's gradient holds 1/6 in Float32.
    "hardSigmoid": (lambda x: (x / 6 + 0.5).clamp(0, 1), 0, None, False),
    "tanh": (torch.tanh, 0, None, True),
    "softplus": (F.softplus, 0, None, True),
    "isFinite": (lambda x: torch.isfinite(x).double(), 0, None, None),
}

for name, (function, alpha, span, of_result) in UNARY.items():
    for shape in [(1,), (7,), (3, 5, 2)]:
        x = grid(*shape, low=span[0], high=span[1]) if span else distinct(*shape) * 1.5
        if name == "isFinite":
            x.view(-1)[0] = float("inf")
        attributes = {"function": name, "alpha": alpha}
        family.add("unary", attributes, [x], [function(x)])
        if of_result is None:
            continue
        dy = grid(*shape)
        if of_result:
            # The operand of the gradient is the result as Float32 would hold it; its own x follows by inversion, so
            # the expected gradient is taken at a result that lies on the grid.
            y = {
                "exp": lambda: grid(*shape, low=0.25, high=4), "sqrt": lambda: grid(*shape, low=0.5, high=2),
                "rsqrt": lambda: grid(*shape, low=0.5, high=2), "reciprocal": lambda: grid(*shape, low=0.25, high=4),
                "sigmoid": lambda: grid(*shape, low=0.0625, high=0.9375),
                "tanh": lambda: grid(*shape, low=-0.9375, high=0.9375),
                "softplus": lambda: grid(*shape, low=0.25, high=3),
                "elu": lambda: torch.where(distinct(*shape) > 0, grid(*shape, low=0.25), -grid(*shape, low=0.0625, high=0.4375)),
                "selu": lambda: torch.where(distinct(*shape) > 0, grid(*shape, low=0.25), -grid(*shape, low=0.0625, high=1.5)),
            }.get(name, lambda: distinct(*shape))()
            if name == "relu":
                y = y.clamp(min=0)
            inverse = {
                "exp": torch.log, "sqrt": torch.square, "rsqrt": lambda y: y ** -2, "reciprocal": torch.reciprocal,
                "relu": lambda y: y, "leakyRelu": lambda y: torch.where(y > 0, y, y / 0.25),
                "elu": lambda y: torch.where(y > 0, y, torch.log1p(y.clamp(max=0) / 0.5)),
                "selu": lambda y: torch.where(
                    y > 0, y / 1.0507009873554804934193349852946,
                    torch.log1p(y.clamp(max=0) / (1.0507009873554804934193349852946 * 1.6732632423543772848170429916717))),
                "sigmoid": torch.logit, "tanh": torch.atanh, "softplus": lambda y: torch.log(torch.expm1(y)),
            }[name]
            family.add("unary/backward", attributes, [y, dy], [gradient(function, [inverse(y)], dy)])
        else:
            family.add("unary/backward", attributes, [x, dy], [gradient(function, [x], dy)])

BINARY = {
    "add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div, "maximum": torch.maximum,
    "minimum": torch.minimum, "power": torch.pow, "equal": torch.eq, "greater": torch.gt,
    "greaterEqual": torch.ge, "less": torch.lt,
}
for name, function in BINARY.items():
    for first, second in [((5, 3), (5, 3)), ((2, 3, 5), (5,)), ((4, 1, 5), (3, 1)), ((7,), ()), ((0, 3), (3,))]:
        a, b = grid(*first), grid(*second)
        if name == "divide":
            b = grid(*second, low=0.5)
        if name == "power":
            a = grid(*first, low=0.5)
        if name in ("equal", "greater", "greaterEqual", "less", "maximum", "minimum"):
            a, b = a.round(), b.round()
        family.add("binary", {"function": name}, [a, b], [function(a, b)])

for condition, first, second in [((5, 3), (5, 3), ()), ((3,), (4, 3), (4, 1)), ((1,), (1,), (7,)), ((0, 2), (2,), (1,))]:
    mask, a, b = integers(*condition, below=2).bool(), grid(*first), grid(*second)
    family.add("select", {}, [mask, a, b], [torch.where(mask, a, b)])

x = torch.tensor([-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 100.75], dtype=torch.float64)
family.add("cast", {"to": "i32"}, [x], [x.to(torch.int32)])
whole = integers(2, 3, below=100)
family.add("cast", {"to": "f32"}, [whole], [whole.double()])
family.add("cast", {"to": "f32"}, [x > 0], [(x > 0).double()])
family.add("cast", {"to": "bool"}, [x], [x != 0])

for shape, value in [([], 1.5), ([3, 5], -0.25), ([0, 2], 1.0), ([7], 3.0)]:
    family.add(
        "fill", {"value": value, "shape": shape, "elementType": "f32"}, [],
        [torch.full(shape, value, dtype=torch.float64)])

family.write()
