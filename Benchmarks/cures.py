#!/usr/bin/env python3
"""Networks that do not learn beside their cures: the same budget, three learning rates, five seeds, by `switchback train`.

    make build && python3 Benchmarks/cures.py                  all experiments, some 40 minutes on two cores
    python3 Benchmarks/cures.py --only depth-mlp --seeds 2     SWITCHBACK=PATH names another binary
    python3 Benchmarks/cures.py --table                        of what was run, without running

Each network counts at the rate that has the best mean over the seeds. A network beats another where the difference of the
means is at least two standard errors: m1 - m2 >= 2 sqrt(s1^2/n1 + s2^2/n2), with the sample deviation s of n seeds. A rate at
which a run fails is not chosen. A problem is solved where each seed of the best rate is beyond the experiment's limit, and is
not where no run of any rate is.

Each run adds a line to NAME.jsonl in --out (Benchmarks/results), and one that is there, of the same settings, is run again
only where it failed. NAME is date, processor and cores, or --name: whoever goes on another day says it. The table goes to NAME.md. Ends with
1 where a claim does not hold."""
import argparse
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from cure_experiments import EXPERIMENTS
from cure_table import identity, table
from origins import processor_word, revision
from sides import ROOT, SWITCHBACK


class Results:
    """A file of runs, a line each."""

    def __init__(self, path):
        self.path = path
        self.lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def find(self, run):
        """The latest such line."""
        return next((line for line in reversed(self.lines) if all(line[key] == value for key, value in run.items())), None)

    def add(self, line):
        self.lines.append(line)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\n")


def subset(source, folder, train, test):
    """The first pictures of both parts of a folder of IDX files, in a folder of their own."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", test)):
        for kind, header, size in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            packed = pathlib.Path(source, f"{part}-{kind}-ubyte.gz")
            plain = pathlib.Path(source, f"{part}-{kind}-ubyte")
            with gzip.open(packed, "rb") if packed.exists() else open(plain, "rb") as file:
                data = file.read(header + count * size)
            if len(data) < header + count * size:
                raise SystemExit(f"{source} has fewer than {count} of {part}-{kind}")
            (folder / plain.name).write_bytes(data[:4] + count.to_bytes(4, "big") + data[8:])
    return str(folder)


def source(dataset):
    """Where `switchback` finds a data set."""
    made = subprocess.run([str(SWITCHBACK), "data", "list", "--json"], capture_output=True, text=True, check=True)
    found = {entry["name"]: entry.get("folder") for entry in json.loads(made.stdout)}
    if not found.get(dataset):
        raise SystemExit(f"there is no {dataset} here: switchback data fetch {dataset}, or $SWITCHBACK_DATA")
    return found[dataset]


def train(experiment, arm, rate, seed, options, data, work):
    """What a run came to: its measure on the test set, what was found, and how long it took."""
    settings = {**experiment.settings, arm.rate_key: rate, "training.epochs": options.epochs or experiment.epochs}
    runs = f"{work}/runs"
    command = [str(SWITCHBACK), "train", arm.config, "--seed", str(seed), "--runs", runs, "--offline", "--json",
               *[word for key, value in settings.items() for word in ("--set", f"{key}={value}")]]
    command += ["--data", data] if data else []
    command += ["--steps", str(options.steps)] if options.steps else []
    begin = time.monotonic()
    made = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    line = dict(wallSeconds=round(time.monotonic() - begin, 1), status=made.returncode)
    summary = pathlib.Path(runs, "latest", "summary.json")
    if made.returncode == 0:
        said = json.loads(summary.read_text())
        line |= dict(
            value=said.get(experiment.measure), steps=said["steps"], samplesPerSecond=said["samplesPerSecond"],
            findings=sorted({finding["rule"] for finding in said["findings"]}))
    else:
        line |= dict(value=None, findings=[], error=made.stderr.strip()[-300:])
    return line


def run_all(experiment, options, results):
    with tempfile.TemporaryDirectory() as work:
        data = None
        if experiment.dataset and experiment.subset:
            data = subset(source(experiment.dataset), f"{work}/data/{experiment.dataset}", *experiment.subset)
        for seed in range(1, options.seeds + 1):
            for arm in experiment.arms:
                for rate in arm.rates:
                    run = identity(experiment, arm, rate, seed, options)
                    done = results.find(run)
                    if done and done["status"] == 0:
                        continue
                    line = train(experiment, arm, rate, seed, options, data, work)
                    results.add({**run, **line, "revision": revision(), "date": time.strftime("%F", time.gmtime())})
                    print(f"{experiment.name} {arm.name} rate {rate} seed {seed}: {experiment.measure} {line['value']} in "
                          f"{line['wallSeconds']} s" + (f": {line['error']}" if "error" in line else ""), file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = [experiment.name for experiment in EXPERIMENTS]
    parser.add_argument("--only", default=",".join(names), help=f"which, with commas: {', '.join(names)}")
    parser.add_argument("--seeds", type=int, default=5, help="1 to this number")
    parser.add_argument("--epochs", type=int, default=0, help="another budget")
    parser.add_argument("--steps", type=int, default=0, help="ends each run after so many, for a trial")
    parser.add_argument("--out", default=str(ROOT / "Benchmarks/results"))
    parser.add_argument("--name", help="of the files, without ending; default: date, processor, cores")
    parser.add_argument("--table", action="store_true", help="runs nothing")
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - set(names)
    if unknown or options.seeds < 2:
        parser.error(f"unknown: {', '.join(sorted(unknown))}" if unknown else "a standard error takes two --seeds")
    if not SWITCHBACK.exists():
        raise SystemExit(f"there is no {SWITCHBACK}: make build")
    if (ROOT.parent / "shared" / "data").is_dir():
        os.environ.setdefault("SWITCHBACK_DATA", str(ROOT.parent / "shared" / "data"))
    cores = len(os.sched_getaffinity(0))
    name = options.name or f"{time.strftime('%F', time.gmtime())}-cures-{processor_word()}-{cores}-cores"
    results = Results(pathlib.Path(options.out, name + ".jsonl"))
    experiments = [experiment for experiment in EXPERIMENTS if experiment.name in options.only.split(",")]
    if not options.table:
        for experiment in experiments:
            run_all(experiment, options, results)
    text, holds = table(options, results, experiments)
    results.path.with_suffix(".md").write_text(text)
    print(text)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
