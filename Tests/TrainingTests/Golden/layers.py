"""Layers by PyTorch in Float64: but for those that have tests of their own (`LayerGoldenTests`).

Writes layers.json: the entry of a configuration, operands, masks of them, what the layer gives, and the gradients of the sum of its results, each times
its `upstream`. A weight of a layer within has that layer before its name: `forward/kernel`. Keras's momentum m is PyTorch's 1 - m, and its running variance is the biased one: PyTorch's times (n - 1) / n. Run:
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
    element = "f32" if tensor.is_floating_point() else "bool" if tensor.dtype == torch.bool else "i32"
    # Truths are numbers too.
    values = tensor.detach().reshape(-1) + 0
    return {"type": element, "shape": list(tensor.shape), "values": values.tolist()}


def add(name, inputs, result, upstream, parameters=None, states=None, replaced=None, keys=None, training=True,
        masks=None, further=()):
    """`name` and `keys` are the words of a configuration; `masks` by their input's place; `further` results, each with its
    upstream gradient."""
    leaves = [x for x in inputs if x.dtype == torch.float64] + list((parameters or {}).values())
    loss = (result * upstream).sum() + sum((y * dy).sum() for y, dy in further)
    gradients = torch.autograd.grad(loss, leaves, retain_graph=True)
    floating = [i for i, x in enumerate(inputs) if x.dtype == torch.float64]
    cases.append({
        "layer": name,
        "entry": json.dumps({name: keys or {}}),
        "isTraining": training,
        "inputs": [flat(x) for x in inputs],
        "masks": {str(place): flat(mask) for place, mask in (masks or {}).items()},
        "parameters": {k: flat(v) for k, v in (parameters or {}).items()},
        "states": {k: flat(v) for k, v in (states or {}).items()},
        "upstream": flat(upstream),
        "result": flat(result),
        "further": [{"result": flat(y), "upstream": flat(dy)} for y, dy in further],
        "inputGradients": {str(i): flat(g) for i, g in zip(floating, gradients)},
        "parameterGradients": {k: flat(g) for k, g in zip(parameters or {}, gradients[len(floating):])},
        "replaced": {k: flat(v) for k, v in (replaced or {}).items()},
    })


def batch_normalization(shape, axis, training, momentum=0.99, epsilon=0.001, seed=1, **keys):
    channels = shape[axis]
    x = grid(*shape, seed=seed).requires_grad_()
    gamma = (grid(channels, seed=seed + 1) + 2.5).requires_grad_() if keys.get("scale", True) else None
    beta = grid(channels, seed=seed + 2).requires_grad_() if keys.get("center", True) else None
    mean, variance = grid(channels, seed=seed + 3), grid(channels, seed=seed + 4).abs() + 0.5
    moved_mean, moved_variance = mean.clone(), variance.clone()
    first = x.movedim(axis, 1)
    y = F.batch_norm(first, moved_mean, moved_variance, gamma, beta, training, 1 - momentum, epsilon).movedim(1, axis)
    n = x.numel() // channels
    # moved = m * old + (1 - m) * batch * n / (n - 1)
    biased = momentum * variance + (moved_variance - momentum * variance) * (n - 1) / n
    replaced = {"movingMean": moved_mean, "movingVariance": biased} if training else {}
    weights = {name: w for name, w in (("gamma", gamma), ("beta", beta)) if w is not None}
    add("batch_normalization", [x], y, grid(*shape, seed=seed + 5), weights,
        {"movingMean": mean, "movingVariance": variance}, replaced,
        {"axis": axis, "momentum": momentum, "epsilon": epsilon, **keys}, training)


for number, (shape, axis) in enumerate([([5, 3], -1), ([7, 4, 3, 5], -1), ([3, 5, 4], 1), ([2, 1], -1)]):
    for training in (True, False):
        batch_normalization(shape, axis, training, seed=10 * number + 1)
batch_normalization([11, 2], -1, True, momentum=0.9, epsilon=1e-5, seed=90)
for training in (True, False):
    batch_normalization([4, 3, 2], -1, training, seed=96, center=False)
    batch_normalization([6, 3], 1, training, seed=96, scale=False)

for number, shape in enumerate([[4], [3, 7], [0]]):
    ids = torch.randint(0, 6, shape, generator=torch.Generator().manual_seed(number))
    table = grid(6, 5, seed=100 + number).requires_grad_()
    add("embedding", [ids], F.embedding(ids, table), grid(*shape, 5, seed=110 + number), {"embeddings": table},
        keys={"input_dim": 6, "output_dim": 5})
# What is masked has a row and a gradient all the same: whoever reads the mask leaves it out.
ids, table = torch.tensor([[2, 5, 0], [1, 0, 0]]), grid(6, 2, seed=106).requires_grad_()
add("embedding", [ids], F.embedding(ids, table), grid(2, 3, 2, seed=116), {"embeddings": table},
    keys={"input_dim": 6, "output_dim": 2, "mask_zero": True})

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

# Convolutions. Images are [N, H, W, C] here and [N, C, H, W] there; a sequence is an image of one row.


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def leaf(*shape, seed):
    return grid(*shape, seed=seed).requires_grad_()


def distinct(*shape, seed):
    count = torch.Size(shape).numel()
    return (torch.randperm(count, generator=torch.Generator().manual_seed(seed)).double() / 16).reshape(shape)


def twice(value):
    return list(value) if isinstance(value, (list, tuple)) else [value, value]


def around(shape, kernel, strides, dilations, padding):
    """[top, bottom, left, right]"""
    if not isinstance(padding, str):
        return padding
    if padding == "valid":
        return [0, 0, 0, 0]
    if padding == "causal":
        return [0, 0, (kernel[1] - 1) * dilations[1], 0]
    result = []
    for size, k, s, d in zip(shape, kernel, strides, dilations):
        total = max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        result += [total // 2, total - total // 2]
    return result


def pad(x, edges, value=0.0):
    """An image [N, C, H, W]."""
    top, bottom, left, right = edges
    return F.pad(x, (left, right, top, bottom), value=value)


def convolve(x, kernel, strides, padding, dilations, groups):
    """x [N, H, W, C], kernel [Kh, Kw, C / groups, filters]"""
    edges = around(x.shape[1:3], kernel.shape[:2], strides, dilations, padding)
    weight = kernel.permute(3, 2, 0, 1)
    return last(F.conv2d(pad(first(x), edges), weight, stride=strides, dilation=dilations, groups=groups))


ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda x: x}


def case(name, x, parameters, y, keys, bias, seed, to=lambda y: y):
    """With a bias and the activation of `keys`; `to` makes the layer's result of an image."""
    if bias is not None:
        y = y + bias
        parameters = {**parameters, "bias": bias}
    y = to(ACTIVATIONS[keys.get("activation", "linear")](y))
    add(name, [x], y, grid(*y.shape, seed=seed), parameters, keys=keys)


