"""A run of a case by `switchback train`, and what it found."""
import hashlib
import json
import pathlib
import resource
import subprocess
import tempfile
import time

from sides import SWITCHBACK

from .networks import configuration

# Seconds of the clock: a run that takes longer hangs.
PATIENCE = 600
# What a finding says that judging needs.
KEPT = ("rule", "severity", "step", "cause", "ruleCause", "layers", "subject", "evidence", "message", "proof")
# Exit statuses: of runs that came to their end, or whose loss stayed infinite or NaN; and of data and configurations that are
# refused before the first step.
ENDED, REFUSED = (0, 1), (65, 66, 78)


def identity(case, width, seed, backend, data):
    """By what a run is known again."""
    plugin = getattr(case, "plugin", "")
    text = configuration(case, width, data, plugin or backend)
    return dict(
        case=case.name, width=width, seed=seed, backend="plug-in" if plugin else backend,
        settings=hashlib.sha256(text.encode()).hexdigest()[:12])


def train(case, width, seed, backend, data):
    """Runs the case. `backend` is a name or the path of a library."""
    with tempfile.TemporaryDirectory() as work:
        config = pathlib.Path(work, f"{case.name}.yaml")
        config.write_text(configuration(case, width, data, backend))
        begin, before = time.monotonic(), _cpu_seconds()
        # One thread: runs of other people's do not make it wait for its own workers.
        made = subprocess.run(
            [str(SWITCHBACK), "train", str(config), "--seed", str(seed), "--runs", f"{work}/runs", "--offline", "--threads",
             "1"], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        line = dict(
            status=made.returncode, cpuSeconds=round(_cpu_seconds() - before, 2),
            wallSeconds=round(time.monotonic() - begin, 1))
        run = pathlib.Path(work, "runs", "latest")
        said = made.stderr.replace(work, "").strip()[-600:]
        if made.returncode in ENDED:
            line["findings"] = [
                {key: finding[key] for key in KEPT if key in finding}
                for finding in map(json.loads, (run / "findings.jsonl").read_text().splitlines())]
            if (run / "summary.json").exists():
                summary = json.loads((run / "summary.json").read_text())
                line |= {key: summary[key] for key in ("steps", "testAccuracy", "testLoss") if key in summary}
        elif made.returncode in REFUSED:
            line["findings"] = [dict(rule="refused", severity="error", step=0, message=said)]
        else:
            line |= dict(findings=[], error=said)
    return line


def _cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
