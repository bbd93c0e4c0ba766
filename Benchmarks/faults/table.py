"""Runs of the bench as a table: both halves apart, the healthy networks, each fault, and what was missed."""
import itertools

from .cases import KINDS
from .judging import judge


def share(part, whole):
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "–"


class Tally:
    """Faults' runs counted together."""

    def __init__(self):
        (self.runs, self.found, self.right, self.findings, self.unrelated, self.alarmed) = (0, 0, 0, 0, 0, 0)

    def add(self, verdict):
        self.runs += 1
        self.found += verdict.found
        self.right += verdict.right
        self.findings += verdict.count
        self.unrelated += len(verdict.unrelated)
        self.alarmed += bool(verdict.unrelated)

    def row(self, words, faults):
        per_run = f"{self.unrelated / self.runs:.3f}" if self.runs else "–"
        return (f"| {words} | {faults} | {self.runs} | {share(self.found, self.runs)} | {share(self.right, self.found)} | "
                f"{share(self.findings - self.unrelated, self.findings)} | {per_run} |")


HEAD = ["| | faults | runs | recall | right cause, of those found | precision, of findings | unrelated findings a run |",
        "|---|--:|--:|---|---|---|--:|"]


def heard(findings):
    """Rules and causes, in the order in which they spoke."""
    words = []
    for finding in findings:
        word = finding["rule"] + (f" ({finding['cause']})" if finding.get("cause") else "")
        if word not in words:
            words.append(word)
    return ", ".join(words) or "nothing"


def asked(fault):
    words = (each.rule + (f" ({' or '.join(each.causes)})" if each.causes else f" ({each.part})" if each.part else "")
             for each in fault.expected)
    return " or ".join(words)


def table(halves, healthy, runs, words):
    """`halves` are lists of faults by name; `runs` gives the lines of a case. Answers text, and whether all that is asked
    holds: recall and right causes of 0.9, no unrelated finding, no error in a healthy network."""
    summary, misses, details = list(HEAD), [], []
    holds = True
    for half, faults in halves.items():
        whole, kinds = Tally(), {kind: (Tally(), []) for kind in KINDS}
        details += [f"### {half}", "", "| fault | kind | what it is | asked | heard (of the first run) | runs | found | right |",
                    "|---|---|---|---|---|--:|--:|--:|"]
        for fault in faults:
            own, lines = Tally(), runs(fault)
            for line in lines:
                verdict = judge(fault, line["findings"])
                for tally in (own, whole, kinds[fault.kind][0]):
                    tally.add(verdict)
                if not verdict.found or not verdict.right or verdict.unrelated or "error" in line:
                    misses.append(miss(fault, line, verdict))
            kinds[fault.kind][1].append(fault)
            if lines:
                details.append(f"| `{fault.name}` | {fault.kind} | {fault.words} | {asked(fault)} | "
                               f"{heard(lines[0]['findings'])} | {own.runs} | {own.found} | {own.right} |")
        summary.append(whole.row(f"**{half}**", len(faults)))
        summary += [tally.row(kind, len(of)) for kind, (tally, of) in kinds.items() if tally.runs]
        details.append("")
        holds = holds and 10 * whole.found >= 9 * whole.runs and 10 * whole.right >= 9 * whole.found and not whole.unrelated
    (healthy_words, is_calm) = healthy_table(healthy, runs)
    if left := [case.name for case in [*itertools.chain(*halves.values()), *healthy] if not runs(case)]:
        words += f"\n\nNot run: {', '.join(left)}."
    lines = [words, "", "## Faults", "", *summary, "", "## Healthy networks", "", *healthy_words, "", "## What was missed", "",
             *(misses or ["Nothing."]), "", "## Each fault", "", *details]
    return "\n".join(lines), holds and is_calm


def miss(fault, line, verdict):
    where = f"`{fault.name}` (width {line['width']}, seed {line['seed']}, {line['backend']})"
    said = heard(line["findings"])
    if "error" in line:
        return f"- {where} did not run: {line['error'][-200:]}"
    if not verdict.found:
        words = f"not found; asked {asked(fault)}, heard {said}"
    elif not verdict.right:
        words = f"found with another cause; asked {asked(fault)}, heard {said}"
    else:
        words = "found"
    return f"- {where}: {words}" + (f"; unrelated: {', '.join(verdict.unrelated)}" if verdict.unrelated else "") + "."


def healthy_table(healthy, runs):
    tempting, ordinary = ([case for case in healthy if bool(case.tempts) == tempts] for tempts in (True, False))
    lines = ["| | networks | runs | with a finding | with an error | findings a run |", "|---|--:|--:|--:|--:|--:|"]
    alarms, calm = [], True
    for words, cases in (("ordinary", ordinary), ("tempting", tempting)):
        found = [(case, line) for case in cases for line in runs(case)]
        some = [(case, line) for case, line in found if line["findings"]]
        errors = [line for _, line in some if any(each["severity"] == "error" for each in line["findings"])]
        count = sum(len(line["findings"]) for _, line in found)
        failed = [(case, line) for case, line in found if line["status"] != 0]
        lines.append(f"| {words} | {len(cases)} | {len(found)} | {len(some)} | {len(errors)} | "
                     + (f"{count / len(found):.3f} |" if found else "– |"))
        alarms += [f"- `{case.name}` (width {line['width']}, seed {line['seed']}, {line['backend']}): {heard(line['findings'])}."
                   for case, line in some]
        calm = calm and not errors and not failed
    results = ["| network | what it is | tempts | test, of the first run |", "|---|---|---|---|"]
    for case in healthy:
        if own := runs(case):
            value = (f"{own[0]['testAccuracy']:.1%}" if "testAccuracy" in own[0]
                     else f"loss {own[0]['testLoss']:.3g}" if "testLoss" in own[0] else f"status {own[0]['status']}")
            results.append(f"| `{case.name}` | {case.words} | {case.tempts or '–'} | {value} |")
    return [*lines, "", *alarms, *([""] if alarms else []), *results], calm
