#!/bin/sh
# Runs a command with a temporary folder of its own, which goes when the command has ended or was ended.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT PIPE TERM
TMPDIR=$folder "$@"
