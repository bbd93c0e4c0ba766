"""Peak memory of a short training, and the time from the command to the end of its first step, in turns."""
import os
import subprocess
import time

from sides import PYTHON, ROOT, SWITCHBACK, environment, spec

STEPS = 300


def run(command, is_first, cwd, env):
    """Seconds until a line of output says that the first step is done, and the peak of resident bytes."""
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seconds = None
    for line in process.stdout:
        if seconds is None and is_first(line):
            seconds = time.monotonic() - begin
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or seconds is None:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return dict(seconds=seconds, peakBytes=usage.ru_maxrss * 1024)


def measure(row, ours, options):
    """For each round what ours took, and each memory format of PyTorch."""
    weights = ours.weights(row)
    rounds = []
    for _ in range(options.rounds):
        made = dict(ours=run(
            [str(SWITCHBACK), "train", row.config, *ours.settings(row), "--from", weights, "--data", options.data,
             "--runs", f"{ours.work}/first", "--steps", str(STEPS), "--threads", str(ours.threads), "--json",
             "--backend", options.backend],
            lambda line: '"stepInEpoch"' in line, ROOT, environment(row.limit)), peers={})
        for layout in ("contiguous", "channels_last"):
            made["peers"][layout] = run(
                [str(PYTHON), str(ROOT / "Benchmarks/peers/pytorch.py"),
                 spec(row, weights, ours, True), "first", str(STEPS), layout],
                lambda line: line.startswith("first step"), ROOT, dict(os.environ))
        rounds.append(made)
    return rounds
