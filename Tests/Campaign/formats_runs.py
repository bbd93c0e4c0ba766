"""Formats of runs: the files of a run's folder, checkpoints, trained models."""
import pathlib, shutil

from formats import Format, Makers
from mutations import checkpoint_checksum, model_checksum, packed, parts, repacked
from shared import ROOT, newest

FILES = ["config.yaml", "data.json", "environment.json", "metrics.jsonl", "metrics.csv", "findings.jsonl", "network.json",
         "gradients.jsonl", "evaluation.json", "summary.json"]


class Runs(Makers):
    def all(self):
        makers = {f"run/{file}": lambda file=file: self.run_file(file) for file in FILES}
        return makers | {"run/listing": self.listing, "checkpoint": self.checkpoint, "checkpoint/best": self.best,
                         "checkpoint/early": self.early, "checkpoint/auto": self.auto, "weights": self.weights,
                         "model": self.model}

    def of_run(self, name, run, file, mutate, *readers):
        """A file of a run's folder, which is copied for each command, since some write to it."""
        copy = self.work / "copy"
        commands = {
            "evaluate": self.command("evaluate", copy),
            "json": self.command("evaluate", copy, "--part", "all", "--json"),
            "predict": self.command("predict", copy, self.work / "table.csv", "--output", self.output),
            "best": self.command("predict", copy, "--best", "--index", "1"),
            "raw": self.command("evaluate", copy, "--raw", "--confusion"),
            "resume": self.command("train", "--resume", copy, "--epochs", "6", "--steps", "27"),
            "report": self.command("report", copy),
            "verify": self.command("checkpoint", "verify", copy),
            "from": self.train(self.work / "table.yaml", "--from", copy, "--steps", "1"),
        }
        return Format(name, [(copy / file, (run / file).read_bytes(), mutate)], [commands[reader] for reader in readers],
                      folder=(run, copy), env=self.env)

    def run_file(self, file):
        run, _ = self.table()
        m = self.mutations
        mutate = {"yaml": m.text, "json": m.some(m.json, m.json, m.bytes), "csv": m.some(m.text, m.csv),
                  "jsonl": m.some(m.json_lines, m.json_lines, m.bytes)}[file.split(".")[-1]]
        readers = ["report", "resume"]
        if file == "config.yaml":
            readers = ["evaluate", "predict", "resume", "report", "from"]
        elif file == "metrics.csv":
            readers = ["resume"]
        elif file == "data.json":
            # Of a checkpoint without the record of the data: the folder's counts.
            readers = ["evaluate", "predict", "resume"]
            run = shutil.copytree(run, self.work / "recordless")
            path = newest(run)
            path.write_bytes(repacked(path.read_bytes(), lambda meta: meta.pop("data"), checkpoint_checksum))
        elif file == "evaluation.json":
            # Of an early run: its class names count.
            readers = ["evaluate", "report", "resume"]
            run = ROOT / "Tests/OldRuns/classes/run"
        return self.of_run(f"run/{file}", run, file, mutate, *readers)

    def listing(self):
        """Whole runs of which one file each is mutated: the list reads them all."""
        run, _ = self.table()
        m = self.mutations
        ways = {"yaml": m.some(m.text, m.bytes), "json": m.some(m.json, m.bytes),
                "jsonl": m.some(m.json_lines, m.text, m.bytes)}
        files = [(pathlib.Path(file), (run / file).read_bytes(), ways[file.split(".")[-1]])
                 for file in FILES if file not in ("data.json", "metrics.csv")]
        together = self.work / "listed"
        return Format("run/listing", files, [self.command("runs", together), self.command("runs", together, "--json")],
                      folder=(run, together), together=together, env=self.env, allowed=frozenset([0]))

    # -- checkpoints

    def forged(self, checksum=checkpoint_checksum):
        forged = self.mutations.safetensors(checksum)
        return self.mutations.some(forged, forged, forged, self.mutations.bytes)

    def of_checkpoint(self, name, run, *readers):
        return self.of_run(name, run, newest(run).relative_to(run), self.forged(), *readers)

    def checkpoint(self):
        return self.of_checkpoint("checkpoint", self.table()[0],
                                  "evaluate", "predict", "resume", "verify", "raw", "json", "from")

    def best(self):
        run, _ = self.table()
        return self.of_run("checkpoint/best", run, "checkpoints/best.safetensors", self.forged(),
                           "best", "resume", "verify")

    def early(self):
        """Of a program before 2026-11-28: other keys are missing."""
        return self.of_checkpoint("checkpoint/early", ROOT / "Tests/OldRuns/averaged/run",
                                  "evaluate", "resume", "raw", "verify")

    def auto(self):
        """With the routing that `auto` found."""
        run = self.trained(self.table()[1], "auto", "--backend", "auto")
        return self.of_checkpoint("checkpoint/auto", run, "evaluate", "resume", "predict")

    def weights(self):
        """A file to start with: a checkpoint by itself."""
        run, config = self.table()
        file = self.work / "start.safetensors"
        return Format("weights", [(file, newest(run).read_bytes(), self.forged())],
                      [self.train(config, "--from", file, "--steps", "1")], env=self.env)

    def model(self):
        """A trained model's file, of the weights in a checkpoint."""
        run, config = self.table()
        file = self.work / "model.safetensors"
        old, body = parts(newest(run).read_bytes())
        header, tensors = {}, []
        header["__metadata__"] = {"format": "switchback-model-1", "program": self.made("inspect", config, "--program"),
                                  "weights": "raw", "samples": (run / "data.json").read_text()}
        for name in sorted(name for name in old if name.startswith("layers.")):
            first, end = old[name]["data_offsets"]
            start = sum(map(len, tensors))
            header[name] = old[name] | {"data_offsets": [start, start + end - first]}
            tensors.append(body[first:end])
        model = packed(header, b"".join(tensors), model_checksum)
        return Format("model", [(file, model, self.forged(model_checksum))],
                      [self.train(config, "--from", file, "--steps", "1")], env=self.env)
