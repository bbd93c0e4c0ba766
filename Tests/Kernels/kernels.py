#!/usr/bin/env python3
"""Holds every CPU kernel of every instruction set to sums and formulas in Float64, in C. Part of `make test-all`.

    python3 Tests/Kernels/kernels.py [avx512] [avx2] [baseline] [neon]        (all without names)

Each set is tested as it is shipped and under sanitizers. Then faults are planted, which must be seen: one kernel of the
table after the other does nothing, and the register tile of convolutions and products loses a height. Sets that this
CPU lacks are skipped, which is said.

`neon` is kernels_baseline.c on aarch64, run by qemu-aarch64 where the CPU is another one: that proves results, and says
nothing of speed. It needs Debian's qemu-user, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross. AddressSanitizer is not
there for it; but on every set operands end at pages that may not be touched."""
import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KERNELS = ROOT + "/Backends/CPUKernels"
IS_ARM = platform.machine() in ("aarch64", "arm64")
NATIVE_SETS = ["baseline"] if IS_ARM else ["avx512", "avx2", "baseline"]
EMULATOR = "qemu-aarch64"
CROSS = ["--target=aarch64-linux-gnu", "-static", "-fuse-ld=lld"]
SHIPPED = ["-O2"]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fuse-ld=lld"]
TRAPPED = ["-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"]
# The file, what stands there, and what is planted: results of tiles of five rows are not computed.
FAULT = ("Kernels/convolution_tile.h", "CASE(4) CASE(5)", "CASE(4)")


def list_entries(folder):
    """entries.h: the functions of the table of kernels and of a variant of convolution, as the header lists them."""
    header = re.sub(r"/\*.*?\*/", "", open(KERNELS + "/include/cpu_kernels.h").read(), flags=re.S)
    with open(folder + "/entries.h", "w") as file:
        for name, struct in [("TABLE", "sb_kernels"), ("VARIANT", "sb_convolution_variant")]:
            end = header.index("} " + struct + ";")
            entries = re.findall(r"\(\*(\w+)\)\(", header[header.rindex("typedef struct {", 0, end):end])
            file.write(f"#define {name}_ENTRIES(ENTRY) " + " ".join(f"ENTRY({entry})" for entry in entries) + "\n")


def build(name, flags, folder, kernels=KERNELS):
    """The test with these kernels; its path."""
    sources = sorted(glob.glob(kernels + "/*.c")) + sorted(glob.glob(HERE + "/*.c"))
    linking = ("-static", "-fuse-ld=lld")
    compiling = [flag for flag in flags if flag not in linking]
    compiling += ["-std=gnu2x", "-Wall", "-Werror", "-I", kernels + "/include", "-I", folder]
    os.makedirs(f"{folder}/{name}")
    objects = [f"{folder}/{name}/{os.path.basename(source)}.o" for source in sources]

    def compile_one(source, made):
        subprocess.run(["clang", *compiling, "-c", source, "-o", made], check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, sources, objects))
    program = f"{folder}/{name}/kernels_test"
    subprocess.run(["clang", *flags, *objects, "-lm", "-o", program], check=True)
    return program


def faulty_kernels(folder):
    copy = folder + "/faulty_kernels"
    if not os.path.exists(copy):
        file, honest, planted = FAULT
        shutil.copytree(KERNELS, copy)
        text = open(f"{copy}/{file}").read()
        assert honest in text, f"{file} no longer says {honest}: plant another fault"
        open(f"{copy}/{file}", "w").write(text.replace(honest, planted, 1))
    return copy


class Failures:
    count = 0

    def run(self, what, command, is_fault=False):
        """Runs a test; False where the CPU lacks the set. A fault must make it fail by what it finds."""
        done = subprocess.run(command, capture_output=True, text=True)
        text = (done.stdout + done.stderr).strip()
        if done.returncode == 77:
            return False
        is_good = "FAILED: " in text if is_fault else done.returncode == 0
        self.count += not is_good
        last = text.splitlines()[-1] if text else f"ended by {done.returncode}"
        said = ("seen" if is_good else "NOT SEEN") if is_fault else last
        print(f"{'ok' if is_good else 'FAILED'}: {what}: {said}", flush=True)
        if not is_good:
            print(text[-4000:])
        return True


def test(label, kernel_set, launcher, builds, failures):
    shipped, sanitized, faulty = builds
    if not failures.run(label, [*launcher, shipped, kernel_set]):
        print(f"skipped: {label}: this CPU lacks it", flush=True)
        return
    failures.run(f"{label}, sanitized", [*launcher, sanitized, kernel_set])
    # An emulator takes minutes for it, and the table of entries is the same.
    if not launcher:
        failures.run(f"{label}, kernels that do nothing", [shipped, kernel_set, "--planted"])
    failures.run(f"{label}, a tile that loses a height", [*launcher, faulty, kernel_set], is_fault=True)


def emulation_lacks():
    """Why aarch64 cannot be built for or run here; None where it can."""
    for program in (EMULATOR, "aarch64-linux-gnu-gcc"):
        if not shutil.which(program):
            return f"{program} is not here; install Debian's qemu-user, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross"
    return None if os.path.exists("/usr/aarch64-linux-gnu/lib/libc.a") else "install Debian's libc6-dev-arm64-cross"


def main(names):
    unknown = set(names) - {"avx512", "avx2", "baseline", "neon"}
    if unknown:
        sys.exit(f"no such set: {', '.join(sorted(unknown))}")
    failures = Failures()
    with tempfile.TemporaryDirectory() as folder:
        list_entries(folder)
        wanted = [name for name in NATIVE_SETS if not names or name in names or (IS_ARM and "neon" in names)]
        if wanted:
            builds = [build("shipped", SHIPPED, folder), build("sanitized", SANITIZED, folder),
                      build("faulty", SHIPPED, folder, faulty_kernels(folder))]
            for name in wanted:
                test("neon" if IS_ARM else name, name, [], builds, failures)
        if IS_ARM:
            print("skipped: avx512, avx2: this is aarch64")
        elif not names or "neon" in names:
            lacks = emulation_lacks()
            if lacks:
                print(f"skipped: neon: {lacks}")
            else:
                builds = [build("shipped-neon", SHIPPED + CROSS, folder),
                          build("trapped-neon", TRAPPED + CROSS, folder),
                          build("faulty-neon", SHIPPED + CROSS, folder, faulty_kernels(folder))]
                test("neon, emulated", "baseline", [EMULATOR], builds, failures)
    return 1 if failures.count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
