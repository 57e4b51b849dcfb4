"""`python -m gpukeras bench`: how fast small models train and predict on this machine, with nothing but the package."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

STEPS = 8  # batches that one measurement runs through


class Case(NamedTuple):
    """A model, the shape of a sample, and the size of a batch."""

    what: str
    model: Callable[[], Any]
    sample: tuple[int, ...]
    batch: int


class Row(NamedTuple):
    """What was measured: seconds until the first step was done (making the program included), and of one step; samples
    a second in training and in prediction."""

    name: str
    first: float
    step: float
    training: float
    prediction: float


def _dense() -> Any:
    from gpukeras.layers import Dense
    from gpukeras.models import Sequential

    return Sequential([Dense(512, activation="relu", input_shape=(784,)), Dense(512, activation="relu"),
                       Dense(10, activation="softmax")])


def _images() -> Any:
    from gpukeras.layers import Conv2D, Dense, Flatten, MaxPooling2D
    from gpukeras.models import Sequential

    return Sequential([Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1)), Conv2D(64, 3, activation="relu"),
                       MaxPooling2D(), Flatten(), Dense(128, activation="relu"), Dense(10, activation="softmax")])


def _sequences() -> Any:
    from gpukeras.layers import LSTM, Dense
    from gpukeras.models import Sequential

    return Sequential([LSTM(64, input_shape=(40, 32)), Dense(10, activation="softmax")])


CASES = {
    "dense": Case("784-512-512-10, batches of 128", _dense, (784,), 128),
    "images": Case("28x28, two convolutions, batches of 64", _images, (28, 28, 1), 64),
    "sequences": Case("LSTM of 64 units over 40 steps, batches of 64", _sequences, (40, 32), 64),
}


def main(arguments: Sequence[str]) -> int:
    """Measures and prints; 1 where the backend that was asked for can't be had."""
    parser = argparse.ArgumentParser("python -m gpukeras bench", description="Trains small models on random numbers, "
                                     "and prints what a step takes: the median of what was measured.")
    parser.add_argument("model", nargs="*", help=f"which: {', '.join(CASES)} (all of them)")
    parser.add_argument("--seconds", type=_seconds, default=3.0, metavar="N", help="time for each number (3)")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    wanted = parser.parse_args(arguments)
    unknown = [name for name in wanted.model if name not in CASES]
    if unknown:
        parser.error(f"there is no model {unknown[0]!r}; there are {', '.join(CASES)}")
    try:
        import gpukeras

        config = gpukeras.config()
    except (ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if not wanted.json:
        how = config["why"] if config["backend"] == "cupy" else f"{config['threads']} threads, BLAS {config['blas']}"
        print(f"{config['device']}: {config['backend']}, {how}", flush=True)
        print(f"{'model':<10} {'first step':>11} {'step':>10} {'samples/s':>11} {'predicted/s':>12}", flush=True)
    rows = []
    for name in wanted.model or CASES:
        rows.append(row := measure(name, wanted.seconds))
        if not wanted.json:
            print(f"{row.name:<10} {row.first:>9.2f} s {row.step * 1e3:>7.2f} ms {row.training:>11,.0f} "
                  f"{row.prediction:>12,.0f}   {CASES[name].what}", flush=True)
    if wanted.json:
        print(json.dumps({"config": config, "rows": [row._asdict() for row in rows]}, indent=2))
    return 0


def measure(name: str, seconds: float) -> Row:
    """One row: `seconds` of training after the first step, and as much of prediction."""
    case = CASES[name]
    random = np.random.RandomState(0)
    x = random.normal(size=(STEPS * case.batch, *case.sample)).astype("float32")
    y = np.eye(10, dtype="float32")[random.randint(0, 10, len(x))]
    model = case.model()
    model.compile("adam", "categorical_crossentropy")
    begin = perf_counter()
    model.fit(x[:case.batch], y[:case.batch], batch_size=case.batch, epochs=1, verbose=0)
    first = perf_counter() - begin
    training = _time(lambda: model.fit(x, y, batch_size=case.batch, epochs=1, verbose=0), seconds)
    prediction = _time(lambda: model.predict(x, batch_size=case.batch), seconds)
    return Row(name, first, training / STEPS, len(x) / training, len(x) / prediction)


def _time(call: Callable[[], Any], seconds: float) -> float:
    """The median time of a call, repeated for so long; the first call does not count."""
    call()
    times: list[float] = []
    while not times or sum(times) < seconds:
        begin = perf_counter()
        call()
        times.append(perf_counter() - begin)
    return median(times)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 3600")
    return value
