"""The formats that the program reads: a small sound file of each, how it is mutated, and who reads it."""
import gzip, json, pathlib, shutil, struct
from dataclasses import dataclass, field
from typing import Callable

import plugins
from mutations import checkpoint_checksum, model_checksum, repacked
from shared import MOST_MEMORY, ROOT, newest, run


@dataclass
class Format:
    name: str
    # Sound files with where they lie and how they are mutated; one of them is mutated at a time.
    files: list[tuple[pathlib.Path, bytes, Callable[[bytes], bytes]]]
    # Each mutated file is read by one of them, in turn.
    commands: list[list]
    # A folder that a command may write to, made anew for each: from, to.
    folder: tuple[pathlib.Path, pathlib.Path] | None = None
    # Of many mutated files in one command: the folder that they are put into.
    together: pathlib.Path | None = None
    env: dict = field(default_factory=dict)
    most: int = MOST_MEMORY
    # Commands of many seconds try a hundredth, and nothing by default.
    is_slow: bool = False
    # How a command ends with a sound file: what is made here is no published data set, say.
    sound: tuple = (0,)
    # What no child of the program may say: a crash there is told as the file's fault.
    forbidden: str = ""


TABLE = """version: 1
model: {layers: [dense: {units: 4, activation: sigmoid}, dense: {units: 4, activation: sigmoid},
  dense: {units: 3, activation: softmax}]}
data: {dataset: csv, path: PATH, label: class, normalize: true, validation_split: 0.2}
training: {epochs: 5, batch_size: 8, optimizer: {type: adam, learning_rate: 0.01, ema_momentum: 0.9},
  reduce_on_plateau: {patience: 1, factor: 0.5}}
backend: {name: reference, threads: 1}
monitor: {probe_interval: 1, period: 1, vanishing_decades: 0.1, exploding_decades: 0.1, exploding_update_ratio: 0.0001}
"""
IMAGES = """version: 1
model: {layers: [conv2d: {filters: 2, kernel_size: 5, activation: relu}, flatten, dense: {units: 2, activation: softmax}]}
data: {dataset: image-folder, path: PATH, image_size: [8, 8], channels: 1, test_split: 0.5}
training: {epochs: 1, batch_size: 4}
backend: {name: reference, threads: 1}
monitor: {enabled: false}
"""
NAMED = """version: 1
model: {layers: [flatten, dense: {units: CLASSES, activation: softmax}]}
data: {dataset: NAME, path: PATH}
training: {epochs: 1, steps: 1, batch_size: 4}
backend: {name: reference, threads: 1}
"""


