"""The optimizers' updates, assign and allFinite: Keras 3's formulas written out on tensors.

PyTorch's own optimizers differ in the place of epsilon, so they cannot be the judge here.
"""

import torch

from golden import Family, grid

family = Family("OptimizerUpdate")


def add(name, attributes, slots, update, correction=None):
    """`update(w, g, slots, rate)` returns the new (w, slots)."""
    for shape, allowed in [((1,), True), ((7,), True), ((3, 5), True), ((2, 2), False), ((0, 2), True)]:
        w, g = grid(*shape), grid(*shape)
        old = [grid(*shape, low=low, high=high) for low, high in slots]
        rate = torch.tensor(0.0625).double()
        scalars = [rate] + ([torch.tensor(correction).double()] if correction else [])
        inputs = [w, g] + old + scalars + [torch.tensor(allowed)]
        decayed = w - rate * attributes["weightDecay"] * w
        new, changed = update(decayed, g, old, rate) if allowed else (w, old)
        family.add(name, attributes, inputs, [new] + changed + [new - w])


def sgd(momentum, nesterov, decay):
    def update(w, g, slots, rate):
        if momentum == 0:
            return w - rate * g, []
        m = momentum * slots[0] - rate * g
        return w + (momentum * m - rate * g if nesterov else m), [m]
    attributes = {"momentum": momentum, "nesterov": nesterov, "weightDecay": decay}
    add("sgdUpdate", attributes, [(-1, 1)] if momentum else [], update)


sgd(0.0, False, 0.0)
sgd(0.875, False, 0.0)
sgd(0.875, True, 0.25)


def rmsprop(rho, momentum, epsilon, centered, decay, squares=(4.125, 5), means=(-1, 1)):
    def update(w, g, slots, rate):
        v = rho * slots[0] + (1 - rho) * g * g
        rest = list(slots[1:])
        changed, variance = [v], v
        if centered:
            a = rho * rest.pop(0) + (1 - rho) * g
            changed.append(a)
            # Never negative, but for rounding.
            variance = torch.clamp(v - a * a, min=0)
        increment = rate * g / torch.sqrt(variance + epsilon)
        if momentum:
            increment = momentum * rest.pop(0) + increment
            changed.append(increment)
        return w - increment, changed
    attributes = {
        "rho": rho, "momentum": momentum, "epsilon": epsilon, "centered": centered, "weightDecay": decay,
    }
    slots = [squares] + ([means] if centered else []) + ([(-1, 1)] if momentum else [])
    add("rmspropUpdate", attributes, slots, update)


rmsprop(0.9, 0.0, 1e-7, False, 0.0)
rmsprop(0.75, 0.5, 0.125, False, 0.25)
rmsprop(0.875, 0.0, 1e-7, True, 0.0)
rmsprop(0.875, 0.5, 1e-3, True, 0.125)
rmsprop(0.875, 0.0, 0.125, True, 0.0, squares=(0, 0.5), means=(2, 3))


def adagrad(epsilon, decay):
    def update(w, g, slots, rate):
        a = slots[0] + g * g
        return w - rate * g / torch.sqrt(a + epsilon), [a]
    add("adagradUpdate", {"epsilon": epsilon, "weightDecay": decay}, [(0.125, 2)], update)


adagrad(1e-7, 0.0)
adagrad(0.125, 0.25)


def adam(beta1, beta2, epsilon, decay):
    correction = 0.375
    def update(w, g, slots, rate):
        m = slots[0] + (g - slots[0]) * (1 - beta1)
        v = slots[1] + (g * g - slots[1]) * (1 - beta2)
        return w - rate * correction * m / (torch.sqrt(v) + epsilon), [m, v]
    attributes = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weightDecay": decay}
    add("adamUpdate", attributes, [(-1, 1), (0.125, 2)], update, correction)


adam(0.9, 0.999, 1e-7, 0.0)
adam(0.75, 0.5, 0.125, 0.25)

for shape in [(1,), (3, 5), (2, 1, 3), (0,)]:
    state, value = grid(*shape), grid(*shape)
    family.add("assign", {}, [state, value], [value])

infinite, nan = grid(3, 5), grid(7)
infinite[2, 4], nan[0] = float("-inf"), float("nan")
for operands in ([grid(3, 5), grid(7)], [grid(2), infinite], [nan, grid(2)], [grid(0)]):
    family.add("allFinite", {}, operands, [torch.stack([torch.isfinite(x).all() for x in operands]).all()])
family.write()
