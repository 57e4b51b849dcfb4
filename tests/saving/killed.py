"""Processes that save over one file without end, killed at random moments: the file is always there, whole.

    python -m tests.saving.killed --kills 200

Every save writes weights that are all the same number, so what a torn file would have is seen. What the killed have
left beside the file is gone after the next save.
"""
from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SPAN = 0.12  # seconds from the first save within which the process is killed
SIZE = 300


def model_of(number: float) -> Any:
    """A model with this number in all its weights."""
    from gpukeras.layers import Dense
    from gpukeras.models import Sequential

    model = Sequential([Dense(SIZE, input_shape=(SIZE,), name="dense")])
    fill(model, number)
    return model


def fill(model: Any, number: float) -> None:
    """The number, everywhere."""
    model.set_weights([np.full(w.shape, number, "float32") for w in model.get_weights()])


def _saves(way: str, path: Path) -> Callable[[Any], None]:
    def save(model: Any) -> None:
        for number in itertools.count(1):
            fill(model, number)
            model.save(path) if way == "save" else model.save_weights(path)

    def train(model: Any) -> None:
        from gpukeras.callbacks import LambdaCallback, ModelCheckpoint

        warnings.filterwarnings("ignore", "Method on_batch_end")  # slow callbacks are what this is about
        model.compile("sgd", "mse")
        numbers = itertools.count(1)
        model.fit(np.ones((1000, SIZE)), np.ones((1000, SIZE)), batch_size=1, epochs=1000, verbose=0, callbacks=[
            LambdaCallback(on_batch_end=lambda batch, logs: fill(model, next(numbers))),
            ModelCheckpoint(path, save_freq=1)])

    return train if way == "ModelCheckpoint" else save


def whole(path: Path, way: str) -> float:
    """The number in the file; AssertionError if there are several."""
    from gpukeras.models import load_model

    if way == "save_weights":
        model = model_of(-1)
        model.load_weights(path)
    else:
        model = load_model(path, compile=way != "save")
    kernel, bias = model.get_weights()
    assert np.all(kernel == bias[0]) and np.all(bias == bias[0]), f"{path} is torn"
    return float(bias[0])


def _one_life(way: str, path: Path, draws: random.Random) -> None:
    """A process that saves, and its end."""
    pid = os.fork()
    if not pid:
        try:
            _saves(way, path)(model_of(0))
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    begun = time.monotonic()
    before = path.stat().st_ino
    while path.stat().st_ino == before and time.monotonic() - begun < 60:  # until it has saved once
        time.sleep(0.002)
    time.sleep(draws.uniform(0, SPAN))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), f"the process that was to be killed ended by itself, with {status}"


def survive(folder: Path, kills: int, seed: int = 0) -> Counter[str]:
    """Kills so many processes, and counts what they left. AssertionError if a file was torn or lost."""
    draws, found = random.Random(seed), Counter[str]()
    for i in range(kills):
        way = ("save", "save_weights", "ModelCheckpoint")[i % 3]
        place = folder / way
        path = place / "m.h5"
        if not place.exists():
            place.mkdir()
            model = model_of(0)
            model.compile("sgd", "mse")
            model.save_weights(path) if way == "save_weights" else model.save(path)
        _one_life(way, path, draws)
        whole(path, way)
        left = [name for name in os.listdir(place) if name != "m.h5"]
        assert len(left) <= 1 and all(name.endswith(".part") for name in left), left  # those before it are gone
        found[way] += 1
        found["killed while they wrote"] += len(left)
    for way in ("save", "save_weights", "ModelCheckpoint"):
        path = folder / way / "m.h5"
        if path.exists():
            model = model_of(7)
            model.save_weights(path) if way == "save_weights" else model.save(path)
            assert os.listdir(path.parent) == ["m.h5"] and whole(path, "save" if way != "save_weights" else way) == 7
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        counts = survive(Path(place), arguments.kills, arguments.seed)
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))
    print(f"{arguments.kills} processes killed; the file was there each time, whole")
    sys.exit(0)