class Formats:
    def __init__(self, campaign, mutations):
        self.campaign, self.mutations = campaign, mutations
        self.work = campaign.work / "files"
        self.env = {"XDG_CACHE_HOME": str(self.work / "cache"), "SWITCHBACK_DATA": ""}
        for name in ["cache", "runs", "out"]:
            (self.work / name).mkdir(parents=True)
        self.output = self.work / "out/table.csv"

    def command(self, *words):
        return [self.campaign.binary, *words]

    def made(self, *words, env=None):
        """What a command prints that must succeed."""
        result = run(self.command(*words), limit=600, env={**self.env, **(env or {})})
        assert result.status == 0, f"{words}: {result.errors}"
        return result.output

    def write(self, name, text):
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def trained(self, config, name, *more, env=None):
        """The folder of a small run with only its newest checkpoint."""
        runs = self.work / "made"
        shutil.rmtree(runs, ignore_errors=True)
        self.made("train", config, "--runs", runs, "--offline", *more, env=env)
        folder = self.work / name
        shutil.copytree((runs / "latest").resolve(), folder)
        for file in (folder / "checkpoints").iterdir():
            if file != newest(folder) and file.name != "best.safetensors":
                file.unlink()
        return folder

    def all(self):
        """Makers of formats by their names: what is not asked for is not made."""
        makers = {}
        for file in ["config.yaml", "data.json", "environment.json", "metrics.jsonl", "metrics.csv", "findings.jsonl",
                     "gradients.jsonl", "evaluation.json", "summary.json"]:
            makers[f"run/{file}"] = lambda file=file: self.run_file(file)
        makers |= {
            "run/listing": self.run_listing, "checkpoint": self.checkpoint, "checkpoint/best": self.best,
            "checkpoint/early": self.early, "checkpoint/auto": self.checkpoint_auto, "weights": self.weights,
            "model": self.model, "configuration": self.configuration, "csv": self.csv, "csv/rows": self.csv_rows,
            "csv/other": self.csv_other, "idx": self.idx, "idx/gzip": lambda: self.idx(".gz"), "cifar-10": self.cifar,
            "cifar-100": lambda: self.cifar("cifar-100"), "cifar/names": self.cifar_names, "png": self.png,
            "jpeg": self.jpeg, "netpbm": self.netpbm, "program": self.program, "store/routing": self.store_routing,
            "store/wisdom": self.store_wisdom, "store/tuned": self.store_tuned, "store/first-use": self.store_first_use,
            "library": self.library, "fetched": self.fetched,
        }
        return makers

    # -- runs

    def table(self):
        """A run on a table, made once, and its configuration."""
        config = self.work / "table.yaml"
        if not config.exists():
            table = self.write("table.csv", "a,b,class\n" + "".join(
                f"{n % 7},{n * n % 5 - 0.5},{'xyz'[n % 3]}\n" for n in range(60)))
            self.write("table.yaml", TABLE.replace("PATH", str(table)))
            run = self.trained(config, "table")
            assert (run / "findings.jsonl").read_bytes(), "the monitor of this run should find something"
        return self.work / "table", config

    def readers(self, run, copy):
        """Commands that read a run's folder."""
        return {
            "evaluate": self.command("evaluate", copy), "json": self.command("evaluate", copy, "--part", "all", "--json"),
            "predict": self.command("predict", copy, self.work / "table.csv", "--output", self.output),
            "best": self.command("predict", copy, "--best", "--index", "1"),
            "raw": self.command("evaluate", copy, "--raw", "--confusion"),
            "resume": self.command("train", "--resume", copy, "--epochs", "6", "--steps", "27"),
            "report": self.command("report", copy), "verify": self.command("checkpoint", "verify", copy),
            "from": self.command("train", self.work / "table.yaml", "--from", copy, "--runs", self.work / "runs", "--steps", "1"),
        }

    def of_run(self, name, run, file, mutate, *readers):
        copy = self.work / "copy"
        commands = self.readers(run, copy)
        return Format(name, [(copy / file, (run / file).read_bytes(), mutate)], [commands[reader] for reader in readers],
                      folder=(run, copy), env=self.env)

    def run_file(self, file):
        run, _ = self.table()
        m = self.mutations
        kinds = {"yaml": m.text, "json": m.some(m.json, m.json, m.bytes), "jsonl": m.some(m.json_lines, m.json_lines, m.bytes),
                 "csv": m.some(m.text, m.csv)}
        readers = {"config.yaml": ["evaluate", "predict", "resume", "report", "from"], "data.json": ["evaluate", "predict", "resume"],
                   "metrics.csv": ["resume"]}.get(file, ["report", "resume"])
        if file == "data.json":
            # A checkpoint without the record of the data: the folder's counts.
            run = shutil.copytree(run, self.work / "recordless", dirs_exist_ok=True)
            path = newest(run)
            path.write_bytes(repacked(path.read_bytes(), lambda header, _: header["__metadata__"].pop("data", None), checkpoint_checksum))
        if file == "evaluation.json":
            readers = readers + ["evaluate"]
            run = shutil.copytree(ROOT / "Tests/OldRuns/classes/run", self.work / "old", dirs_exist_ok=True)
        return self.of_run(f"run/{file}", run, file, kinds[file.split(".")[-1]], *readers)

    def run_listing(self):
        """Whole runs of which one file each is mutated: the list reads them all."""
        run, _ = self.table()
        m = self.mutations
        files = [(pathlib.Path(file), (run / file).read_bytes(), m.some(m.json_lines, m.text, m.bytes) if "jsonl" in file
                  else m.some(m.text, m.bytes) if "yaml" in file else m.some(m.json, m.bytes))
                 for file in ["config.yaml", "environment.json", "metrics.jsonl", "findings.jsonl", "gradients.jsonl",
                              "evaluation.json", "summary.json"]]
        together = self.work / "listed"
        return Format("run/listing", files, [self.command("runs", together), self.command("runs", together, "--json")],
                      folder=(run, together), together=together, env=self.env)

    def forged(self):
        m = self.mutations
        return m.some(m.safetensors(checkpoint_checksum), m.safetensors(checkpoint_checksum), m.safetensors(checkpoint_checksum), m.bytes)

    def checkpoint(self):
        run, _ = self.table()
        return self.of_run("checkpoint", run, newest(run).relative_to(run), self.forged(),
                           "evaluate", "predict", "resume", "verify", "raw", "json", "from")

    def best(self):
        run, _ = self.table()
        return self.of_run("checkpoint/best", run, "checkpoints/best.safetensors", self.forged(), "best", "resume", "verify")

    def early(self):
        """Of a program before 2026-11-28: other keys are missing."""
        self.table()
        run = ROOT / "Tests/OldRuns/averaged/run"
        format = self.of_run("checkpoint/early", run, newest(run).relative_to(run), self.forged(), "evaluate", "resume", "raw", "verify")
        return format

    def checkpoint_auto(self):
        """With the routing that `auto` found."""
        _, config = self.table()
        run = self.trained(config, "auto", "--backend", "auto")
        return self.of_run("checkpoint/auto", run, newest(run).relative_to(run), self.forged(), "evaluate", "resume", "predict")

    def weights(self):
        """A file to start with: a checkpoint by itself."""
        run, config = self.table()
        file = self.work / "start.safetensors"
        return Format("weights", [(file, newest(run).read_bytes(), self.forged())],
                      [self.command("train", config, "--from", file, "--runs", self.work / "runs", "--steps", "1")], env=self.env)

    def model(self):
        run, config = self.table()
        file, m = self.work / "model.safetensors", self.mutations
        program = self.made("inspect", config, "--program")

        def change(header, body):
            # The weights alone, in their order.
            for name in [name for name in header if "/velocity" in name or "optimizer/" in name or name.startswith("ema/")]:
                del header[name]
            header["__metadata__"] = {"format": "switchback-model-1", "program": program, "weights": "raw", "samples": (run / "data.json").read_text()}

        def packed(header, body):
            first = 0
            parts = []
            for name in sorted(name for name in header if name != "__metadata__"):
                begin, end = header[name]["data_offsets"]
                parts.append(body[begin:end])
                header[name]["data_offsets"] = [first, first + end - begin]
                first += end - begin
            return b"".join(parts)

        data = newest(run).read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header, body = json.loads(data[8:8 + length]), data[8 + length:]
        change(header, body)
        body = packed(header, body)
        text = json.dumps(header).encode()
        data = repacked(struct.pack("<Q", len(text)) + text + body, lambda *_: None, model_checksum)
        forged = m.safetensors(model_checksum)
        return Format("model", [(file, data, m.some(forged, forged, forged, m.bytes))],
                      [self.command("train", config, "--from", file, "--runs", self.work / "runs", "--steps", "1")], env=self.env)

    # -- configurations

    def configuration(self):
        _, config = self.table()
        m, file = self.mutations, self.work / "mutated.yaml"
        texts = [config.read_bytes(), self.made("config", "show", config).encode()]
        for path in sorted((ROOT / "configs").glob("*.yaml")):
            text = path.read_text().replace("path: table.csv", f"path: {self.work}/table.csv")
            texts.append(text.replace("path: images", f"path: {ROOT}/Tests/OldRuns/data/images").encode())
        image = self.write("configured.yaml", IMAGES.replace("PATH", str(ROOT / "Tests/OldRuns/data/images")))
        texts += [self.made("config", "show", image).encode()]
        return Format("configuration", [(file, text, m.text) for text in texts],
                      [self.command("config", "check", file), self.command("config", "show", file), self.command("inspect", file),
                       self.command("data", "check", file), self.command("backends", "--explain", file),
                       self.command("train", file, "--offline", "--runs", self.work / "runs", "--steps", "1")], env=self.env)

    # -- tables

    def csv(self):
        _, config = self.table()
        m, file = self.mutations, self.work / "mutated.csv"
        tables = [b"a,b,class\n" + b"".join(b"%d,%d.5,%d\n" % (n % 7, n * n % 5, n % 3) for n in range(60)),
                  (self.work / "table.csv").read_bytes(), b'class;a;b\r\n"x y";1;2\r\n"z""";-3e5;.5\r\n' * 6,
                  b"\xef\xbb\xbf" + (ROOT / "Tests/OldRuns/data/classes.csv").read_bytes().replace(b"kind", b"class")]
        values = self.write("values.yaml", TABLE.replace("PATH", "x").replace("label: class", "targets: values, label: b").replace(
            "units: 3, activation: softmax", "units: 1").replace("batch_size: 8", "batch_size: 8, loss: mean_squared_error"))
        return Format("csv", [(file, table, m.some(m.csv, m.text, m.bytes)) for table in tables],
                      [self.command("data", "check", config, "--data", file),
                       self.command("train", config, "--data", file, "--runs", self.work / "runs", "--steps", "2"),
                       self.command("data", "check", values, "--data", file),
                       self.command("train", values, "--data", file, "--runs", self.work / "runs", "--steps", "2")], env=self.env)

    def csv_rows(self):
        """Rows to predict, as a file and on standard input."""
        run, _ = self.table()
        m, file = self.mutations, self.work / "rows.csv"
        rows = (self.work / "table.csv").read_bytes()
        return Format("csv/rows", [(file, rows, m.some(m.csv, m.text, m.bytes)), (file, b"b,a\n1,2\n3,4\n", m.some(m.csv, m.text))],
                      [self.command("predict", run, file), self.command("predict", run, "-", "--json"),
                       self.command("predict", run, file, "--output", self.output)], env=self.env)

    def csv_other(self):
        """Another table than the run's: its classes are mapped to the run's."""
        run, _ = self.table()
        m, file = self.mutations, self.work / "others.csv"
        return Format("csv/other", [(file, (self.work / "table.csv").read_bytes(), m.some(m.csv, m.text, m.text))],
                      [self.command("evaluate", run, "--data", file), self.command("evaluate", run, "--data", file, "--confusion", "--json"),
                       self.command("predict", run, "--data", file, "--index", "2")], env=self.env)

    # -- data sets known by name

    def named(self, name, classes, folder):
        return self.write(f"{name}.yaml", NAMED.replace("NAME", name).replace("CLASSES", str(classes)).replace("PATH", str(folder)))

    def readers_of_named(self, name, config, folder, run):
        return [self.command("data", "check", config), self.command("data", "verify", name, "--data", folder),
                self.command("train", config, "--offline", "--runs", self.work / "runs"),
                self.command("evaluate", run, "--data", folder, "--part", "all"),
                self.command("predict", run, "--data", folder, "--index", "1")]

    def idx(self, ending=""):
        m = self.mutations
        folder = self.work / f"idx{ending}/mnist"
        folder.mkdir(parents=True)
        files = []
        for part, count in [("train", 12), ("t10k", 6)]:
            pixels = bytes(self.campaign.random.randrange(256) for _ in range(count * 784))
            for name, data in [("images-idx3", struct.pack(">BBBBIII", 0, 0, 8, 3, count, 28, 28) + pixels),
                               ("labels-idx1", struct.pack(">BBBBI", 0, 0, 8, 1, count) + bytes(n % 10 for n in range(count)))]:
                path = folder / f"{part}-{name}-ubyte{ending}"
                data = gzip.compress(data) if ending else data
                path.write_bytes(data)
                files.append((path, data, m.some(m.gzipped(m.idx), m.gzipped(m.bytes), m.bytes) if ending else m.some(m.idx, m.bytes)))
        config = self.named("mnist", 10, folder)
        run = self.trained(config, f"idx{ending}-run")
        return Format("idx/gzip" if ending else "idx", files, self.readers_of_named("mnist", config, folder, run),
                      sound=(0, 65), env=self.env)

    def cifar_folder(self, name):
        """Six files of two pictures each, or two; with the names of the classes."""
        folder = self.work / name
        if not folder.exists():
            label_bytes = 1 if name == "cifar-10" else 2
            for file in [f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"] if label_bytes == 1 else ["train.bin", "test.bin"]:
                self.write(f"{name}/{file}", b"".join(bytes([n + 1] * label_bytes) + self.campaign.random.randbytes(3072) for n in range(2)))
            count = 10 if label_bytes == 1 else 100
            self.write(f"{name}/" + ("batches.meta.txt" if label_bytes == 1 else "fine_label_names.txt"),
                       "".join(f"class {n}\n" for n in range(count)))
            self.trained(self.named(name, count, folder), f"{name}-run")
        return folder, self.work / f"{name}.yaml", self.work / f"{name}-run"

    def cifar(self, name="cifar-10"):
        folder, config, run = self.cifar_folder(name)
        m = self.mutations
        files = [(path, path.read_bytes(), m.some(m.cifar(1 if name == "cifar-10" else 2), m.bytes)) for path in sorted(folder.glob("*.bin"))]
        return Format(name, files, self.readers_of_named(name, config, folder, run), sound=(0, 65), env=self.env)

    def cifar_names(self):
        folder, config, run = self.cifar_folder("cifar-10")
        path = folder / "batches.meta.txt"
        return Format("cifar/names", [(path, path.read_bytes(), self.mutations.some(self.mutations.text, self.mutations.bytes))],
                      self.readers_of_named("cifar-10", config, folder, run), sound=(0, 65), env=self.env)

    # -- pictures

    def pictures(self, name, paths, mutate):
        """All in one folder beside sound ones of two classes; a run decodes them to predict."""
        folder, config = self.work / f"{name}-pictures", self.work / f"{name}.yaml"
        for picture in sorted((ROOT / "Tests/OldRuns/data/images/bright").iterdir()):
            for kind in "ab":
                self.write(f"{name}-pictures/{kind}/{picture.name}", picture.read_bytes())
        self.write(config.name, IMAGES.replace("PATH", str(folder)))
        run = self.trained(config, f"{name}-run")
        files = [(pathlib.Path(path.name), path.read_bytes(), mutate) for path in paths]
        return Format(name, files, [self.command("data", "check", config), self.command("predict", run, folder, "--output", self.output)],
                      together=folder / "a", env=self.env)

    def png(self):
        m = self.mutations
        return self.pictures("png", sorted((ROOT / "Tests/Samples/images").glob("*.png")), m.some(m.png, m.png, m.png, m.bytes))

    def jpeg(self):
        m = self.mutations
        paths = sorted((ROOT / "Tests/Samples/images").glob("*.jpg")) + [ROOT / "Tests/Samples/gray.jpg", ROOT / "Tests/Samples/color.jpg"]
        return self.pictures("jpeg", paths, m.some(m.jpeg, m.jpeg, m.jpeg, m.bytes))

    def netpbm(self):
        m = self.mutations
        pixels = self.campaign.random.randbytes(90)
        text = " ".join(str(n) for n in pixels).encode()
        pictures = {"2.pgm": b"P2\n# text\n9 10\n255\n" + text, "3.ppm": b"P3 5 6 255 " + text, "5.pgm": b"P5 9 10 255\n" + pixels,
                    "6.ppm": b"P6\n5 6\n255\n" + pixels, "16.pgm": b"P5 9 5 65535\n" + pixels, "1.pnm": b"P6 1 1 1\n\0\1\0"}
        return self.pictures("netpbm", [self.write(f"sound/{name}", data) for name, data in pictures.items()],
                             m.some(m.netpbm, m.netpbm, m.bytes))

    # -- programs

    def program(self):
        _, config = self.table()
        image = self.write("programmed.yaml", IMAGES.replace("PATH", str(ROOT / "Tests/OldRuns/data/images")))
        file = self.work / "mutated.program"
        texts = [self.made("inspect", path, "--program") for path in [config, image]]
        # With numbers, as conformance and diff write them.
        texts.append("program sample\ninput %0 x f32[2,3]\ninput %1 y f32[3]\n%2: f32[2,3] = binary(%0, %1) {function: \"add\"}\n"
                     "output z %2\nvalue x 1.0 -2.5 3e-05 inf nan 0.0\nvalue y 0.5 -0.0 1e38\n")
        return Format("program", [(file, text.encode(), self.mutations.text) for text in texts],
                      [self.command("conformance", "--backend", "reference", "--program", file, "--limit", "20"),
                       self.command("conformance", "--backend", "openblas", "--program", file, "--limit", "20")],
                      env=self.env, forbidden="it crashed")

    # -- the host's store

    def stored(self, key):
        """The newest file in the store whose key begins so; None where there is none."""
        folder = self.work / "cache/switchback/store"
        found = [path for path in folder.glob(key.encode().hex() + "*")] if folder.exists() else []
        return max(found, key=lambda path: path.stat().st_mtime) if found else None

    def conv(self):
        return self.write("conv.yaml", IMAGES.replace("PATH", str(ROOT / "Tests/OldRuns/data/images")).replace("units: 2", "units: 3"))

    def store(self, name, key, change, commands, **more):
        path, m = self.stored(key), self.mutations
        if not path:
            return None
        forged = m.store(change)
        return Format(name, [(path, path.read_bytes(), m.some(forged, forged, forged, forged, m.bytes))], commands, env=self.env, **more)

    def train(self, *more):
        return self.command("train", self.conv(), "--runs", self.work / "runs", "--steps", "1", *more)

    def store_routing(self):
        auto = ["--backend", "auto", "--set", "backend.tuning_seconds=0.2"]
        self.made(*self.train(*auto)[1:])
        m = self.mutations
        return self.store("store/routing", "routing", m.some(m.json, m.json, m.text, m.bytes),
                          [self.command("backends", "--explain", self.conv(), *auto), self.train(*auto)])

    def store_wisdom(self):
        fft = ["--backend", "fft", "--set", "backend.fft.force=true"]
        result = run(self.train(*fft), env=self.env)
        m = self.mutations
        return self.store("store/wisdom", "fft wisdom", m.some(m.text, m.text, m.bytes), [self.train(*fft)]) if result.status == 0 else None

    def store_tuned(self):
        if run(self.command("tune", "--forget"), env=self.env).status != 0:
            return None
        path = self.stored("tuned")
        path.write_bytes(self.mutations.store(lambda _: b"tiles=8:6x16x64x1,16:default\n")(bytes(8)))
        m = self.mutations
        return self.store("store/tuned", "tuned", m.some(m.text, m.text, m.bytes),
                          [self.command("backends", "--explain", self.conv(), "--backend", "opencl")], is_slow=True)

    def store_first_use(self):
        if run(self.train("--backend", "opencl"), limit=300, env=self.env).status != 0:
            return None
        m = self.mutations
        return self.store("store/first-use", "first-use", m.some(m.json, m.text, m.bytes), [self.train("--backend", "opencl")], is_slow=True)

    # -- what else is a file

    def library(self):
        """A plug-in: its headers, or where it is cut off. (Of its code nothing can be said.)"""
        folder = self.work / "library"
        folder.mkdir()
        file = plugins.library(plugins.template(), folder)
        return Format("library", [(file, file.read_bytes(), self.mutations.head)],
                      [self.command("backends", "check", file, "--limit", "10"), self.command("backends")],
                      env={**self.env, "SWITCHBACK_BACKEND_PATH": str(folder)})

    def fetched(self):
        """What a mirror gives: files of another content, all of which a checksum refuses."""
        mirror, into = self.work / "mirror/mnist", self.work / "fetched"
        mirror.mkdir(parents=True)
        m, files = self.mutations, []
        for path in sorted((ROOT / "Tests/Samples/mnist").iterdir()):
            shutil.copy(path, mirror)
            files.append((mirror / path.name, path.read_bytes(), m.some(m.gzipped(m.bytes), m.bytes)))
        empty = self.work / "empty"
        empty.mkdir()
        return Format("fetched", files, [self.command("data", "fetch", "mnist", "--into", into)], folder=(empty, into), sound=(66,),
                      env={**self.env, "SWITCHBACK_MIRROR": f"file://{self.work}/mirror"})
