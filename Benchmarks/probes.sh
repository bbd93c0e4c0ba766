#!/bin/sh
# What the probes cost: the CNN of configs/mnist-cnn.yaml on OpenBLAS with and without them, in interleaved pairs whose
# order alternates. Prints the ratio of the times (with / without): the median of the pairs and its 95 % interval by
# bootstrap.
#
#   sh Benchmarks/probes.sh [PAIRS] [STEPS] [MNIST_FOLDER]
set -eu
cd "$(dirname "$0")/.."
pairs=${1:-40}
steps=${2:-400}
folder=${3:-../shared/data/mnist}
runs=$(mktemp -d)
speed() {
  .build/release/switchback train configs/mnist-cnn.yaml --data "$folder" --runs "$runs" --steps "$steps" \
    --set "monitor.enabled=$1" --json | tail -n 1 | sed 's/.*"samplesPerSecond":\([0-9.]*\).*/\1/'
}
echo "machine: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $(nproc) cores, $(date -u +%F), $pairs pairs of $steps steps"
for pair in $(seq "$pairs"); do
  if [ $((pair % 2)) -eq 0 ]; then on=$(speed true); off=$(speed false); else off=$(speed false); on=$(speed true); fi
  echo "pair $pair with $on without $off samples/s"
done | tee "$runs/pairs"
python3 - "$runs/pairs" <<'PYTHON'
import random, statistics, sys
ratios = [float(w[5]) / float(w[3]) for w in (line.split() for line in open(sys.argv[1]))]
random.seed(1)
medians = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(10000))
print(f"time with / without probes: median {statistics.median(ratios):.4f}, "
      f"95 % interval {medians[250]:.4f} to {medians[9749]:.4f}")
PYTHON
rm -rf "$runs"
