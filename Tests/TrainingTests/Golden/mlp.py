"""Losses of configs/mnist-mlp.yaml, by PyTorch in Float64, from Switchback's own start: python mlp.py MNIST_FOLDER

Writes mlp.json: 50 losses of the config as it is for three seeds, and 100 losses for each optimizer. The optimizers
are Keras 3's formulas written out on tensors, since PyTorch's own put epsilon elsewhere.
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F

from switchback import batch_order, glorot_uniform, mnist

torch.set_default_dtype(torch.float64)
images, labels = mnist(sys.argv[1])
images, labels = torch.tensor(images).double().flatten(1), torch.tensor(labels)


def sgd(w, g, s, t, rate=0.1, momentum=0.0, nesterov=False, decay=0.0):
    w = w - rate * decay * w
    if momentum == 0:
        return w - rate * g
    s["m"] = momentum * s.get("m", 0) - rate * g
    return w + (momentum * s["m"] - rate * g if nesterov else s["m"])


def rmsprop(w, g, s, t, rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    variance = s["v"]
    if centered:
        s["a"] = rho * s.get("a", 0) + (1 - rho) * g
        variance = variance - s["a"] ** 2
    increment = rate * g / torch.sqrt(variance + epsilon)
    if momentum:
        s["m"] = increment = momentum * s.get("m", 0) + increment
    return w - increment


def adagrad(w, g, s, t, rate=0.01, epsilon=1e-7):
    s["a"] = s.get("a", 0.1) + g * g
    return w - rate * g / torch.sqrt(s["a"] + epsilon)


def adam(w, g, s, t, rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-7, decay=0.0):
    w = w - rate * decay * w
    s["m"] = s.get("m", 0) + (g - s.get("m", 0)) * (1 - beta1)
    s["v"] = s.get("v", 0) + (g * g - s.get("v", 0)) * (1 - beta2)
    correction = (1 - beta2 ** t) ** 0.5 / (1 - beta1 ** t)
    return w - rate * correction * s["m"] / (torch.sqrt(s["v"]) + epsilon)


def run(steps, seed, update, **options):
    shapes = {"layers.1.dense": (784, 128), "layers.2.dense": (128, 10)}
    weights, slots = {}, {}
    for path, shape in shapes.items():
        weights[path + "/kernel"] = torch.tensor(glorot_uniform(path + "/kernel", shape, seed)).double()
        weights[path + "/bias"] = torch.zeros(shape[1])
    order = batch_order(len(labels), 3, 0)
    losses = []
    for step in range(steps):
        batch = order[64 * step: 64 * step + 64]
        leaves = {name: w.clone().requires_grad_() for name, w in weights.items()}
        hidden = F.relu(images[batch] @ leaves["layers.1.dense/kernel"] + leaves["layers.1.dense/bias"])
        logits = hidden @ leaves["layers.2.dense/kernel"] + leaves["layers.2.dense/bias"]
        loss = F.cross_entropy(logits, labels[batch])
        loss.backward()
        losses.append(loss.item())
        for name, leaf in leaves.items():
            weights[name] = update(weights[name], leaf.grad, slots.setdefault(name, {}), step + 1, **options)
    return losses


runs = [{"optimizer": {"type": "sgd", "learning_rate": 0.1}, "seed": seed, "losses": run(50, seed, sgd)} for seed in (1, 2, 3)]
for optimizer, update, options in [
    ({"type": "sgd", "learning_rate": 0.1}, sgd, {}),
    ({"type": "sgd", "learning_rate": 0.05, "momentum": 0.9}, sgd, {"rate": 0.05, "momentum": 0.9}),
    (
        {"type": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, sgd,
        {"rate": 0.05, "momentum": 0.9, "nesterov": True, "decay": 0.01},
    ),
    ({"type": "rmsprop"}, rmsprop, {}),
    (
        {"type": "rmsprop", "momentum": 0.5, "epsilon": 1e-3, "centered": True}, rmsprop,
        {"momentum": 0.5, "epsilon": 1e-3, "centered": True},
    ),
    ({"type": "adagrad", "learning_rate": 0.01}, adagrad, {}),
    ({"type": "adam"}, adam, {}),
    ({"type": "adamw", "weight_decay": 0.1}, adam, {"decay": 0.1}),
]:
    runs.append({"optimizer": optimizer, "seed": 1, "losses": run(100, 1, update, **options)})
path = pathlib.Path(__file__).parent / "mlp.json"
path.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in runs) + "\n]\n")
