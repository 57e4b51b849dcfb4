"""Writes files of models with what is to be expected of them, or loads them and says what came out.

Run by the tests with gpukeras and, in an interpreter that has it, with another Keras:
``python exchange.py write gpukeras|keras FOLDER READER NAME ...`` or ``read gpukeras|keras FOLDER``. Of each
architecture there are

- ``NAME.h5``, the model after three training steps, and ``NAME.json``, its architecture alone;
- ``NAME_w.hdf5``, its weights alone (Keras 3 has a format of its own for these);
- ``NAME.npz``: inputs `x0`..., targets `t0`..., sample weights `w0`, predictions `y0`..., and what five more training
  steps return: `steps`, a loss and perhaps metrics each.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import architectures
from architectures import SAMPLES
from libraries import library

STEPS = 5


def listed(value: Any) -> list[Any]:
    """A list of what may be one thing."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def one(values: list[Any]) -> Any:
    """The only item of a list, or the list."""
    return values[0] if len(values) == 1 else values


def predicted(model: Any, data: Any) -> list[np.ndarray]:
    forget(model)
    return [np.asarray(y) for y in listed(model.predict(data.xs, batch_size=SAMPLES, verbose=0))]


def forget(model: Any) -> None:
    """Recurrent states are no part of a file: they begin as zeros wherever something is compared."""
    for layer in model.layers:
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
            layer.reset_states()
        elif getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
            layer.reset_state()


def train(model: Any, data: Any, steps: int = STEPS) -> list[list[float]]:
    """What so many training steps return."""
    forget(model)
    weights = {} if data.ws is None else {"sample_weight": data.ws}
    return [[float(v) for v in listed(model.train_on_batch(data.xs, data.ts, **weights))] for _ in range(steps)]


def targets(loss: str, y: np.ndarray, random: Any) -> np.ndarray:
    """What an output of that shape may be trained on."""
    if loss == "sparse_categorical_crossentropy":
        return random.randint(0, y.shape[-1], (*y.shape[:-1], 1)).astype("float32")
    if loss == "categorical_crossentropy":
        return np.eye(y.shape[-1], dtype="float32")[random.randint(0, y.shape[-1], y.shape[:-1])]
    if loss == "binary_crossentropy":
        return random.randint(0, 2, y.shape).astype("float32")
    if "hinge" in loss:
        return random.choice([-1, 1], y.shape).astype("float32")
    return random.rand(*y.shape).astype("float32")


def made(k: Any, name: str, number: int, reader: str) -> tuple[Any, Any]:
    """A compiled model and what it is trained on."""
    random = np.random.RandomState(number)
    model, shapes = {**architectures.ALL, **architectures.KERAS2_ONLY}[name](k)
    xs = [random.randint(1, s[1], (SAMPLES, *s[2])).astype("float32") if s[0] == "int"
          else random.randn(SAMPLES, *s).astype("float32") for s in shapes]
    if name == "masked":
        xs[0][:, 3:] = 0
    elif name == "embedded_lstm":
        xs[0][1:3, 4:] = 0
    model.set_weights([0.8 * random.rand(*w.shape) - 0.4 if w.ndim > 1 else 0.1 + 0.5 * random.rand(*w.shape)
                       for w in model.get_weights()])
    kind, settings = architectures.optimizer_of(name)
    if kind == "Nadam" and reader == "keras3":  # whose schedule 2.0.9's Nadam can be told, but no file can tell it
        kind, settings = architectures.OPTIMIZERS[0]
    optimizers = k.optimizers
    if k.version == "keras2" and number % 2:  # half of them with the optimizers that Keras had up to 2.10
        optimizers = optimizers.legacy
    arguments = architectures.compiling(name, k)
    if k.version != "gpukeras":  # newer Keras sees it from the weights
        arguments.pop("sample_weight_mode", None)
    model.compile(getattr(optimizers, kind)(**settings), **arguments)
    data = SimpleNamespace(xs=one(xs), ts=None, ws=None)
    losses, ys = arguments["loss"], predicted(model, data)
    if isinstance(losses, dict):
        losses = list(losses.values())
    if not isinstance(losses, list):
        losses = [losses] * len(ys)
    data.ts = one([targets(loss if isinstance(loss, str) else "", y, random) for loss, y in zip(losses, ys)])
    # The files of newer Keras do not say that each step has a weight of its own.
    temporal = "sample_weight_mode" in arguments
    if name in architectures.WEIGHTED and (temporal or np.ndim(data.ts) < 3):
        shape = np.shape(data.ts)[:2] if temporal else (SAMPLES,)
        data.ws = (0.5 + random.rand(*shape)).astype("float32")
    return model, data


