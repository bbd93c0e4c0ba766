"""PyTorch as a peer of bench.py: a process for one network, which is asked line by line.

    python pytorch.py SPEC              answers questions on standard input, all in JSON
    python pytorch.py SPEC first STEPS LAYOUT
                                        a script as users write it: says when the first step is done, then goes on

SPEC is JSON: network, batch, optimizer, weights, data, seed, threads, flush, limit, compile (see bench.py).

Questions: {"do": "modes"}; {"do": "losses", "mode": …, "steps": N}; {"do": "train", "mode": …, "seconds": S}; {"do": "infer" or
"latency", "mode": …, "seconds": S}. Every measurement starts at the weights of the file and with fresh optimizer slots.
"""
import copy
import json
import os
import sys
import time

SPEC = json.loads(sys.argv[1])
if SPEC["limit"] == "avx2":
    # Before the library looks at the processor.
    os.environ.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_ENABLE_INSTRUCTIONS="AVX2")

import torch
from torch import nn

import samples

WARM_UP = 20


class Network(nn.Module):
    """3×3 convolutions with relu, of which all but the last are followed by 2×2 max pooling; then dense layers with relu."""

    def __init__(self, convolutions, dense):
        super().__init__()
        layers, channels, side = [], 1, 28
        for place, filters in enumerate(convolutions):
            layers += [nn.Conv2d(channels, filters, 3), nn.ReLU()]
            channels, side = filters, side - 2
            if place + 1 < len(convolutions):
                layers.append(nn.MaxPool2d(2))
                side //= 2
        layers.append(nn.Flatten())
        width = channels * side * side
        self.flat = (channels, side)
        for place, units in enumerate(dense):
            layers.append(nn.Linear(width, units))
            if place + 1 < len(dense):
                layers.append(nn.ReLU())
            width = units
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)

    def take(self, pairs):
        """Takes a checkpoint's weights: kernels HWIO become OIHW, and rows behind the flattening go by channels first."""
        with torch.no_grad():
            own = [layer for layer in self.layers if isinstance(layer, (nn.Conv2d, nn.Linear))]
            assert len(own) == len(pairs), f"{len(own)} layers here, {len(pairs)} in the file"
            is_flattened = False
            for layer, (kernel, bias) in zip(own, pairs):
                kernel = torch.from_numpy(kernel.copy())
                if isinstance(layer, nn.Conv2d):
                    kernel = kernel.permute(3, 2, 0, 1)
                else:
                    if not is_flattened:
                        channels, side = self.flat
                        kernel = kernel.reshape(side, side, channels, -1).permute(2, 0, 1, 3).flatten(0, 2)
                    is_flattened = True
                    kernel = kernel.T
                layer.weight.copy_(kernel)
                layer.bias.copy_(torch.from_numpy(bias.copy()))


def optimizer(parameters, how):
    settings = SPEC["optimizer"]
    parameters = list(parameters)
    variant = {"foreach": dict(foreach=True), "loop": dict(foreach=False), "fused": dict(fused=True)}[how]
    if settings["name"] == "rmsprop":
        return torch.optim.RMSprop(
            parameters, lr=settings["rate"], alpha=settings["rho"], eps=settings["epsilon"], **variant)
    return torch.optim.SGD(parameters, lr=settings["rate"], **variant)


class Data:
    """MNIST as bytes; a batch is gathered and scaled in the step, as Switchback does."""

    def __init__(self):
        images, labels = samples.mnist(SPEC["data"])
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.order = torch.from_numpy(samples.order(len(images), SPEC["seed"], 1))

    def batch(self, step, size, layout):
        count = len(self.order) // size
        at = self.order[step % count * size :][:size]
        x = self.images[at].unsqueeze(1).float().mul_(1 / 255)
        return (x.contiguous(memory_format=torch.channels_last) if layout == "channels_last" else x), self.labels[at]


