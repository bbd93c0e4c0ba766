"""What runs of cures.py say: the best rate of each network, claims about these, and a table."""
import math
import statistics


def identity(experiment, arm, rate, seed, options):
    """By what a run is known again."""
    return dict(
        experiment=experiment.name, network=arm.name, config=arm.config, rate=rate, seed=seed, subset=list(experiment.subset),
        epochs=options.epochs or experiment.epochs, limit=options.steps, settings=experiment.settings)


def standard_error(values):
    """Of the mean, by the sample deviation; of one number there is none."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf


class Outcome:
    """The runs of a network by rate, and the best of these."""

    def __init__(self, experiment, arm, options, results):
        self.arm = arm
        self.runs = {}
        for rate in arm.rates:
            found = [results.find(identity(experiment, arm, rate, seed, options)) for seed in range(1, options.seeds + 1)]
            self.runs[rate] = [run for run in found if run]
        whole = {rate: self.values(rate) for rate, runs in self.runs.items()
                 if runs and all(run["value"] is not None for run in runs)}
        choose = min if experiment.less_is_better else max
        self.best = choose(whole, key=lambda rate: statistics.mean(whole[rate])) if whole else None

    def values(self, rate):
        return [run["value"] for run in self.runs[rate] if run["value"] is not None]

    def all_values(self):
        return [value for rate in self.runs for value in self.values(rate)]


def claims(experiment, outcomes):
    """Sentences, and whether each holds."""

    def is_beyond(value):
        return value < experiment.limit if experiment.less_is_better else value >= experiment.limit

    for better, worse in experiment.beats:
        (one, other) = (outcomes[better], outcomes[worse])
        if one.best is None or other.best is None:
            yield f"{better} and {worse}: not enough runs", False
            continue
        (a, b) = (one.values(one.best), other.values(other.best))
        gain = (statistics.mean(a) - statistics.mean(b)) * (-1 if experiment.less_is_better else 1)
        error = math.hypot(standard_error(a), standard_error(b))
        # Where all seeds end alike there is no error to hold a difference against.
        times = f"{gain / error:.1f} of them" if error > 0 else "of all seeds alike"
        yield (f"{better} (rate {one.best}) against {worse} (rate {other.best}): difference {gain:.4f}, standard error "
               f"{error:.4f}, that is {times}; two are asked"), gain > 0 and gain >= 2 * error
    for name in experiment.solves:
        best = outcomes[name].best
        yield (f"{name} solves it: every seed at its best rate, {best}, is beyond {experiment.limit}",
               best is not None and all(map(is_beyond, outcomes[name].values(best))))
    for name in experiment.fails:
        values = outcomes[name].all_values()
        yield (f"{name} does not: no run at any rate is beyond {experiment.limit}",
               bool(values) and not any(map(is_beyond, values)))
    for name in experiment.named:
        runs = [run for runs in outcomes[name].runs.values() for run in runs]
        found = [run for run in runs if "vanishingGradient" in run["findings"]]
        yield f"{name} is named vanishing in all of its runs ({len(found)} of {len(runs)})", 0 < len(found) == len(runs)
    for name in experiment.unnamed:
        found = [run for runs in outcomes[name].runs.values() for run in runs if "vanishingGradient" in run["findings"]]
        yield f"{name} is named vanishing in none of its runs ({len(found)} of them)", not found


def table(options, results, experiments):
    lines, holds = [], True
    for experiment in experiments:
        outcomes = {arm.name: Outcome(experiment, arm, options, results) for arm in experiment.arms}
        if not any(outcome.all_values() for outcome in outcomes.values()):
            continue
        lines += [f"## {experiment.name}", "", experiment.words, ""]
        measure = f"{experiment.measure}: mean ± standard error"
        lines += [f"| network | learning rate | {measure} | range | runs | failed | findings |", "|---|--:|--:|---|--:|--:|---|"]
        for name, outcome in outcomes.items():
            for rate, runs in outcome.runs.items():
                values = outcome.values(rate)
                if not runs:
                    continue
                found = [rule for run in runs for rule in run["findings"]]
                spread = f"{statistics.mean(values):.4f} ± {standard_error(values):.4f}" if values else "–"
                lines.append(
                    f"| `{name}` | {rate} | " + (f"**{spread}**" if rate == outcome.best else spread) + " | "
                    + (f"{min(values):.4f} to {max(values):.4f}" if values else "–") + f" | {len(runs)} | "
                    + f"{len(runs) - len(values)} | "
                    + (", ".join(f"{rule} ({found.count(rule)})" for rule in sorted(set(found))) or "none") + " |")
        lines.append("")
        for words, is_true in claims(experiment, outcomes):
            holds = holds and is_true
            lines.append(f"- {'holds' if is_true else '**does not hold**'}: {words}.")
        lines.append("")
    return "\n".join(lines), holds
