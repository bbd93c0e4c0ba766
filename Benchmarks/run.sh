#!/bin/sh
# The CNN of configs/mnist-cnn.yaml, OpenBLAS backend against PyTorch's best mode, interleaved.
#
#   sh Benchmarks/run.sh [ROUNDS] [STEPS] [MNIST_FOLDER]
#
# PyTorch goes into .venv-bench (never a dependency of the product). Prints every round and the median ratio.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5}
steps=${2:-600}
folder=${3:-../shared/data/mnist}
python=${PYTHON:-.venv-bench/bin/python}
[ -x "$python" ] || sh .make/install-pytorch.sh
echo "machine: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $(nproc) cores, $(date -u +%F)"
.build/release/switchback backends | sed -n '/openblas/,$p'
runs=$(mktemp -d)
for round in $(seq "$rounds"); do
  ours=$(.build/release/switchback train configs/mnist-cnn.yaml --data "$folder" --runs "$runs" --steps "$steps" --json |
    tail -n 1)
  line="round $round ours $(echo "$ours" | sed 's/.*"samplesPerSecond":\([0-9]*\).*/\1/')"
  for mode in nchw channels_last compile; do
    peer=$("$python" Benchmarks/peers/pytorch_cnn.py "$mode" "$steps" "$folder" | tail -n 1)
    line="$line $mode $(echo "$peer" | sed 's/.*"samplesPerSecond": \([0-9]*\).*/\1/')"
  done
  echo "$line"
done | tee "$runs/rounds" 
awk '{best=$6; if($8>best)best=$8; if($10>best)best=$10; print $4/best}' "$runs/rounds" | sort -n |
  awk '{r[NR]=$1} END {printf "ratio to the best mode of each round: median %.2f (%.2f to %.2f)\n", r[int((NR+1)/2)], r[1], r[NR]}'
rm -rf "$runs"
echo "forks and allocations a step, asserted by the tests:"
swift test -c release --filter StepCountsTests 2>/dev/null | grep "allocations a step" | sort || true
