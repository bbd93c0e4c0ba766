#!/bin/sh
# Copies header, template and Makefile of today to a folder that is never changed again: freeze.sh VERSION (or draft).
set -eu
cd "$(dirname "$0")"
version=$1
if [ "$version" != draft ]; then
  grep -q "#define SB_MAJOR $version\$" ../../Sources/SwitchbackABI/include/switchback_backend.h || {
    echo "switchback_backend.h is not version $version: set SB_MAJOR, SB_ENTRY and SB_ENTRY_NAME first" >&2
    exit 1
  }
  [ ! -e "$version" ] || {
    echo "version $version is frozen already" >&2
    exit 1
  }
fi
mkdir -p "$version"
cp ../../Sources/SwitchbackABI/include/switchback_backend.h ../../Backends/Template/template_backend.c \
  ../../Backends/Template/Makefile "$version"
echo "frozen: Tests/FrozenContract/$version"
