#!/bin/sh
# Whether two programs train to the same bits: `sh Tests/same-weights.sh BEFORE AFTER [STEPS]`, the paths of two programs
# `switchback`. Every configuration of the earlier one's tree that has its data here is trained for 50 steps on each
# backend by name, and the weights are compared byte by byte. The exit status is 1 where any differ. CONFIGS and BACKENDS
# name some of them, and SET has options for both, such as smaller batches where a backend is slow:
#   CONFIGS=configs/resnet20-fashion.yaml BACKENDS=reference SET="--set training.batch_size=8" \
#     sh Tests/same-weights.sh BEFORE AFTER 10
set -eu
[ $# -ge 2 ] || { sed -n 2,8p "$0" >&2; exit 64; }
before=$(realpath "$1") after=$(realpath "$2") steps=${3:-50}
cd "$(dirname "$0")/.."
export SWITCHBACK_DATA="${SWITCHBACK_DATA:-$PWD/../shared/data}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
differ=0 compared=0
CONFIGS="${CONFIGS:-configs/*.yaml}" BACKENDS="${BACKENDS:-reference openblas fft opencl}" SET="${SET:-}"

weights() { # PROGRAM NAME CONFIG BACKEND
  "$1" train "$3" --backend "$4" --steps "$steps" --epochs 1 --runs "$folder/$2" --offline --set training.seed=7 $SET \
    >"$folder/$2.log" 2>&1 || return 1
  python3 - "$folder/$2/latest/checkpoints" <<'PY'
import hashlib, json, pathlib, struct, sys
files = sorted(pathlib.Path(sys.argv[1]).rglob("*.safetensors"))
data = files[-1].read_bytes()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
digest = hashlib.sha256()
for name in sorted(key for key in header if key != "__metadata__"):
    begin, end = header[name]["data_offsets"]
    digest.update(name.encode() + data[8 + size + begin:8 + size + end])
print(digest.hexdigest()[:16], len(header) - 1)
PY
}

for config in $CONFIGS; do
  for backend in $BACKENDS; do
    a=$(weights "$before" before "$config" $backend) || a=
    b=$(weights "$after" after "$config" $backend) || b=
    if [ -z "$a" ]; then
      echo "skipped  $config $backend: $(tail -1 "$folder/before.log")"
    elif [ -z "$b" ]; then
      differ=1
      echo "FAILS    $config $backend: $(tail -1 "$folder/after.log")"
    elif [ "$a" = "$b" ]; then
      compared=$((compared + 1))
      echo "equal    $config $backend: $a tensors"
    else
      differ=1
      echo "DIFFER   $config $backend: $a, then $b"
    fi
    rm -rf "$folder"/before "$folder"/after
  done
done
echo "$compared equal, $([ $differ = 0 ] && echo none differs || echo some differ)"
[ $compared -gt 0 ] || exit 1
exit $differ
