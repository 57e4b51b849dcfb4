"""Keras 2.0.9's tests, each file in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from . import keras209
from .scope import AGED_TESTS, LEFT_OUT

SECONDS = 3600
"""The longest that a file may take."""


@dataclass
class Count:
    """How many tests passed, and what happened to the others: (test, message)."""

    passed: int = 0
    others: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """All tests."""
        return self.passed + len(self.others)

    def add(self, other: Count) -> None:
        """Count these too."""
        self.passed += other.passed
        self.others += other.others
        self.seconds += other.seconds


def prepare(source: Path) -> Path:
    """A copy of the tests with mended lines, in a folder of ours."""
    folder = keras209.FOLDER / "tests"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source / "tests", folder)
    (folder / "pytest.ini").write_text("[pytest]\npython_files = test_*.py *_test.py\n")
    for name, lines in AGED_TESTS.items():
        mended(folder / name, lines)
    return folder


def mended(path: Path, lines: Iterable[tuple[str, str]]) -> None:
    """Replaces pieces of a file; ValueError if it doesn't have them."""
    text = path.read_text(encoding="utf-8")
    for old, new in lines:
        if old not in text:
            raise ValueError(f"{path} has no {old!r}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def files(folder: Path) -> list[str]:
    """The files of tests in scope, Keras 1's included."""
    found = {*folder.rglob("test_*.py"), *folder.rglob("*_test.py")}
    return sorted(name for name in (path.relative_to(folder).as_posix() for path in found) if name not in LEFT_OUT)


def run(folder: Path, name: str, on_standin: bool = False) -> Count:
    """Runs one file of tests."""
    run_in = keras209.FOLDER / "run"
    shutil.rmtree(run_in, ignore_errors=True)
    (run_in / "home").mkdir(parents=True)
    results = run_in / "results.xml"
    python_path = [str(keras209.ROOT), *([str(keras209.ROOT / "tests" / "standin")] if on_standin else [])]
    helpers = folder.parent / "Keras-2.0.9" / "keras" / "utils" / "test_utils.py"
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(reversed(python_path)), "HOME": str(run_in / "home"),
        "KERAS_HOME": str(run_in / "home"), "OPENBLAS_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "GPUKERAS_BACKEND": "cupy" if on_standin else os.environ.get("GPUKERAS_BACKEND", "numpy"),
        "CONFORMANCE": json.dumps({"file": name, "test_utils": str(helpers)})}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_timeout", "-p", "no:cacheprovider",
               "-p", "tests.conformance.plugin", "-c", str(folder / "pytest.ini"), "--rootdir", str(folder),
               "--timeout", "1200", "--junitxml", str(results), str(folder / name)]
    began = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, cwd=run_in, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=SECONDS)
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        said = f"longer than {SECONDS} s"
    count = read(name, results) if results.exists() else Count()
    if not results.exists():
        count.others.append((name, said[-2000:]))
    count.seconds = time.monotonic() - began
    return count


def read(name: str, results: Path) -> Count:
    """What pytest wrote of its results."""
    count = Count()
    for case in ElementTree.parse(results).iter("testcase"):
        wrong = [child for child in case if child.tag in ("failure", "error", "skipped")
                 and child.get("type") != "pytest.xfail"]
        if wrong:
            first = " ".join((wrong[0].get("message") or "").split())
            count.others.append((f"{name}::{case.get('name')}", f"{wrong[0].tag}: {first[:200]}"))
        else:
            count.passed += 1
    return count
