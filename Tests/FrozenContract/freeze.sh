#!/bin/sh
# Copies header, template and Makefile of today to a folder that is never changed again: freeze.sh VERSION.
set -eu
cd "$(dirname "$0")"
version=$1
grep -q "#define SB_MAJOR $version\$" ../../Sources/SwitchbackABI/include/switchback_backend.h || {
  echo "switchback_backend.h is not version $version: set SB_MAJOR, SB_ENTRY and SB_ENTRY_NAME first" >&2
  exit 1
}
[ ! -e "$version" ] || {
  echo "version $version is frozen already" >&2
  exit 1
}
mkdir -p "$version"
cp ../../Sources/SwitchbackABI/include/switchback_backend.h ../../Backends/Template/template_backend.c \
  ../../Backends/Template/Makefile "$version"
python3 layout.py "$version/switchback_backend.h" >"$version/layout.c"
(cd "$version" && sha256sum layout.c switchback_backend.h template_backend.c Makefile >SHA256SUMS)
echo "frozen: Tests/FrozenContract/$version"
