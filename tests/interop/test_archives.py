"""Archives (`.keras`) and weights (`.weights.h5`) written here are read by Keras 2.15 and 3, and theirs here: the same
predictions, and training goes on the same. The interpreters are those of test_keras.py.

What is left out: the calls that an archive can't say to both Keras 2.15 and Keras 3 (`NOT_IN_KERAS2`). Keras 2.15 has
no learning rate among an optimizer's variables, and skips the state of optimizers in archives written here, which is
Keras 3's: there only plain gradient descent goes on the same. Its Nadam multiplies its momentums several times in a
step, depending on the number of weights, so that no other program follows it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
try:
    import architectures
    import archive_models
finally:
    sys.path.remove(str(HERE))

MODELS = [*architectures.ALL, *archive_models.ALL]
TRAINED = ("residual", "crossing")
"""The models that are trained with every optimizer; the others with one."""


def cases(library: str, direction: str) -> list[str]:
    """``MODEL-OPTIMIZER`` for everything that the other library can do."""
    keras2, there = library == "GPUKERAS_KERAS2", direction == "there"
    names = [name for name in MODELS if not (keras2 and there and name in archive_models.NOT_IN_KERAS2)]
    first = "sgd" if keras2 and there else "adam"
    others = [] if keras2 and there else [o for o in archive_models.OPTIMIZERS
                                          if o != first and not (keras2 and o == "nadam")]
    return [f"{name}-{first}" for name in names] + [f"{name}-{o}" for name in TRAINED for o in others]


CASES = [(library, direction, case) for library in ("GPUKERAS_KERAS2", "GPUKERAS_KERAS3")
         for direction in ("there", "here") for case in cases(library, direction)]


def run(python: str, library: str, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OPENBLAS_NUM_THREADS": "1"}
    environment.setdefault("KERAS_BACKEND", "torch")
    if python != sys.executable:
        del environment["PYTHONPATH"]
        if library == "GPUKERAS_KERAS2":
            del environment["KERAS_BACKEND"]
    done = subprocess.run([python, str(HERE / "archive_exchange.py"), *arguments], capture_output=True, text=True,
                          timeout=1500, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


_said: dict[tuple[str, str], dict] = {}


def said(library: str, direction: str, factory: pytest.TempPathFactory) -> dict:
    """What one side says of all archives of the other; found out once."""
    python = os.environ.get(library)
    if not python:
        pytest.skip(f"{library} names no Python interpreter with Keras {library[-1]} (see make interop)")
    if (library, direction) not in _said:
        folder = factory.mktemp(f"{library.lower()}_archives_{direction}")
        ours, theirs = (sys.executable, "gpukeras"), (python, "keras")
        writer, reader = (ours, theirs) if direction == "there" else (theirs, ours)
        run(writer[0], library, "write", writer[1], str(folder), *cases(library, direction))
        run(reader[0], library, "read", reader[1], str(folder))
        _said[library, direction] = json.loads((folder / "said.json").read_text())
    return _said[library, direction]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("library, direction, case", CASES)
def test_archives_are_exchanged(library, direction, case, tmp_path_factory):
    found = said(library, direction, tmp_path_factory)[case]
    assert "error" not in found, found["error"]
    assert found["apart"] <= 1e-5 and found["weights_apart"] <= 1e-5
    if case.rsplit("-", 1)[0] not in architectures.RANDOM:
        assert found["losses"] == pytest.approx(found["expected"], rel=1e-3, abs=1e-6)
