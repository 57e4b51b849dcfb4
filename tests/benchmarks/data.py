"""The data of the programs: real where Keras's cache folder has them, otherwise numbers at random of the same shapes.

The driver writes them to a folder once; every worker, whatever its library, reads the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .programs import CASES

KINDS = sorted({case.data for case in CASES.values()})


def rows(kind: str) -> int:
    """How many rows the programs that use these data need."""
    return max(case.batch * case.steps for case in CASES.values() if case.data == kind)


def write(folder: Path, kinds: list[str], random: bool = False) -> dict[str, str]:
    """Writes the data of these kinds, and says what each is: 'MNIST', 'random'. With `random` nothing is looked for."""
    said = {}
    for kind in kinds:
        real = None if random else _real(kind)
        x, y, said[kind] = made_up(kind, rows(kind)) if real is None else real
        np.save(folder / f"{_name(kind)}_x.npy", x)
        np.save(folder / f"{_name(kind)}_y.npy", y)
    return said


def _name(kind: str) -> str:
    return kind.replace(" ", "_")


def _real(kind: str) -> tuple[Any, Any, str] | None:
    """The data from Keras's cache folder, KERAS_HOME; None if they are not there and can't be had."""
    from gpukeras import datasets
    from gpukeras.preprocessing.sequence import pad_sequences
    from gpukeras.utils import to_categorical

    count = rows(kind)
    name = {"digits": "mnist", "digits as rows": "mnist", "images": "mnist", "photographs of 10": "cifar10",
            "photographs of 5": "cifar10", "reviews": "imdb"}.get(kind)
    if name is None:
        return None
    source = getattr(datasets, name)
    try:
        (x, y), _ = source.load_data(num_words=20000) if name == "imdb" else source.load_data()
    except OSError:
        return None
    if name == "imdb":
        return pad_sequences(x[:count], 80).astype("int32"), np.asarray(y[:count], "float32"), "IMDB"
    if kind == "photographs of 5":
        chosen = y.ravel() < 5
        x, y = x[chosen], y[chosen]
    x, y = x[:count].astype("float32") / 255, y[:count].ravel()
    if name == "cifar10":
        return x, y.astype("int32") if kind.endswith("5") else to_categorical(y, 10).astype("float32"), "CIFAR-10"
    if kind == "digits":
        return x[..., np.newaxis], to_categorical(y, 10).astype("float32"), "MNIST"
    x = x.reshape(-1, 784)
    return x, x if kind == "images" else to_categorical(y, 10).astype("float32"), "MNIST"


def made_up(kind: str, count: int) -> tuple[Any, Any, str]:
    """So many rows of data of this kind, from numbers at random."""
    random = np.random.RandomState(0)
    if kind == "points":
        x = random.rand(count, 1).astype("float32")
        return x, (x[:, 0] > 0.6).astype("int32"), "made up"
    if kind == "reviews":
        return random.randint(1, 20000, (count, 80)).astype("int32"), random.randint(0, 2, count).astype("float32"), \
            "random"
    if kind.startswith("photographs"):
        x = random.randint(0, 256, (count, 32, 32, 3)).astype("float32") / 255
    else:  # about as many pixels are black as in MNIST
        x = (random.randint(0, 256, (count, 784)) * (random.rand(count, 784) < 0.2)).astype("float32") / 255
    if kind == "images":
        return x, x, "random"
    if kind == "digits":
        x = x.reshape(-1, 28, 28, 1)
    if kind == "photographs of 5":
        return x, random.randint(0, 5, count).astype("int32"), "random"
    return x, np.eye(10, dtype="float32")[random.randint(0, 10, count)], "random"
