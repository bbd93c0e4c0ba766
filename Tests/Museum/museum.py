#!/usr/bin/env python3
"""Builds the museum's backend and its faulty copies, and sees whether conformance finds each and names it.

    make build && python3 Tests/Museum/museum.py [--only stale_packed_filter] [--quick-only]

The right backend (base.c) must pass `conformance --quick`. Every other C file here is an exhibit: the same backend with
one fault, which was somebody's. Its head says what the fault was, where it was reported, and after `names:` which
causes count as its name. The cases of these names in the quick run are asked first, then the whole quick run, then the
full one. The table goes to README.md, and how long the right backend takes. The exit status is 1 where an exhibit is
missed or has another name, the right backend fails or takes more than 120 seconds and, when all are asked, where there
are fewer than 30 or the quick run finds fewer than nine of ten. Needs a C compiler and Python."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BASE = "base"
# Seconds of its quick run: 60 on two cores that do nothing else.
BASE_LIMIT = 120
LEAST_EXHIBITS, LEAST_QUICK = 30, 0.9
# A cause of more operations names nobody.
MOST_OPERATIONS = 4
HEAD = ("| exhibit | the fault | source | found by | named | run | s |\n"
        "|---|---|---|---|---|---|--:|\n")


class Exhibit(NamedTuple):
    name: str
    fault: str
    source: str
    names: list[str]


class Verdict(NamedTuple):
    causes: list[str]  # in the order in which they were found; what is no list of failures is one cause in brackets
    seconds: float


class Row(NamedTuple):
    name: str
    fault: str
    source: str
    found: str
    named: str
    run: str
    seconds: str

    @property
    def is_good(self):
        return self.named == "yes"

    def __str__(self):
        return "| " + " | ".join(self) + " |"


def exhibits():
    """What the heads of the files say."""
    for path in sorted(HERE.glob("*.c")):
        if path.stem == BASE:
            continue
        head = re.match(r"/\*(.*?)\*/", path.read_text(), re.DOTALL)
        assert head, f"{path.name} has no head"
        text = " ".join(line.strip().removeprefix("*").strip() for line in head[1].splitlines())
        parts = re.fullmatch(r"(.*) source: (.*) names: (.*)", text.strip())
        assert parts, f"{path.name}: its head does not say the fault, its source and its names"
        yield Exhibit(path.stem, parts[1], parts[2], [name.strip() for name in parts[3].split("|")])


def build(name, work):
    library = work / f"{name}.so"
    made = subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "-I", ROOT / "Sources/SwitchbackABI/include", HERE / f"{name}.c", "-o",
         library, "-lm", "-lpthread"], capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(f"{name}.c does not compile:\n{made.stderr}")
    return library


def conformance(options, library, work, *more):
    """What conformance says of a library; one that hangs it is ended with its children."""
    begin = time.monotonic()
    asked = subprocess.Popen(
        [options.binary, "conformance", "--backend", library, "--json", "--failures", work / "failures", *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    try:
        output, errors = asked.communicate(timeout=options.limit)
    except subprocess.TimeoutExpired:
        os.killpg(asked.pid, signal.SIGKILL)
        asked.communicate()
        return Verdict([f"(no end in {options.limit} s)"], time.monotonic() - begin)
    seconds = time.monotonic() - begin
    try:
        failures = json.loads(output)["failures"]
    except (ValueError, KeyError):
        last = (errors.strip().splitlines() or ["no word"])[-1]
        if "no case is left" in last:
            return Verdict([], seconds)  # a rule that conformance does not have yet
        return Verdict([f"(ended with status {asked.returncode}: {last})"], seconds)
    if options.verbose:
        for failure in failures:
            print(f"    {failure['cause']}: {failure['message']}")
    return Verdict(list(dict.fromkeys(failure["cause"] for failure in failures)), seconds)


def fits(name, cause):
    """Whether a cause says a name: a rule of the contract by how it begins, else operations, whole (a function or a
    sample may follow), all of `a + b`."""
    if name.startswith("contract "):
        return cause.startswith(name)
    operations = cause.split(", ")[0].split(" + ")
    return len(operations) <= MOST_OPERATIONS and all(
        any(operation == word or operation.startswith(word + " ") for operation in operations)
        for word in name.split(" + "))


def judge(options, exhibit, work):
    library, causes, right, seconds = build(exhibit.name, work), [], [], 0
    # A function is no part of a case's name: "unary relu" is looked for among the cases of unary.
    filters = [word for name in exhibit.names
               for word in ([name] if name.startswith("contract") else [part.split()[0] for part in name.split(" + ")])]
    # The first part finds most; the next two are all of the quick run.
    parts = [[word for name in filters for word in ("--filter", name)], ["--skip", "contract"], ["--filter", "contract"]]
    parts = [("quick", ["--quick", *part]) for part in parts] + ([] if options.quick_only else [("full", [])])
    for run, more in parts:
        if right or (causes and run == "full"):
            break
        verdict, kind = conformance(options, library, work, *more), run
        seconds += verdict.seconds
        causes += [cause for cause in verdict.causes if cause not in causes]
        right = [cause for cause in causes if any(fits(name, cause) for name in exhibit.names)]
    shown = (right or causes)[:1]
    others = len(causes) - len(shown)
    found = f"{shown[0]}{f', and {others} more' if others else ''}" if shown else "nothing"
    source = re.sub(r"https://github.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)", r"[\1#\2](\g<0>)", exhibit.source)
    return Row(exhibit.name, exhibit.fault, source, found.replace("|", "\\|"), "yes" if right else "**no**",
               kind if shown else "–", f"{seconds:.0f}")


def write(rows):
    """Those that were not asked keep their rows."""
    path = HERE / "README.md"
    text, _, table = path.read_text().partition(HEAD)
    known = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()}
    known |= {row.name: str(row) for row in rows}
    names = [exhibit.name for exhibit in exhibits()]
    path.write_text(text + HEAD + "".join(known[name] + "\n" for name in names if name in known))


def write_base(seconds):
    """The line above the table."""
    path = HERE / "README.md"
    line = f"The right backend passes the quick run in {seconds:.0f} s."
    text = re.sub(r"^The right backend passes .*\n\n", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(text.replace(HEAD, f"{line}\n\n{HEAD}"))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", action="append", help="an exhibit, or base; repeatable")
    options.add_argument("--binary", default=ROOT / ".build/release/switchback", type=pathlib.Path)
    options.add_argument("--jobs", default=1, type=int, help="exhibits at once")
    options.add_argument("--quick-only", action="store_true", help="no full run where quick finds nothing")
    options.add_argument("--limit", default=1200, type=int, help="seconds for one run of conformance")
    options.add_argument("--verbose", action="store_true", help="with what conformance says")
    options = options.parse_args()
    options.binary = options.binary.resolve()
    asked = [exhibit for exhibit in exhibits() if not options.only or exhibit.name in options.only]
    if not asked and options.only != [BASE]:
        sys.exit(f"there is no exhibit {options.only}")
    rows, is_right = [], True
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if not options.only or BASE in options.only:
            verdict = conformance(options, build(BASE, work), work, "--quick")
            is_right = not verdict.causes and verdict.seconds <= BASE_LIMIT
            if not verdict.causes:
                write_base(verdict.seconds)
            print(f"base: {verdict.causes or 'passes'} ({verdict.seconds:.0f} s)", flush=True)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            waiting = [pool.submit(judge, options, exhibit, work) for exhibit in asked]
            for done in concurrent.futures.as_completed(waiting):
                row = done.result()
                rows.append(row)
                print(f"{'✓' if row.is_good else '✗'} {row.name}: {row.found} ({row.run}, {row.seconds} s)", flush=True)
                write(rows)
    bad = [row for row in rows if not row.is_good]
    missed = sum(row.found == "nothing" for row in bad)
    print(f"{len(rows)} exhibits: {len(rows) - len(bad)} found and named, {len(bad) - missed} found under another "
          f"name, {missed} missed")
    quick = sum(row.is_good and row.run == "quick" for row in rows)
    is_enough = options.only or len(rows) >= LEAST_EXHIBITS and quick >= LEAST_QUICK * len(rows)
    print(f"{quick} of {len(rows)} by the quick run{'' if is_enough else ': too few'}")
    sys.exit(0 if is_right and is_enough and not bad else 1)


if __name__ == "__main__":
    main()
