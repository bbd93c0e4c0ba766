#!/usr/bin/env python3
"""Makes wrong copies of the kernels and sees whether conformance finds each and diff names the operation.

    swift build -c release && nice python3 Tests/Mutants/mutants.py [--seed 1] [--only template] [--count 20] [--again]

Every kernel file of C, Swift and OpenCL C is changed in one place at a time: an operator, a constant, an index, a loop
bound, a line left out. A mutant of the reference is judged by the unchanged reference. Then come the faults of
planted.py, made by hand. The table goes to results.tsv; what survives must stand in equivalent.tsv with one line of
proof (or with the sanitizer that sees it), or the exit status is 1. What does not compile is not counted. It can be
ended at any time and goes on with --again. Needs nothing but Python."""
import argparse
import functools
import hashlib
import os
import random
import re
import sys
import tempfile
from collections import Counter

from builds import ROOT, DoesNotCompile, Snapshot, families
from judge import Judge
from mutations import mutations_of
from planted import PLANTED

HERE = os.path.dirname(os.path.abspath(__file__))
# Of each file, beside those that are drawn from all of them.
LEAST = 2
HEAD = "key\tfamily\tplace\tkind\tline\tmutant\tfate\tfailing\tdiff\tproof"


@functools.cache
def lines_of(file):
    return open(f"{ROOT}/{file}").read().split("\n")


def candidates(files):
    """All mutations of all files: (file, line number, kind, new line)."""
    for file in files:
        for number, line in enumerate(lines_of(file)):
            for kind, new in mutations_of(line, file.endswith(".swift")):
                yield file, number, kind, new


def changed(file, number, new):
    lines = list(lines_of(file))
    old = lines[number]
    if new is None:
        # A line that a macro goes on over stays a line.
        lines[number] = "\\" if old.endswith("\\") else ""
    else:
        lines[number] = new
    return old, "\n".join(lines)


def key_of(family, file, number, kind, new):
    """By the line, the one before it and what becomes of it, not by its number."""
    shown = "" if new is None else new.strip()
    before, old = lines_of(file)[number - 1], lines_of(file)[number]
    return family.name[0] + hashlib.sha256(f"{file}\n{before}\n{old}\n{shown}\n{kind}".encode()).hexdigest()[:8]


class Table:
    """The results, by key; those of other families stay as they are."""

    def __init__(self, path, order):
        self.path, self.order = path, order

    def read(self):
        if not os.path.exists(self.path):
            return {}
        lines = [line.split("\t") for line in open(self.path).read().split("\n")[1:]]
        return {row[0]: row for row in lines if len(row) == HEAD.count("\t") + 1}

    def write(self, family, rows):
        others = [row for row in self.read().values() if row[1] != family]
        rows = sorted(others + rows, key=lambda row: self.order.index(row[1]) if row[1] in self.order else 99)
        # Another family may be under way beside this one.
        made = f"{self.path}.{os.getpid()}"
        with open(made, "w") as file:
            file.write("\n".join([HEAD] + ["\t".join(row) for row in rows]) + "\n")
        os.replace(made, self.path)


def fate_of(died, proof):
    return died or ("sanitizer" if re.match(r"\w+Sanitizer:", proof) else "equivalent" if proof else "survives")


def drawn(family, seed, before):
    """All mutants as (key, file, line number, kind, new line), in the order in which they are tried: those of the table
    first, the others by a random number that hangs on seed and key alone, so that a change elsewhere draws no others."""
    mutants, times = [], Counter()
    for mutant in candidates(family.files):
        key = key_of(family, *mutant)
        # The same two lines may stand in a file twice.
        mutants.append((key + "+" * times[key], *mutant))
        times[key] += 1
    return sorted(mutants, key=lambda mutant: (mutant[0] not in before, random.Random(f"{seed} {mutant[0]}").random()))