def write(k: Any, folder: Path, reader: str, names: list[str]) -> None:
    """Makes the models, trains them a little, and writes them, for the library `reader`, and what they say."""
    for number, name in enumerate(names):
        model, data = made(k, name, number, reader)
        trained = trains(k, name)
        train(model, data, 3 if trained else 0)
        model.save(str(folder / f"{name}.h5"), **({"save_format": "h5"} if k.version != "keras3" else {}))
        (folder / f"{name}.json").write_text(model.to_json())
        if k.version != "keras3":
            model.save_weights(str(folder / f"{name}_w.hdf5"), save_format="h5")
        ys = predicted(model, data)
        extra = {} if data.ws is None else {"w0": data.ws}
        np.savez(folder / f"{name}.npz", steps=train(model, data) if trained else [], **extra,
                 **{f"{key}{i}": a for key, arrays in (("x", listed(data.xs)), ("t", listed(data.ts)), ("y", ys))
                    for i, a in enumerate(arrays)})


def trains(k: Any, name: str) -> bool:
    """Whether the library can: PyTorch finds no gradient through states that Keras 3 has overwritten."""
    return not (k.version == "keras3" and name == "stateful")


def read(k: Any, folder: Path, said: dict[str, Any]) -> None:
    """Loads the models, and notes how far they are from what their writer said."""
    for path in sorted(folder.glob("*.h5")):
        stored = np.load(path.with_suffix(".npz"))
        xs, ts, ys = ([stored[n] for n in sorted(stored.files) if n[0] == key and n != "steps"] for key in "xty")
        data = SimpleNamespace(xs=one(xs), ts=one(ts), ys=ys, ws=stored["w0"] if "w0" in stored.files else None)
        found = said[path.stem] = {"steps_expected": stored["steps"].tolist()}
        for what, look in {"predictions": whole, "weights": in_parts, "steps": resumed}.items():
            try:
                found[what] = look(k, path, data)
            except Exception:  # what went wrong is the test's to show
                found[what] = traceback.format_exc()[-1500:]


def loaded(k: Any, path: Path, **arguments: Any) -> Any:
    """The model in the file."""
    if k.version == "keras3":
        arguments["safe_mode"] = False  # for it to look up a Lambda in custom_objects
    return k.models.load_model(str(path), custom_objects=k.own, **arguments)


def whole(k: Any, path: Path, data: Any) -> float:
    """How far the predictions of the model in the file are from what its writer said."""
    return distance(predicted(loaded(k, path, compile=False), data), data.ys)


def in_parts(k: Any, path: Path, data: Any) -> float:
    """The same for the model made of its JSON and of a file of weights."""
    return distance(predicted(from_parts(k, path), data), data.ys)


def distance(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference, of values beyond 1 as a share of the largest: one digit of float32 is 1.5e-5 at 128."""
    assert [a.shape for a in found] == [a.shape for a in expected]
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(b).max())) for a, b in zip(found, expected))


def from_parts(k: Any, path: Path) -> Any:
    """The model made of its JSON and of a file of weights (where its writer has none, of a whole model)."""
    text, weights = path.with_suffix(".json").read_text(), path.with_name(f"{path.stem}_w.hdf5")
    if k.version == "keras3":  # which reads its own JSON only
        model, _ = {**architectures.ALL, **architectures.KERAS2_ONLY}[path.stem](k)
    else:
        model = k.models.model_from_json(text, custom_objects=k.own)
    model.load_weights(str(weights if weights.exists() else path))
    return model


def resumed(k: Any, path: Path, data: Any) -> list[list[float]]:
    """What training steps from the file on return."""
    model = loaded(k, path)
    if not trains(k, path.stem):
        return []
    if k.version == "keras3":
        continue_in_keras3(model, path)
    return train(model, data)


def continue_in_keras3(model: Any, path: Path) -> None:
    """Gives the optimizer the state in the file, which Keras 3 fails to do with any HDF5 file, its own too.

    (It makes the optimizer for a model without weights, and can't train then.)
    """
    import h5py

    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    optimizer.build(model.trainable_variables)
    with h5py.File(path) as file:
        group = file["optimizer_weights"]
        names = [n if isinstance(n, str) else n.decode() for n in group.attrs["weight_names"]]
        arrays = [group[n][()] for n in names]
    optimizer.iterations.assign(arrays[0])
    scalars = [a for a in arrays[1:] if a.shape == ()]
    slots = [a for n, a in zip(names, arrays) if a.shape != ()]
    count = len(model.trainable_variables)
    places = [v for v in optimizer.variables if v is not optimizer.iterations and "learning_rate" not in v.path]
    assert not scalars  # Nadam, which newer Keras computes otherwise
    per = len(slots) // count
    if "amsgrad" in optimizer.get_config() and optimizer.amsgrad:
        per = 2  # the third of each weight comes after the others, here and there
    arranged = [slots[s * count + i] for i in range(count) for s in range(per)] + slots[per * count:]
    assert len(arranged) == len(places), (len(arranged), len(places))
    for place, value in zip(places, arranged):
        place.assign(value)
    model.optimizer, model.train_function = optimizer, None


def main() -> None:
    """The command line of the file's docstring."""
    task, name, folder, *rest = sys.argv[1:]
    k = library(name)
    warnings.simplefilter("ignore")
    if task == "write":
        write(k, Path(folder), rest[0], rest[1:])
    else:
        said: dict[str, Any] = {}
        read(k, Path(folder), said)
        Path(folder, "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
