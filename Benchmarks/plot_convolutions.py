"""Draws the crossover: python3 Benchmarks/plot_convolutions.py RESULTS.jsonl > PLOT.svg"""
import json
import math
import sys

rows = [json.loads(line) for line in open(sys.argv[1])]
head, rows = rows[0], [r for r in rows[1:] if r["group"] == "dense"]
width, height, left, top = 460, 360, 60, 50
colours = {"fft": "#0b6e4f", "openblas": "#c44900", "pytorch": "#3b5bdb"}
kernels = sorted({r["kh"] for r in rows})
times = [1e3 * r["seconds"][n] for r in rows for n in colours if r["seconds"].get(n)]
low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))


def y(ms):
    return top + height * (high - math.log10(ms)) / (high - low)


def x(panel, k):
    span = math.log(kernels[-1] / kernels[0])
    return left + panel * (width + 80) + width * math.log(k / kernels[0]) / span


out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width + 180}" height="{height + 120}" '
       'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
       f'<text x="{left}" y="20">Forward convolution, 64 images of 28×28, 64→64 channels, same padding; '
       f'{head["cpu"]}, PyTorch {head["torch"]}, {head["date"]}</text>']
for panel, threads in enumerate((1, 2)):
    own = [r for r in rows if r["threads"] == threads]
    if not own:
        continue
    out.append(f'<text x="{x(panel, kernels[0])}" y="40">{threads} thread{"s" if threads > 1 else ""}, ms</text>')
    for power in range(low, high + 1):
        out.append(f'<path d="M{x(panel, kernels[0])} {y(10 ** power)}h{width}" stroke="#ddd"/>'
                   f'<text x="{x(panel, kernels[0]) - 8}" y="{y(10 ** power) + 4}" text-anchor="end">{10 ** power}</text>')
    for k in kernels:
        out.append(f'<text x="{x(panel, k)}" y="{top + height + 18}" text-anchor="middle">{k}</text>')
    out.append(f'<text x="{x(panel, kernels[0]) + width / 2}" y="{top + height + 38}" text-anchor="middle">'
               'kernel size (k×k)</text>')
    for index, (name, colour) in enumerate(colours.items()):
        points = [(x(panel, r["kh"]), y(1e3 * r["seconds"][name])) for r in own if r["seconds"].get(name)]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        out.append(f'<text x="{x(panel, kernels[0]) + index * 90}" y="{top + height + 60}" fill="{colour}">{name}</text>')
out.append("</svg>")
print("\n".join(out))
