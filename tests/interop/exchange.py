"""Writes files of models with what is to be expected of them, or loads them and says what came out.

Run by the tests with gpukeras and, in an interpreter that has it, with another Keras:
``python exchange.py write|read gpukeras|keras FOLDER``. Beside each ``NAME.h5`` stands ``NAME.npz``: inputs `x0`...,
targets `t0`..., predictions `y0`..., and the losses of three more training steps.
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

SAMPLES = 4


def library(name: str) -> Any:
    """The modules `layers` and `models` of the library."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return SimpleNamespace(layers=importlib.import_module(f"{name}.layers"),
                           models=importlib.import_module(f"{name}.models"))


def listed(value: Any) -> list[Any]:
    """A list of what may be one thing."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def one(values: list[Any]) -> Any:
    """The only item of a list, or the list."""
    return values[0] if len(values) == 1 else values


def train(model: Any, data: Any) -> list[float]:
    """The losses of three training steps."""
    return [float(listed(model.train_on_batch(data.xs, data.ts))[0]) for _ in range(3)]


def write(k: Any, folder: Path, optimizer: str, names: list[str]) -> None:
    """Makes the models, trains them a little, and writes them and what they say."""
    makers = {**architectures.ALL, **architectures.KERAS2_ONLY}
    for number, name in enumerate(names):
        random = np.random.RandomState(number)
        model, shapes = makers[name](k)
        xs = [random.randint(0, s[1], (SAMPLES, *s[2])).astype("float32") if s[0] == "int"
              else random.randn(SAMPLES, *s).astype("float32") for s in shapes]
        if name == "masked":
            xs[0][:, 3:] = 0
        model.set_weights([w + 0.1 * random.rand(*w.shape).astype(w.dtype) for w in model.get_weights()])
        model.compile(optimizer, "mean_squared_error")
        ts = [random.rand(*y.shape).astype("float32") for y in listed(model.predict(one(xs), verbose=0))]
        data = SimpleNamespace(xs=one(xs), ts=one(ts))
        train(model, data)
        model.save(str(folder / f"{name}.h5"))
        ys = listed(model.predict(one(xs), verbose=0))
        np.savez(folder / f"{name}.npz", losses=train(model, data),
                 **{f"{key}{i}": a for key, arrays in (("x", xs), ("t", ts), ("y", ys)) for i, a in enumerate(arrays)})


def read(k: Any, folder: Path, again: str | None, said: dict[str, Any]) -> None:
    """Loads the models, compiled `again` if wished, and notes how far they are from what their writer said."""
    for path in sorted(folder.glob("*.h5")):
        stored = np.load(path.with_suffix(".npz"))
        xs, ts, ys = ([stored[n] for n in sorted(stored.files) if n[0] == key and n != "losses"] for key in "xty")
        try:
            model = k.models.load_model(str(path))
            found = listed(model.predict(one(xs), verbose=0))
            apart = max(float(np.abs(a - b).max()) for a, b in zip(found, ys))
            if again:
                model.compile(again, "mean_squared_error")
            losses = train(model, SimpleNamespace(xs=one(xs), ts=one(ts)))
            said[path.stem] = {"apart": apart, "losses": losses, "expected": stored["losses"].tolist()}
        except Exception:  # what went wrong is the test's to show
            said[path.stem] = {"error": traceback.format_exc()[-1500:]}


def main() -> None:
    """The command line of the file's docstring."""
    task, name, folder, *rest = sys.argv[1:]
    k = library(name)
    warnings.simplefilter("ignore")
    if task == "write":
        write(k, Path(folder), rest[0], rest[1:])
    else:
        said: dict[str, Any] = {}
        read(k, Path(folder), rest[0] if rest else None, said)
        Path(folder, "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
