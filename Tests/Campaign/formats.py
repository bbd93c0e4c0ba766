"""A format that the program reads, and what all of them are made with: small sound files, configurations, runs."""
import pathlib, shutil
from dataclasses import dataclass, field
from typing import Callable

from shared import MOST_MEMORY, ROOT, STATUSES, newest, run

IMAGES_OF_OLD_RUNS = ROOT / "Tests/OldRuns/data/images"


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
    # How a command may end with a mutated one.
    allowed: frozenset = frozenset(STATUSES)
    # What no child of the program may say: a crash there is told as the file's fault.
    forbidden: str = ""


# What its monitor is told to call a fault makes it find some.
TABLE = """version: 1
model: {layers: [dense: {units: 4, activation: sigmoid}, dense: {units: 4, activation: sigmoid},
  dense: {units: 3, activation: softmax}]}
data: {dataset: csv, path: PATH, label: class, normalize: true, validation_split: 0.2}
training: {epochs: 5, batch_size: 8, optimizer: {type: adam, learning_rate: 0.01, ema_momentum: 0.9},
  reduce_on_plateau: {patience: 1, factor: 0.5}}
backend: {name: reference, threads: 1}
monitor: {probe_interval: 1, period: 1, vanishing_decades: 0.1, exploding_decades: 0.1, exploding_update_ratio: 0.0001}
"""
SEQUENCES = """version: 1
model: {layers: [LAYERS]}
data: {DATA}
training: {epochs: 1, batch_size: 4, loss: LOSS}
backend: {name: reference, threads: 1}
monitor: {enabled: false}
"""
IMAGES = """version: 1
model: {layers: [conv2d: {filters: 2, kernel_size: 5, activation: relu}, flatten, dense: {units: 3, activation: softmax}]}
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


class Makers:
    """Makers of formats; those of a kind are in a class of their own that inherits this."""

    def __init__(self, campaign, mutations):
        self.campaign, self.mutations = campaign, mutations
        self.work = campaign.work / "files"
        self.env = {"XDG_CACHE_HOME": str(self.work / "cache"), "SWITCHBACK_DATA": ""}
        self.output = self.work / "out/table.csv"
        for name in ["cache", "runs", "out"]:
            (self.work / name).mkdir(parents=True, exist_ok=True)

    def command(self, *words):
        return [self.campaign.binary, *words]

    def train(self, config, *more):
        """A run of a step or as the configuration has it, whose folder nobody looks at."""
        return self.command("train", config, "--offline", "--runs", self.work / "runs", *more)

    def made(self, *words):
        """What a command prints that must succeed."""
        result = run(self.command(*words), limit=600, env=self.env)
        assert result.status == 0, f"{words}: {result.errors}"
        return result.output

    def write(self, name, data):
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def trained(self, config, name, *more):
        """The folder of a small run with only its newest checkpoint and the best."""
        runs = self.work / "made"
        shutil.rmtree(runs, ignore_errors=True)
        self.made("train", config, "--runs", runs, "--offline", *more)
        folder = self.work / name
        shutil.copytree((runs / "latest").resolve(), folder)
        for file in (folder / "checkpoints").iterdir():
            if file != newest(folder) and file.name != "best.safetensors":
                file.unlink()
        return folder

    def table(self):
        """A run on a table, made once, and its configuration."""
        folder, config = self.work / "table", self.work / "table.yaml"
        if not folder.exists():
            rows = "".join(f"{n % 7},{n * n % 5 - 0.5},{'xyz'[n % 3]}\n" for n in range(60))
            table = self.write("table.csv", "a,b,class\n" + rows)
            self.write(config.name, TABLE.replace("PATH", str(table)))
            self.trained(config, folder.name)
            assert (folder / "findings.jsonl").read_bytes(), "the monitor of this run should find something"
        return folder, config

    def images(self, name, folder=IMAGES_OF_OLD_RUNS):
        """The configuration of a network with a convolution."""
        return self.write(name, IMAGES.replace("PATH", str(folder)))

    def named(self, name, classes, folder):
        text = NAMED.replace("NAME", name).replace("CLASSES", str(classes)).replace("PATH", str(folder))
        return self.write(f"{name}.yaml", text)
