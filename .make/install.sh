#!/bin/sh
# Installs what `make build` has made: install.sh BINARY DESTDIR PREFIX
#
#   bin/switchback        the program
#   lib/switchback/       the backends' libraries, Swift's runtime, and the list by which uninstall.sh goes
#   include/              the contract of backends
#   share/switchback/     the template of a backend, and the configurations
#   share/                manual pages; completion for bash, zsh and fish
#
# All of it is made and tried in a folder of its own first, then copied beside its place, and only then named: what fails
# leaves the version that is installed as it is. What is there and not on its list is not ours, and stays.
set -eu
umask 022
unset LD_LIBRARY_PATH # it would answer for the paths in the files
case $2 in
"" | /*) root=$2$3 ;;
*) root=$PWD/$2$3 ;;
esac
cd "$(dirname "$0")/.."
binary=$1 prefix=$3

fail() {
  echo "make install: $*" >&2
  exit 1
}
case $prefix in
*[\&\|\\[:space:]]*) fail "PREFIX has a space or one of & | \\ in it, which makefiles cannot name: $prefix" ;;
/*) ;;
*) fail "PREFIX is a path from the root, such as \$HOME/.local, not $prefix" ;;
esac
[ -x "$binary" ] || fail "there is no $binary; run \`make build\` first, as yourself"
place=$root
while [ ! -e "$place" ]; do place=$(dirname "$place"); done
[ -w "$place" ] || fail "$place is not yours to write to; sudo make install, or make install PREFIX=\$HOME/.local"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' HUP INT PIPE TERM
tree=$stage/tree
mkdir -p "$tree/bin" "$tree/lib/switchback" "$tree/include" "$tree/share/switchback/template" "$tree/share/man/man1" \
  "$tree/share/bash-completion/completions" "$tree/share/zsh/site-functions" "$tree/share/fish/vendor_completions.d"

# The program and the backends. `swift build` has them look for Swift's runtime in the toolchain first, which others may
# not read, which the next version of Swift replaces, and which may lie in a home whose owner could then put a library
# into anybody's process. So the runtime comes along, and the path becomes that of the copy, in the bytes of the old one.
runtime=$(ldd "$binary" | sed -n 's|.* => \(.*\)/libswiftCore\.so .*|\1|p')
[ -n "$runtime" ] || fail "ldd does not say where $binary finds Swift's runtime"
place_at() { # FILE TARGET PATH_TO_THE_RUNTIME
  old="$runtime:\$ORIGIN"
  rest=$(printf "%$((${#old} - ${#3}))s" '' | sed 's/ /\\x00/g')
  LC_ALL=C sed "s|$old|$3$rest|" "$1" >"$tree/$2"
  chmod 755 "$tree/$2"
}
place_at "$binary" bin/switchback '$ORIGIN/../lib/switchback'
for file in "$(dirname "$binary")"/libSwitchback*.so; do
  [ ! -e "$file" ] || place_at "$file" "lib/switchback/${file##*/}" '$ORIGIN'
done
ldd "$binary" | sed -n "s|.* => \($runtime/.*\) (.*|\1|p" | while read -r file; do
  cp -L "$file" "$tree/lib/switchback/"
done
for file in "$tree/bin/switchback" "$tree"/lib/switchback/*.so; do
  case $(ldd "$file") in
  *"not found"* | *"$runtime/"*) fail "$(ldd "$file"): not all of it is found apart from the toolchain" ;;
  esac
done

# What backends are written with: the template's Makefile finds the header wherever it is copied to.
cp Sources/SwitchbackABI/include/*.h "$tree/include/"
cp Backends/Template/template_backend.c "$tree/share/switchback/template/"
sed "s|^HEADER ?= .*|HEADER ?= $prefix/include|" Backends/Template/Makefile >"$tree/share/switchback/template/Makefile"
cp -R configs "$tree/share/switchback/"

# What the program says of itself.
program=$tree/bin/switchback
version=$("$program" --version)
day=$(date -u -r "$binary" +%F)
"$program" --generate-completion-script bash >"$tree/share/bash-completion/completions/switchback"
"$program" --generate-completion-script zsh >"$tree/share/zsh/site-functions/_switchback"
"$program" --generate-completion-script fish >"$tree/share/fish/vendor_completions.d/switchback.fish"
pages() ( # COMMAND...: its page, and those of the commands below it
  COLUMNS=10000 "$program" help "$@" >"$stage/help"
  awk -v command="switchback${*:+ $*}" -v version="$version" -v day="$day" -f .make/manual.awk "$stage/help" \
    >"$tree/share/man/man1/$(echo switchback "$@" | tr ' ' -).1"
  for command in $(sed -n '/^SUBCOMMANDS:/,/^$/s/^  \([^ ][^ ]*\).*/\1/p' "$stage/help"); do
    pages "$@" "$command"
  done
)
pages

# The checkout and the toolchain may be their owner's alone; what is installed is for all.
chmod -R u=rwX,go=rX "$tree"

list=$root/lib/switchback/installed
old=$stage/old new=$stage/new
if [ -r "$list" ]; then cp "$list" "$old"; else : >"$old"; fi
(cd "$tree" && find . -type f && echo ./lib/switchback/installed) >"$stage/files"
while read -r file; do
  [ -e "$root/$file" ] || [ -L "$root/$file" ] || continue
  grep -qxF "$file" "$old" || fail "$root/${file#./} is there, and not of an earlier installation: move it away first"
done <"$stage/files"

# Folders that were made for an earlier version are still ours.
{
  cat "$stage/files"
  (cd "$tree" && find . -mindepth 1 -depth -type d) | while read -r folder; do
    if [ ! -e "$root/$folder" ] || grep -qxF "$folder/" "$old"; then echo "$folder/"; fi
  done
} >"$new"
cp "$new" "$tree/lib/switchback/installed"
beside=.new-$$
undo() { while read -r file; do rm -f "$root/$file$beside"; done <"$stage/files"; }
trap 'undo; rm -rf "$stage"' EXIT
(cd "$tree" && find . -type d) | while read -r folder; do mkdir -p "$root/$folder"; done
while read -r file; do cp "$tree/$file" "$root/$file$beside"; done <"$stage/files"
# From here on the list knows of both versions, so that what is cut off half-way can be taken away too.
sort -u "$old" "$new" | sort -r >"$stage/both"
cp --remove-destination "$stage/both" "$list"
while read -r file; do
  [ "$root/$file" = "$root/./lib/switchback/installed" ] || mv -f "$root/$file$beside" "$root/$file"
done <"$stage/files"
grep -vxFf "$new" "$old" | while read -r path; do
  case $path in
  */) rmdir "$root/$path" 2>/dev/null || : ;;
  *) rm -f "$root/$path" ;;
  esac
done
mv -f "$list$beside" "$list"

echo "switchback $version is in $root/bin; \`make uninstall\` with the same PREFIX takes it away."
case :$PATH: in
*":$prefix/bin:"*) ;;
*) echo "Your shell does not look there: add $prefix/bin to PATH." ;;
esac