class Mode:
    """A way to train or to predict: layout, compiled or not, and how the optimizer works."""

    def __init__(self, layout, compiled, how):
        (self.layout, self.compiled, self.how) = (layout, compiled, how)
        self.name = "-".join([layout, "compiled" if compiled else "eager", how])
        self.network = None

    def prepare(self, data, pairs):
        self.data, self.pairs = data, pairs
        self.network = Network(**SPEC["network"])
        if self.layout == "channels_last":
            self.network = self.network.to(memory_format=torch.channels_last)
        self.reset()
        self.loss_of = nn.CrossEntropyLoss()

        def forward(x, y):
            return self.loss_of(self.network(x), y)

        self.forward = torch.compile(forward, dynamic=False) if self.compiled else forward

    def reset(self):
        self.network.take(self.pairs)
        self.optimizer = optimizer(self.network.parameters(), self.how)

    def step(self, number):
        x, y = self.data.batch(number, SPEC["batch"], self.layout)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.forward(x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def losses(self, steps):
        self.reset()
        return [self.step(number).item() for number in range(steps)]

    def train(self, seconds):
        self.reset()
        for number in range(WARM_UP):
            self.step(number)
        begin, done = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            self.step(WARM_UP + done)
            done += 1
        return done * SPEC["batch"] / (time.perf_counter() - begin)


class Answers:
    """A way to predict."""

    def __init__(self, layout, how):
        (self.layout, self.how, self.name) = (layout, how, f"{layout}-{how}")

    def prepare(self, data, pairs):
        self.data = data
        self.network = Network(**SPEC["network"]).eval()
        self.network.take(pairs)
        if self.layout == "channels_last":
            self.network = self.network.to(memory_format=torch.channels_last)
        # One for each batch size.
        self.functions = {}

    def function(self, size):
        if size not in self.functions:
            network = copy.deepcopy(self.network)
            if self.how == "compiled":
                network = torch.compile(network, dynamic=False)
            if self.how == "frozen":
                traced = torch.jit.trace(network, self.data.batch(0, size, self.layout)[0])
                network = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
            self.functions[size] = network
            with torch.inference_mode():
                for number in range(5):
                    network(self.data.batch(number, size, self.layout)[0])
        return self.functions[size]

    def infer(self, seconds):
        function, size = self.function(SPEC["batch"]), SPEC["batch"]
        with torch.inference_mode():
            begin, done = time.perf_counter(), 0
            while time.perf_counter() - begin < seconds:
                function(self.data.batch(done, size, self.layout)[0])
                done += 1
            return done * size / (time.perf_counter() - begin)

    def latency(self, seconds):
        function = self.function(1)
        with torch.inference_mode():
            begin, times = time.perf_counter(), []
            while time.perf_counter() - begin < seconds:
                start = time.perf_counter()
                function(self.data.batch(len(times), 1, self.layout)[0])
                times.append((time.perf_counter() - start) * 1e6)
            return sorted(times)[len(times) // 2]


def modes():
    layouts = ["contiguous", "channels_last"] if SPEC["network"]["convolutions"] else ["contiguous"]
    hows = ["loop", "foreach"] + (["fused"] if SPEC["optimizer"]["name"] == "sgd" else [])
    compiled = [True] if SPEC["compile"] else []
    training = [Mode(layout, False, how) for layout in layouts for how in hows]
    training += [Mode(layouts[-1], True, how) for _ in compiled for how in hows]
    answers = [Answers(layout, "eager") for layout in layouts]
    answers += [Answers(layouts[-1], how) for how in ["frozen"] + ["compiled" for _ in compiled]]
    return training, answers


def prepared(modes, try_out, data, pairs):
    """Those that work here; why others do not goes to standard error."""
    good = {}
    for mode in modes:
        try:
            mode.prepare(data, pairs)
            try_out(mode)
            good[mode.name] = mode
        except Exception as error:
            print(f"pytorch {mode.name} is left out: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
    return good


def set_up():
    torch.set_num_threads(SPEC["threads"])
    # Before the first parallel region: its threads take the mode over.
    torch.set_flush_denormal(SPEC["flush"])
    if SPEC["limit"] == "avx2":
        import torch._inductor.config as inductor

        inductor.cpp.simdlen = 256


def serve():
    set_up()
    data, pairs = Data(), samples.weights(SPEC["weights"])
    training, answers = modes()
    training = prepared(training, lambda mode: mode.losses(2), data, pairs)
    asked = prepared(
        answers, lambda mode: (mode.function(SPEC["batch"]), mode.function(1)), data, pairs) if SPEC["infers"] else {}
    for line in sys.stdin:
        question = json.loads(line)
        what = question["do"]
        if what == "modes":
            answer = dict(train=list(training), infer=list(asked), version=torch.__version__)
        elif what == "losses":
            answer = training[question["mode"]].losses(question["steps"])
        elif what == "train":
            answer = training[question["mode"]].train(question["seconds"])
        else:
            answer = getattr(asked[question["mode"]], what)(question["seconds"])
        print(json.dumps(answer), flush=True)


def first(steps, layout):
    set_up()
    mode = Mode(layout, False, "foreach")
    mode.prepare(Data(), samples.weights(SPEC["weights"]))
    mode.step(0).item()
    print("first step", flush=True)
    for number in range(1, steps):
        mode.step(number)


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[2] == "first":
        first(int(sys.argv[3]), sys.argv[4])
    else:
        serve()
