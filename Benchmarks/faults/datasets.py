"""The data of the bench, made as they are needed: digits of MNIST, tables, and problems that `switchback` makes itself."""
import dataclasses
import functools
import gzip
import math
import pathlib
import random
import struct
from typing import Callable

SIDE, CLASSES = 28, 10
# Of the parts of `digits`: enough for 64 batches of 32 an epoch, and for 50 evaluated samples a class.
TRAIN, TEST = 2048, 500


@dataclasses.dataclass(frozen=True)
class Data:
    """A data set by its name, what a configuration says of it (`{path}` stands for where it is), and who writes it."""

    name: str
    section: str
    write: Callable[[pathlib.Path, str], None] | None = None

    def made(self, work, mnist):
        """Its section; written into the folder `work` where it is not there yet."""
        path = pathlib.Path(work, self.name)
        if self.write and not path.exists():
            path.mkdir(parents=True)
            self.write(path, mnist)
        return self.section.format(path=path)


# Pictures


@functools.cache
def _mnist(folder, part, count):
    """The first pictures of a part and their labels."""
    def payload(kind, header, size):
        plain = pathlib.Path(folder, f"{part}-{kind}-ubyte")
        packed = plain.with_name(plain.name + ".gz")
        with gzip.open(packed, "rb") if packed.exists() else open(plain, "rb") as file:
            return file.read(header + count * size)[header:]

    pixels = payload("images-idx3", 16, SIDE * SIDE)
    pictures = [pixels[place:place + SIDE * SIDE] for place in range(0, len(pixels), SIDE * SIDE)]
    return tuple(zip(pictures, payload("labels-idx1", 8, 1)))


def _write_idx(path, part, samples):
    pictures, labels = (path / f"{part}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    pictures.write_bytes(struct.pack(">4I", 0x803, len(samples), SIDE, SIDE) + b"".join(each for each, _ in samples))
    labels.write_bytes(struct.pack(">2I", 0x801, len(samples)) + bytes(label for _, label in samples))


def digits(name="digits", train=TRAIN, test=TEST, change=lambda samples, draw: samples, change_test=None):
    """MNIST's first digits. `change` makes other samples of those of training, with a source of random numbers, and
    `change_test` of those of the test."""
    def write(path, mnist):
        draw = random.Random(name)
        _write_idx(path, "train", change(list(_mnist(mnist, "train", train)), draw))
        tests = list(_mnist(mnist, "t10k", test))
        _write_idx(path, "t10k", change_test(tests, draw) if change_test else tests)

    return Data(name, "{{dataset: mnist, path: {path}}}", write)


def digit_table(name="digit-table", factor=255, rows=2000):
    """Digits of 14×14 pixels as a table: each cell is the mean of four pixels, from 0 to `factor`."""
    def row(picture):
        for top in range(0, SIDE, 2):
            for left in range(0, SIDE, 2):
                place = top * SIDE + left
                yield sum(picture[place + off] for off in (0, 1, SIDE, SIDE + 1)) / 4 / 255 * factor

    def samples(draw, mnist):
        return [(list(row(picture)), label) for picture, label in _mnist(mnist, "train", rows)]

    return table(name, samples)


# Tables


def table(name, samples, normalize=False, classes=True, change_cells=None):
    """A CSV file of `samples(draw, mnist)`, pairs of numbers and a label; `change_cells` may put words into rows."""
    def write(path, mnist):
        draw = random.Random(name)
        lines = [[f"{number:.6g}" for number in numbers] + [str(label)] for numbers, label in samples(draw, mnist)]
        if change_cells:
            change_cells(lines)
        head = [f"x{place}" for place in range(len(lines[0]) - 1)] + ["y"]
        (path / "table.csv").write_text("\n".join(",".join(line) for line in [head] + lines) + "\n")

    return Data(
        name, "{{dataset: csv, path: {path}/table.csv, label: y, targets: " + ("classes" if classes else "values")
        + f", normalize: {str(normalize).lower()}}}}}", write)


FEATURES = 16


def centers(draw, classes, distance):
    return [[draw.choice((-1, 1)) * distance for _ in range(FEATURES)] for _ in range(classes)]


def clusters(count, shares=(1, 1, 1, 1), distance=0.7):
    """Normal numbers around the corner of a cube that each class has; `shares` are the classes' parts."""
    def samples(draw, mnist):
        corners = centers(draw, len(shares), distance)
        for label in draw.choices(range(len(shares)), shares, k=count):
            yield [draw.gauss(corner, 1) for corner in corners[label]], label

    return samples


def sums(count, scale=1.0, shift=0.0):
    """Numbers, and a weighted sum of them with a product: a regression."""
    def samples(draw, mnist):
        weights = [draw.gauss(0, 0.5) for _ in range(FEATURES)]
        for _ in range(count):
            numbers = [draw.gauss(0, 1) for _ in range(FEATURES)]
            target = sum(weight * number for weight, number in zip(weights, numbers)) + numbers[0] * numbers[1]
            yield numbers, f"{target * scale + shift:.6g}"

    return samples


def series(name, scale=1.0, normalize=True, count=3000):
    """A slow wave with noise, whose next value is asked for."""
    def write(path, mnist):
        draw = random.Random(name)
        rows = (f"{scale * (1 + math.sin(step / 9) + 0.1 * draw.gauss(0, 1)):.6g}" for step in range(count))
        (path / "series.csv").write_text("load\n" + "\n".join(rows) + "\n")

    return Data(
        name, "{{dataset: time-series, path: {path}/series.csv, columns: [load], target: load, window: 24, normalize: "
        + str(normalize).lower() + "}}", write)


# Made by `switchback`


def adding(length):
    return Data(
        f"adding-{length}", f"{{{{dataset: adding-problem, sequence_length: {length}, samples: 6000, test_split: 0.1}}}}")

