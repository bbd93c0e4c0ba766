"""The markdown table of a result of bench.py:  python3 Benchmarks/table.py RESULT.json"""
import json
import statistics
import sys


def short(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def spread(numbers, form=short):
    low, high = form(min(numbers)), form(max(numbers))
    return f"{form(statistics.median(numbers))} ({low} to {high})"


def ratio(numbers):
    return f"**{statistics.median(numbers):.2f}** ({min(numbers):.2f} to {max(numbers):.2f})"


def percent(share):
    return f"{share * 100:.0f} %"


def best_modes(choices):
    """Which mode was the best how often: `channels_last-compiled-foreach flushed (4 of 5)`."""
    most = max(set(choices), key=choices.count)
    return f"{most} ({choices.count(most)} of {len(choices)})"


def speed_lines(row):
    """Of training, inference and latency."""
    words = dict(train="samples/s", infer="inference, samples/s", latency="latency of one, µs")
    for ask in [a for a in ("train", "infer", "latency") if a in row["rounds"][0]["peers"]]:
        is_time = ask == "latency"
        mine = [made["ours"][ask] for made in row["rounds"]]
        choose = min if is_time else max
        best = [choose(made["peers"][ask].items(), key=lambda item: item[1]) for made in row["rounds"]]
        theirs = [number for _, number in best]
        ratios = [t / m if is_time else m / t for m, t in zip(mine, theirs)]
        shares = ["", ""]
        if ask == "train":
            roof = [made["roof"] * 1e9 / row["flopsPerSample"] for made in row["rounds"]]
            shares = [percent(statistics.median([n / r for n, r in zip(side, roof)])) for side in (mine, theirs)]
        yield [
            f"{row['words']}: {words[ask]}", spread(mine), spread(theirs), best_modes([mode for mode, _ in best]),
            ratio(ratios), *shares,
        ]


def prototype_lines(row):
    pairs = [(made["ours"]["train"], made["prototype"]) for made in row["rounds"] if made.get("prototype")]
    if pairs:
        yield [
            f"{row['words']}: to the prototype in C", spread([mine for mine, _ in pairs]),
            spread([other for _, other in pairs]), "–", ratio([mine / other for mine, other in pairs]), "", "",
        ]


def convolution_lines(cases, roof):
    for case in cases:
        mine = [min(n for name, n in made.items() if name != "pytorch" and n) for made in case["rounds"]]
        theirs = [made["pytorch"] for made in case["rounds"]]
        # Three passes, two FLOPs a multiply-add, taps in the padding included, as operations state them.
        flops = 6 * case["N"] * case["H"] * case["W"] * case["K"] * case["kh"] * case["kw"] * case["C"] / case["groups"]
        shares = [percent(flops / statistics.median(side) / (roof * 1e9)) for side in (mine, theirs)]
        kind = "depthwise" if case["groups"] > 1 else "dense"
        yield [
            f"{kind} convolution {case['kh']}×{case['kw']} of {case['N']} images {case['H']}×{case['W']}×{case['C']}, three "
            "passes: ms", spread([n * 1e3 for n in mine]), spread([n * 1e3 for n in theirs]), "the faster layout (ours: the faster backend)",
            ratio([t / m for m, t in zip(mine, theirs)]), *shares,
        ]


def first_step_lines(rounds):
    for key, words, scale in (("peakBytes", "peak memory of the CNN's training: MB", 1e-6),
                              ("seconds", "command to the end of the first step: s", 1)):
        mine = [made["ours"][key] * scale for made in rounds]
        best = [min(made["peers"].items(), key=lambda item: item[1][key]) for made in rounds]
        theirs = [numbers[key] * scale for _, numbers in best]
        # Here less is better, and goals are shares of PyTorch's.
        yield [f"{words} (ours / PyTorch's)", spread(mine), spread(theirs), best_modes([mode for mode, _ in best]),
               ratio([m / t for m, t in zip(mine, theirs)]), "", ""]


def markdown(result):
    about = result["machine"]
    versions = {row["version"] for row in result["rows"]}
    head = (
        f"{about['cpu']}, {about['cores']} cores, {about['date']}, Switchback {about['revision']}"
        + "".join(f", PyTorch {version}" for version in versions)
        + f"; {result['rounds']} round{'s' if result['rounds'] > 1 else ''} in turns, {result['seconds']:g} s of training in each. Load before: {about['load']:.1f}.\n")
    lines = []
    for row in result["rows"]:
        lines += [*speed_lines(row), *prototype_lines(row)]
    lines += convolution_lines(result.get("convolutions", []), result.get("convolutionRoof", 1))
    if "firstStep" in result:
        lines += first_step_lines(result["firstStep"])
    columns = ["what", "ours", "theirs", "their best mode", "ratio", "our share of the roof", "theirs"]
    roofs = [f"`{row['row']}` {row['instructionSet']} {spread([made['roof'] for made in row['rounds']])} GFLOP/s"
             for row in result["rows"]]
    text = [head, "Medians (ranges)."
            + (f" The roof in the rounds of each row: {'; '.join(roofs)}." if roofs else "") + "\n"]
    text.append("| " + " | ".join(columns) + " |")
    text.append("|" + "---|" * len(columns))
    text += ["| " + " | ".join(line) + " |" for line in lines]
    for row in result["rows"]:
        first, mean = (max(found[key] for found in row["losses"].values()) for key in ("first", "mean"))
        text.append(("\n" if row is result["rows"][0] else "") +
                    f"- `{row['row']}`: losses from the same weights part by at most {first:.1e} in the first step, and "
                    f"{mean:.1e} in the mean of all compared.")
    text += [f"- **fault**: {fault}" for fault in result["faults"]]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    print(markdown(json.load(open(sys.argv[1]))))
