"""500 updates with every optimizer, schedule and option at the ends of its range, in Float64: python ranges.py

Writes ranges.json: for each case the overrides of the configuration in RangeTests.swift and the weights at the end.
Where PyTorch's own optimizer, schedule or clipping has the formula, its weights are compared first, to 1e-9: the
formulas of Keras 3 put epsilon elsewhere, which at 1e-20 makes no difference.
"""

import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

FEATURES, CLASSES, STEPS = 4, 3, 500
BYTES = [[(37 * i * i + 91 * j + 13 * i * j) % 256 for j in range(FEATURES)] for i in range(12)]
# As Switchback scales bytes, in Float32.
X = torch.tensor(numpy.array(BYTES, dtype=numpy.float32) * numpy.float32(1 / 255)).double()
# No class has a third of a batch: its bias would start with a gradient of 0 and rounding, which Adam magnifies.
LABELS = torch.tensor([0, 0, 0, 0, 1, 2, 1, 1, 1, 1, 0, 2])


# Keras 3's formulas: w, g, slots s, rate, t from 1.

def sgd(w, g, s, rate, t, momentum=0.0, nesterov=False, weight_decay=0.0):
    w = w - rate * weight_decay * w
    if momentum == 0:
        return w - rate * g
    s["m"] = momentum * s.get("m", 0) - rate * g
    return w + (momentum * s["m"] - rate * g if nesterov else s["m"])


def rmsprop(w, g, s, rate, t, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, weight_decay=0.0):
    w = w - rate * weight_decay * w
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    variance = s["v"]
    if centered:
        s["a"] = rho * s.get("a", 0) + (1 - rho) * g
        variance = torch.clamp(variance - s["a"] ** 2, min=0)
    increment = rate * g / torch.sqrt(variance + epsilon)
    if momentum:
        s["m"] = increment = momentum * s.get("m", 0) + increment
    return w - increment


def adagrad(w, g, s, rate, t, initial_accumulator_value=0.1, epsilon=1e-7, weight_decay=0.0):
    w = w - rate * weight_decay * w
    s["a"] = s.get("a", initial_accumulator_value) + g * g
    return w - rate * g / torch.sqrt(s["a"] + epsilon)


