#!/usr/bin/env python3
"""What watching costs: training with the gradient monitor beside training without it, in pairs whose order alternates.

    python3 Benchmarks/watching.py                                 SWITCHBACK=PATH names another binary
    python3 Benchmarks/watching.py --only mnist-cnn --every-step   probes at every step, in place of every tenth

Counted is the time from the hundredth update to the last: the first twenty are all probed, and a run has thousands. Pairs go on
until the 95 % interval of the median ratio is one percent wide, or --pairs is reached. Writes NAME.json and NAME.md into
--out. That weights have the same bits with and without is a test of the suite."""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

from origins import processor, processor_word, revision

ROOT = pathlib.Path(__file__).resolve().parents[1]
SWITCHBACK = os.environ.get("SWITCHBACK", str(ROOT / ".build/release/switchback"))
FIRST = 100
# The configuration, and how many steps are counted.
NETWORKS = {
    "mnist-cnn": ("configs/mnist-cnn.yaml", 800),
    "lstm-rows-mnist": ("configs/lstm-rows-mnist.yaml", 800),
    "mlp-30x64": ("Benchmarks/configs/mlp-30x64.yaml", 2000),
    "resnet20-fashion": ("configs/resnet20-fashion.yaml", 400),
}


def command(config, options, steps, watched, folder):
    made = [SWITCHBACK, "train", config, "--runs", folder, "--steps", str(steps), "--seed", "1", "--json",
            "--set", f"monitor.enabled={'true' if watched else 'false'}"]
    if watched and options.every_step:
        made += ["--set", "monitor.probe_interval=1"]
    data = options.data.get("fashion" if "fashion" in config else "mnist")
    return made + (["--data", data] if data else [])


def seconds(config, options, count, watched):
    """From the hundredth update to the last."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command(config, options, FIRST + count, watched, folder), cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        begin = end = None
        for line in process.stdout:
            step = json.loads(line)
            if "stepInEpoch" not in step:
                continue
            if step["step"] == FIRST:
                begin = time.monotonic()
            end = time.monotonic()
        if process.wait() not in (0, 3) or begin is None:
            raise SystemExit(f"{config} did not train")
        return end - begin


def interval(ratios):
    """Of the median, by bootstrap."""
    drawn = random.Random(1)
    medians = sorted(statistics.median(drawn.choices(ratios, k=len(ratios))) for _ in range(4000))
    return medians[100], medians[3899]


def measure(name, options):
    config, count = NETWORKS[name]
    ratios = []
    while len(ratios) < options.pairs:
        order = (True, False) if len(ratios) % 2 else (False, True)
        taken = {watched: seconds(config, options, count, watched) for watched in order}
        ratios.append(taken[True] / taken[False])
        if len(ratios) >= 8:
            low, high = interval(ratios)
            if high - low <= 0.01:
                break
    low, high = interval(ratios)
    found = dict(network=name, steps=count, pairs=len(ratios), ratio=statistics.median(ratios), low=low, high=high)
    print(f"{name}: {found['ratio']:.4f} ({low:.4f} to {high:.4f}), {len(ratios)} pairs of {count} steps", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(NETWORKS), help="networks, with commas")
    parser.add_argument("--pairs", type=int, default=60, help="at most so many")
    parser.add_argument("--every-step", action="store_true", help="probe every step")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER", help="mnist=…, fashion=…")
    parser.add_argument("--out", default=str(ROOT / "Benchmarks/results"))
    parser.add_argument("--name")
    options = parser.parse_args()
    options.data = dict(each.split("=", 1) for each in options.data)
    word = "every-step" if options.every_step else "default"
    name = options.name or f"{time.strftime('%Y-%m-%d')}-{processor_word()}-watching-{word}"
    found = [measure(each, options) for each in options.only.split(",")]
    os.makedirs(options.out, exist_ok=True)
    with open(f"{options.out}/{name}.json", "w") as file:
        json.dump(found, file, indent=1)
    with open(f"{options.out}/{name}.md", "w") as file:
        file.write(f"{processor()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}, Switchback {revision()}; time with the "
                   f"monitor ({'every step probed' if options.every_step else 'its defaults'}, `action: warn`) by time "
                   "without, from the hundredth update on, median and its 95 % interval.\n\n"
                   "| network | ratio | 95 % interval | pairs | steps of each |\n|---|--:|---|--:|--:|\n")
        for row in found:
            file.write(f"| `{row['network']}` | {row['ratio']:.4f} | {row['low']:.4f} to {row['high']:.4f} | {row['pairs']} | "
                       f"{row['steps']} |\n")


if __name__ == "__main__":
    main()
