"""Convolutions of the fft backend against the OpenBLAS backend and PyTorch, in turns.

    .venv-bench/bin/python Benchmarks/convolutions.py [GROUP ...] [THREADS ...] > Benchmarks/results/FILE.jsonl

GROUP: dense, step (the three passes of dense), depthwise, sequence, crossover; all without. `table` has the rows that
bench.py shows. `rounds=N`: so many (2). Build first: `make build`.
A line a case: seconds of the fastest repetition of all rounds for each contender and those of each round, all with one
thread and with two.
PyTorch's convolutions run eagerly in both memory formats, the faster counts. `crossover` has the shapes between which
the cost model must decide, without PyTorch, and says whether fft takes each unforced; `fit_convolutions.py` reads it.
"""
import json
import platform
import subprocess
import sys
import time

import torch

from origins import processor

BINARY = ".build/release/convolution-times"
# Of an argument `rounds=N`.
ROUNDS = next((int(word.split("=")[1]) for word in sys.argv[1:] if word.startswith("rounds=")), 2)


class Ours:
    def __init__(self, backend, workers, *options):
        self.process = subprocess.Popen(
            [BINARY, backend, str(workers), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, what, case, repetitions):
        numbers = [case[k] for k in ("N", "H", "W", "C", "kh", "kw", "K", "groups")] + case["padding"] + [repetitions]
        self.process.stdin.write(what + " " + " ".join(map(str, numbers)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"{what} {case}: {answer}")
        return float(answer.split()[0])


def fastest(run, repetitions):
    run()
    best = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def torch_convolution(what, case, repetitions, layout):
    top, bottom, left, right = case["padding"]
    is_sequence = case["H"] == 1 and case["kh"] == 1
    size = (case["N"], case["C"], case["W"]) if is_sequence else (case["N"], case["C"], case["H"], case["W"])
    kernel = (case["kw"],) if is_sequence else (case["kh"], case["kw"])
    x = torch.rand(size)
    w = torch.rand((case["K"], case["C"] // case["groups"], *kernel))
    if layout == "channels_last":
        if is_sequence:
            return float("inf")
        x, w = x.to(memory_format=torch.channels_last), w.to(memory_format=torch.channels_last)
    function = torch.nn.functional.conv1d if is_sequence else torch.nn.functional.conv2d
    padding = (left,) if is_sequence else (top, left)

    def forward():
        return function(x, w, padding=padding, groups=case["groups"])

    if what == "forward":
        with torch.no_grad():
            return fastest(forward, repetitions)
    x.requires_grad_(), w.requires_grad_()
    dy = torch.rand_like(forward())

    def step():
        x.grad = w.grad = None
        forward().backward(dy)

    return fastest(step, repetitions)


def torch_fft(case, repetitions):
    length, kernel = case["W"], case["kw"]
    x, w = torch.rand((case["N"], case["C"], length)), torch.rand((case["C"], kernel))
    n = 1 << (length + kernel - 2).bit_length()

    def forward():
        return torch.fft.irfft(torch.fft.rfft(x, n) * torch.fft.rfft(w, n), n)[..., :length]

    with torch.no_grad():
        return fastest(forward, repetitions)


def cases(groups):
    def same(k):
        return [(k - 1) // 2, k // 2, (k - 1) // 2, k // 2]

    for k in (3, 5, 7, 9, 11, 15, 31):
        for group, what in (("dense", "forward"), ("step", "step")):
            if group in groups:
                yield "dense", what, dict(N=64, H=28, W=28, C=64, kh=k, kw=k, K=64, groups=1, padding=same(k))
    for k in (3, 5, 7) if "table" in groups else ():
        yield "table", "step", dict(N=64, H=28, W=28, C=64, kh=k, kw=k, K=64, groups=1, padding=same(k))
        for size in (28, 56):
            yield "table", "step", dict(N=16, H=size, W=size, C=64, kh=k, kw=k, K=64, groups=64, padding=same(k))
    for size in (28, 56):
        for k in (7, 15, 31):
            if "depthwise" in groups:
                for what in ("forward", "step"):
                    yield "depthwise", what, dict(
                        N=16, H=size, W=size, C=64, kh=k, kw=k, K=64, groups=64, padding=same(k))
    if "crossover" in groups:
        for n, size, channels in ((64, 28, 64), (64, 28, 16), (64, 26, 4), (64, 14, 128)):
            for k in (1, 3, 5, 7):
                for what in ("forward", "backward"):
                    yield "crossover", what, dict(
                        N=n, H=size, W=size, C=channels, kh=k, kw=k, K=channels, groups=1, padding=same(k))
        for n, size in ((64, 14), (16, 28), (16, 56)):
            for k in (5, 7, 9, 11, 15):
                for what in ("forward", "backward"):
                    yield "crossover", what, dict(
                        N=n, H=size, W=size, C=64, kh=k, kw=k, K=64, groups=64, padding=same(k))
    for length in (1024, 8192, 65536):
        if "sequence" in groups:
            # Padding on the left: no output sees what comes after it.
            yield "sequence", "forward", dict(
                N=8, H=1, W=length, C=64, kh=1, kw=length, K=64, groups=64, padding=[0, 0, length - 1, 0])


def main():
    groups = [word for word in sys.argv[1:] if "=" not in word] or ["dense", "sequence", "depthwise", "step", "crossover"]
    print(json.dumps(dict(cpu=processor(), torch=torch.__version__, python=platform.python_version(),
                          date=time.strftime("%F"), rounds=ROUNDS)), flush=True)
    for threads in [int(g) for g in groups if g.isdigit()] or (1, 2):
        torch.set_num_threads(threads)
        fft, blas = Ours("fft", threads, "force=true", "memory=4096"), Ours("openblas", threads)
        unforced = Ours("fft", threads, "memory=4096")
        for group, what, case in cases(groups):
            times, rounds = {}, []

            def note(name, run):
                try:
                    seconds = run()
                    times[name] = min(times.get(name) or float("inf"), seconds)
                    rounds[-1][name] = min(rounds[-1].get(name, float("inf")), seconds)
                except RuntimeError as error:
                    times[name] = None
                    print(error, file=sys.stderr)

            long = case["kw"] >= 8192
            for round in range(ROUNDS):
                rounds.append({})
                note("fft", lambda: fft.seconds(what, case, 4))
                if what == "forward":
                    note("inference", lambda: fft.seconds("inference", case, 4))
                if not long:
                    note("openblas", lambda: blas.seconds(what, case, 1 if case["kw"] >= 15 else 2))
                if group == "sequence":
                    note("torch.fft", lambda: torch_fft(case, 4))
                if group == "crossover":
                    continue
                if case["kw"] >= 8192:
                    # Minutes for all of it: one channel of one sequence stands for the 512, divided evenly.
                    one = dict(case, N=1, C=1, K=1, groups=1)
                    note("pytorch", lambda: 512 / threads * torch_convolution(what, one, 1, "contiguous"))
                else:
                    for layout in ("contiguous", "channels_last"):
                        note("pytorch", lambda: torch_convolution(what, case, 1 if case["kw"] >= 15 else 3, layout))
            extra = {}
            if group == "crossover":
                try:
                    extra["taken"] = unforced.seconds(what, case, 1) > 0
                except RuntimeError:
                    # Nobody else is in its chain.
                    extra["taken"] = False
            print(json.dumps(dict(group=group, what=what, threads=threads, **case, seconds=times, **extra,
                                  rounds=rounds)), flush=True)


main()
