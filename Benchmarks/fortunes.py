#!/usr/bin/env python3
"""Texts by class for configs/text-classification.yaml: what fortune(6) says, by its files.

    apt-get install fortunes                  Debian's package; or unpack it with dpkg-deb -x, and name --source
    python3 Benchmarks/fortunes.py quotes definitions songs-poems
    switchback train configs/text-classification.yaml --data quotes

Writes a file for each text, in its order: quotes/definitions/0001.txt, … The classes are the files that are named: of those of
the package 16 have more than 400 texts. The network's last layer has as many units as there are classes."""
import argparse
import pathlib


def texts(file):
    """Lines with a % alone stand between them."""
    parts = ("\n" + file.read_text(encoding="utf-8")).split("\n%\n")
    return [part.strip() for part in parts if part.strip()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("classes", nargs="+")
    parser.add_argument("--source", type=pathlib.Path, default=pathlib.Path("/usr/share/games/fortunes"))
    options = parser.parse_args()
    for name in options.classes:
        file = options.source / name
        if not file.is_file():
            raise SystemExit(f"there is no {file}: install Debian's package fortunes, or name --source")
        folder = options.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        found = texts(file)
        for number, text in enumerate(found, 1):
            (folder / f"{number:04}.txt").write_text(text + "\n", encoding="utf-8")
        print(f"{name}: {len(found)} texts")


main()
