#!/bin/sh
# Prints the package traits whose headers are found, separated by commas; with --explain, what is left out and why.
set -u
has() { echo "#include <$1>" | ${CC:-cc} -E -x c - >/dev/null 2>&1; }
traits=""
left=""
if has cblas.h; then traits="OpenBLAS"; else left="$left OpenBLAS(libopenblas-dev)"; fi
if has CL/cl.h; then
  traits="${traits:+$traits,}OpenCL"
else
  left="$left OpenCL(ocl-icd-opencl-dev)"
fi
if has cblas.h && has fftw3.h; then
  traits="${traits:+$traits,}FFT"
else
  left="$left FFT(libfftw3-dev,libopenblas-dev)"
fi
if has zlib.h && has png.h && has turbojpeg.h; then
  traits="${traits:+$traits,}ImageFiles"
else
  left="$left ImageFiles(zlib1g-dev,libpng-dev,libturbojpeg0-dev)"
fi
if [ "${1:-}" = "--explain" ]; then
  [ -z "$left" ] || echo "Building without:$left. Install the packages in brackets to have it."
else
  echo "$traits"
fi
