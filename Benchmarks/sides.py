"""Who is measured by bench.py: Switchback, PyTorch and the prototype in C."""
import json
import os
import pathlib
import subprocess
import sys

import pictures

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROTOTYPE = ROOT.parent / "shared" / "prototype"
PYTHON = ROOT / ".venv-bench" / "bin" / "python"
# $SWITCHBACK names another binary than the one built here.
SWITCHBACK = pathlib.Path(os.environ.get("SWITCHBACK", ROOT / ".build" / "release" / "switchback"))


def environment(limit):
    """Ours with at most that instruction set."""
    limits = dict(SWITCHBACK_CPU_KERNELS="avx2", SWITCHBACK_OPENBLAS_CORETYPE="Haswell") if limit == "avx2" else {}
    return {**os.environ, **limits}


class Ours:
    def __init__(self, options, work):
        (self.options, self.work, self.threads) = (options, work, len(os.sched_getaffinity(0)))

    def run(self, command, row, *arguments):
        made = subprocess.run(
            [str(SWITCHBACK), command, row.config, *self.settings(row), *arguments, "--data",
             folder(row, self.options, self.work), "--threads", str(self.threads)], cwd=ROOT, env=environment(row.limit), capture_output=True, text=True)
        if made.returncode != 0:
            raise SystemExit(f"switchback {command} {row.config} {' '.join(arguments)}: {made.stderr}")
        return made.stdout

    @staticmethod
    def settings(row):
        return [part for setting in row.settings for part in ("--set", setting)]

    def weights(self, row):
        """A checkpoint after one step, where both sides begin."""
        runs = f"{self.work}/{row.name}"
        self.run("train", row, "--runs", runs, "--steps", "1")
        return str(next(pathlib.Path(runs, "latest", "checkpoints").glob("step-*.safetensors")).resolve())

    def losses(self, row, weights, steps):
        lines = self.run(
            "train", row, "--backend", self.options.backend, "--runs", f"{self.work}/losses", "--steps", str(steps), "--from",
            weights, "--json").splitlines()
        return [event["loss"] for event in map(json.loads, lines) if "stepInEpoch" in event]

    def speed(self, row, weights, seconds):
        made = json.loads(self.run(
            "bench", row, "--set", f"model.from={weights}", "--backend", self.options.backend, "--rounds", "1", "--seconds",
            str(seconds), "--json"))["backends"][0]
        return dict(
            train=made["trainingSamplesPerSecond"]["rounds"][0], infer=made["inferenceSamplesPerSecond"]["rounds"][0],
            latency=made["latencyMicroseconds"]["rounds"][0])

    def roof(self, row):
        """The roof now, and what a step states."""
        made = json.loads(self.run("profile", row, "--backend", self.options.backend, "--steps", "1", "--json"))
        return made["roof"], made["flopsPerStep"]


class Peer:
    """A PyTorch process for one row; `flush` are its denormals."""

    def __init__(self, row, weights, ours, flush):
        self.name = "flushed" if flush else "denormals"
        self.process = subprocess.Popen(
            [str(PYTHON), str(ROOT / "Benchmarks/peers/pytorch.py"), spec(row, weights, ours, flush)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.modes = self.ask(do="modes")

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"PyTorch ended at {question}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def spec(row, weights, ours, flush):
    return json.dumps(dict(
        network=row.network, batch=row.batch, optimizer=row.optimizer, weights=weights, dataset=row.dataset,
        data=folder(row, ours.options, ours.work), seed=1, threads=ours.threads, flush=flush, limit=row.limit,
        compile=not ours.options.no_compile, infers="infer" in row.asks))


def folder(row, options, work):
    """Of the row's data set; pictures are made when they are first asked for."""
    return options.data if row.dataset == "mnist" else pictures.made(f"{work}/pictures")


class Prototype:
    """The C prototype, built once; nothing where it is not there. It has one worker or two."""

    def __init__(self, work, threads):
        (self.folder, self.threads) = (None, threads)
        if threads <= 2 and (PROTOTYPE / "build.sh").exists():
            made = subprocess.run(
                ["bash", str(PROTOTYPE / "build.sh"), f"{work}/prototype"], capture_output=True, text=True)
            if made.returncode == 0:
                self.folder = f"{work}/prototype"
            else:
                print(f"the prototype is left out: {made.stderr.strip()[-300:]}", file=sys.stderr)

    def speed(self, program):
        """Images a second of an epoch."""
        made = subprocess.run([f"./{program}", "-e", "1", "-w", str(self.threads)], cwd=self.folder, capture_output=True, text=True)
        words = made.stdout.split()
        return float(words[words.index("img/s") - 1]) if "img/s" in words else None
