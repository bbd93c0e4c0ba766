#!/bin/sh
# Training speed of the OpenCL backend against the OpenBLAS backend on configs/mnist-cnn.yaml, interleaved.
#
#   sh Benchmarks/opencl.sh [ROUNDS] [STEPS] [MNIST_FOLDER]
#
# With TINYGRAD naming a Python that has tinygrad and NumPy, that trains the same network on the same device beside it.
#
# On PoCL both run on the same cores: this says what the kernels are worth there, and nothing about GPUs.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5}
steps=${2:-600}
folder=${3:-../shared/data/mnist}
echo "machine: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $(nproc) cores, $(date -u +%F)"
.build/release/switchback backends | sed -n '/openblas/,$p'
runs=$(mktemp -d)
speed() {
  .build/release/switchback train configs/mnist-cnn.yaml --data "$folder" --runs "$runs" --steps "$steps" --backend "$1" \
    --json | tail -n 1 | sed 's/.*"samplesPerSecond":\([0-9]*\).*/\1/'
}
speed opencl >/dev/null # kernels are compiled once a machine
for round in $(seq "$rounds"); do
  echo "round $round opencl $(speed opencl) openblas $(speed openblas)"
  [ -z "${TINYGRAD:-}" ] || DEV=CL "$TINYGRAD" Benchmarks/peers/tinygrad_mnist_cnn.py 50 "$folder" >&2
done | tee "$runs/rounds"
awk '{print $4 / $6}' "$runs/rounds" | sort -n |
  awk '{r[NR]=$1} END {printf "opencl / openblas: median %.2f (%.2f to %.2f)\n", r[int((NR+1)/2)], r[1], r[NR]}'
.build/release/switchback train configs/mnist-cnn.yaml --data "$folder" --runs "$runs" --steps 100 --backend opencl \
  2>&1 | grep 'a step ·'
rm -rf "$runs"
