#!/bin/sh
# Installs the Debian packages that are missing, of those named or else of what a build and a first run need. Offline it
# does nothing when they are there, and otherwise says what will be left out.
set -u
packages="${*:-libopenblas-dev libfftw3-dev ocl-icd-opencl-dev pocl-opencl-icd zlib1g-dev libpng-dev libturbojpeg0-dev curl dataset-fashion-mnist}"
command -v dpkg-query >/dev/null 2>&1 || {
  echo "No dpkg here: install the equivalents of: $packages" >&2
  exit 0
}
missing=""
for package in $packages; do
  state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)
  [ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || {
    echo "Missing packages:$missing. Install them as root; building with what is there." >&2
    exit 0
  }
  as_root="sudo"
fi
echo "Installing missing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
install() { $as_root apt-get install -y --no-install-recommends $missing >/dev/null; }
# Package lists may be absent or old on a fresh machine.
install 2>/dev/null || { $as_root apt-get update >/dev/null && install; } || {
  echo "Not all could be installed (no network?):$missing. Building with what is there." >&2
}
exit 0
