"""PyTorch as a peer of bench.py: a process for one network, which is asked line by line.

    python pytorch.py SPEC              answers questions on standard input, all in JSON
    python pytorch.py SPEC first STEPS LAYOUT
                                        a script as users write it: says when the first step is done, then goes on

SPEC is JSON: network, batch, optimizer, weights, dataset, data, seed, threads, flush, limit, compile, infers (see
sides.py). The networks are in networks/.

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

import networks
import samples

WARM_UP = 20


def network(layout):
    settings = dict(SPEC["network"])
    return networks.kind(settings.pop("kind"))(layout, **settings)


def optimizer(parameters, how):
    settings = SPEC["optimizer"]
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    variant = {"foreach": dict(foreach=True), "loop": dict(foreach=False), "fused": dict(fused=True)}[how]
    if settings["name"] == "rmsprop":
        return torch.optim.RMSprop(
            parameters, lr=settings["rate"], alpha=settings["rho"], eps=settings["epsilon"], **variant)
    if settings["name"] == "adam":
        return torch.optim.Adam(parameters, lr=settings["rate"], eps=settings["epsilon"], **variant)
    return torch.optim.SGD(parameters, lr=settings["rate"], momentum=settings.get("momentum", 0), **variant)


class Data:
    """Pictures as bytes; a batch is gathered and scaled in the step, as Switchback does."""

    def __init__(self):
        images, labels = (samples.mnist if SPEC["dataset"] == "mnist" else samples.pictures)(SPEC["data"])
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.order = torch.from_numpy(samples.order(len(images), SPEC["seed"], 1))
        self.read = {}

    def batch(self, step, size, layout):
        if layout not in self.read:
            self.read[layout] = networks.kind(SPEC["network"]["kind"]).read(self.images, layout)
        count = len(self.order) // size
        at = self.order[step % count * size :][:size]
        x = self.read[layout][at].float().mul_(1 / 255)
        return (x.contiguous(memory_format=torch.channels_last) if layout == "channels_last" else x), self.labels[at]


class Mode:
    """A way to train or to predict: layout, compiled or not, and how the optimizer works."""

    def __init__(self, layout, compiled, how):
        (self.layout, self.compiled, self.how) = (layout, compiled, how)
        self.name = "-".join([layout, "compiled" if compiled else "eager", how])
        self.network = None

    def prepare(self, data, weights):
        self.data, self.weights = data, weights
        self.network = network(self.layout)
        self.reset()
        self.loss_of = nn.CrossEntropyLoss()

        def forward(x, y):
            return self.loss_of(self.network(x), y)

        self.forward = torch.compile(forward, dynamic=False) if self.compiled else forward

    def reset(self):
        self.network.take(self.weights)
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

    def prepare(self, data, weights):
        self.data = data
        self.network = network(self.layout).eval()
        self.network.take(weights)
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
    settings = dict(SPEC["network"])
    eager, compiled = networks.kind(settings.pop("kind")).layouts(settings)
    if not SPEC["compile"]:
        compiled = []
    hows = ["loop", "foreach"] + (["fused"] if SPEC["optimizer"]["name"] != "rmsprop" else [])
    training = [Mode(layout, False, how) for layout in eager for how in hows]
    training += [Mode(layout, True, how) for layout in compiled for how in hows]
    answers = [Answers(layout, "eager") for layout in eager] + [Answers(eager[-1], "frozen")]
    return training, answers + [Answers(layout, "compiled") for layout in compiled]


def prepared(modes, try_out, data, weights):
    """Those that work here; why others do not goes to standard error."""
    good = {}
    for mode in modes:
        try:
            mode.prepare(data, weights)
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
    data, weights = Data(), samples.weights(SPEC["weights"])
    training, answers = modes()
    training = prepared(training, lambda mode: mode.losses(2), data, weights)
    asked = prepared(
        answers, lambda mode: (mode.function(SPEC["batch"]), mode.function(1)), data, weights) if SPEC["infers"] else {}
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