def adam(w, g, s, rate, t, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    w = w - rate * weight_decay * w
    s["m"] = s.get("m", 0) + (g - s.get("m", 0)) * (1 - beta_1)
    s["v"] = s.get("v", 0) + (g * g - s.get("v", 0)) * (1 - beta_2)
    correction = math.sqrt(1 - beta_2 ** t) / (1 - beta_1 ** t)
    return w - rate * correction * s["m"] / (torch.sqrt(s["v"]) + epsilon)


UPDATES = {"sgd": sgd, "rmsprop": rmsprop, "adagrad": adagrad, "adam": adam, "adamw": adam}
DEFAULT_RATE = {"sgd": 0.01, "rmsprop": 0.001, "adagrad": 0.001, "adam": 0.001, "adamw": 0.001}


def rate_of(setting):
    """Keras's schedules by the words of a configuration."""
    if not isinstance(setting, dict):
        return lambda update: setting
    kind = setting["type"]
    if kind == "cosine":
        first, steps, alpha = setting["initial_learning_rate"], setting["decay_steps"], setting.get("alpha", 0)
        return lambda u: first * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * min(1, u / steps))) + alpha)
    if kind == "exponential":
        first, steps, base = setting["initial_learning_rate"], setting["decay_steps"], setting["decay_rate"]
        whole = setting.get("staircase", False)
        # However fast it grows, no schedule goes beyond 1e9.
        return lambda u: first and min(1e9, first * math.exp(min(700, (u // steps if whole else u / steps) * math.log(base)))
                                       if base else first * (u == 0))
    if kind == "step":
        first, every, factor = setting["initial_learning_rate"], setting["every"], setting.get("factor", 0.1)
        return lambda u: first * factor ** (u // every)
    if kind == "linear_warmup":
        steps, start, then = setting["steps"], setting.get("from", 0), rate_of(setting.get("then", 0.001))
        return lambda u: start + (then(0) - start) * u / steps if u < steps else then(u - steps)
    assert kind == "one_cycle"
    total, highest = setting["total_steps"], setting["maximum_learning_rate"]
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=highest, total_steps=total, pct_start=setting.get("warmup_fraction", 0.3),
        div_factor=setting.get("divisor", 25), final_div_factor=setting.get("final_divisor", 1e4))
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < total:
            scheduler.step()
    return lambda u: min(1e9, rates[min(u, total - 1)])


def loss_of(kernel, bias, batch, loss, class_weights, regularizer):
    logits = X[batch] @ kernel + bias
    smoothing = loss.get("label_smoothing", 0)
    each = F.cross_entropy(logits, LABELS[batch], label_smoothing=smoothing, reduction="none")
    if class_weights:
        each = each * torch.tensor(class_weights).double()[LABELS[batch]]
    total = each.mean()
    if regularizer:
        total = total + regularizer.get("l1", 0) * kernel.abs().sum() + regularizer.get("l2", 0) * (kernel ** 2).sum()
    return total


def batches(update, accumulated):
    return [slice(6 * ((update * accumulated + k) % 2), 6 * ((update * accumulated + k) % 2) + 6) for k in range(accumulated)]


def gradients(w, update, options, loss, class_weights, regularizer):
    """Of one update, averaged over the batches it is of, and clipped."""
    leaves = [x.clone().requires_grad_() for x in w]
    parts = batches(update, options.get("gradient_accumulation_steps", 1))
    for batch in parts:
        (loss_of(*leaves, batch, loss, class_weights, regularizer) / len(parts)).backward()
    g = [leaf.grad for leaf in leaves]
    if "clipvalue" in options:
        g = [x.clamp(-options["clipvalue"], options["clipvalue"]) for x in g]
    if "clipnorm" in options:
        g = [x * options["clipnorm"] / max(x.norm().item(), options["clipnorm"]) for x in g]
    if "global_clipnorm" in options:
        norm = math.sqrt(sum(x.norm().item() ** 2 for x in g))
        g = [x * options["global_clipnorm"] / max(norm, options["global_clipnorm"]) for x in g]
    return g


SHARED = {"type", "learning_rate", "clipvalue", "clipnorm", "global_clipnorm", "ema_momentum", "gradient_accumulation_steps"}


def run(optimizer, loss=None, class_weights=None, regularizer=None):
    update = UPDATES[optimizer["type"]]
    numbers = {k: v for k, v in optimizer.items() if k not in SHARED}
    if optimizer["type"] == "adamw":
        numbers.setdefault("weight_decay", 0.004)
    rate = rate_of(optimizer.get("learning_rate", DEFAULT_RATE[optimizer["type"]]))
    w = [torch.zeros(FEATURES, CLASSES), torch.zeros(CLASSES)]
    slots, average = [{}, {}], None
    for t in range(STEPS):
        g = gradients(w, t, optimizer, loss or {}, class_weights, regularizer)
        w = [update(x, y, s, rate(t), t + 1, **numbers) for x, y, s in zip(w, g, slots)]
        if "ema_momentum" in optimizer:
            m = optimizer["ema_momentum"] if t else 0
            average = [x + m * (e - x) for x, e in zip(w, average or w)]
    return w, average


def run_torch(optimizer, make):
    """The same with PyTorch's own optimizer."""
    w = [torch.nn.Parameter(torch.zeros(FEATURES, CLASSES)), torch.nn.Parameter(torch.zeros(CLASSES))]
    own = make(w)
    rate = rate_of(optimizer.get("learning_rate", DEFAULT_RATE[optimizer["type"]]))
    for t in range(STEPS):
        for group in own.param_groups:
            group["lr"] = rate(t)
        for x, y in zip(w, gradients([x.detach() for x in w], t, optimizer, {}, None, None)):
            x.grad = y
        own.step()
    return [x.detach() for x in w]


cases = []


def case(optimizer, make=None, tolerance=1e-4, scale=None, **more):
    w, average = run(optimizer, **more)
    if make:
        for mine, its in zip(w, run_torch(optimizer, make)):
            assert torch.allclose(mine, its, rtol=1e-9, atol=1e-12), (optimizer, mine, its)
    entry = {"optimizer": optimizer, "isPyTorchs": make is not None, "tolerance": tolerance,
             "kernel": w[0].flatten().tolist(), "bias": w[1].tolist(), **more}
    if scale:
        entry["scale"] = scale
    if average:
        entry["average"] = average[0].flatten().tolist()
    assert all(math.isfinite(x) for x in entry["kernel"] + entry["bias"]), optimizer
    cases.append(entry)


TINY, HUGE, NEAR = 1e-20, 1e9, 0.999999

# Optimizers. What PyTorch has is checked with its own.
for momentum in (0.0, NEAR):
    for nesterov in (False, True):
        case({"type": "sgd", "momentum": momentum, "nesterov": nesterov}, lambda w: torch.optim.SGD(
            w, lr=1, momentum=momentum, nesterov=nesterov and momentum > 0))
case({"type": "sgd", "learning_rate": 0.0}, lambda w: torch.optim.SGD(w, lr=1))
case({"type": "sgd", "learning_rate": 1e-30}, lambda w: torch.optim.SGD(w, lr=1))
# The rate at which the decay takes the whole weight.
case({"type": "sgd", "learning_rate": 0.01, "weight_decay": 100.0})
for rho in (0.0, NEAR):
    case({"type": "rmsprop", "rho": rho, "epsilon": TINY, "learning_rate": 1e-5},
         lambda w: torch.optim.RMSprop(w, lr=1, alpha=rho, eps=TINY))
case({"type": "rmsprop", "momentum": NEAR, "epsilon": TINY, "learning_rate": 1e-5},
     lambda w: torch.optim.RMSprop(w, lr=1, alpha=0.9, momentum=NEAR, eps=TINY))
case({"type": "rmsprop", "epsilon": HUGE, "learning_rate": 1000.0})
# With rho 0 the variance is 0: rounding must not make it negative, and epsilon is all there is.
case({"type": "rmsprop", "rho": 0.0, "centered": True, "epsilon": 1e-3})
case({"type": "rmsprop", "rho": NEAR, "centered": True, "learning_rate": 1e-5})
case({"type": "rmsprop", "centered": True, "momentum": 0.9, "learning_rate": 1e-4, "weight_decay": 1e4, "epsilon": 1e-2})
for value in (0.0, HUGE):
    case({"type": "adagrad", "initial_accumulator_value": value, "epsilon": TINY},
         lambda w: torch.optim.Adagrad(w, lr=1, initial_accumulator_value=value, eps=TINY))
case({"type": "adagrad", "epsilon": HUGE, "learning_rate": 1000.0})
for beta_1 in (0.0, NEAR):
    for beta_2 in (0.0, NEAR):
        case({"type": "adam", "beta_1": beta_1, "beta_2": beta_2, "epsilon": TINY, "learning_rate": 1e-5},
             lambda w: torch.optim.Adam(w, lr=1, betas=(beta_1, beta_2), eps=TINY), tolerance=1e-3)
case({"type": "adam", "epsilon": HUGE, "learning_rate": 1e9})
for decay in (0.0, 1000.0):
    case({"type": "adamw", "weight_decay": decay, "epsilon": TINY},
         lambda w: torch.optim.AdamW(w, lr=1, weight_decay=decay, eps=TINY))

# Clipping, averages, accumulation.
sgd_torch = lambda w: torch.optim.SGD(w, lr=1)
for key in ("clipvalue", "clipnorm", "global_clipnorm"):
    for bound in (1e-30, 1e-3, 1e38):
        case({"type": "sgd", key: bound}, sgd_torch)
for momentum in (0.0, NEAR):
    case({"type": "sgd", "ema_momentum": momentum}, sgd_torch)
case({"type": "adam", "gradient_accumulation_steps": 4, "epsilon": TINY, "learning_rate": 1e-5},
     lambda w: torch.optim.Adam(w, lr=1, eps=TINY))

# Schedules; those PyTorch has are one_cycle (its own rates) and what follows from powers.
for setting in [
    {"type": "cosine", "initial_learning_rate": 0.1, "decay_steps": 1, "alpha": 0.0},
    {"type": "cosine", "initial_learning_rate": 0.1, "decay_steps": 2**62, "alpha": 0.5},
    {"type": "exponential", "initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 0.0},
    {"type": "exponential", "initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 1.0},
    {"type": "exponential", "initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 0.5, "staircase": True},
    {"type": "exponential", "initial_learning_rate": 0.0, "decay_steps": 1, "decay_rate": 1e30},
    {"type": "step", "initial_learning_rate": 0.1, "every": 1, "factor": 0.0},
    {"type": "step", "initial_learning_rate": 0.1, "every": 2**62},
    {"type": "one_cycle", "maximum_learning_rate": 0.1, "total_steps": 500, "warmup_fraction": 0.0},
    {"type": "one_cycle", "maximum_learning_rate": 0.1, "total_steps": 500, "warmup_fraction": 1.0},
    {"type": "one_cycle", "maximum_learning_rate": 0.1, "total_steps": 2, "divisor": 1.0, "final_divisor": 1.0},
    {"type": "linear_warmup", "steps": 1, "from": 0.2, "then": 0.1},
    {"type": "linear_warmup", "steps": 2**62, "from": 0.0, "then": 0.1},
]:
    case({"type": "sgd", "learning_rate": setting}, sgd_torch)

# Losses and penalties.
case({"type": "sgd"}, loss={"label_smoothing": 0.0})
# Everything is equally likely, as it is at the start.
case({"type": "sgd"}, loss={"label_smoothing": 1.0}, scale=0.01)
case({"type": "sgd"}, class_weights=[0.0, 0.0, 1.0])
case({"type": "adam", "epsilon": TINY, "learning_rate": 1e-5}, class_weights=[0.0, 1e-3, 1e9], tolerance=1e-3)
case({"type": "sgd", "learning_rate": 1e-10}, regularizer={"l1": 0.0, "l2": 1e9})

text = json.dumps(cases, indent=1)
(pathlib.Path(__file__).parent / "ranges.json").write_text(text + "\n")
print(len(cases), "cases")
