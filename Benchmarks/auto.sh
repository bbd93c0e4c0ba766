#!/bin/sh
# backend: auto against each single backend, in turns: A-B-C-A-B-C. Prints every round, and the median over the rounds
# of auto's speed divided by that of the single backend with the highest median.
#
#   sh Benchmarks/auto.sh [ROUNDS] [STEPS] [MNIST_FOLDER] [CONFIG...]
#
# Trains on the first 1920 images of MNIST. The routing is measured once before the rounds, as on a user's machine.
# BACKENDS chooses the single backends, SET adds an override, such as SET='backend.fft={force: true}'. What a single
# backend does not take goes to openblas, as with auto.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5}
steps=${2:-60}
folder=${3:-../shared/data/mnist}
[ $# -lt 3 ] && shift $# || shift 3
[ $# -gt 0 ] || set -- configs/mnist-mlp.yaml configs/mnist-cnn.yaml configs/mixed-kernels.yaml
backends=${BACKENDS:-openblas fft}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache"
# FILE HEADER_IN_OCTAL HEADER_BYTES BYTES: the head of a compressed IDX file under a header of its own.
part() {
  { printf "$2"; gunzip -c "$folder/$1.gz" | tail -c +$(($3 + 1)) | head -c "$4"; } >"$work/$1"
}
image='\0\0\0\034\0\0\0\034'
part train-images-idx3-ubyte "\\0\\0\\010\\003\\0\\0\\007\\200$image" 16 $((1920 * 784))
part train-labels-idx1-ubyte '\0\0\010\001\0\0\007\200' 8 1920
part t10k-images-idx3-ubyte "\\0\\0\\010\\003\\0\\0\\0\\100$image" 16 $((64 * 784))
part t10k-labels-idx1-ubyte '\0\0\010\001\0\0\0\100' 8 64
train() { # CONFIG BACKEND
  .build/release/switchback train "$1" --backend "$2" --data "$work" --runs "$work/runs" --epochs 1000 \
    --steps "$steps" --json --set 'backend.fallback=[openblas, reference]' --set "${SET:-name=auto}"
}
echo "machine: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $(nproc) cores, $(date -u +%F), $steps steps"
for config in "$@"; do
  echo "$config"
  train "$config" auto 2>&1 >/dev/null | grep '^auto'
  : >"$work/rounds"
  for round in $(seq "$rounds"); do
    line="round $round"
    for backend in auto $backends; do
      line="$line $backend $(train "$config" "$backend" 2>/dev/null | tail -n 1 |
        sed 's/.*"samplesPerSecond":\([0-9]*\).*/\1/')"
    done
    echo "$line" | tee -a "$work/rounds"
  done
  awk 'function median(v, n,   i, j, t) {
      for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
      return v[int((n + 1) / 2)]
    }
    {for (i = 4; i <= NF; i += 2) speed[NR, i] = $i; fields = NF; line = $0}
    END {
      split(line, words); best = 6; most = 0
      for (i = 6; i <= fields; i += 2) {
        for (r = 1; r <= NR; r++) v[r] = speed[r, i]
        if (median(v, NR) > most) { most = median(v, NR); best = i }
      }
      for (r = 1; r <= NR; r++) v[r] = speed[r, 4] / speed[r, best]
      m = median(v, NR)
      printf "auto to the best single backend, %s: median %.3f (%.3f to %.3f)\n", words[best - 1], m, v[1], v[NR]
    }' "$work/rounds"
done
