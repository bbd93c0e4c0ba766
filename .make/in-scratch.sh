#!/bin/sh
# Runs a command with a temporary folder of its own, which goes when it ends, whoever ends it.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
TMPDIR=$folder "$@"
