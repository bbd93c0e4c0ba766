"""How a backend is rebuilt with one file changed, in seconds: only that file's object is made anew and linked with
those of the last `swift build -c release`, which are copied away first, so that work on the project can go on."""
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class DoesNotCompile(Exception):
    pass


def run(arguments, limit=300, folder=ROOT):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=limit, cwd=folder)
    if done.returncode:
        raise DoesNotCompile(done.stderr + done.stdout)
    return done.stdout


def manifest_arguments(manifest, node):
    """The command line of a node of SwiftPM's manifest."""
    match = re.search(re.escape(f'"{node}"') + r":\n.*?args: (\[.*?\])\n", manifest, re.S)
    return json.loads(match.group(1))


class Snapshot:
    """The objects, modules and the program of the last build, in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        release = os.path.realpath(os.path.join(ROOT, ".build/release"))
        self.release = release
        copied = folder + "/switchback"
        # Copied again after a new build; the program comes last, so an interrupted copy is none.
        if not os.path.exists(copied) or os.path.getmtime(copied) < os.path.getmtime(release + "/switchback"):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder, exist_ok=True)
            for name in os.listdir(release):
                source = os.path.join(release, name)
                if name.endswith(".build") and not name.endswith("Tests.build"):
                    shutil.copytree(source, os.path.join(folder, name), dirs_exist_ok=True)
                elif name.endswith(".product") and os.path.exists(source + "/Objects.LinkFileList"):
                    shutil.copytree(source, os.path.join(folder, name), dirs_exist_ok=True)
            shutil.copytree(release + "/Modules", folder + "/Modules", dirs_exist_ok=True)
            shutil.copy(os.path.join(ROOT, ".build/release.yaml"), folder + "/release.yaml")
            shutil.copy(release + "/switchback", copied)
        self.manifest = open(folder + "/release.yaml").read().replace(release, folder)
        self.program = copied

    def arguments(self, node):
        return manifest_arguments(self.manifest, node)

    def objects(self, product):
        text = open(f"{self.folder}/{product}.product/Objects.LinkFileList").read()
        return [name.strip("'\"") for name in text.replace(self.release, self.folder).split()]

    def link(self, objects, output):
        with open(output + ".list", "w") as file:
            file.write("\n".join(objects))
        run(["swiftc", "-emit-library", "-o", output, "-Xlinker", "--gc-sections", "-use-ld=lld", f"@{output}.list"])


class CKernels:
    """Kernels that one or more C files of a target include or embed: those files are compiled anew."""

    def __init__(self, snapshot, product, target, folder, sources, flags=()):
        self.snapshot, self.product, self.target = snapshot, product, target
        self.folder, self.sources, self.flags = folder, sources, list(flags)

    def build(self, file, text, work):
        copy = work + "/kernels"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(f"{ROOT}/{self.folder}", copy)
        with open(f"{copy}/{os.path.relpath(file, self.folder)}", "w") as out:
            out.write(text)
        objects = self.snapshot.objects(self.product)
        for source in self.sources:
            made = f"{work}/{os.path.basename(source)}.o"
            run(["clang", "-O1", "-fblocks", "-fPIC", "-std=gnu2x", "-w", f"-I{copy}/include",
                 f"-I{ROOT}/Sources/SwitchbackABI/include", *self.flags, "-c", f"{copy}/{source}", "-o", made])
            old = f"/{self.target}.build/{os.path.basename(source)}.o"
            assert any(name.endswith(old) for name in objects), old
            objects = [made if name.endswith(old) else name for name in objects]
        library = f"{work}/lib{self.product}.so"
        self.snapshot.link(objects, library)
        return library


class SwiftKernels:
    """A Swift target: all its files are compiled once without optimization, then one file anew for each mutant."""

    def __init__(self, snapshot, module, objects, entry=None):
        self.snapshot, self.module, self.others, self.entry = snapshot, module, objects, entry
        arguments = snapshot.arguments(f"C.{module}-x86_64-unknown-linux-gnu-release.module")
        sources = open(next(a for a in arguments if a.endswith("/sources"))[1:]).read().split()
        self.sources = [source.strip("'\"") for source in sources]
        kept = []
        for index, word in enumerate(arguments):
            if word in ("-I", "-swift-version", "-package-name", "-module-cache-path", "-Xcc"):
                kept += [word, arguments[index + 1]]
            elif word.startswith("-D"):
                kept.append(word)
        self.flags = kept
        self.folder = f"{snapshot.folder}/mutants-{module}"

    def prepare(self):
        """The objects of the unchanged files."""
        if os.path.exists(self.folder + "/done"):
            return
        os.makedirs(self.folder, exist_ok=True)
        run(["swiftc", "-c", "-Onone", "-enable-batch-mode", "-parse-as-library", "-suppress-warnings",
             "-module-name", self.module, *self.flags, *self.sources, "-emit-module", "-emit-module-path",
             f"{self.folder}/{self.module}.swiftmodule"], 600, self.folder)
        if self.entry:
            source = f"{self.folder}/Entry.swift"
            with open(source, "w") as out:
                out.write(self.entry)
            run(["swiftc", "-c", "-parse-as-library", f"-I{self.folder}", "-module-name", "MutantEntry", *self.flags,
                 source, "-o", f"{self.folder}/entry.o"])
        open(self.folder + "/done", "w").close()

    def build(self, file, text, work):
        self.prepare()
        name = os.path.basename(file)
        changed, made = f"{work}/{name}", f"{work}/{name}.o"
        with open(changed, "w") as out:
            out.write(text)
        others = [source for source in self.sources if not source.endswith("/" + file)]
        assert len(others) == len(self.sources) - 1, file
        run(["swiftc", "-frontend", "-c", "-Onone", "-parse-as-library", "-suppress-warnings", "-module-name",
             self.module, *self.flags, "-primary-file", changed, *others, "-o", made])
        objects = self.others + [made] + [
            f"{self.folder}/{os.path.basename(source)[:-6]}.o" for source in others
        ] + ([f"{self.folder}/entry.o"] if self.entry else [])
        library = f"{work}/lib{self.module}.so"
        self.snapshot.link(objects, library)
        return library


class PlainPlugin:
    """The template: one C file and the header."""

    def build(self, file, text, work):
        source, library = f"{work}/plugin.c", f"{work}/libSwitchbackmutant.so"
        with open(source, "w") as out:
            out.write(text)
        run(["cc", "-std=c11", "-O1", "-w", "-shared", "-fPIC", "-fvisibility=hidden",
             f"-I{ROOT}/Sources/SwitchbackABI/include", source, "-o", library])
        return library


REFERENCE_ENTRY = """
import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackReference

