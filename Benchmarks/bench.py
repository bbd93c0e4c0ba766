#!/usr/bin/env python3
"""Switchback beside PyTorch in one run, in turns: speed, share of the roof, memory, time to the first step.

    make bench                                     builds, installs PyTorch into .venv-bench, and runs all rows
    python3 Benchmarks/bench.py --rows mlp-64,first-step --rounds 5 --seconds 2

Both sides have the same cores, batches, order of samples, initial weights (a checkpoint of ours) and optimizer, and for each
row their losses are compared before their speeds. PyTorch runs in every mode that is its own, once with denormals flushed
and once without, and the best of each round counts. The roof (multiply-adds in registers) is measured in every round, and
where ../shared/prototype is, the C prototype of the same step too. Ratios are made round by round; the table has their median
and range.

Writes NAME.json and NAME.md into --out (Benchmarks/results), NAME being date, processor and cores. Ends with 1 where losses
part, or where the roof of a row drifts by more than a tenth: then the machine was not quiet, and the numbers say little.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import first_step
import table
from origins import processor, processor_word, revision
from rows import ROWS
from sides import PYTHON, ROOT, SWITCHBACK, Ours, Peer, Prototype

# Losses are compared in so many steps. Each side goes its own way from the same weights: the first step differs by rounding
# alone, and after some steps a pooling tie or a gate has flipped, so the others are held against each row's `loss_limit`.
LOSS_STEPS, FIRST_LIMIT = 20, 1e-5
# Of the roof over the rounds, by which a machine is no longer quiet.
DRIFT = 0.1
OTHERS = ["convolutions", "first-step"]


def compare_losses(row, ours, theirs, faults):
    """How far the peers' losses are from ours: in the first step, and the mean of all, relative."""
    found = {}
    for name, losses in theirs.items():
        first = abs(losses[0] / ours[0] - 1)
        mean = abs(statistics.mean(losses) / statistics.mean(ours) - 1)
        found[name] = dict(first=first, mean=mean)
        if not (first <= FIRST_LIMIT and mean <= row.loss_limit):
            faults.append(f"{row.name}: losses of {name} part: {first:.1e} in the first step, {mean:.1e} in the mean")
    return found


def measure(row, options, ours, prototype, faults):
    """One row: rounds of ours, the prototype and every mode of the peer, in turns."""
    say(row.words)
    weights = ours.weights(row)
    peers = [Peer(row, weights, ours, flush) for flush in (True, False)]
    try:
        theirs = {
            f"{mode} {peer.name}": peer.ask(do="losses", mode=mode, steps=LOSS_STEPS)
            for peer in peers for mode in peer.modes["train"]
        }
        losses = compare_losses(row, ours.losses(row, weights, LOSS_STEPS), theirs, faults)
        rounds = []
        for number in range(options.rounds):
            roof, flops = ours.roof(row)
            made = dict(roof=roof["gigaflops"], ours=ours.speed(row, weights, options.seconds), peers={})
            if row.prototype and prototype.folder:
                made["prototype"] = prototype.speed(row.prototype)
            for peer in peers:
                for ask in ("train",) + (("infer", "latency") if "infer" in row.asks else ()):
                    for mode in peer.modes["train" if ask == "train" else "infer"]:
                        seconds = options.seconds / (1 if ask == "train" else 4)
                        made["peers"].setdefault(ask, {})[f"{mode} {peer.name}"] = peer.ask(
                            do=ask, mode=mode, seconds=seconds)
            rounds.append(made)
            best = max(made["peers"]["train"].values())
            say(f"  round {number + 1}: ours {made['ours']['train']:.0f}, PyTorch's best {best:.0f} samples/s, "
                f"roof {made['roof']:.0f} GFLOP/s" + (f", prototype {made['prototype']:.0f}" if made.get("prototype") else ""))
    finally:
        for peer in peers:
            peer.close()
    roofs = [made["roof"] for made in rounds]
    if max(roofs) > (1 + DRIFT) * min(roofs):
        faults.append(f"{row.name}: the roof drifts from {min(roofs):.0f} to {max(roofs):.0f} GFLOP/s: the machine is not quiet")
    return dict(
        row=row.name, words=row.words, batch=row.batch, limit=row.limit, instructionSet=roof["instructionSet"],
        flopsPerSample=flops / row.batch, asks=list(row.asks), losses=losses, version=peers[0].modes["version"],
        rounds=rounds)


