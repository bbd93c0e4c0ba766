#!/usr/bin/env python3
"""AddressSanitizer with the backends loaded, ThreadSanitizer with them linked in (a loaded Swift library lacks its
symbols): conformance and the worker pool must be clean, and a fault planted in a C kernel must be seen.

    python3 Tests/Sanitizers/sanitize.py [address] [thread]        (a part of make test-all)

The planted builds are the clean ones with the C kernels compiled anew, planted.h before them, and linked again; nothing
of it is in the product."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/Tests/Mutants")
from builds import manifest_arguments  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TRAITS = subprocess.run(["sh", ".make/traits.sh"], capture_output=True, text=True, cwd=ROOT).stdout.strip()
KERNELS = ["kernels_baseline.c", "kernels_avx2.c", "kernels_avx512.c"]
# Swift's runtime keeps what it made at the start; leaks are conformance's own cases.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=0", TSAN_OPTIONS="halt_on_error=0:exitcode=66")


def swift(*arguments):
    traits = ["--traits", TRAITS] if TRAITS else ["--disable-default-traits"]
    subprocess.run(["swift", *arguments, *traits], check=True, cwd=ROOT)


def planted(kind, scratch, product, node, define, output):
    """The product linked again with planted kernels; its path."""
    release = os.path.realpath(f"{ROOT}/{scratch}/release")
    objects = open(f"{release}/{product}.product/Objects.LinkFileList").read().split()
    objects = [name.strip("'\"") for name in objects]
    for source in KERNELS:
        made = f"{release}/planted_{source}.o"
        subprocess.run(
            ["clang", "-O1", "-g", "-fblocks", "-fPIC", "-std=gnu2x", f"-fsanitize={kind}", f"-D{define}", "-include",
             HERE + "/planted.h", "-I", ROOT + "/Backends/CPUKernels/include", "-c",
             f"{ROOT}/Backends/CPUKernels/{source}", "-o", made], check=True)
        objects = [made if name.endswith(f"/SwitchbackCPUKernels.build/{source}.o") else name for name in objects]
    assert sum("planted_" in name for name in objects) == len(KERNELS), "the kernels are not in " + product
    with open(output + ".list", "w") as file:
        file.write("\n".join(objects))
    words = manifest_arguments(open(f"{ROOT}/{scratch}/release.yaml").read(), node)
    words[words.index("-o") + 1] = output
    words = [f"@{output}.list" if word.startswith("@") else word for word in words]
    subprocess.run(words, check=True, cwd=ROOT, capture_output=True)
    return output


def expect(what, arguments, sanitizer, is_clean):
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)
    text = done.stdout + done.stderr
    found = sanitizer in text
    good = done.returncode == 0 and not found if is_clean else found
    print(f"{'ok' if good else 'FAILED'}: {what}", flush=True)
    if not good:
        print(text[-4000:])
        sys.exit(1)


def address():
    scratch = ".build-asan"
    plugins = ["SwitchbackOpenBLAS"] + [f"Switchback{name}" for name in ("FFT", "OpenCL") if name in TRAITS.split(",")]
    for product in ["switchback", *plugins]:
        swift("build", "-c", "release", "--sanitize=address", "--scratch-path", scratch, "--product", product)
    program = f"{ROOT}/{scratch}/release/switchback"
    template = f"{ROOT}/{scratch}/libSwitchbacktemplate.so"
    subprocess.run(
        ["clang", "-std=c11", "-O1", "-g", "-fsanitize=address", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
         "Sources/SwitchbackABI/include", "Backends/Template/template_backend.c", "-o", template], check=True, cwd=ROOT)
    for backend in ["reference", *(name[len("Switchback"):].lower() for name in plugins), template]:
        expect(f"address: {backend} is clean in conformance",
               [program, "conformance", "--backend", backend, "--quick", "--skip", "contract"],
               "AddressSanitizer", True)
    library = planted("address", scratch, "SwitchbackOpenBLAS", "C.SwitchbackOpenBLAS-x86_64-unknown-linux-gnu-release.dylib",
                      "PLANTED_OVERFLOW", f"{ROOT}/{scratch}/libSwitchbackplanted.so")
    expect("address: a byte written behind a block is seen",
           [program, "conformance", "--backend", library, "--quick", "--filter", "softmax"],
           "heap-buffer-overflow", False)


def thread():
    scratch = ".build-tsan"
    swift("build", "-c", "release", "--build-tests", "--sanitize=thread", "--scratch-path", scratch)
    tests = f"{ROOT}/{scratch}/release/switchbackPackageTests.xctest"
    # Not the tests that lock a Mutex of Swift's standard library, whose locking this sanitizer does not see; nor those of
    # OpenCL, whose driver it does not see.
    filters = ["--testing-library", "swift-testing", "--filter",
               "OpenBLASTests|RandomProgramTests|OneForkTests|WorkerPoolTests/barriers|FFTConvolutionTests",
               # It loads a library.
               "--skip", "missingLibrary"]
    expect("thread: pool, OpenBLAS and FFT backend are clean in their tests", [tests, *filters], "ThreadSanitizer", True)
    program = planted("thread", scratch, "switchbackPackageTests",
                      "C.switchbackPackageTests-x86_64-unknown-linux-gnu-release.test", "PLANTED_RACE",
                      f"{ROOT}/{scratch}/planted.xctest")
    expect("thread: a race of two workers is seen", [program, *filters], "ThreadSanitizer: data race", False)


if __name__ == "__main__":
    for part in sys.argv[1:] or ["address", "thread"]:
        {"address": address, "thread": thread}[part]()