@_cdecl("switchback_backend_1")
public func entry(_ hostMinor: UInt32) -> UnsafePointer<sb_backend>? { exportBackend(ReferenceBackend()) }
"""


@dataclass
class Family:
    """Kernel files that are built and judged alike."""
    name: str
    files: list
    builder: object
    """How many mutants are made unless told otherwise."""
    share: int
    environment: dict = field(default_factory=dict)
    """Of the backend, for conformance and diff: key to value."""
    options: dict = field(default_factory=dict)
    """By a file's name what conformance is asked first (see its --filter): what its kernels compute."""
    serves: dict = field(default_factory=dict)
    """By a file's name further options with which the same is asked: kernels for other devices."""
    variants: dict = field(default_factory=dict)
    """Seconds for one case, and for all of conformance."""
    limits: tuple = (20, 120)


# PoCL compiles each changed kernel anew, so only the operations that a source serves are asked before all others.
OPENCL_SERVES = {
    "convolution.cl": ["conv2d"],
    "elementwise.cl": ["unary", "binary", "select", "cast", "fill"],
    "formulas.cl": ["unary"],
    "functions.cl": ["unary", "binary"],
    "indexing.cl": ["oneHot", "sequenceMask", "gather", "scatterAdd", "argmax"],
    "layout.cl": ["transpose", "broadcast", "slice", "concatenate", "pad", "reverse"],
    "multiplication.cl": ["matmul", "conv2d"],
    "normalize.cl": ["normalize"],
    "pooling.cl": ["Pool2d"],
    "random_numbers.cl": ["random"],
    "recurrence.cl": ["rnn", "lstm", "gru"],
    "reduction.cl": ["reduce"],
    "softmax.cl": ["softmax"],
    "statistics.cl": ["statistics"],
    "update.cl": ["Update", "allFinite"],
}
# What decides about speed alone, or moves no numbers; and numbers of two variants, of which a run has one.
NOT_KERNELS = ("FFTBackend.swift", "Fingerprint.swift", "Planner.swift", "TransformLength.swift", "Workers.swift",
               "convolution_variants.h", "winograd_matrices.h")