def convolutions(options, threads):
    """Three passes of single convolutions, by convolutions.py."""
    say("convolutions, three passes")
    made = subprocess.run(
        [str(PYTHON), "Benchmarks/convolutions.py", "table", str(threads), f"rounds={options.rounds}"], cwd=ROOT,
        stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in made.stdout.splitlines()][1:]


def machine(threads):
    flags = next((l.split(":")[1].split() for l in open("/proc/cpuinfo") if l.startswith("flags")), [])
    return dict(
        cpu=processor(), flags=[f for f in flags if f in ("avx2", "fma", "avx512f", "avx512bw", "avx512vl")], cores=threads,
        load=os.getloadavg()[0], date=time.strftime("%F", time.gmtime()), kernel=platform.release(),
        revision=revision(), backends=subprocess.run(
            [str(SWITCHBACK), "backends"], capture_output=True, text=True).stdout.splitlines())


def mnist_folder():
    """Where `switchback` would find the files, or those beside the project."""
    folders = [
        pathlib.Path(os.environ.get("SWITCHBACK_DATA", ROOT.parent / "shared" / "data"), "mnist"),
        pathlib.Path.home() / ".cache" / "switchback" / "datasets" / "mnist",
    ]
    return str(next((folder for folder in folders if folder.is_dir()), folders[-1]))


def say(words):
    print(words, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    known = [row.name for row in ROWS] + OTHERS
    parser.add_argument("--rows", default=",".join(known), help=f"which, with commas: {', '.join(known)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of training in a turn; inference has a quarter")
    parser.add_argument("--backend", default="openblas", help="ours")
    parser.add_argument("--data", default=mnist_folder(), help="the folder of MNIST's files")
    parser.add_argument("--out", default=str(ROOT / "Benchmarks/results"))
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes minutes to prepare")
    options = parser.parse_args()
    options.data = os.path.abspath(options.data)
    wanted = options.rows.split(",")
    unknown = [name for name in wanted if name not in known]
    if options.backend not in ("openblas", "fft", "reference"):
        parser.error(f"--backend {options.backend}: its roof is not known here; opencl.sh measures devices")
    if unknown or options.rounds < 1 or options.seconds <= 0:
        parser.error(f"unknown rows: {', '.join(unknown)}" if unknown else "--rounds and --seconds are more than 0")
    for path, cure in ((SWITCHBACK, "make build"), (PYTHON, "sh .make/install-pytorch.sh")):
        if not path.exists():
            raise SystemExit(f"there is no {path}: {cure}")
    if not os.path.isdir(options.data):
        raise SystemExit(f"there is no folder {options.data}: switchback data fetch mnist, or --data")
    faults = []
    with tempfile.TemporaryDirectory() as work:
        ours = Ours(options, work)
        about = machine(ours.threads)
        if about["load"] > 0.2:
            say(f"warning: something else runs here (load {about['load']:.1f})")
        prototype = Prototype(work, ours.threads)
        result = dict(machine=about, rounds=options.rounds, seconds=options.seconds, backend=options.backend, rows=[])
        for row in ROWS:
            if row.name not in wanted:
                continue
            try:
                result["rows"].append(measure(row, options, ours, prototype, faults))
            except (RuntimeError, ValueError, KeyError) as error:
                # A row that cannot be measured takes none of the others with it.
                faults.append(f"{row.name}: {type(error).__name__}: {error}")
        if "convolutions" in wanted:
            result["convolutions"] = convolutions(options, ours.threads)
            result["convolutionRoof"] = ours.roof(ROWS[0])[0]["gigaflops"]
        if "first-step" in wanted:
            say("memory and the first step")
            result["firstStep"] = first_step.measure(ROWS[0], ours, options)
        result["faults"] = faults
    name = f"{about['date']}-{processor_word()}-{ours.threads}-cores"
    path = pathlib.Path(options.out, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = table.markdown(result)
    path.with_name(name + ".json").write_text(json.dumps(result, indent=1) + "\n")
    path.with_name(name + ".md").write_text(text)
    print(text)
    say(f"{path}.json, {path}.md")
    for fault in faults:
        say(f"error: {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
