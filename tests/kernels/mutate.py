"""Runs a family's tests on damaged kernels: `python -m tests.kernels.mutate pooling 0 3` damages kernels/pooling.cu as
MUTATIONS[0] and MUTATIONS[3] of test_pooling.py say, one after the other, and prints a JSON line for each:
[number, description, what noticed it or why nobody did].
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernels.on_cpu import MUTATION


class Watcher:
    """A pytest plugin that keeps the first failure."""

    def __init__(self) -> None:
        self.failed, self.text, self.ran = "", "", 0

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest for each part of each test."""
        self.ran += report.when == "call"
        if report.failed and not self.failed:
            self.failed, self.text = report.nodeid, report.longreprtext


def mutations(family: str) -> list[tuple[str, str, str]]:
    """(description, text of the family's source, what to put in its place) of the family's test file."""
    if importlib.util.find_spec(f"tests.kernels.test_{family}") is None:
        return []
    return getattr(importlib.import_module(f"tests.kernels.test_{family}"), "MUTATIONS", [])


def run(family: str, old: str, new: str) -> str:
    """"" if a test failed, as it should; otherwise what happened."""
    watcher = Watcher()
    os.environ[MUTATION] = json.dumps([family, old, new])
    file = str(Path(__file__).with_name(f"test_{family}.py"))
    options = ["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=native"]
    status = pytest.main([*options, file], plugins=[watcher])
    for accident in ("CompileError", "DeadlineExceeded", "Flaky"):
        if accident in watcher.text:
            return f"{accident} in {watcher.failed}"
    if status == pytest.ExitCode.TESTS_FAILED and watcher.failed:
        return ""
    return f"all {watcher.ran} tests pass" if status == pytest.ExitCode.OK else f"pytest ended with {status!r}"


if __name__ == "__main__":
    os.environ[MUTATION] = json.dumps(["", "", ""])
    importlib.import_module("tests.kernels.conftest")  # hypothesis's settings count from a test's definition
    name, listed = sys.argv[1], mutations(sys.argv[1])
    for number in map(int, sys.argv[2:]):
        text, old, new = listed[number]
        print("\n" + json.dumps([number, text, run(name, old, new)]), flush=True)
