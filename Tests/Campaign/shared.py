"""What the parts share: commands are run and judged here, and faults are told."""
import collections, hashlib, json, os, pathlib, random, select, shlex, signal, subprocess, tempfile, time
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What the program says: success, a failure of its own, a finding, usage, data, missing file, backend, library, cannot
# make, cannot write, configuration, and 128 with a signal.
STATUSES = {0, 1, 3, 64, 65, 66, 69, 70, 73, 74, 78, 130, 143}
# A failure has at least one of these in its words.
WORDS = ["error:", "Error:", "interrupted", "✗", "wrong operation", "is wrong on"]
# Foundation's own words for an error, which no user of ours should have to read.
RAW = ["NSError", "Domain=", "DecodingError", "Debug description", "CodingKeys", "Optional("]
# A small file that makes a command take more than this is a fault; the machine is kept from running out of it.
MOST_MEMORY = 2 << 30


class Result(NamedTuple):
    status: int | None  # negative: the signal that ended it; None: it hung
    output: str
    errors: str
    seconds: float
    peak: int  # bytes

    @property
    def last(self):
        return self.errors.strip()[-200:]


def memory(process):
    """Of a process and its children, in bytes."""
    try:
        text = pathlib.Path(f"/proc/{process}/statm").read_text()
        children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return 0
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") + sum(memory(int(child)) for child in children)


def run(command, limit=120, env=None, stdin=None, most=MOST_MEMORY):
    """Runs a command of ours to its end, for at most `limit` seconds and with at most twice the memory `most`."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin, peak, hung = time.monotonic(), 0, False
        process = subprocess.Popen([str(c) for c in command], stdin=stdin or subprocess.DEVNULL, stdout=output,
                                   stderr=errors, cwd=ROOT, env={**os.environ, **(env or {})}, start_new_session=True)
        descriptor = os.pidfd_open(process.pid)
        while not select.select([descriptor], [], [], 0.2)[0]:
            peak = max(peak, memory(process.pid))
            hung = time.monotonic() - begin > limit
            if hung or peak > 2 * most:
                os.killpg(process.pid, signal.SIGKILL)
        os.close(descriptor)
        # Of the process and of those it waited for.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return Result(None if hung else process.returncode, *texts, time.monotonic() - begin,
                      max(peak, usage.ru_maxrss << 10))


def faults_of(result, allowed=STATUSES, most=MOST_MEMORY):
    """What is wrong with how a command ended, in words; empty where all is well."""
    words = result.output + result.errors
    faults = []
    if result.peak > most:
        faults.append(f"it took {result.peak >> 20} MB (status {result.status})")
    elif result.status is None:
        faults.append("it hung")
    elif result.status not in allowed:
        faults.append(f"status {result.status}: {result.last}")
    elif result.status != 0 and not any(word in words for word in WORDS):
        faults.append(f"status {result.status} without a word")
    raw = [line for line in words.splitlines() if any(word in line for word in RAW)]
    if raw:
        faults.append(f"a raw error: {raw[0][-300:]}")
    return faults


class Campaign:
    def __init__(self, options):
        self.binary, self.work = pathlib.Path(options.binary).resolve(), pathlib.Path(options.work)
        self.data = os.environ.get("CAMPAIGN_DATA") or ROOT / "Tests/Samples/mnist"
        self.random, self.is_long = random.Random(options.seed), options.hours
        self.seed, self.count, self.only = options.seed, options.count, options.only
        self.cache = self.work / "cache"
        self.faults: list[str] = []
        self.rows: list[tuple] = []

    def tell(self, kind, words, command="", shown=True):
        self.faults.append(f"{kind}: {words}" + (f"\n    {command}" if command else ""))
        if shown:
            print("✗ " + self.faults[-1], flush=True)

    def judge(self, kind, what, result, command, **more):
        for fault in faults_of(result, **more):
            self.tell(kind, f"{what}: {fault}", command)

    def section(self, part, what):
        """Counts the commands and faults of a row of the table."""
        return Section(self, part, what)

    def table(self):
        lines = ["| part | what | tried | faults | seconds |", "|---|---|--:|--:|--:|"]
        return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in self.rows])

    # -- a run on MNIST's sample

    def train(self, runs, *more, backend="reference"):
        layers = ("[flatten, dense: {units: 16, activation: relu}, dropout: {rate: 0.2}, "
                  "dense: {units: 10, activation: softmax}]")
        return [self.binary, "train", "configs/mnist-mlp.yaml", "--backend", backend, "--data", self.data, "--runs", runs,
                "--epochs", "3", "--set", f"model.layers={layers}", "--set", "training.checkpoint_steps=3",
                "--set", "training.batch_size=64", *more]

    def digest(self, run):
        """Of the last weights and of the findings; steps are counted."""
        last = newest(run)
        findings = (pathlib.Path(run) / "findings.jsonl").read_bytes()
        steps = [json.loads(line)["step"] for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()
                 if "stepInEpoch" in line]
        return last.name, hashlib.sha256(last.read_bytes()).hexdigest(), findings, steps


class Section:
    def __init__(self, campaign, part, what):
        self.campaign, self.part, self.what = campaign, part, what
        self.tried = self.slowest = self.peak = 0
        self.statuses = collections.Counter()
        self.unit = "commands"

    def count(self, result, tried=1):
        self.tried += tried
        self.statuses["hung" if result.status is None else result.status] += 1
        self.slowest, self.peak = max(self.slowest, result.seconds), max(self.peak, result.peak)

    def __enter__(self):
        self.begin, self.earlier = time.monotonic(), len(self.campaign.faults)
        return self

    def __exit__(self, kind, *more):
        if kind:
            return
        seconds, faults = time.monotonic() - self.begin, len(self.campaign.faults) - self.earlier
        self.campaign.rows.append((self.part, self.what, f"{self.tried:,}", faults, f"{seconds:.0f}"))
        statuses = ", ".join(f"{count} × {status}" for status, count in self.statuses.most_common())
        worst = f" (status {statuses}; slowest {self.slowest:.1f} s, peak {self.peak >> 20} MB)" if self.peak else ""
        print(f"{self.part}: {self.what}: {self.tried} {self.unit}, {faults} faults, {seconds:.0f} s{worst}", flush=True)


def newest(run):
    files = sorted((pathlib.Path(run) / "checkpoints").glob("step-*.safetensors"))
    return files[-1] if files else None


def words(command):
    """A command as a shell takes it."""
    return " ".join("<" if c == "<" else shlex.quote(str(c)) for c in command)