def try_mutants(family, count, judge, work, options, table, proofs):
    """The family's rows."""
    before = table.read()
    rows, made = [], Counter()
    for key, file, number, kind, new in drawn(family, options.seed, before):
        is_enough = len(rows) >= count and (options.count or made[file] >= LEAST)
        if is_enough and (key not in before or options.count):
            continue
        old, text = changed(file, number, new)
        shown, place = "" if new is None else new.strip(), f"{file}:{number + 1}"
        proof = proofs.get(key, "")
        known = before.get(key)
        lived = known and known[6] in ("survives", "equivalent", "sanitizer")
        if options.again and known and (not lived or proof and not options.proved):
            fate = fate_of("" if lived else known[6], proof)
            made[file] += 1
            rows.append(known[:2] + [place] + known[3:6] + [fate] + known[7:9] + [proof if not known[7] else ""])
            continue
        try:
            library = family.builder.build(file, text, work)
        except DoesNotCompile:
            continue
        made[file] += 1
        died, failed = judge.conformance(library, file)
        named = judge.verdict(library, failed) if died == "conformance" else "-"
        rows.append([key, family.name, place, kind, old.strip(), shown, fate_of(died, proof), " ".join(failed), named,
                     "" if died else proof])
        print("\t".join(rows[-1][:9]), flush=True)
        # Those that were not reached again yet stay, in case this is ended.
        reached = {row[0] for row in rows}
        left = [row for row in before.values() if row[1] == family.name and row[0] not in reached]
        table.write(family.name, rows + (left if options.again else []))
        os.unlink(library)
    table.write(family.name, rows)
    return rows


def try_planted(known_families, judges, table, options):
    """The faults made by hand; diff must name the operation that is written beside each, where its network has it."""
    before, rows = table.read(), []
    for fault, name, file, old, new, operation in PLANTED:
        family = next((family for family in known_families if family.name == name), None)
        if family is None:
            continue
        text = open(f"{ROOT}/{file}").read()
        key = "p" + hashlib.sha256(f"{file}\n{old}\n{new}".encode()).hexdigest()[:8]
        known = before.get(key)
        if options.again and known and known[6] != "survives" and known[8] in ("right", "-"):
            rows.append(known)
            continue
        judge, work = judges(family)
        library = family.builder.build(file, text.replace(old, new), work)
        died, failed = judge.conformance(library, file)
        named = judge.diff(library) if operation else "-"
        place = f"{file}:{text[: text.index(old)].count(chr(10)) + 1}"
        rows.append([key, "planted", place, fault, " ".join(old.split()), " ".join(new.split()), died or "survives",
                     " ".join(failed), "right" if operation and named == operation else f"wrong: {named}" if operation
                     else "-", ""])
        print("\t".join(rows[-1][:9]), flush=True)
        table.write("planted", rows)
        os.unlink(library)
    table.write("planted", rows)
    return rows


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", help="a family, or planted")
    options.add_argument("--count", type=int, help="of each family, instead of its share and two of each file")
    options.add_argument("--proved", action="store_true", help="with --again: those with a proof too, as after new samples")
    options.add_argument("--snapshot", default=tempfile.gettempdir() + "/switchback-mutants")
    options.add_argument("--results", default=HERE + "/results.tsv")
    options.add_argument("--again", action="store_true", help="goes on: those that died in the results stay dead")
    options = options.parse_args()
    proofs = {}
    for line in open(HERE + "/equivalent.tsv"):
        key, _, proof = line.rstrip("\n").partition("\t")
        proofs[key] = proof
    for _, _, file, old, _, _ in PLANTED:
        count = open(f"{ROOT}/{file}").read().count(old)
        assert count == 1, f"planted.py: {file} has {count} times: {old}"
    snapshot = Snapshot(options.snapshot)
    known = families(snapshot)
    table = Table(options.results, [family.name for family in known] + ["planted"])
    with tempfile.TemporaryDirectory() as top:
        def judges(family):
            work = f"{top}/{family.name.replace(' ', '-')}"
            os.makedirs(work, exist_ok=True)
            return Judge(snapshot.program, work, family), work

        for family in known:
            if options.only in (None, family.name):
                judge, work = judges(family)
                try_mutants(family, options.count or family.share, judge, work, options, table, proofs)
        if options.only in (None, "planted"):
            try_planted(known, judges, table, options)
    rows = [row for row in table.read().values() if options.only in (None, row[1])]
    for key in set(proofs) - {row[0] for row in table.read().values()}:
        print(f"equivalent.tsv: there is no mutant {key}")
    made = [row for row in rows if row[1] != "planted"]
    fates = [row[6] for row in made]
    killed = len(made) - fates.count("equivalent") - fates.count("survives")
    asked = [row[8] for row in made if row[8] == "right" or row[8].startswith("wrong")]
    print(f"{len(made)} mutants: {killed} killed, {fates.count('equivalent')} equivalent, {fates.count('survives')} "
          f"survive; diff names the operation of {asked.count('right')} of the {len(asked)} that its network shows")
    planted = [row for row in rows if row[1] == "planted"]
    missed = [row for row in planted if row[6] == "survives" or row[8] not in ("right", "-")]
    print(f"{len(planted)} planted faults: {len(planted) - len(missed)} found and named")
    sys.exit(1 if "survives" in fates or missed else 0)


if __name__ == "__main__":
    main()
