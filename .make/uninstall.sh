#!/bin/sh
# Removes what install.sh has put below a prefix, by its list, and the folders that it made, where they are empty now.
set -eu
list=$1/lib/switchback/installed
[ -r "$list" ] || {
  echo "make uninstall: nothing is installed below $1: there is no $list" >&2
  exit 1
}
while read -r path; do
  case $path in
  */) rmdir "$1/$path" 2>/dev/null || : ;;
  *) rm -f "$1/$path" ;;
  esac
done <"$list"
echo "switchback is gone from $1."
