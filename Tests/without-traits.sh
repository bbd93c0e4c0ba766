#!/bin/sh
# A package built without its traits: what it lacks says so, the rest trains. A part of make test-all.
set -eu
cd "$(dirname "$0")/.."
scratch=.build-bare
for product in switchback SwitchbackOpenBLAS; do
  ${SWIFT:-swift} build -c release --disable-default-traits --scratch-path $scratch --product $product
done
program=$scratch/release/switchback
$program backends | tee $scratch/backends.txt
grep -q "✓ reference" $scratch/backends.txt
grep -q "✗ openblas.*not built" $scratch/backends.txt
# Such a build reads no gzip: it says so, and takes the files unpacked.
if $program train configs/mnist-linear.yaml --backend reference --steps 3 --data Tests/Samples --runs $scratch/runs \
  2>$scratch/gzip.txt; then
  echo "a build without ImageFiles reads gzip" >&2
  exit 1
fi
grep -q "gzip.*ImageFiles" $scratch/gzip.txt
mkdir -p $scratch/samples/mnist
for file in Tests/Samples/mnist/*.gz; do
  gunzip -c "$file" >"$scratch/samples/mnist/$(basename "$file" .gz)"
done
$program train configs/mnist-linear.yaml --backend reference --steps 3 --data $scratch/samples --runs $scratch/runs
if $program backends check openblas 2>$scratch/check.txt; then
  echo "a backend that is not built passes its check" >&2
  exit 1
fi
grep -q "not built" $scratch/check.txt
echo "ok: without traits"
