"""How a backend is rebuilt with one file changed, in seconds: only that file's object is made anew and linked with
those of the last `swift build -c release`, which are copied away first, so that work on the project can go on."""
import json
import os
import re
import shutil
import subprocess

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
        if not os.path.exists(folder + "/switchback"):
            os.makedirs(folder, exist_ok=True)
            for name in os.listdir(release):
                source = os.path.join(release, name)
                if name.endswith(".build") and not name.endswith("Tests.build"):
                    shutil.copytree(source, os.path.join(folder, name), dirs_exist_ok=True)
                elif name.endswith(".product") and os.path.exists(source + "/Objects.LinkFileList"):
                    shutil.copytree(source, os.path.join(folder, name), dirs_exist_ok=True)
            shutil.copytree(release + "/Modules", folder + "/Modules", dirs_exist_ok=True)
            shutil.copy(release + "/switchback", folder + "/switchback")
            shutil.copy(os.path.join(ROOT, ".build/release.yaml"), folder + "/release.yaml")
        self.manifest = open(folder + "/release.yaml").read().replace(release, folder)
        self.program = folder + "/switchback"

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


def families(snapshot):
    """Name, files, builder, environment: every kernel file that is there."""
    def files(folder, *endings):
        path = f"{ROOT}/{folder}"
        if not os.path.isdir(path):
            return []
        return sorted(f"{folder}/{name}" for name in os.listdir(path) if name.endswith(endings))

    openblas = snapshot.objects("SwitchbackOpenBLAS")
    other = [name for name in openblas if "/SwitchbackOpenBLAS.build/" not in name]
    contract = [
        name for name in openblas
        if any(f"/{module}.build/" in name for module in
               ("SwitchbackABI", "SwitchbackBackendKit", "SwitchbackPrograms", "SwitchbackWorkerPool"))
    ]
    found = [
        ("CPU kernels", ["Backends/CPUKernels/kernels_template.h"],
         CKernels(snapshot, "SwitchbackOpenBLAS", "SwitchbackCPUKernels", "Backends/CPUKernels", ["kernels_baseline.c"]),
         {"SWITCHBACK_CPU_KERNELS": "baseline"}, 90),
        ("template", ["Backends/Template/template_backend.c"], PlainPlugin(), {}, 20),
        ("reference", files("Backends/Reference/Operations", ".swift"),
         SwiftKernels(snapshot, "SwitchbackReference", contract, REFERENCE_ENTRY), {}, 50),
        ("openblas", files("Backends/OpenBLAS/Operations", ".swift"),
         SwiftKernels(snapshot, "SwitchbackOpenBLAS", other), {}, 40),
    ]
    for backend, folder in (("FFT", "Backends/FFTConvolution/Operations"),):
        if files(folder, ".swift") and os.path.exists(f"{snapshot.folder}/Switchback{backend}.product"):
            objects = snapshot.objects(f"Switchback{backend}")
            rest = [name for name in objects if f"/Switchback{backend}.build/" not in name]
            found.append((backend.lower(), files(folder, ".swift"),
                          SwiftKernels(snapshot, f"Switchback{backend}", rest), {}, 20))
    kernels = files("Backends/OpenCL/Kernels", ".cl")
    if kernels and os.path.exists(f"{snapshot.folder}/SwitchbackOpenCL.product"):
        # The C files that embed them, wherever their target is.
        embedding = run(["grep", "-rl", "--include=*.c", "#embed", "Backends/OpenCL"]).split()
        folder = os.path.commonpath([os.path.dirname(name) for name in embedding + kernels])
        target = next(os.path.basename(os.path.dirname(name))[: -len(".build")]
                      for name in snapshot.objects("SwitchbackOpenCL")
                      if name.endswith("/" + os.path.basename(embedding[0]) + ".o"))
        found.append(("opencl", kernels,
                      CKernels(snapshot, "SwitchbackOpenCL", target, folder,
                               [os.path.relpath(name, folder) for name in embedding],
                               [f"-I{ROOT}/Backends/OpenCL/COpenCL/include"]), {}, 60))
    return found
