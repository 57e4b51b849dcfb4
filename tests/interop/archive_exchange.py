"""Writes archives (`.keras`) and weights (`.weights.h5`) with what is to be expected of them, or loads them and says
what came out.

``python archive_exchange.py write gpukeras|keras FOLDER READER CASE ...`` or ``... read gpukeras|keras FOLDER``; a case
is ``MODEL-OPTIMIZER``. Beside ``CASE.keras`` and ``CASE.weights.h5`` stands ``CASE.npz``: inputs, targets, predictions,
and the losses of three more steps of training.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import architectures
from architectures import SAMPLES
from archive_models import ALL, compiled_with
from exchange import distance, forget, listed, loaded, one, trains
from libraries import library

MAKERS = {**architectures.ALL, **architectures.KERAS2_ONLY, **ALL}


def train(k: Any, name: str, model: Any, xs: list[Any], ts: list[Any]) -> list[float]:
    """The losses of three training steps, if the library can make them."""
    forget(model)
    return [float(listed(model.train_on_batch(one(xs), one(ts)))[0]) for _ in range(3 * trains(k, name))]


def predicted(model: Any, xs: list[Any]) -> list[np.ndarray]:
    """The outputs for a batch."""
    forget(model)
    return [np.asarray(y) for y in listed(model.predict(one(xs), batch_size=SAMPLES, verbose=0))]


def inputs(shapes: list[Any], random: np.random.RandomState) -> list[np.ndarray]:
    """A batch for inputs of these shapes; ('int', n, shape) are integers below n."""
    return [random.randint(0, s[1], (SAMPLES, *s[2])).astype("float32") if s[0] == "int"
            else random.randn(SAMPLES, *s).astype("float32") for s in shapes]


def write(k: Any, folder: Path, cases: list[str]) -> None:
    """Makes the models, trains them a little, and writes them and what they say."""
    for number, case in enumerate(cases):
        name, optimizer = case.rsplit("-", 1)
        random = np.random.RandomState(number)
        model, shapes = MAKERS[name](k)
        xs = inputs(shapes, random)
        model.set_weights([w + 0.1 * random.rand(*w.shape).astype(w.dtype) for w in model.get_weights()])
        compiled_with(k, model, optimizer)
        ts = [random.rand(*y.shape).astype("float32") for y in predicted(model, xs)]
        train(k, name, model, xs, ts)
        model.save(str(folder / f"{case}.keras"))
        model.save_weights(str(folder / f"{case}.weights.h5"))
        ys = predicted(model, xs)
        np.savez(folder / f"{case}.npz", losses=train(k, name, model, xs, ts),
                 **{f"{key}{i}": a for key, arrays in (("x", xs), ("t", ts), ("y", ys)) for i, a in enumerate(arrays)})


def read(k: Any, folder: Path) -> dict[str, Any]:
    """Loads the models and says how far they are from what their writer said."""
    said: dict[str, Any] = {}
    for path in sorted(folder.glob("*.keras")):
        case = path.name.removesuffix(".keras")
        name = case.rsplit("-", 1)[0]
        stored = np.load(folder / f"{case}.npz")
        xs, ts, ys = ([stored[n] for n in sorted(stored.files) if n[0] == key and n != "losses"] for key in "xty")
        try:
            model = loaded(k, path)
            apart = distance(predicted(model, xs), ys)
            losses = train(k, name, model, xs, ts)
            fresh = MAKERS[name](k)[0]
            fresh.load_weights(str(folder / f"{case}.weights.h5"))
            said[case] = {"apart": apart, "weights_apart": distance(predicted(fresh, xs), ys), "losses": losses,
                          "expected": stored["losses"].tolist()}
        except Exception:  # what went wrong is the test's to show
            said[case] = {"error": traceback.format_exc()[-1500:]}
    return said


def main() -> None:
    """The command line of the file's docstring."""
    task, name, folder, *rest = sys.argv[1:]
    k = library(name)
    warnings.simplefilter("ignore")
    if task == "write":
        write(k, Path(folder), rest[1:])
    else:
        Path(folder, "said.json").write_text(json.dumps(read(k, Path(folder))))


if __name__ == "__main__":
    main()
