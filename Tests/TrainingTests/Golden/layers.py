"""Layers with several inputs, with states that they replace, and of whole numbers, by PyTorch in Float64.

Writes layers.json: the entry of a configuration, operands, what the layer gives, and the gradients of the sum of the result times `upstream`. Keras's
momentum m is PyTorch's 1 - m, and its running variance is the biased one: PyTorch's times (n - 1) / n. Run:
python layers.py
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
cases = []


def grid(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-128, 129, shape, generator=generator).double() / 64


def flat(tensor):
    element = "f32" if tensor.is_floating_point() else "i32"
    return {"type": element, "shape": list(tensor.shape), "values": tensor.detach().reshape(-1).tolist()}


def add(name, inputs, result, upstream, parameters=None, states=None, replaced=None, keys=None, training=True):
    """`name` and `keys` are the words of a configuration."""
    leaves = [x for x in inputs if x.dtype == torch.float64] + list((parameters or {}).values())
    gradients = torch.autograd.grad((result * upstream).sum(), leaves, retain_graph=True)
    floating = [i for i, x in enumerate(inputs) if x.dtype == torch.float64]
    cases.append({
        "layer": name,
        "entry": json.dumps({name: keys or {}}),
        "isTraining": training,
        "inputs": [flat(x) for x in inputs],
        "parameters": {k: flat(v) for k, v in (parameters or {}).items()},
        "states": {k: flat(v) for k, v in (states or {}).items()},
        "upstream": flat(upstream),
        "result": flat(result),
        "inputGradients": {str(i): flat(g) for i, g in zip(floating, gradients)},
        "parameterGradients": {k: flat(g) for k, g in zip(parameters or {}, gradients[len(floating):])},
        "replaced": {k: flat(v) for k, v in (replaced or {}).items()},
    })


def batch_normalization(shape, axis, training, momentum=0.99, epsilon=0.001, seed=1):
    channels = shape[axis]
    x = grid(*shape, seed=seed).requires_grad_()
    gamma = (grid(channels, seed=seed + 1) + 2.5).requires_grad_()
    beta = grid(channels, seed=seed + 2).requires_grad_()
    mean, variance = grid(channels, seed=seed + 3), grid(channels, seed=seed + 4).abs() + 0.5
    moved_mean, moved_variance = mean.clone(), variance.clone()
    first = x.movedim(axis, 1)
    y = F.batch_norm(first, moved_mean, moved_variance, gamma, beta, training, 1 - momentum, epsilon).movedim(1, axis)
    n = x.numel() // channels
    # moved = m * old + (1 - m) * batch * n / (n - 1)
    biased = momentum * variance + (moved_variance - momentum * variance) * (n - 1) / n
    replaced = {"movingMean": moved_mean, "movingVariance": biased} if training else {}
    add("batch_normalization", [x], y, grid(*shape, seed=seed + 5), {"gamma": gamma, "beta": beta},
        {"movingMean": mean, "movingVariance": variance}, replaced,
        {"axis": axis, "momentum": momentum, "epsilon": epsilon}, training)


for number, (shape, axis) in enumerate([([5, 3], -1), ([7, 4, 3, 5], -1), ([3, 5, 4], 1), ([2, 1], -1)]):
    for training in (True, False):
        batch_normalization(shape, axis, training, seed=10 * number + 1)
batch_normalization([11, 2], -1, True, momentum=0.9, epsilon=1e-5, seed=90)

for number, shape in enumerate([[4], [3, 7], [0]]):
    ids = torch.randint(0, 6, shape, generator=torch.Generator().manual_seed(number))
    table = grid(6, 5, seed=100 + number).requires_grad_()
    add("embedding", [ids], F.embedding(ids, table), grid(*shape, 5, seed=110 + number), {"embeddings": table},
        keys={"input_dim": 6, "output_dim": 5})

for name, join in [
    ("add", lambda a: a[0] + a[1] + a[2]), ("multiply", lambda a: a[0] * a[1] * a[2]),
    ("concatenate", lambda a: torch.cat(a, -1)),
]:
    operands = [grid(3, 5, seed=120 + i).requires_grad_() for i in range(3)]
    result = join(operands)
    add(name, operands, result, grid(*result.shape, seed=130))
a, b = grid(3, 5, 2, seed=140).requires_grad_(), grid(3, 4, 2, seed=141).requires_grad_()
add("concatenate", [a, b], torch.cat([a, b], 1), grid(3, 9, 2, seed=142), keys={"axis": 1})
a, b = grid(4, 7, seed=150).requires_grad_(), grid(4, 7, seed=151).requires_grad_()
add("dot", [a, b], (a * b).sum(-1, keepdim=True), grid(4, 1, seed=152))
add("dot", [a, b], F.cosine_similarity(a, b, dim=-1)[:, None], grid(4, 1, seed=152), keys={"normalize": True})
a, b = grid(2, 3, 5, seed=160).requires_grad_(), grid(2, 5, 4, seed=161).requires_grad_()
add("dot", [a, b], a @ b, grid(2, 3, 4, seed=162), keys={"axes": [-1, 1]})

for number, keeps in enumerate((False, True)):
    x = grid(3, 5, 4, 2, seed=170 + number).requires_grad_()
    y = x.amax((1, 2), keepdim=keeps)
    add("global_max_pooling2d", [x], y, grid(*y.shape, seed=180 + number), keys={"keepdims": keeps})

x = grid(2, 3, 5, 2, seed=190).requires_grad_()
y = F.interpolate(x.movedim(-1, 1), scale_factor=(2, 3), mode="nearest").movedim(1, -1)
add("up_sampling2d", [x], y, grid(*y.shape, seed=191), keys={"size": [2, 3]})

def layer_normalization(shape, axes, seed, epsilon=0.001, center=True, scale=True, words=None):
    places = sorted(a % len(shape) for a in axes)
    x = grid(*shape, seed=seed).requires_grad_()
    sizes = [shape[a] for a in places]
    parameters = {}
    if scale:
        parameters["gamma"] = (grid(*sizes, seed=seed + 1) + 2.5).requires_grad_()
    if center:
        parameters["beta"] = grid(*sizes, seed=seed + 2).requires_grad_()
    # The axes last, as torch has them.
    order = [a for a in range(len(shape)) if a not in places] + places
    y = F.layer_norm(x.permute(order), sizes, parameters.get("gamma"), parameters.get("beta"), epsilon)
    y = y.permute([order.index(a) for a in range(len(shape))])
    keys = {"axis": axes if words is None else words, "epsilon": epsilon, "center": center, "scale": scale}
    add("layer_normalization", [x], y, grid(*shape, seed=seed + 3), parameters, keys=keys)


layer_normalization([5, 7], [-1], 200, words=-1)
layer_normalization([1, 1], [1], 210)
layer_normalization([3, 5, 4], [-1], 220, epsilon=1e-5)
layer_normalization([3, 5, 4], [1, 2], 230)
layer_normalization([3, 5, 4], [1], 240)
layer_normalization([2, 4, 3, 5], [-1, 1], 250)
layer_normalization([2, 4, 3, 5], [3], 260, center=False)
layer_normalization([5, 7], [-1], 270, center=False, scale=False)
x = grid(3, 5, seed=280).requires_grad_()
gamma, beta = torch.ones(5, requires_grad=True), torch.zeros(5, requires_grad=True)
# All by default: the last axis, epsilon 1e-3.
add("layer_normalization", [x], F.layer_norm(x, [5], gamma, beta, 1e-3), grid(3, 5, seed=281),
    {"gamma": gamma, "beta": beta})


def rms_normalization(shape, axes, seed, epsilon=1e-6, scale=True):
    places = sorted(a % len(shape) for a in axes)
    x = grid(*shape, seed=seed).requires_grad_()
    sizes = [shape[a] for a in places]
    parameters = {"scale": (grid(*sizes, seed=seed + 1) + 2.5).requires_grad_()} if scale else {}
    order = [a for a in range(len(shape)) if a not in places] + places
    y = F.rms_norm(x.permute(order), sizes, parameters.get("scale"), epsilon)
    y = y.permute([order.index(a) for a in range(len(shape))])
    add("rms_normalization", [x], y, grid(*shape, seed=seed + 2), parameters,
        keys={"axis": axes, "epsilon": epsilon, "scale": scale})


rms_normalization([5, 7], [-1], 300)
rms_normalization([3, 5, 4], [1, 2], 310, epsilon=1e-3)
rms_normalization([3, 5, 4], [1], 320)
rms_normalization([2, 3, 4], [2], 330, scale=False)


def group_normalization(shape, groups, seed, axis=-1, epsilon=0.001, center=True, scale=True):
    channels = shape[axis]
    x = grid(*shape, seed=seed).requires_grad_()
    parameters = {}
    if scale:
        parameters["gamma"] = (grid(channels, seed=seed + 1) + 2.5).requires_grad_()
    if center:
        parameters["beta"] = grid(channels, seed=seed + 2).requires_grad_()
    count = channels if groups == -1 else groups
    # torch has no gradient for an offset without a scale.
    gamma = parameters.get("gamma", torch.ones(channels))
    y = F.group_norm(x.movedim(axis, 1), count, gamma, parameters.get("beta"), epsilon)
    add("group_normalization", [x], y.movedim(1, axis), grid(*shape, seed=seed + 3), parameters,
        keys={"groups": groups, "axis": axis, "epsilon": epsilon, "center": center, "scale": scale})


group_normalization([2, 3, 5, 6], 3, 400)
group_normalization([2, 3, 5, 6], 1, 410, epsilon=1e-5)
group_normalization([3, 4, 2, 5], -1, 420)
group_normalization([2, 6, 3, 2], 2, 430, axis=1)
group_normalization([3, 8], 4, 440)
group_normalization([2, 3, 34], 2, 450, center=False)
group_normalization([2, 7, 4], 2, 460, scale=False)

path = pathlib.Path(__file__).parent / "layers.json"
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(f"{len(cases)} cases")
