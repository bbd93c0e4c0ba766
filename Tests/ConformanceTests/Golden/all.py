"""Rewrites every golden file: python all.py"""

import pathlib
import runpy

for path in sorted(pathlib.Path(__file__).parent.glob("[A-Z]*.py")):
    runpy.run_path(str(path))
