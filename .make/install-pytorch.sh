#!/bin/sh
# PyTorch, the judge of tests and the peer of benchmarks, in a virtual environment of its own; never a dependency of
# the product. Offline, what needs it is skipped with a reason.
set -u
cd "$(dirname "$0")/.."
[ -x .venv-bench/bin/python ] && .venv-bench/bin/python -c "import torch" 2>/dev/null && exit 0
python3 -m venv .venv-bench && .venv-bench/bin/pip install --quiet "torch==2.13.0+cpu" numpy || {
  rm -rf .venv-bench
  echo "PyTorch cannot be installed here (no network?); what needs it is left out." >&2
}
exit 0
