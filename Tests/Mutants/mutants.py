#!/usr/bin/env python3
"""Makes wrong copies of the kernels and sees whether conformance finds each and diff names the operation.

    swift build -c release && nice python3 Tests/Mutants/mutants.py [--seed 1] [--only template] [--count 20]

Every kernel file of C, Swift and OpenCL C is changed in one place at a time: an operator, a constant, an index, a loop
bound, a line left out. A mutant of the reference is judged by the unchanged reference. The table goes to results.tsv;
what survives must stand in equivalent.tsv with one line of proof (or with the sanitizer that sees it), or the exit
status is 1. What does not compile is not counted. Needs nothing but Python."""
import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile

from builds import ROOT, DoesNotCompile, Snapshot, families
from mutations import mutations_of

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 120


def candidates(files):
    """All mutations of all files: (file, line number, kind, new line)."""
    for file in files:
        lines = open(f"{ROOT}/{file}").read().split("\n")
        for number, line in enumerate(lines):
            for kind, new in mutations_of(line, file.endswith(".swift")):
                yield file, number, kind, new


def changed(file, number, new):
    lines = open(f"{ROOT}/{file}").read().split("\n")
    old = lines[number]
    if new is None:
        # A line that a macro goes on over stays a line.
        lines[number] = "\\" if old.endswith("\\") else ""
    else:
        lines[number] = new
    return old, "\n".join(lines)


class Judge:
    def __init__(self, program, work, environment, asks_contract):
        self.program, self.work = program, work
        # One worker, since many mutants may be tried at once; the contract asks what more of them change.
        # A Swift kernel is behind the exporter: of the contract only what it does to memory is its own.
        contract = ["contract"] if asks_contract else ["contract writes", "contract reads"]
        self.parts = [["--skip", "contract", "--threads", "1"]] + [["--filter", part] for part in contract]
        self.environment = dict(os.environ, **environment)

    def ask(self, *arguments):
        """Exit status (None: it took too long) and standard output."""
        try:
            done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=LIMIT, cwd=ROOT,
                                  env=self.environment)
            return done.returncode, done.stdout
        except subprocess.TimeoutExpired:
            return None, ""

    def conformance(self, library):
        """How it died ('': it lives) and the families that failed."""
        for part in self.parts:
            status, output = self.ask("conformance", "--backend", library, "--quick", "--json", "--failures", self.work,
                                      "--limit", "20", *part)
            if status is None:
                return "hang", []
            if status == 0:
                continue
            try:
                result = json.loads(output)
            except ValueError:
                return "not loaded", []
            failed = [row["family"] for row in result["families"] if row["failed"]]
            if not failed and not result["failures"]:
                return "takes nothing", []
            if not failed:
                crash = result["failures"][0]
                return ("hang" if "in time" in crash["message"] else "crash"), [crash["name"].split(" ")[0]]
            return "conformance", failed
        return "", []

    def diff(self, library):
        """The kind of operation that diff names, 'crash', or ''."""
        status, output = self.ask("diff", f"{HERE}/network.yaml", "--backends", "reference," + library, "--steps", "2",
                                  "--data", "Tests/Samples", "--json", "--set", "backend.threads=1", "--replay", self.work + "/diff.program")
        if status is None or status < 0:
            return "crash"
        for line in output.split("\n"):
            row = json.loads(line) if line.startswith("{") else {}
            if "kind" in row:
                return row["kind"]
        return ""


def verdict_of(named, failed):
    """Whether diff was right, judged by the operations that fail when they are asked alone."""
    alone = [family for family in failed if family not in ("training steps", "random programs", "contract")]
    if named in ("", "crash") or not alone:
        return named or "-"
    return "right" if named in alone else "wrong: " + named


def write(path, rows):
    head = "key\tfamily\tplace\tkind\tline\tmutant\tfate\tfailing\tdiff\tproof"
    with open(path, "w") as file:
        file.write("\n".join([head] + ["\t".join(row) for row in rows]) + "\n")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only")
    options.add_argument("--count", type=int, help="of each family")
    options.add_argument("--snapshot", default=tempfile.gettempdir() + "/switchback-mutants")
    options.add_argument("--results", default=HERE + "/results.tsv")
    options.add_argument("--again", action="store_true", help="goes on: those that died in the results stay dead")
    options = options.parse_args()
    snapshot = Snapshot(options.snapshot)
    proofs = {}
    if os.path.exists(HERE + "/equivalent.tsv"):
        for line in open(HERE + "/equivalent.tsv"):
            key, _, proof = line.rstrip("\n").partition("\t")
            proofs[key] = proof
    before = {}
    if os.path.exists(options.results):
        for line in open(options.results).read().split("\n")[1:]:
            if line.count("\t") == 9:
                before[line.split("\t")[0]] = line.split("\t")
    rows = []
    for name, files, builder, environment, share in families(snapshot):
        if options.only and options.only != name:
            rows += [row for row in before.values() if row[1] == name]
            continue
        count = options.count or share
        pool = list(candidates(files))
        random.Random(options.seed).shuffle(pool)
        made = 0
        with tempfile.TemporaryDirectory() as work:
            judge = Judge(snapshot.program, work, environment, not files[0].endswith(".swift"))
            for file, number, kind, new in pool:
                if made == count:
                    break
                old, text = changed(file, number, new)
                shown = "" if new is None else new.strip()
                code = hashlib.sha256(f"{file}\n{old}\n{shown}\n{kind}".encode()).hexdigest()[:8]
                known = before.get(f"{name[0]}{code}")
                if options.again and known and known[6] not in ("survives", "equivalent"):
                    rows.append(known)
                    made += 1
                    continue
                try:
                    library = builder.build(file, text, work)
                except DoesNotCompile:
                    continue
                made += 1
                died, failed = judge.conformance(library)
                named = verdict_of(judge.diff(library), failed) if died == "conformance" else "-"
                key = f"{name[0]}{code}"
                if not died:
                    proof = proofs.get(key, "")
                    died = "sanitizer" if proof.startswith("AddressSanitizer") else "equivalent" if proof else "survives"
                rows.append([key, name, f"{file}:{number + 1}", kind, old.strip(), shown, died, " ".join(failed), named,
                             proofs.get(key, "") if died in ("equivalent", "sanitizer") else ""])
                print("\t".join(rows[-1][:9]), flush=True)
                write(options.results, rows)
                os.unlink(library)
    write(options.results, rows)
    fates = [row[6] for row in rows]
    killed = len(rows) - fates.count("equivalent") - fates.count("survives")
    asked = [row[8] for row in rows if row[8] == "right" or row[8].startswith("wrong")]
    print(f"{len(rows)} mutants: {killed} killed, {fates.count('equivalent')} equivalent, {fates.count('survives')} survive; "
          f"diff names the operation of {asked.count('right')} of the {len(asked)} that its network shows")
    sys.exit(1 if "survives" in fates else 0)


if __name__ == "__main__":
    main()
