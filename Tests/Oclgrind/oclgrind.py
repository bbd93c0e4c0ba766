#!/usr/bin/env python3
"""Runs every OpenCL kernel in the simulator Oclgrind: no bad access, no data race. Part of `make test-all`.

    swift build -c release && python3 Tests/Oclgrind/oclgrind.py

Its wrapper shows no platform to a program that opens the loader itself, so the simulator comes in as a driver. Fails
where the platform is not Oclgrind's, and where a race planted in a copy of the kernels goes unseen. Results may differ
from the reference's there (it has the host's own functions): that is not what is asked. Needs Debian's `oclgrind`."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Mutants"))
from builds import ROOT, Snapshot, families  # noqa: E402

DRIVER = "/usr/lib/oclgrind/liboclgrind-rt-icd.so"
PROGRAM = f"{ROOT}/.build/release/switchback"
# A filter of thousands of elements takes the simulator minutes, and the kernels the same paths as shorter ones.
VERY_LONG = "17000"
COMPLAINTS = ("data race", "Invalid read", "Invalid write", "Uninitialized", "barrier divergence")


def complaints(backend, work, *arguments):
    """Lines of Oclgrind about what kernels did; None where something else than Oclgrind ran."""
    with open(work + "/oclgrind.icd", "w") as file:
        file.write(DRIVER + "\n")
    environment = dict(os.environ, OCL_ICD_VENDORS=work, OCLGRIND_DATA_RACES="1")
    devices = subprocess.run([PROGRAM, "backends", "--json"], env=environment, capture_output=True, text=True).stdout
    if "Oclgrind Simulator" not in devices:
        return None
    done = subprocess.run(
        [PROGRAM, "conformance", "--backend", backend, "--quick", "--skip", "contract", "--skip", VERY_LONG, "--limit",
         "600", "--failures", work, *arguments],
        env=environment, capture_output=True, text=True, timeout=1800)
    text = done.stdout + done.stderr
    if " passed, " not in text:
        return ["conformance did not come to its end: " + text[-500:]]
    return [line.strip() for line in text.splitlines() if any(words in line for words in COMPLAINTS)]


def main():
    if not os.path.exists(DRIVER):
        print(f"skipped: {DRIVER} is not here; install Debian's package oclgrind")
        return 0
    with tempfile.TemporaryDirectory() as work:
        snapshot = Snapshot(work + "/snapshot")
        found = complaints("opencl", work)
        if found is None:
            print("the platform is not Oclgrind's: nothing was proved")
            return 1
        for line in found[:20]:
            print("✗", line)
        print(f"all kernels: {len(found)} complaints")
        # Every work-item writes the first element.
        builder = next(family.builder for family in families(snapshot) if family.name == "opencl")
        file = "Backends/OpenCL/Kernels/elementwise.cl"
        text = open(f"{ROOT}/{file}").read()
        honest = "if (e < count) y[e] = FUNCTION(x[e], alpha);"
        assert honest in text
        library = builder.build(file, text.replace(honest, honest + " y[0] = e;"), work)
        planted = complaints(library, work, "--filter", "unary")
        print(f"a planted race: {len(planted or [])} complaints")
        return 1 if found or not planted else 0


if __name__ == "__main__":
    sys.exit(main())