def convolution(shape, filters, kernel, seed, bias=True, **keys):
    x = leaf(*shape, seed=seed)
    (size, groups) = (twice(kernel), keys.get("groups", 1))
    w = leaf(*size, shape[3] // groups, filters, seed=seed + 1)
    y = convolve(x, w, twice(keys.get("strides", 1)), keys.get("padding", "valid"), twice(keys.get("dilation_rate", 1)),
                 groups)
    keys = {"filters": filters, "kernel_size": kernel, "use_bias": bias, **keys}
    case("conv2d", x, {"kernel": w}, y, keys, leaf(filters, seed=seed + 2) if bias else None, seed + 3)


convolution([2, 5, 4, 2], 3, 3, seed=300, padding=[1, 0, 2, 1])
convolution([1, 6, 5, 2], 2, [2, 3], seed=310, padding=[0, 3, 1, 0], strides=[2, 1], activation="tanh")
convolution([2, 4, 5, 3], 2, 1, seed=320, bias=False, strides=[1, 2])
convolution([1, 5, 6, 4], 6, [2, 3], seed=330, groups=2, dilation_rate=[3, 2], padding="same", activation="tanh")

# Sequences [N, T, C] as images of one row.


def rows(x):
    return x[:, None]


def sequence_convolution(shape, filters, kernel, seed, bias=True, **keys):
    x = leaf(*shape, seed=seed)
    groups = keys.get("groups", 1)
    w = leaf(1, kernel, shape[2] // groups, filters, seed=seed + 1)
    y = convolve(rows(x), w, [1, keys.get("strides", 1)], keys.get("padding", "valid"),
                 [1, keys.get("dilation_rate", 1)], groups)
    keys = {"filters": filters, "kernel_size": kernel, "use_bias": bias, **keys}
    case("conv1d", x, {"kernel": w}, y, keys, leaf(filters, seed=seed + 2) if bias else None, seed + 3,
         lambda y: y[:, 0])


sequence_convolution([2, 7, 3], 4, 3, seed=400)
sequence_convolution([2, 8, 2], 3, 4, seed=410, padding="same", strides=3, activation="tanh")
sequence_convolution([1, 9, 2], 2, 3, seed=420, padding="causal", dilation_rate=2)
sequence_convolution([2, 5, 4], 6, 2, seed=430, padding="causal", groups=2, strides=2, bias=False)
sequence_convolution([3, 5, 3], 2, 1, seed=440, activation="relu")


def depthwise(x, kernel, keys):
    """kernel as Keras has it, [Kh, Kw, C, multiplier]"""
    kh, kw, channels, multiplier = kernel.shape
    return convolve(x, kernel.reshape(kh, kw, 1, channels * multiplier), twice(keys.get("strides", 1)),
                    keys.get("padding", "valid"), twice(keys.get("dilation_rate", 1)), channels)


def depthwise_convolution(shape, kernel, seed, bias=True, **keys):
    x, multiplier = leaf(*shape, seed=seed), keys.get("depth_multiplier", 1)
    w = leaf(*twice(kernel), shape[3], multiplier, seed=seed + 1)
    keys = {"kernel_size": kernel, "use_bias": bias, **keys}
    case("depthwise_conv2d", x, {"kernel": w}, depthwise(x, w, keys), keys,
         leaf(shape[3] * multiplier, seed=seed + 2) if bias else None, seed + 3)


depthwise_convolution([2, 5, 4, 3], 3, seed=500)
depthwise_convolution([1, 6, 5, 2], [3, 2], seed=510, padding="same", strides=2, depth_multiplier=3, activation="tanh")
depthwise_convolution([1, 6, 7, 2], [2, 3], seed=520, padding=[1, 0, 0, 2], dilation_rate=[2, 1], bias=False)


def separable_convolution(name, shape, filters, kernel, seed, bias=True, **keys):
    x, multiplier = leaf(*shape, seed=seed), keys.get("depth_multiplier", 1)
    is_sequence = name == "separable_conv1d"
    w = leaf(*([1, kernel] if is_sequence else twice(kernel)), shape[-1], multiplier, seed=seed + 1)
    mix = leaf(1, 1, shape[-1] * multiplier, filters, seed=seed + 2)
    own = dict(keys)
    if is_sequence:
        own.update({key: [1, keys[key]] for key in ("strides", "dilation_rate") if key in keys})
    y = convolve(depthwise(rows(x) if is_sequence else x, w, own), mix, [1, 1], "valid", [1, 1], 1)
    keys = {"filters": filters, "kernel_size": kernel, "use_bias": bias, **keys}
    case(name, x, {"depthwiseKernel": w, "pointwiseKernel": mix}, y, keys,
         leaf(filters, seed=seed + 3) if bias else None, seed + 4, (lambda y: y[:, 0]) if is_sequence else lambda y: y)


separable_convolution("separable_conv2d", [2, 5, 4, 2], 3, 3, seed=530)
separable_convolution("separable_conv2d", [1, 5, 6, 2], 3, [2, 3], seed=540, padding="same", strides=[2, 1],
                      depth_multiplier=2, activation="tanh", bias=False)
separable_convolution("separable_conv1d", [2, 6, 3], 2, 3, seed=550, padding="causal", dilation_rate=2)
separable_convolution("separable_conv1d", [2, 7, 2], 4, 2, seed=560, padding="same", strides=2, depth_multiplier=2)
separable_convolution("separable_conv2d", [1, 6, 5, 2], 2, [2, 3], seed=570, padding=[1, 0, 2, 1], dilation_rate=[2, 1])
separable_convolution("separable_conv1d", [2, 5, 2], 3, 2, seed=580, activation="tanh", bias=False)


def transpose(x, kernel, strides, padding, added, dilations):
    """kernel [Kh, Kw, filters, C]. The whole result, of which `same` leaves out what a convolution from the result to x
    would pad; what is added at the end is 0 where no tap reaches."""
    whole = F.conv_transpose2d(first(x), kernel.permute(3, 2, 0, 1).contiguous(), stride=strides, dilation=dilations)
    for axis in (0, 1):
        count, k, s = x.shape[1 + axis], (kernel.shape[axis] - 1) * dilations[axis] + 1, strides[axis]
        if padding == "valid":
            size = (count - 1) * s + k + (max(s - k, 0) if added is None else added[axis])
            start = 0
        else:
            size = count * s if added is None else (count - 1) * s + k % 2 + added[axis]
            start = max(0, (count - 1) * s + k - size) // 2
        missing = max(0, start + size - whole.shape[2 + axis])
        whole = F.pad(whole, (0, missing) if axis == 1 else (0, 0, 0, missing))
        whole = whole.narrow(2 + axis, start, size)
    return last(whole)


def transposed_convolution(shape, filters, kernel, seed, bias=True, **keys):
    is_sequence = len(shape) == 3
    both = (lambda value, one: [one, value]) if is_sequence else (lambda value, one: twice(value))
    x = leaf(*shape, seed=seed)
    w = leaf(*both(kernel, 1), filters, shape[-1], seed=seed + 1)
    strides, dilations = both(keys.get("strides", 1), 1), both(keys.get("dilation_rate", 1), 1)
    added = both(keys["output_padding"], 0) if "output_padding" in keys else None
    padding = keys.get("padding", "valid")
    y = transpose(rows(x) if is_sequence else x, w, strides, padding, added, dilations)
    if not is_sequence and padding == "same" and added is not None:
        # Where PyTorch can say it: as much is left out at both ends.
        out = [k // 2 for k in w.shape[:2]]
        if all(k % 2 and 2 * p >= a for k, p, a in zip(w.shape[:2], out, added)) and added == [0, 0]:
            own = F.conv_transpose2d(first(x), w.permute(3, 2, 0, 1), stride=strides, padding=out)
            assert torch.equal(own, first(y))
    keys = {"filters": filters, "kernel_size": kernel, "use_bias": bias, **keys}
    case("conv1d_transpose" if is_sequence else "conv2d_transpose", x, {"kernel": w}, y, keys,
         leaf(filters, seed=seed + 2) if bias else None, seed + 3, (lambda y: y[:, 0]) if is_sequence else lambda y: y)


transposed_convolution([2, 3, 4, 2], 3, 3, seed=600)
transposed_convolution([1, 3, 4, 2], 2, [3, 2], seed=610, strides=2, padding="same", activation="tanh")
transposed_convolution([1, 3, 2, 2], 2, 3, seed=620, strides=[2, 3], padding="same", output_padding=[0, 0], bias=False)
transposed_convolution([1, 2, 3, 2], 2, [3, 4], seed=630, strides=[3, 2], padding="same", output_padding=[2, 1])
transposed_convolution([1, 3, 2, 2], 2, [2, 1], seed=640, strides=[3, 2])
transposed_convolution([1, 2, 3, 1], 2, 2, seed=650, strides=[2, 3], output_padding=[1, 0])
transposed_convolution([1, 3, 3, 2], 1, [2, 3], seed=660, dilation_rate=[3, 2], padding="same")
transposed_convolution([1, 3, 2, 1], 2, 1, seed=670, strides=2, padding="same", output_padding=1)
transposed_convolution([2, 4, 3], 2, 3, seed=680, strides=2, padding="same", activation="tanh")
transposed_convolution([2, 3, 2], 3, 2, seed=690, strides=3, output_padding=1)
transposed_convolution([1, 4, 2], 2, 3, seed=695, dilation_rate=2, bias=False)


# Pooling.


def pooling(shape, pool, seed, **keys):
    is_sequence = len(shape) == 3
    both = (lambda value: [1, value]) if is_sequence else twice
    size, strides = both(pool), both(keys.get("strides", pool))
    for name in ("max_pooling", "average_pooling"):
        x = distinct(*shape, seed=seed).requires_grad_()
        image = first(rows(x) if is_sequence else x)
        edges = around(image.shape[2:], size, strides, [1, 1], keys.get("padding", "valid"))
        if name == "max_pooling":
            y = F.max_pool2d(pad(image, edges, -torch.inf), size, strides)
        else:
            # The divisor is the number of cells inside the image.
            y = F.avg_pool2d(pad(image, edges), size, strides) / F.avg_pool2d(pad(torch.ones_like(image), edges), size,
                                                                             strides)
        y = last(y)[:, 0] if is_sequence else last(y)
        add(name + ("1d" if is_sequence else "2d"), [x], y, grid(*y.shape, seed=seed + 1),
            keys={"pool_size": pool, **keys})


pooling([2, 5, 4, 2], 2, seed=700)
pooling([1, 6, 5, 2], [3, 2], seed=710, strides=[2, 1], padding=[2, 0, 1, 1])
pooling([2, 7, 2], 2, seed=720)
pooling([1, 8, 3], 3, seed=730, strides=2, padding="same")

for number, keeps in enumerate((False, True)):
    x = distinct(2, 5, 3, seed=740 + number).requires_grad_()
    for name, y in (("max", x.amax(1, keepdim=keeps)), ("average", x.mean(1, keepdim=keeps))):
        add(f"global_{name}_pooling1d", [x], y, grid(*y.shape, seed=750 + number), keys={"keepdims": keeps})

# Larger and smaller.
x = grid(2, 3, 5, 2, seed=190).requires_grad_()
y = F.interpolate(x.movedim(-1, 1), scale_factor=(2, 3), mode="nearest").movedim(1, -1)
add("up_sampling2d", [x], y, grid(*y.shape, seed=191), keys={"size": [2, 3]})
for number, (shape, size) in enumerate([([2, 3, 4, 2], [2, 2]), ([1, 4, 3, 2], [3, 2]), ([1, 1, 3, 2], [4, 5]), ([1, 2, 1, 1], [1, 3])]):
    x = leaf(*shape, seed=192 + 2 * number)
    y = last(F.interpolate(first(x), scale_factor=tuple(size), mode="bilinear", align_corners=False))
    add("up_sampling2d", [x], y, grid(*y.shape, seed=193 + 2 * number), keys={"size": size, "interpolation": "bilinear"})
x = leaf(2, 4, 3, seed=800)
y = last(F.interpolate(first(x), scale_factor=3, mode="nearest"))
add("up_sampling1d", [x], y, grid(*y.shape, seed=801), keys={"size": 3})

# Edges and shapes.
for number, padding in enumerate([2, [1, 2], [[1, 0], [2, 3]]]):
    vertical, horizontal = [twice(side) for side in twice(padding)]
    x = leaf(2, 3, 4, 2, seed=810 + 2 * number)
    y = last(pad(first(x), vertical + horizontal))
    add("zero_padding2d", [x], y, grid(*y.shape, seed=811 + 2 * number), keys={"padding": padding})
    x = leaf(1, 9, 8, 2, seed=820 + 2 * number)
    y = x[:, vertical[0]:9 - vertical[1], horizontal[0]:8 - horizontal[1]]
    add("cropping2d", [x], y, grid(*y.shape, seed=821 + 2 * number), keys={"cropping": padding})
for number, padding in enumerate([2, [1, 3]]):
    before, behind = twice(padding)
    x = leaf(2, 7, 3, seed=830 + 2 * number)
    y = F.pad(x, (0, 0, before, behind))
    add("zero_padding1d", [x], y, grid(*y.shape, seed=831 + 2 * number), keys={"padding": padding})
    y = x[:, before:7 - behind]
    add("cropping1d", [x], y, grid(*y.shape, seed=840 + number), keys={"cropping": padding})
for number, target in enumerate([[12], [4, -1], [2, 3, 2], [-1, 1]]):
    x = leaf(2, 3, 4, seed=850 + 2 * number)
    y = x.reshape(2, *target)
    add("reshape", [x], y, grid(*y.shape, seed=851 + 2 * number), keys={"target_shape": target})
for number, dims in enumerate([[2, 1, 3], [3, 1, 2], [1, 2, 3]]):
    x = leaf(2, 3, 4, 2, seed=860 + 2 * number)
    y = x.permute(0, *dims)
    add("permute", [x], y, grid(*y.shape, seed=861 + 2 * number), keys={"dims": dims})
x = leaf(3, 4, seed=870)
y = x[:, None].expand(3, 5, 4)
add("repeat_vector", [x], y, grid(*y.shape, seed=871), keys={"n": 5})

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

# Dense layers, of rows and of each token.


def dense(shape, units, seed, bias=True, **keys):
    x, w = leaf(*shape, seed=seed), leaf(shape[-1], units, seed=seed + 1)
    keys = {"units": units, "use_bias": bias, **keys}
    case("dense", x, {"kernel": w}, x @ w, keys, leaf(units, seed=seed + 2) if bias else None, seed + 3)


dense([5, 3], 4, seed=4000)
dense([1, 4], 1, seed=4010, bias=False)
dense([3, 2], 5, seed=4020, activation="tanh")
dense([2, 4, 3], 5, seed=4030, activation="sigmoid")
dense([3, 2, 4], 2, seed=4040, bias=False)

# Activations. No number lies where a slope changes.


def off_grid(*shape, seed):
    return (grid(*shape, seed=seed) + 1 / 128).requires_grad_()


for number, (function, y) in enumerate([
    ("relu", F.relu), ("tanh", torch.tanh), ("softmax", lambda x: F.softmax(x, -1)),
    ({"type": "leaky_relu", "negative_slope": 0.1}, lambda x: F.leaky_relu(x, 0.1)),
    ({"type": "elu", "alpha": 0.5}, lambda x: F.elu(x, 0.5)),
    ({"type": "gelu", "approximate": True}, lambda x: F.gelu(x, approximate="tanh")),
]):
    x = off_grid(3, 2, 5, seed=4050 + 2 * number)
    add("activation", [x], y(x), grid(3, 2, 5, seed=4051 + 2 * number), keys={"function": function})
for number, slope in enumerate((0.3, 0.05)):
    x = off_grid(4, 7, seed=4070 + number)
    add("leaky_relu", [x], F.leaky_relu(x, slope), grid(4, 7, seed=4072 + number), keys={"negative_slope": slope})
for number, (shape, axes) in enumerate([([5, 3], []), ([2, 3, 4, 5], [1, 2]), ([2, 4, 3], [1])]):
    x = off_grid(*shape, seed=4080 + 3 * number)
    # PyTorch has a slope a channel, along axis 1: here one a feature of a row, and one a last axis.
    alpha = leaf(*[1 if place + 1 in axes else size for place, size in enumerate(shape[1:])], seed=4081 + 3 * number)
    y = F.prelu(x, alpha) if not axes else last(F.prelu(first(x), alpha.reshape(-1)))
    add("prelu", [x], y, grid(*shape, seed=4082 + 3 * number), {"alpha": alpha},
        keys={"shared_axes": axes} if axes else {})
x = leaf(2, 3, 4, seed=4090)
add("rescaling", [x], x * 0.25 + 3, grid(2, 3, 4, seed=4091), keys={"scale": 0.25, "offset": 3})
for number, keeps in enumerate((False, True)):
    x = leaf(3, 5, 4, 2, seed=4092 + number)
    y = F.adaptive_avg_pool2d(first(x), 1)
    y = last(y) if keeps else y.flatten(1)
    add("global_average_pooling2d", [x], y, grid(*y.shape, seed=4094 + number), keys={"keepdims": keeps})
x = leaf(2, 3, 4, 2, seed=4096)
add("flatten", [x], x.flatten(1), grid(2, 24, seed=4097))
# In inference they leave everything as it is.
for number, (name, y, shape) in enumerate([
    ("dropout", F.dropout, [3, 4]), ("spatial_dropout2d", F.dropout2d, [2, 3, 4, 2]),
    ("spatial_dropout1d", F.dropout1d, [2, 3, 4]),
]):
    x = leaf(*shape, seed=4100 + number)
    add(name, [x], y(x, 0.5, training=False), grid(*shape, seed=4105 + number), keys={"rate": 0.5}, training=False)

# Residual blocks of He et al.: basic with a projection, the bottleneck, and pre-activation; the basic one also as a dense
# network. PyTorch's convolutions and normalizations, with weights by their places.


def normalized(x, path, parameters, states, replaced, training, seed, scale=1.0):
    """Batch normalization of an image [N, H, W, C] with Keras's defaults; `scale`: times gamma and beta."""
    channels = x.shape[-1]
    gamma = ((grid(channels, seed=seed) / 8 + 1) * scale).requires_grad_()
    beta = (grid(channels, seed=seed + 1) * scale).requires_grad_()
    mean, variance = grid(channels, seed=seed + 2), grid(channels, seed=seed + 3).abs() + 0.5
    moved_mean, moved_variance = mean.clone(), variance.clone()
    y = last(F.batch_norm(first(x), moved_mean, moved_variance, gamma, beta, training, 0.01, 0.001))
    parameters.update({f"{path}/gamma": gamma, f"{path}/beta": beta})
    states.update({f"{path}/movingMean": mean, f"{path}/movingVariance": variance})
    if training:
        n = x.numel() // channels
        replaced.update({f"{path}/movingMean": moved_mean,
                         f"{path}/movingVariance": 0.99 * variance + (moved_variance - 0.99 * variance) * (n - 1) / n})
    return y


def residual(shape, branch, seed, shortcut=(), activation="linear", training=True, scales=None):
    """`branch` and `shortcut`: filters, kernel size and strides of a convolution, "norm" or "relu". `scales`: times gamma and
    beta of a normalization, by its place."""
    x, parameters, states, replaced = off_grid(*shape, seed=seed), {}, {}, {}

    def run(value, layers, list_name, seed):
        entries = []
        for place, layer in enumerate(layers):
            path = f"{list_name}.{place}"
            if layer == "relu":
                assert value.abs().min() > 1e-4, "a number lies where the slope changes"
                value = F.relu(value)
                entries.append("relu")
            elif layer == "norm":
                value = normalized(value, path + ".batchNormalization", parameters, states, replaced, training,
                                   seed + 10 * place, (scales or {}).get(place, 1.0))
                entries.append("batch_normalization")
            else:
                filters, size, strides = layer
                w = (grid(size, size, value.shape[-1], filters, seed=seed + 10 * place) / 2).requires_grad_()
                parameters[f"{path}.conv2d/kernel"] = w
                value = convolve(value, w, [strides] * 2, "same", [1, 1], 1)
                entries.append({"conv2d": {"filters": filters, "kernel_size": size, "strides": strides,
                                           "padding": "same", "use_bias": False}})
        return value, entries

    y, layers = run(x, branch, "layers", seed + 20)
    carried, beside = run(x, shortcut, "shortcut", seed + 200)
    y = y + carried
    assert activation == "linear" or y.abs().min() > 1e-4
    keys = {"layers": layers, "activation": activation, **({"shortcut": beside} if shortcut else {})}
    y = ACTIVATIONS[activation](y)
    add("residual", [x], y, grid(*y.shape, seed=seed + 1), parameters, states, replaced, keys, training)
    return x, y


for training in (True, False):
    residual([2, 5, 4, 2], [(3, 3, 2), "norm", "relu", (3, 3, 1), "norm"], 4200, [(3, 1, 2), "norm"], "relu", training)
    residual([2, 3, 4, 4], [(2, 1, 1), "norm", "relu", (2, 3, 1), "norm", "relu", (4, 1, 1), "norm"], 4600,
             activation="relu", training=training)
    residual([2, 4, 3, 3], ["norm", "relu", (3, 3, 1), "norm", "relu", (3, 3, 1)], 5000, training=training)
# Where the last normalization's gamma and beta are 0 the block hands on what comes in.
x, y = residual([2, 3, 3, 2], [(2, 3, 1), "norm", "relu", (2, 3, 1), "norm"], 5400, activation="relu", scales={4: 0})
assert torch.equal(y, F.relu(x))
x = leaf(4, 3, seed=5600)
inner, outer, beside = (leaf(*shape, seed=5601 + place) for place, shape in enumerate(([3, 5], [5, 2], [3, 2])))
y = torch.tanh(torch.tanh(x @ inner) @ outer + x @ beside)
add("residual", [x], y, grid(4, 2, seed=5610),
    {"layers.0.dense/kernel": inner, "layers.1.dense/kernel": outer, "shortcut.0.dense/kernel": beside}, training=False,
    keys={"layers": [{"dense": {"units": 5, "activation": "tanh", "use_bias": False}},
                     {"dense": {"units": 2, "use_bias": False}}],
          "shortcut": [{"dense": {"units": 2, "use_bias": False}}], "activation": "tanh", "stochastic_depth": 0.5})
x = leaf(3, 4, seed=5620)
turns = [(leaf(4, 4, seed=5621 + 2 * turn) / 2).detach().requires_grad_() for turn in range(3)]
y = x
for w in turns:
    y = torch.tanh(y @ w)
add("repeat", [x], y, grid(3, 4, seed=5630), {f"{turn}.layers.0.dense/kernel": w for turn, w in enumerate(turns)},
    keys={"times": 3, "layers": [{"dense": {"units": 4, "activation": "tanh", "use_bias": False}}]})

# With masks: what PyTorch makes of the valid steps alone, written back to their places.


def masked_cases(lengths, steps, width, seed):
    mask = torch.arange(steps)[None] < torch.tensor(lengths)[:, None]
    valid = mask[..., None]
    counts = mask.sum(1)
    for number, keeps in enumerate((False, True)):
        x = distinct(len(lengths), steps, width, seed=seed + number).requires_grad_()
        mean = torch.stack([row[:n].mean(0) for row, n in zip(x, counts)])
        largest = torch.stack([row[:n].amax(0) for row, n in zip(x, counts)])
        for name, y in (("average", mean), ("max", largest)):
            y = y[:, None] if keeps else y
            add(f"global_{name}_pooling1d", [x], y, grid(*y.shape, seed=seed + 2), keys={"keepdims": keeps},
                masks={0: mask})
    for training in (True, False):
        x = leaf(len(lengths), steps, width, seed=seed + 3)
        gamma, beta = (grid(width, seed=seed + 4) + 2.5).requires_grad_(), leaf(width, seed=seed + 5)
        mean, variance = grid(width, seed=seed + 6), grid(width, seed=seed + 7).abs() + 0.5
        moved_mean, moved_variance, n = mean.clone(), variance.clone(), int(mask.sum())
        of_valid = F.batch_norm(x[mask], moved_mean, moved_variance, gamma, beta, training, 0.01, 0.001)
        # A masked step is taken for 0; nothing of it reaches the statistics.
        used = (x[mask].mean(0), x[mask].var(0, correction=0)) if training else (mean, variance)
        rest = (0 - used[0]) * (used[1] + 0.001).rsqrt() * gamma + beta
        y = torch.where(valid, torch.zeros_like(x).masked_scatter(valid, of_valid), rest)
        replaced = {"movingMean": moved_mean,
                    "movingVariance": 0.99 * variance + (moved_variance - 0.99 * variance) * (n - 1) / n}
        add("batch_normalization", [x], y, grid(*y.shape, seed=seed + 8), {"gamma": gamma, "beta": beta},
            {"movingMean": mean, "movingVariance": variance}, replaced if training else {}, {}, training, {0: mask})


masked_cases([4, 1, 3], 5, 2, 5700)

# Recurrent layers: torch.nn's cells with the gates in Keras's order, i f c o and z r h; torch has r before z. Packed
# sequences stand for masks; a mask with holes and what torch has not are written out step by step.


def weights(features, units, gates, seed, bias=True, rows=1):
    """kernel, recurrentKernel and bias, small enough that nothing saturates."""
    result = {"kernel": leaf(features, gates * units, seed=seed), "recurrentKernel": leaf(units, gates * units, seed=seed + 1)}
    if bias:
        result["bias"] = leaf(*([rows] if rows > 1 else []), gates * units, seed=seed + 2)
    return {name: (value / 2).detach().requires_grad_() for name, value in result.items()}


def of_torch(kind, w, units):
    """The names of torch's weights and their numbers."""
    order = [1, 0, 2] if kind == "gru" else list(range({"lstm": 4, "simple_rnn": 1}[kind]))

    def gates(value):
        return torch.cat([value[..., g * units:(g + 1) * units] for g in order], -1)

    bias = gates(w["bias"]) if "bias" in w else torch.zeros(len(order) * units)
    both = list(bias) if bias.dim() == 2 else [bias, torch.zeros_like(bias)]
    return {"weight_ih_l0": gates(w["kernel"]).T, "weight_hh_l0": gates(w["recurrentKernel"]).T, "bias_ih_l0": both[0],
            "bias_hh_l0": both[1]}


def torch_recurrence(kind, x, units, directions, lengths=None, states=None, activation="tanh"):
    """All outputs, and the last states: [[h, c], …] by direction."""
    options = {"nonlinearity": activation} if kind == "simple_rnn" else {}
    module = {"simple_rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](
        x.shape[2], units, batch_first=True, bidirectional=len(directions) == 2, **options)
    values = {}
    for suffix, w in zip(("", "_reverse"), directions):
        values.update({name + suffix: value for name, value in of_torch(kind, w, units).items()})
    first = None
    if states is not None:
        first = tuple(torch.stack([s[part] for s in states]) for part in range(len(states[0])))
        first = first if kind == "lstm" else first[0]
    given = x if lengths is None else torch.nn.utils.rnn.pack_padded_sequence(
        x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    y, last = torch.func.functional_call(module, values, (given, first))
    if lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    last = last if kind == "lstm" else (last,)
    return y, [[part[d] for part in last] for d in range(len(directions))]


GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}


def lengths_mask(lengths, steps):
    return torch.arange(steps)[None] < torch.tensor(lengths)[:, None]


def recurrent(kind, shape, units, seed, lengths=None, starts=False, bias=True, training=True, **keys):
    """One direction; `starts`: with states before the first step."""
    x = leaf(*shape, seed=seed)
    w = weights(shape[2], units, GATES[kind], seed + 1, bias, rows=2 if kind == "gru" and bias else 1)
    count = 2 if kind == "lstm" else 1
    states = [leaf(shape[0], units, seed=seed + 5 + i) for i in range(count)] if starts else []
    backwards = keys.get("go_backwards", False)
    seen = x.flip(1) if backwards else x
    y, last = torch_recurrence(kind, seen, units, [w], lengths, [states] if starts else None,
                               keys.get("activation", "tanh"))
    result = y if keys.get("return_sequences") else last[0][0]
    further = [(s, grid(*s.shape, seed=seed + 20 + i)) for i, s in enumerate(last[0])] if keys.get("return_state") else []
    masks = None if lengths is None else {0: lengths_mask(lengths, shape[1])}
    add(kind, [x] + states, result, grid(*result.shape, seed=seed + 10), w, keys={"units": units, "use_bias": bias, **keys},
        masks=masks, further=further, training=training)


for number, kind in enumerate(GATES):
    base = 2000 + 200 * number
    for training in (True, False):
        recurrent(kind, [2, 4, 3], 2, base, training=training)
    recurrent(kind, [3, 3, 2], 2, base + 40, return_sequences=True, return_state=True, starts=True)
    recurrent(kind, [3, 4, 2], 2, base + 80, lengths=[4, 1, 2], return_sequences=True, return_state=True)
    recurrent(kind, [2, 3, 2], 3, base + 120, lengths=[2, 3], bias=False, training=False)
    recurrent(kind, [2, 3, 1], 2, base + 160, go_backwards=True, return_sequences=True, return_state=True)
recurrent("simple_rnn", [2, 5, 3], 4, 2600, activation="relu", return_sequences=True)
recurrent("lstm", [1, 1, 1], 1, 2620)

MERGES = {"concat": lambda a, b: torch.cat([a, b], -1), "sum": lambda a, b: a + b, "mul": lambda a, b: a * b,
          "ave": lambda a, b: (a + b) / 2}


def bidirectional(kind, shape, units, seed, lengths=None, starts=False, merge="concat", **keys):
    x = leaf(*shape, seed=seed)
    directions = [weights(shape[2], units, GATES[kind], seed + 10 * d + 1, rows=2 if kind == "gru" else 1)
                  for d in range(2)]
    count = 2 if kind == "lstm" else 1
    states = [[leaf(shape[0], units, seed=seed + 30 + 2 * d + i) for i in range(count)] for d in range(2)] if starts else []
    y, last = torch_recurrence(kind, x, units, directions, lengths, states or None)
    parts = (y[..., :units], y[..., units:]) if keys.get("return_sequences") else (last[0][0], last[1][0])
    results = list(parts) if merge == "none" else [MERGES[merge](*parts)]
    if keys.get("return_state"):
        results += last[0] + last[1]
    further = [(r, grid(*r.shape, seed=seed + 50 + i)) for i, r in enumerate(results[1:])]
    parameters = {f"{name}/{key}": value for name, w in zip(("forward", "backward"), directions)
                  for key, value in w.items()}
    add("bidirectional", [x] + sum(states, []), results[0], grid(*results[0].shape, seed=seed + 60), parameters,
        keys={"layer": {kind: {"units": units, **keys}}, "merge_mode": merge},
        masks=None if lengths is None else {0: lengths_mask(lengths, shape[1])}, further=further)


bidirectional("lstm", [2, 3, 2], 2, 2700)
bidirectional("lstm", [3, 3, 1], 2, 2780, lengths=[1, 3, 2], return_sequences=True, return_state=True)
bidirectional("gru", [2, 3, 2], 2, 2860, lengths=[2, 3], starts=True, merge="sum", return_state=True)
bidirectional("simple_rnn", [2, 3, 2], 2, 2940, merge="mul", return_sequences=True)
bidirectional("simple_rnn", [2, 3, 2], 2, 3020, lengths=[3, 1], merge="ave", return_sequences=True)
bidirectional("simple_rnn", [2, 2, 2], 2, 3100, merge="none", return_sequences=True)

# Another layer in the other direction.
x = leaf(2, 3, 2, seed=3150)
there, back = weights(2, 2, 4, 3151), weights(2, 3, 3, 3155, rows=2)
ahead, _ = torch_recurrence("lstm", x, 2, [there])
behind, _ = torch_recurrence("gru", x.flip(1), 3, [back])
y = torch.cat([ahead, behind.flip(1)], -1)
add("bidirectional", [x], y, grid(*y.shape, seed=3160),
    {f"{name}/{key}": value for name, w in (("forward", there), ("backward", back)) for key, value in w.items()},
    keys={"layer": {"lstm": {"units": 2, "return_sequences": True}},
          "backward_layer": {"gru": {"units": 3, "return_sequences": True, "go_backwards": True}}})

HARD = {**ACTIVATIONS, "hard_sigmoid": lambda x: (x / 6 + 0.5).clamp(0, 1), "selu": F.selu}


def by_steps(kind, shape, units, seed, mask=None, **keys):
    """As the papers have it, step by step."""
    x, count = leaf(*shape, seed=seed), GATES[kind]
    w = weights(shape[2], units, count, seed + 1, rows=2 if kind == "gru" and keys.get("reset_after", True) else 1)
    act, gate = HARD[keys.get("activation", "tanh")], HARD[keys.get("recurrent_activation", "sigmoid")]
    h, c, outputs = torch.zeros(shape[0], units), torch.zeros(shape[0], units), []
    for t in range(shape[1]):
        if kind == "simple_rnn":
            new = act(x[:, t] @ w["kernel"] + h @ w["recurrentKernel"] + w["bias"])
            new_c = c
        elif kind == "lstm":
            i, f, g, o = (x[:, t] @ w["kernel"] + h @ w["recurrentKernel"] + w["bias"]).chunk(4, -1)
            new_c = gate(f) * c + gate(i) * act(g)
            new = gate(o) * act(new_c)
        else:
            bias, rows = (w["bias"], None) if w["bias"].dim() == 1 else (w["bias"][0], w["bias"][1])
            xz, xr, xh = (x[:, t] @ w["kernel"] + bias).chunk(3, -1)
            kz, kr, kh = w["recurrentKernel"].chunk(3, -1)
            bz, br, bh = (torch.zeros(3 * units) if rows is None else rows).chunk(3, -1)
            z, r = gate(xz + h @ kz + bz), gate(xr + h @ kr + br)
            n = act(xh + ((r * h) @ kh if rows is None else r * (h @ kh + bh)))
            new, new_c = z * h + (1 - z) * n, c
        valid = torch.ones(shape[0], 1, dtype=torch.bool) if mask is None else mask[:, t:t + 1]
        h, c = torch.where(valid, new, h), torch.where(valid, new_c, c)
        outputs.append(torch.where(valid, h, 0))
    result = torch.stack(outputs, 1) if keys.get("return_sequences") else h
    states = [h, c] if kind == "lstm" else [h]
    further = [(s, grid(*s.shape, seed=seed + 20 + i)) for i, s in enumerate(states)] if keys.get("return_state") else []
    add(kind, [x], result, grid(*result.shape, seed=seed + 10), w, keys={"units": units, **keys},
        masks=None if mask is None else {0: mask}, further=further)


holes = torch.tensor([[True, False, True, True], [False, True, True, False], [False, False, False, False]])
by_steps("gru", [2, 3, 2], 2, 3200, reset_after=False, return_sequences=True)
by_steps("gru", [3, 4, 2], 2, 3240, mask=holes, reset_after=False, return_state=True)
by_steps("gru", [3, 4, 2], 2, 3280, mask=holes, activation="selu", recurrent_activation="hard_sigmoid",
         return_sequences=True)
by_steps("lstm", [3, 4, 2], 2, 3320, mask=holes, return_sequences=True, return_state=True)
by_steps("lstm", [2, 3, 2], 2, 3360, activation="relu", recurrent_activation="hard_sigmoid")
by_steps("simple_rnn", [3, 4, 2], 2, 3400, mask=holes, activation="linear", return_sequences=True)

# Attention. Weights are [inputs, heads * dim] here; PyTorch's are transposed, of query, key and value one below the other.
# Their names go through layers within: "selfAttention.query/kernel".


def projections(sizes, seed, bias=True, parts=("query", "key", "value", "attentionOutput"), prefix=""):
    """Kernels and biases by name; `sizes`: inputs and outputs of each."""
    parameters = {}
    for number, (part, (rows, columns)) in enumerate(zip(parts, sizes)):
        parameters[f"{prefix}{part}/kernel"] = (grid(rows, columns, seed=seed + 2 * number) / 2).requires_grad_()
        if bias:
            parameters[f"{prefix}{part}/bias"] = (grid(columns, seed=seed + 2 * number + 1) / 2).requires_grad_()
    return parameters


def project(x, parameters, part):
    y = x @ parameters[f"{part}/kernel"]
    return y + parameters[f"{part}/bias"] if f"{part}/bias" in parameters else y


def attention(shapes, heads, seed, key_dim, value_dim=None, output_shape=None, bias=True, causal=False, lengths=None):
    """`shapes` of query, then value, then key; `lengths`: of the value's steps, or of the only input's."""
    inputs = [leaf(*shape, seed=seed + number) for number, shape in enumerate(shapes)]
    query, value = inputs[0], inputs[min(1, len(inputs) - 1)]
    key = inputs[2] if len(inputs) > 2 else value
    widths = [query.shape[2], key.shape[2], value.shape[2], heads * (value_dim or key_dim)]
    units = [heads * key_dim, heads * key_dim, heads * (value_dim or key_dim), output_shape or query.shape[2]]
    parameters = projections(list(zip(widths, units)), seed + 10, bias)

    def split(x):
        return x.unflatten(2, (heads, -1)).transpose(1, 2)

    masks, allowed = None, None
    if lengths is not None:
        mask = lengths_mask(lengths, value.shape[1])
        masks = {min(1, len(inputs) - 1): mask}
        # Where a sequence attends to itself, its masked steps ask with 0; PyTorch asks with what stands there.
        query = query if len(inputs) > 1 else torch.where(mask[..., None], query, 0)
        allowed = mask[:, None, None].expand(-1, -1, query.shape[1], -1)
        if causal:
            allowed = allowed & torch.ones(query.shape[1], value.shape[1], dtype=torch.bool).tril()
    q, k, v = (split(project(x, parameters, part)) for x, part in [(query, "query"), (key, "key"), (value, "value")])
    y = F.scaled_dot_product_attention(q, k, v, allowed, is_causal=causal and allowed is None).transpose(1, 2).flatten(2)
    y = project(y, parameters, "attentionOutput")
    keys = {"num_heads": heads, "key_dim": key_dim, "use_bias": bias, "use_causal_mask": causal}
    keys.update({name: number for name, number in [("value_dim", value_dim), ("output_shape", output_shape)] if number})
    add("multi_head_attention", inputs, y, grid(*y.shape, seed=seed + 9), parameters, keys=keys, masks=masks)


attention([[2, 3, 4]], 2, 500, key_dim=3)
attention([[2, 4, 5]], 1, 520, key_dim=2, causal=True, bias=False)
attention([[2, 5, 3]], 3, 540, key_dim=1, value_dim=2, output_shape=4, causal=True)
attention([[2, 3, 4], [2, 5, 3]], 2, 560, key_dim=3, value_dim=2)
attention([[1, 2, 3], [1, 4, 2], [1, 4, 5]], 2, 580, key_dim=2, output_shape=2)
attention([[2, 4, 3], [2, 2, 3]], 2, 600, key_dim=2, causal=True)
attention([[3, 4, 4]], 2, 5800, key_dim=3, lengths=[4, 1, 3])
attention([[2, 4, 3]], 1, 5820, key_dim=2, causal=True, lengths=[2, 4])
attention([[2, 3, 4], [2, 5, 3]], 2, 5840, key_dim=3, value_dim=2, lengths=[2, 4])


def joint(parameters, prefix, word):
    """Query, key and value as PyTorch's one weight, or bias."""
    return torch.cat([parameters[f"{prefix}{part}/{word}"] for part in ("query", "key", "value")], -1).t()


def transformer(shape, inner, heads, seed, activation, first, epsilon, lengths=None):
    width = shape[2]
    x, upstream, masks, padding = leaf(*shape, seed=seed), grid(*shape, seed=seed + 9), None, None
    if lengths is not None:
        # PyTorch's masked steps attend with what stands there, ours with 0: here 0 stands there, and nobody asks for their
        # gradient.
        mask = lengths_mask(lengths, shape[1])
        masks, padding = {0: mask}, ~mask
        x = (x * mask[..., None]).detach().requires_grad_()
        upstream = upstream * mask[..., None]
    parameters = projections([(width, width)] * 4, seed + 1, prefix="selfAttention.")
    parameters.update(projections([(width, inner), (inner, width)], seed + 20,
                                  parts=("feedforwardIntermediate", "feedforwardOutput")))
    for number, part in enumerate(("selfAttentionNormalization", "feedforwardNormalization")):
        parameters[f"{part}/gamma"] = (grid(width, seed=seed + 30 + 2 * number) + 2.5).requires_grad_()
        parameters[f"{part}/beta"] = grid(width, seed=seed + 31 + 2 * number).requires_grad_()
    layer = torch.nn.TransformerEncoderLayer(
        width, heads, inner, 0, activation, layer_norm_eps=epsilon, batch_first=True, norm_first=first)
    p = parameters
    y = torch.func.functional_call(layer, {
        "self_attn.in_proj_weight": joint(p, "selfAttention.", "kernel"),
        "self_attn.in_proj_bias": joint(p, "selfAttention.", "bias"),
        "self_attn.out_proj.weight": p["selfAttention.attentionOutput/kernel"].T,
        "self_attn.out_proj.bias": p["selfAttention.attentionOutput/bias"],
        "linear1.weight": p["feedforwardIntermediate/kernel"].T, "linear1.bias": p["feedforwardIntermediate/bias"],
        "linear2.weight": p["feedforwardOutput/kernel"].T, "linear2.bias": p["feedforwardOutput/bias"],
        "norm1.weight": p["selfAttentionNormalization/gamma"], "norm1.bias": p["selfAttentionNormalization/beta"],
        "norm2.weight": p["feedforwardNormalization/gamma"], "norm2.bias": p["feedforwardNormalization/beta"],
    }, (x, None, padding))
    keys = {"intermediate_dim": inner, "num_heads": heads, "activation": activation, "normalize_first": first,
            "layer_norm_epsilon": epsilon}
    add("transformer_encoder", [x], y, upstream, parameters, keys=keys, masks=masks)


# PyTorch's epsilon, which is the default here; then Keras's of normalizations.
transformer([2, 3, 4], 5, 2, 620, "gelu", False, 1e-5)
transformer([1, 4, 6], 3, 3, 660, "relu", True, 1e-5)
transformer([2, 3, 3], 4, 1, 900, "gelu", True, 1e-3)
transformer([3, 4, 4], 5, 2, 5900, "gelu", False, 1e-5, [4, 1, 2])

# Positions, by the formula of Vaswani et al. (2017), §3.5, and a table of rows.
for number, (steps, width, longest) in enumerate([(5, 4, 10000), (3, 5, 100)]):
    x = leaf(2, steps, width, seed=740 + number)
    rates = longest ** (-(torch.arange(width) // 2 * 2).double() / width)
    angles = torch.arange(steps).double()[:, None] * rates
    encoding = torch.where(torch.arange(width) % 2 == 0, angles.sin(), angles.cos())
    add("sine_position_encoding", [x], x + encoding, grid(*x.shape, seed=745 + number), states={"encoding": encoding},
        keys={"max_wavelength": longest})
for number, rows in enumerate((4, 7)):
    x = leaf(3, 4, 5, seed=750 + number)
    table = leaf(rows, 5, seed=755 + number)
    y = x + F.embedding(torch.arange(4), table)
    add("position_embedding", [x], y, grid(*x.shape, seed=760 + number), {"embeddings": table},
        keys={"sequence_length": rows})

path = pathlib.Path(__file__).parent / "layers.json"
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(f"{len(cases)} cases")
