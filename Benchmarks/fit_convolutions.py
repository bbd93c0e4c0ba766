"""Fits the direct algorithm's constants of the fft backend's cost model to measured times.

    .venv-bench/bin/python Benchmarks/fit_convolutions.py Benchmarks/results/FILE.jsonl ...

FILE is what convolutions.py wrote; its rows of one thread by the OpenBLAS backend count. Prints nanoseconds for
`CostModel` in Backends/FFTConvolution/Transforms.swift, how far off each row then is, and what the backend's choices
were worth: a case that it takes and that is slower than the direct one is a loss, and status 1.
"""
import json
import sys

import numpy

rows = [json.loads(line) for name in sys.argv[1:] for line in open(name)]
choices = [r for r in rows if "taken" in r]
rows = [r for r in rows if r.get("threads") == 1 and r["H"] > 1 and r["seconds"].get("openblas")]


def multiplies(r):
    return r["N"] * r["H"] * r["W"] * r["kh"] * r["kw"] * r["C"] // r["groups"] * r["K"]


def fit(title, rows, features):
    # Relative errors count: each row is divided by its time.
    times = numpy.array([1e9 * r["seconds"]["openblas"] for r in rows])
    matrix = numpy.array([features(r) for r in rows], dtype=float)
    constants, *_ = numpy.linalg.lstsq(matrix / times[:, None], numpy.ones(len(rows)), rcond=None)
    print(title, *(f"{c:.4f}" for c in constants))
    for r, time, expected in zip(rows, times, matrix @ constants):
        print(f"  {r['H']}x{r['W']} {r['C']}->{r['K']} k={r['kh']}: {time * 1e-6:.2f} ms, model {expected * 1e-6:.2f}")


# Beyond 15x15 the direct algorithm leaves its caches and is never a match.
near = [r for r in rows if r["kh"] <= 15]
forward, backward = ([r for r in near if r["what"] == what] for what in ("forward", "backward"))
fit("direct, directElement:", [r for r in forward if r["groups"] == 1],
    lambda r: (multiplies(r), multiplies(r) / r["K"]))
fit("directDepthwise:", [r for r in forward if r["groups"] == r["C"] > 1], lambda r: (multiplies(r),))
# Two passes.
fit("directDepthwiseBackward:", [r for r in backward if r["groups"] == r["C"] > 1], lambda r: (2 * multiplies(r),))

losses = 0
for r in choices:
    gain = r["seconds"]["openblas"] / r["seconds"]["fft"]
    losses += r["taken"] and gain < 1
    print(f"  {r['what']} {r['H']}x{r['W']} {r['C']}->{r['K']}/{r['groups']} k={r['kh']}: "
          f"{gain:.2f} times as fast by transforms, {'taken' if r['taken'] else 'declined'}")
print(f"{losses} of {sum(r['taken'] for r in choices)} taken at a loss")
sys.exit(losses > 0)
