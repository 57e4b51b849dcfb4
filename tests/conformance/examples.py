"""Keras 2.0.9's examples, each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from . import corpora, keras209
from .scope import AGED_EXAMPLES, EXAMPLES_LEFT_OUT, NEEDED
from .suite import Count, mended

SECONDS = 1200


def prepare(source: Path) -> Path:
    """A copy of the examples with mended lines, and what they read beside them."""
    folder = keras209.FOLDER / "examples"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source / "examples", folder)
    for name, lines in AGED_EXAMPLES.items():
        mended(folder / name, lines)
    texts = sorted((source / "docs" / "templates").rglob("*.md"))
    prose = "\n".join(path.read_text(encoding="utf-8") for path in texts)
    corpora.write(folder / "home" / "datasets", folder, prose)
    return folder


def names(folder: Path) -> list[str]:
    """The examples that could run on any library, if what they need is installed."""
    return [path.name for path in sorted(folder.glob("*.py")) if path.name not in EXAMPLES_LEFT_OUT]


def run(folder: Path, name: str) -> Count:
    """Runs one example. One whose packages are not installed counts as not passed, and says so."""
    lacking = [package for package in NEEDED.get(name, ()) if importlib.util.find_spec(package) is None]
    if lacking:
        return Count(others=[(name, f"not installed: {', '.join(lacking)}")])
    environment = {**os.environ, "PYTHONPATH": str(keras209.ROOT), "KERAS_HOME": str(folder / "home"),
                   "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.conformance.one_example", str(folder / name)]
    began = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=SECONDS)
        failed, said = done.returncode != 0, (done.stderr.strip() or f"exit status {done.returncode}").splitlines()
    except subprocess.TimeoutExpired:
        failed, said = True, [f"longer than {SECONDS} s"]
    count = Count(others=[(name, said[-1][:200])]) if failed else Count(passed=1)
    count.seconds = time.monotonic() - began
    return count
