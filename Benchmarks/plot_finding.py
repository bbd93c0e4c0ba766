"""Draws what a finding is about, the gradient after each layer of two runs, with the finding's own words:
python3 Benchmarks/plot_finding.py RUN CURED_RUN > PLOT.svg

README's is of configs/deep-sigmoid-mlp.yaml and configs/deep-relu-he.yaml, --steps 300 each."""
import json
import math
import pathlib
import sys
import textwrap

runs = [pathlib.Path(name) for name in sys.argv[1:3]]
finding = json.loads((runs[0] / "findings.jsonl").read_text().splitlines()[0])
width, height, left, top = 560, 220, 70, 60


def norms(run):
    """Of the last probes: a layer's path and the norm of the gradient that reaches its weights."""
    last = json.loads((run / "gradients.jsonl").read_text().splitlines()[-1])
    return [(p["path"], p["l2"]) for p in last["probes"] if p["kind"] == "deltaAfterGate" and p["l2"] > 0]


lines = [norms(run) for run in runs]
decades = [math.log10(norm) for line in lines for _, norm in line]
low, high = math.floor(min(decades)), math.ceil(max(decades))
count = max(len(line) for line in lines)


def x(index):
    return left + width * index / max(count - 1, 1)


def y(decade):
    return top + height * (high - decade) / (high - low)


out = []
for decade in range(low, high + 1):
    out.append(f'<line x1="{left}" x2="{left + width}" y1="{y(decade):.1f}" y2="{y(decade):.1f}" stroke="#e3e6ea"/>')
    out.append(f'<text x="{left - 10}" y="{y(decade) + 4:.1f}" text-anchor="end">1e{decade}</text>')
for index in range(count):
    out.append(f'<text x="{x(index):.1f}" y="{top + height + 20}" text-anchor="middle">{index + 1}</text>')
for line, colour, run in zip(lines, ["#c0392b", "#2e8b57"], runs):
    points = [(x(i), y(math.log10(norm))) for i, (_, norm) in enumerate(line)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
    name = (run / "config.yaml").read_text().split("name: ", 1)[1].split("\n")[0]
    a, b = points[1]
    out.append(f'<text x="{a + 8:.1f}" y="{b + 18:.1f}" style="fill:{colour}">{name}</text>')
words = [f'✗ step {finding["step"]} {finding["rule"]}: {finding["layers"][0]} to {finding["layers"][-1]}']
words += textwrap.wrap(finding["message"], 92)
bottom = top + height + 55
for row, text in enumerate(words):
    weight = ";font-weight:600" if row == 0 else ""
    out.append(f'<text x="20" y="{bottom + 20 * row}" style="fill:{"#c0392b" if row == 0 else "#1b1f24"}{weight}">{text}</text>')
total = (left + width + 40, bottom + 20 * len(words))
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" width="{total[0]}">')
print("<style>text{font:13px system-ui,sans-serif;fill:#5b646e}</style>")
print(f'<rect width="{total[0]}" height="{total[1]}" fill="#fff"/>')
print('<text x="20" y="28" style="fill:#1b1f24;font-weight:600">norm of the gradient that reaches each layer, first to last</text>')
print("\n".join(out))
print("</svg>")
