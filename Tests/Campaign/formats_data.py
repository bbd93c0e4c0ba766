"""Formats of data: tables, data sets known by name, pictures."""
import gzip, pathlib, random, struct

from formats import SEQUENCES, TABLE, Format, Makers
from shared import ROOT

SAMPLES = ROOT / "Tests/Samples"


class Data(Makers):
    def all(self):
        return {"csv": self.csv, "csv/rows": self.rows, "csv/other": self.other,
                "texts": self.texts, "csv/text": self.text_column, "series": self.series, "idx": self.idx,
                "idx/gzip": lambda: self.idx(".gz"), "cifar-10": self.cifar, "cifar-100": lambda: self.cifar("cifar-100"),
                "cifar/names": self.cifar_names, "png": self.png, "jpeg": self.jpeg, "netpbm": self.netpbm}

    # -- tables

    def csv(self):
        _, classes = self.table()
        m, file = self.mutations, self.work / "mutated.csv"
        # Numbers alone, so that both configurations read it; words; quotes and other ends; a byte order mark.
        tables = [b"a,b,class\n" + b"".join(b"%d,%d.5,%d\n" % (n % 7, n * n % 5, n % 3) for n in range(60)),
                  (self.work / "table.csv").read_bytes(),
                  b'class;a;b\r\n"x y";1;2\r\n"z""";-3e5;.5\r\n' * 6,
                  b"\xef\xbb\xbf" + (ROOT / "Tests/OldRuns/data/classes.csv").read_bytes().replace(b"kind", b"class")]
        text = TABLE.replace("label: class", "targets: values, label: b")
        text = text.replace("units: 3, activation: softmax", "units: 1")
        values = self.write("values.yaml", text.replace("batch_size: 8", "batch_size: 8, loss: mean_squared_error"))
        commands = []
        for config in [classes, values]:
            commands += [self.command("data", "check", config, "--data", file),
                         self.train(config, "--data", file, "--steps", "2")]
        return Format("csv", [(file, table, m.some(m.csv, m.text, m.bytes)) for table in tables], commands, env=self.env)

    def rows(self):
        """Rows to predict, as a file and on standard input."""
        run, _ = self.table()
        m, file = self.mutations, self.work / "rows.csv"
        files = [(file, rows, m.some(m.csv, m.csv, m.text, m.bytes))
                 for rows in [(self.work / "table.csv").read_bytes(), b"b,a\n1,2\n3,4\n"]]
        return Format("csv/rows", files, [self.command("predict", run, file), self.command("predict", run, "-", "--json"),
                                          self.command("predict", run, file, "--output", self.output)], env=self.env)

    def other(self):
        """Another table than the run's: its classes are mapped to the run's."""
        run, _ = self.table()
        m, file = self.mutations, self.work / "others.csv"
        evaluate = self.command("evaluate", run, "--data", file)
        return Format("csv/other", [(file, (self.work / "table.csv").read_bytes(), m.some(m.csv, m.text, m.text))],
                      [evaluate, [*evaluate, "--confusion", "--json"],
                       self.command("predict", run, "--data", file, "--index", "2")], env=self.env)

    # -- sequences

    def sequences(self, name, data, layers, loss):
        """A configuration of sequences and a run of it."""
        text = SEQUENCES.replace("DATA", data).replace("LAYERS", layers).replace("LOSS", loss)
        config = self.write(f"{name}.yaml", text)
        return config, self.trained(config, f"{name}-run")

    def texts(self):
        """A text of a folder, which is a training text or one to predict."""
        m, folder = self.mutations, self.work / "texts"
        sound = "Ein Wort, zwei Wörter: don't panic! «Über» 42 Wörter.\n" * 3
        for n in range(20):
            self.write(f"texts/{'ab'[n % 2]}/{n}.txt", sound + f"{n % 4} {'gut' if n % 2 else 'schlecht'}")
        config, run = self.sequences(
            "texts", f"dataset: text-folder, path: {folder}, vocabulary_size: 30, sequence_length: 12",
            "embedding: {input_dim: 30, output_dim: 2}, flatten, dense: {units: 2, activation: softmax}",
            "categorical_crossentropy")
        file = folder / "a/0.txt"
        return Format("texts", [(file, file.read_bytes(), m.some(m.text, m.bytes))],
                      [self.command("data", "check", config), self.train(config),
                       self.command("evaluate", run, "--data", folder, "--part", "all"),
                       self.command("predict", run, file, "--json"),
                       self.command("predict", run, folder, "--output", self.output)], env=self.env)

    def text_column(self):
        m, file = self.mutations, self.work / "reviews.csv"
        rows = 'text,kind\n' + "".join(f'"Film {n % 5}, ""{"fine" if n % 2 else "poor"}""",{n % 2}\n' for n in range(40))
        self.write(file.name, rows)
        config, run = self.sequences(
            "reviews", f"dataset: csv, path: {file}, label: kind, columns: {{text: text}}, vocabulary_size: 12, "
            "sequence_length: 6", "embedding: {input_dim: 12, output_dim: 2}, flatten, "
            "dense: {units: 2, activation: softmax}", "categorical_crossentropy")
        return Format("csv/text", [(file, rows.encode(), m.some(m.csv, m.text, m.bytes))],
                      [self.command("data", "check", config), self.train(config),
                       self.command("evaluate", run, "--data", file), self.command("predict", run, file)], env=self.env)

    def series(self):
        m, file = self.mutations, self.work / "series.csv"
        rows = "day,load,wind\n" + "".join(f"d{n},{n % 7}.5,{n * n % 11}\n" for n in range(60))
        self.write(file.name, rows)
        config, run = self.sequences(
            "series", f"dataset: time-series, path: {file}, columns: [load, wind], target: load, window: 4",
            "flatten, dense: {units: 1}", "mean_squared_error")
        return Format("series", [(file, rows.encode(), m.some(m.csv, m.csv, m.text, m.bytes))],
                      [self.command("data", "check", config), self.train(config),
                       self.command("evaluate", run, "--data", file),
                       self.command("predict", run, file, "--json")], env=self.env)

    # -- data sets known by name

    def of_named(self, name, files, dataset, folder, run):
        """None is what its makers published: `check` and `verify` say so, and the others read it all the same."""
        config = self.work / f"{dataset}.yaml"
        return Format(name, files,
                      [self.command("data", "check", config), self.command("data", "verify", dataset, "--data", folder),
                       self.train(config, "--data", folder),
                       self.command("evaluate", run, "--data", folder, "--part", "all"),
                       self.command("predict", run, "--data", folder, "--index", "1")], sound=(0, 65), env=self.env)

    def idx(self, ending=""):
        m = self.mutations
        mutate = m.some(m.gzipped(m.idx), m.gzipped(m.bytes), m.bytes) if ending else m.some(m.idx, m.bytes)
        folder = self.work / f"idx{ending}/mnist"
        files = []
        for part, count in [("train", 12), ("t10k", 6)]:
            pixels = struct.pack(">BBBBIII", 0, 0, 8, 3, count, 28, 28) + random.Random(count).randbytes(784 * count)
            labels = struct.pack(">BBBBI", 0, 0, 8, 1, count) + bytes(n % 10 for n in range(count))
            for name, data in [("images-idx3", pixels), ("labels-idx1", labels)]:
                data = gzip.compress(data, mtime=0) if ending else data
                path = self.write(f"{folder.relative_to(self.work)}/{part}-{name}-ubyte{ending}", data)
                files.append((path, data, mutate))
        run = self.trained(self.named("mnist", 10, folder), f"idx{ending}-run")
        return self.of_named("idx/gzip" if ending else "idx", files, "mnist", folder, run)

    def cifar_folder(self, name):
        """Two pictures a file, and the names of the classes."""
        folder, run = self.work / name, self.work / f"{name}-run"
        if not folder.exists():
            is_10, numbers = name == "cifar-10", random.Random(name)
            files = ["train.bin", "test.bin"]
            if is_10:
                files = [f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]
            for file in files:
                records = [bytes([n + 1] * (1 if is_10 else 2)) + numbers.randbytes(3072) for n in range(2)]
                self.write(f"{name}/{file}", b"".join(records))
            count = 10 if is_10 else 100
            self.write(f"{name}/" + ("batches.meta.txt" if is_10 else "fine_label_names.txt"),
                       "".join(f"class {n}\n" for n in range(count)))
            self.trained(self.named(name, count, folder), run.name)
        return folder, run

    def cifar(self, name="cifar-10"):
        folder, run = self.cifar_folder(name)
        mutate = self.mutations.some(self.mutations.cifar(1 if name == "cifar-10" else 2), self.mutations.bytes)
        files = [(path, path.read_bytes(), mutate) for path in sorted(folder.glob("*.bin"))]
        return self.of_named(name, files, name, folder, run)

    def cifar_names(self):
        folder, run = self.cifar_folder("cifar-10")
        path = folder / "batches.meta.txt"
        mutate = self.mutations.some(self.mutations.text, self.mutations.bytes)
        return self.of_named("cifar/names", [(path, path.read_bytes(), mutate)], "cifar-10", folder, run)

    # -- pictures

    def pictures(self, name, paths, mutate):
        """All in one folder beside sound ones of three classes; a run decodes them to predict."""
        folder = self.work / f"{name}-pictures"
        for picture in sorted((ROOT / "Tests/OldRuns/data/images/bright").iterdir()):
            for kind in "abc":
                self.write(f"{folder.name}/{kind}/{picture.name}", picture.read_bytes())
        config = self.images(f"{name}.yaml", folder)
        run = self.trained(config, f"{name}-run")
        files = [(pathlib.Path(path.name), path.read_bytes(), mutate) for path in paths]
        return Format(name, files, [self.command("data", "check", config),
                                    self.command("predict", run, folder, "--output", self.output)],
                      together=folder / "a", env=self.env)

    def png(self):
        m = self.mutations
        return self.pictures("png", sorted((SAMPLES / "images").glob("*.png")), m.some(m.png, m.png, m.png, m.bytes))

    def jpeg(self):
        m = self.mutations
        paths = sorted((SAMPLES / "images").glob("*.jpg")) + [SAMPLES / "gray.jpg", SAMPLES / "color.jpg"]
        return self.pictures("jpeg", paths, m.some(m.jpeg, m.jpeg, m.jpeg, m.bytes))

    def netpbm(self):
        m = self.mutations
        pixels = random.Random(1).randbytes(90)
        text = " ".join(str(n) for n in pixels).encode()
        pictures = {"2.pgm": b"P2\n# text\n9 10\n255\n" + text, "3.ppm": b"P3 5 6 255 " + text,
                    "5.pgm": b"P5 9 10 255\n" + pixels, "6.ppm": b"P6\n5 6\n255\n" + pixels,
                    "16.pgm": b"P5 9 5 65535\n" + pixels, "1.pnm": b"P6 1 1 1\n\0\1\0"}
        return self.pictures("netpbm", [self.write(f"sound/{name}", data) for name, data in pictures.items()],
                             m.some(m.netpbm, m.netpbm, m.bytes))
