"""Writes archives (`.keras`) and weights (`.weights.h5`) with what is to be expected of them, or loads them and says
what came out.

``python archive_exchange.py write gpukeras|keras FOLDER CASE ...`` or ``... read gpukeras|keras FOLDER``; a case is
``MODEL-OPTIMIZER``. Beside ``CASE.keras`` and ``CASE.weights.h5`` stands ``CASE.npz``: inputs, targets, predictions,
and the losses of three more steps of training.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import architectures
from archive_models import ALL, compiled_with

SAMPLES = 4
MODULES = ("layers", "models", "optimizers", "regularizers", "constraints", "initializers", "losses", "metrics")
MAKERS = {**architectures.ALL, **architectures.KERAS2_ONLY, **ALL}


def library(name: str) -> Any:
    """The modules of the library."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return SimpleNamespace(**{m: importlib.import_module(f"{name}.{m}") for m in MODULES})


def listed(value: Any) -> list[Any]:
    """A list of what may be one thing."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def one(values: list[Any]) -> Any:
    """The only item of a list, or the list."""
    return values[0] if len(values) == 1 else values


def train(model: Any, xs: list[Any], ts: list[Any]) -> list[float]:
    """The losses of three training steps."""
    return [float(listed(model.train_on_batch(one(xs), one(ts)))[0]) for _ in range(3)]


def inputs(shapes: list[Any], random: np.random.RandomState) -> list[np.ndarray]:
    """A batch for inputs of these shapes; ('int', n, shape) are integers below n."""
    return [random.randint(0, s[1], (SAMPLES, *s[2])).astype("float32") if s[0] == "int"
            else random.randn(SAMPLES, *s).astype("float32") for s in shapes]


def write(k: Any, ours: bool, folder: Path, cases: list[str]) -> None:
    """Makes the models, trains them a little, and writes them and what they say."""
    for number, case in enumerate(cases):
        name, optimizer = case.rsplit("-", 1)
        random = np.random.RandomState(number)
        model, shapes = MAKERS[name](k)[:2]
        xs = inputs(shapes, random)
        model.set_weights([w + 0.1 * random.rand(*w.shape).astype(w.dtype) for w in model.get_weights()])
        compiled_with(k, model, optimizer, ours)
        ts = [random.rand(*y.shape).astype("float32") for y in listed(model.predict(one(xs), verbose=0))]
        train(model, xs, ts)
        model.save(str(folder / f"{case}.keras"))
        model.save_weights(str(folder / f"{case}.weights.h5"))
        ys = listed(model.predict(one(xs), verbose=0))
        np.savez(folder / f"{case}.npz", losses=train(model, xs, ts),
                 **{f"{key}{i}": a for key, arrays in (("x", xs), ("t", ts), ("y", ys)) for i, a in enumerate(arrays)})


def read(k: Any, folder: Path) -> dict[str, Any]:
    """Loads the models and says how far they are from what their writer said."""
    said: dict[str, Any] = {}
    for path in sorted(folder.glob("*.keras")):
        case = path.name.removesuffix(".keras")
        stored = np.load(folder / f"{case}.npz")
        xs, ts, ys = ([stored[n] for n in sorted(stored.files) if n[0] == key and n != "losses"] for key in "xty")
        try:
            model = k.models.load_model(str(path))
            apart = _apart(model, xs, ys)
            losses = train(model, xs, ts)
            fresh = MAKERS[case.rsplit("-", 1)[0]](k)[0]
            fresh.load_weights(str(folder / f"{case}.weights.h5"))
            said[case] = {"apart": apart, "weights_apart": _apart(fresh, xs, ys), "losses": losses,
                          "expected": stored["losses"].tolist()}
        except Exception:  # what went wrong is the test's to show
            said[case] = {"error": traceback.format_exc()[-1500:]}
    return said


def _apart(model: Any, xs: list[Any], ys: list[Any]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(listed(model.predict(one(xs), verbose=0)), ys))


def main() -> None:
    """The command line of the file's docstring."""
    task, name, folder, *cases = sys.argv[1:]
    warnings.simplefilter("ignore")
    k = library(name)
    if task == "write":
        write(k, name == "gpukeras", Path(folder), cases)
    else:
        Path(folder, "said.json").write_text(json.dumps(read(k, Path(folder))))


if __name__ == "__main__":
    main()
