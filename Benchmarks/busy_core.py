#!/usr/bin/env python3
"""What training keeps of its speed while another process fills one of its cores.

    python3 Benchmarks/busy_core.py --rounds 5          SWITCHBACK=PATH names another binary

Free and busy turns alternate; the other process counts on the last core. Prints a line for each configuration: samples a
second in both, and the median ratio with its range. Half is what two workers on one and a half cores could keep at most if
they waited for each other; three quarters, if nobody waits."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SWITCHBACK = os.environ.get("SWITCHBACK", str(ROOT / ".build/release/switchback"))
CONFIGS = ["configs/mnist-cnn.yaml", "Benchmarks/configs/mlp-64.yaml"]


def speed(config, options):
    made = subprocess.run(
        [SWITCHBACK, "profile", config, "--backend", options.backend, "--steps", str(options.steps), "--json"]
        + (["--data", options.data] if options.data else []), cwd=ROOT, capture_output=True, text=True)
    if made.returncode != 0:
        raise SystemExit(made.stderr)
    return json.loads(made.stdout)["samplesPerSecond"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", default="openblas")
    parser.add_argument("--data", help="the folder of the data set's files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    for config in CONFIGS:
        free, busy = [], []
        for _ in range(options.rounds):
            free.append(speed(config, options))
            other = subprocess.Popen(
                [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"])
            try:
                busy.append(speed(config, options))
            finally:
                other.kill()
                other.wait()
        ratios = [b / f for b, f in zip(busy, free)]
        print(f"{config}: {statistics.median(free):,.0f} free, {statistics.median(busy):,.0f} beside a busy process: "
              f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


if __name__ == "__main__":
    main()
