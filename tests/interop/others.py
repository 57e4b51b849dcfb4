"""The interpreters that have another Keras, and what they say of files of this library, or this library of theirs.

`GPUKERAS_KERAS2` and `GPUKERAS_KERAS3` name Python interpreters that have Keras 2.15 and Keras 3; `make interop` makes
them. Keras 3 computes with PyTorch unless `KERAS_BACKEND` names another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

_said: dict[tuple[str, str, str], dict[str, Any]] = {}


def interpreter(library: str) -> str:
    """The Python of the other Keras; the test is skipped if there is none."""
    python = os.environ.get(library)
    if not python:
        pytest.skip(f"{library} names no Python interpreter with Keras {library[-1]} (see make interop)")
    return python


def said(program: str, library: str, direction: str, names: Sequence[str], factory: pytest.TempPathFactory) -> dict:
    """What one side says of all files of the other: `direction` is 'there' or 'here'. Found out once, failures too."""
    key = program, library, direction
    if key not in _said:
        python = interpreter(library)
        folder = factory.mktemp(f"{program}_{library.lower()}_{direction}")
        ours, theirs = (sys.executable, "gpukeras"), (python, "keras")
        writer, reader = (ours, theirs) if direction == "there" else (theirs, ours)
        for_whom = library[-6:].lower() if direction == "there" else "gpukeras"
        failed = _run(program, writer[0], library, "write", writer[1], str(folder), for_whom, *names) \
            or _run(program, reader[0], library, "read", reader[1], str(folder))
        _said[key] = {"failed": failed} if failed else json.loads((folder / "said.json").read_text())
    assert "failed" not in _said[key], _said[key]["failed"]
    return _said[key]


def _run(program: str, python: str, library: str, *arguments: str) -> str | None:
    """Runs a program of this folder; what it died of, or None."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OPENBLAS_NUM_THREADS": "1"}
    environment.setdefault("KERAS_BACKEND", "torch")
    if python != sys.executable:
        del environment["PYTHONPATH"]
        if library == "GPUKERAS_KERAS2":
            del environment["KERAS_BACKEND"]
    done = subprocess.run([python, str(HERE / f"{program}.py"), *arguments], capture_output=True, text=True,
                          timeout=1500, env=environment)
    return done.stderr[-3000:] or f"status {done.returncode}" if done.returncode else None