WINOGRAD = "convolution_winograd.h"
# Leads where vectors can be looked up in, and so in no baseline.
LOOKS_UP = "convolution_winners.h"


def has_avx2():
    try:
        return " avx2 " in open("/proc/cpuinfo").read()
    except OSError:
        return False


def families(snapshot):
    """Every kernel file that is there."""
    def files(folder, *endings):
        path = f"{ROOT}/{folder}"
        return sorted(f"{folder}/{name}" for name in os.listdir(path)
                      if name.endswith(endings) and name not in NOT_KERNELS)

    def objects(product, but=None, of=None):
        return [name for name in snapshot.objects(product)
                if (but is None or f"/{but}.build/" not in name)
                and (of is None or any(f"/{module}.build/" in name for module in of))]

    def is_built(product):
        return os.path.exists(f"{snapshot.folder}/{product}.product")

    contract = ("SwitchbackABI", "SwitchbackBackendKit", "SwitchbackPrograms", "SwitchbackWorkerPool")
    baseline = {"SWITCHBACK_CPU_KERNELS": "baseline"}
    folder = "Backends/CPUKernels/Kernels"
    kernels = CKernels(snapshot, "SwitchbackOpenBLAS", "SwitchbackCPUKernels", "Backends/CPUKernels",
                       ["kernels_baseline.c"])
    found = [
        Family("CPU kernels", [file for file in files(folder, ".h") if not file.endswith((WINOGRAD, LOOKS_UP))],
               kernels, 90, baseline),
        Family("Winograd kernels", [f"{folder}/{WINOGRAD}"], kernels, 20,
               {**baseline, "SWITCHBACK_CONVOLUTION": "winograd4"}, serves={WINOGRAD: ["conv2d", "conv2d/backwardInput"]}),
        Family("template", ["Backends/Template/template_backend.c"], PlainPlugin(), 20),
        Family("reference", files("Backends/Reference/Operations", ".swift"),
               SwiftKernels(snapshot, "SwitchbackReference", objects("SwitchbackOpenBLAS", of=contract),
                            REFERENCE_ENTRY), 66),
        Family("openblas", [file for part in ("Operations", "Planning", "Fusion")
                            for file in files(f"Backends/OpenBLAS/{part}", ".swift")],
               SwiftKernels(snapshot, "SwitchbackOpenBLAS", objects("SwitchbackOpenBLAS", but="SwitchbackOpenBLAS")),
               40),
    ]
    if has_avx2():
        found.append(
            Family("CPU kernels of AVX2", [f"{folder}/{LOOKS_UP}"],
                   CKernels(snapshot, "SwitchbackOpenBLAS", "SwitchbackCPUKernels", "Backends/CPUKernels",
                            ["kernels_avx2.c"]), 12, {"SWITCHBACK_CPU_KERNELS": "avx2"}))
    if is_built("SwitchbackFFT"):
        folder = "Backends/FFTConvolution"
        found += [
            Family("FFT kernels", [f"{folder}/CFFT/fft_kernels_template.h"],
                   CKernels(snapshot, "SwitchbackFFT", "SwitchbackFFTLibrary", folder + "/CFFT", ["fft_kernels.c"]),
                   36, baseline, {"force": "true"}, {"fft_kernels_template.h": ["conv2d"]}),
            Family("fft", files(folder, ".swift"),
                   SwiftKernels(snapshot, "SwitchbackFFTConvolution",
                                objects("SwitchbackFFT", but="SwitchbackFFTConvolution")),
                   44, baseline, {"force": "true"}, {"DenseConvolution.swift": ["conv2d"]},
                   # A budget with which batches are worked off in parts.
                   {"DenseConvolution.swift": [{"memory": "1"}, {"memory": "0.45"}]}),
        ]
    if is_built("SwitchbackOpenCL"):
        folder = "Backends/OpenCL"
        # The C file that embeds them: it sees them at their place beside its own folder.
        found.append(
            Family("opencl", files(folder + "/Kernels", ".cl"),
                   CKernels(snapshot, "SwitchbackOpenCL", "SwitchbackOpenCLLibrary", folder,
                            ["COpenCL/kernel_sources.c"], [f"-I{ROOT}/{folder}/COpenCL/include"]),
                   50, serves=OPENCL_SERVES,
                   variants={name: [{"device_class": "gpu"}] for name in ("multiplication.cl", "normalize.cl", "recurrence.cl")},
                   limits=(60, 900)))
    return found
