"""Files written here are read by Keras 2 and 3, and theirs here: the same predictions, and training goes on the same.

`GPUKERAS_KERAS2` and `GPUKERAS_KERAS3` name Python interpreters that have Keras 2.15 and Keras 3; `make interop` makes
them and runs these tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop import architectures

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIBRARIES = {"GPUKERAS_KERAS2": [*architectures.ALL, *architectures.KERAS2_ONLY],
             "GPUKERAS_KERAS3": list(architectures.ALL)}
CASES = [(library, name) for library, names in LIBRARIES.items() for name in names]
UNREADABLE = [("GPUKERAS_KERAS3", "variational")]
"""Keras 3 finds the function of a Lambda in no HDF5 file that names it as Keras 2 does."""


def interpreter(library: str) -> str:
    """The Python of the other Keras; the test is skipped if there is none."""
    python = os.environ.get(library)
    if not python:
        pytest.skip(f"{library} names no Python interpreter with Keras {library[-1]} (see make interop)")
    return python


def run(python: str, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OPENBLAS_NUM_THREADS": "1"}
    environment.setdefault("KERAS_BACKEND", "torch")
    if python != sys.executable:
        del environment["PYTHONPATH"]
        if python == os.environ.get("GPUKERAS_KERAS2"):
            del environment["KERAS_BACKEND"]
    done = subprocess.run([python, str(HERE / "exchange.py"), *arguments], capture_output=True, text=True, timeout=900,
                          env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


_said: dict[tuple[str, str], dict] = {}


def said(library: str, direction: str, factory: pytest.TempPathFactory) -> dict:
    """What one side says of all files of the other; found out once."""
    python = interpreter(library)
    if (library, direction) not in _said:
        folder = factory.mktemp(f"{library.lower()}_{direction}")
        ours, theirs = (sys.executable, "gpukeras"), (python, "keras")
        writer, reader = (ours, theirs) if direction == "there" else (theirs, ours)
        name = library[-6:].lower() if direction == "there" else "gpukeras"
        run(writer[0], "write", writer[1], str(folder), name, *LIBRARIES[library])
        run(reader[0], "read", reader[1], str(folder))
        _said[library, direction] = json.loads((folder / "said.json").read_text())
    return _said[library, direction]


def check(found: dict, name: str, with_metrics: bool) -> None:
    """The model of the whole file, and the one made of JSON and weights, predict the same; training goes on the same.

    What a training step returns is a loss first, then losses of outputs and metrics.
    """
    for what in ("predictions", "weights"):
        assert not isinstance(found[what], str), found[what]
        assert found[what] <= 1e-5
    steps, expected = found["steps"], found["steps_expected"]
    assert not isinstance(steps, str), steps
    if not steps or not expected:  # one of the two can't train it (see exchange.trains)
        assert name == "stateful"
        return
    assert len(steps) == len(expected) == 5
    if name in architectures.RANDOM:
        return
    assert [s[0] for s in steps] == pytest.approx([e[0] for e in expected], rel=1e-5, abs=1e-7)
    if with_metrics and name not in OTHER_METRICS:
        for step, other in zip(steps, expected):
            assert step == pytest.approx(other, rel=1e-4, abs=1e-6)


# Newer Keras divides weighted metrics by the sum of the weights. Keras 2.15 takes 'accuracy' of a loaded model for that
# of one-hot targets, whatever the loss.
OTHER_METRICS = ("embedded_lstm", "residual")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("library, name", [case for case in CASES if case not in UNREADABLE])
def test_what_is_written_here_is_read_there(library, name, tmp_path_factory):
    check(said(library, "there", tmp_path_factory)[name], name, library == "GPUKERAS_KERAS2")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("library, name", CASES)
def test_what_is_written_there_is_read_here(library, name, tmp_path_factory):
    check(said(library, "here", tmp_path_factory)[name], name, library == "GPUKERAS_KERAS2")
