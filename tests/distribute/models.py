"""The three models of the long checks: python -m gpukeras run tests/distribute/models.py MODE MODEL [...].

`train MODEL FOLDER KILL SECONDS` trains 100 steps with backups in FOLDER and prints losses, accuracy and a checksum as
JSON; rank KILL (if not -1) is killed after so many seconds of training. MODEL may end in `:float64`. `time MODEL N`
times steps with and without the sum over the ranks, in turns; `parts MODEL N` with batches in parts and without.
`sums` times sums by themselves, `overlap` sums in slices
under way while others are computed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import zlib

import numpy as np

import gpukeras as keras
from gpukeras import backend as K
from gpukeras import distribute
from gpukeras.callbacks import BackupAndRestore, Callback
from gpukeras.device.job import job
from gpukeras.engine import dealing, dealt
from gpukeras.layers import LSTM, Conv2D, Dense, Dropout, Embedding, Flatten, MaxPooling2D
from gpukeras.models import Sequential

BATCH = {"mlp": 128, "mnist_cnn": 128, "lstm": 32}


def model_and_data(name: str, batches: int):
    """Keras's examples mnist_mlp, mnist_cnn and imdb_lstm, on numbers at random that can be learned; mnist_cnn for
    `train` with pictures of a quarter of the size."""
    name, _, variant = name.partition(":")
    K.set_floatx("float64" if variant == "float64" else "float32")
    np.random.seed(3)
    count = BATCH[name] * batches - BATCH[name] // 3  # so that the last batch is smaller
    if name == "lstm":
        x = np.random.randint(1, 20_000, (count, 80))
        y = (x[:, -20:] > 12_000).mean(1) > 0.4
        model = Sequential([Embedding(20_000, 128), LSTM(128, dropout=0.2, recurrent_dropout=0.2),
                            Dense(1, activation="sigmoid")])
        model.compile("adam", "binary_crossentropy", ["acc"])
        return model, x, y
    side = 14 if name == "mnist_cnn" and sys.argv[1] == "train" else 28
    classes, patterns = np.random.randint(0, 10, count), np.random.rand(10, side, side, 1)
    x = (np.random.rand(count, side, side, 1) / 2 + patterns[classes] - 0.5).astype("float32")
    y = np.eye(10)[classes]
    if name == "mlp":
        x = x.reshape(count, -1)
        model = Sequential([Dense(512, activation="relu", input_shape=(x.shape[1],)), Dropout(0.2),
                            Dense(512, activation="relu"), Dropout(0.2), Dense(10, activation="softmax")])
        model.compile("rmsprop", "categorical_crossentropy", ["acc"])
        return model, x, y
    model = Sequential([Conv2D(32, 3, activation="relu", input_shape=x.shape[1:]), Conv2D(64, 3, activation="relu"),
                        MaxPooling2D(), Dropout(0.25), Flatten(), Dense(128, activation="relu"), Dropout(0.5),
                        Dense(10, activation="softmax")])
    model.compile("adadelta", "categorical_crossentropy", ["acc"])
    return model, x, y


class Losses(Callback):
    """Notes the loss of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))


def train(name: str, folder: str, kill: str, seconds: str) -> None:
    """100 steps in 10 epochs."""
    model, x, y = model_and_data(name, 10)
    size = BATCH[name.partition(":")[0]]
    losses = Losses()
    callbacks = [losses] if folder == "-" else [losses, BackupAndRestore(folder, save_freq=4)]
    first = model.evaluate(x, y, batch_size=size, verbose=0)
    outputs = zlib.crc32(model.predict(x, batch_size=size).tobytes())
    if int(kill) == distribute.rank():
        def end():
            time.sleep(float(seconds))
            os.write(2, f"killed at {time.time()}\n".encode())
            os.kill(os.getpid(), 9)
        threading.Thread(target=end, daemon=True).start()
    started = time.perf_counter()
    history = model.fit(x, y, batch_size=size, epochs=10, verbose=0, callbacks=callbacks)
    seconds_taken = time.perf_counter() - started
    weights = zlib.crc32(b"".join(w.tobytes() for w in model.get_weights()))
    print(json.dumps({"losses": losses.losses, "accuracy": float(history.history["acc"][-1]), "weights": weights,
                      "exact": [*first, outputs], "seconds": seconds_taken}, default=float))


def time_steps(name: str, rounds: str) -> None:
    """Milliseconds a step: with the sum over the ranks, and without; and those spent in the call of the sum."""
    batches = 8 if name == "mnist_cnn" else 24
    model, x, y = model_and_data(name, batches)
    dealing.check_agreement = dealing.agree = lambda model: None  # without sums the ranks come apart
    dealt.DealtFunction.check = lambda self, shares: None
    found = job()
    spent = [0.0, 0]
    ways = {}
    if found is not None:
        def timed(call):
            def made(*args):
                start = time.perf_counter()
                call(*args)
                spent[0] += time.perf_counter() - start
                spent[1] = max(spent[1], args[-1].nbytes)
            return made

        def keep_own(mine, counts, everyone):
            everyone.fill(0)
            everyone[:mine.size] = mine
        ways = {"with": (timed(found.ranks.sum), timed(found.ranks.gather)), "without": (lambda array: None, keep_own)}
    values: dict[str, list[float]] = {"with": [], "without": [], "inside": []}
    for i in range(2 * int(rounds) + 2):
        way = ("with", "without")[i % 2] if found is not None else "with"
        spent[0] = 0.0
        if found is not None:
            found.ranks.sum, found.ranks.gather = ways[way]
            found.ranks.allgather(0)
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH[name], epochs=1, verbose=0)
        step = (time.perf_counter() - start) / batches * 1e3
        if i >= 2:
            values[way].append(step)
            if way == "with":
                values["inside"].append(spent[0] / batches * 1e3)
    print(json.dumps({**values, "bytes": spent[1], "parameters": model.count_params()}))


def time_parts(name: str, rounds: str) -> None:
    """Milliseconds a step: as usual, and with batches in four parts."""
    batches = 8 if name == "mnist_cnn" else 24
    values: dict[str, list[float]] = {"1": [], "4": []}
    made = {parts: model_and_data(name, batches) for parts in values}
    for i in range(int(rounds) + 1):
        for parts, (model, x, y) in made.items():
            os.environ["GPUKERAS_PARTS"] = parts  # read when a model is first trained
            distribute.barrier()
            start = time.perf_counter()
            model.fit(x, y, batch_size=BATCH[name], epochs=1, verbose=0)
            if i:
                values[parts].append((time.perf_counter() - start) / batches * 1e3)
    print(json.dumps(values))


def time_sums() -> None:
    """Microseconds of a sum, by its size in numbers of float32, all ranks starting together."""
    found = job()
    assert found is not None
    times = {}
    for size in (1, 1_000, 25_000, 100_000, 670_000, 2_560_000):
        array, taken = np.ones(size, np.float32), []
        for _ in range(40):
            found.ranks.allgather(0)
            start = time.perf_counter()
            found.sum(array)
            taken.append((time.perf_counter() - start) * 1e6)
            array.fill(1)
        times[size] = float(np.median(taken)), float(np.min(taken))
    print(json.dumps(times))


def time_overlap() -> None:
    """Milliseconds of a backward pass of four products, and then a sum of 670,000 numbers: at its end, or in four
    slices that are under way while the next product is computed."""
    found = job()
    assert found is not None
    from mpi4py import MPI
    comm, array, a = found.ranks.comm, np.ones(670_000, np.float32), np.random.rand(560, 560).astype("float32")
    slices = np.array_split(array, 4)

    def at_the_end():
        for _ in slices:
            a @ a
        found.sum(array)

    def in_slices():
        under_way = []
        for part in slices:
            a @ a
            under_way.append(comm.Iallreduce(MPI.IN_PLACE, part))
            MPI.Request.Testall(under_way)
        for request in under_way:
            found.ranks._wait(request)

    def without():
        for _ in slices:
            a @ a
    times: dict[str, list[float]] = {"without": [], "at the end": [], "in slices": []}
    for _ in range(60):
        for name, way in zip(times, (without, at_the_end, in_slices)):
            found.ranks.allgather(0)
            start = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - start) * 1e3)
            array.fill(1)
    print(json.dumps({name: [float(np.median(t)), float(np.min(t))] for name, t in times.items()}))


if __name__ == "__main__":
    assert keras.config()["backend"] in ("numpy", "cupy")
    modes = {"train": train, "time": time_steps, "parts": time_parts, "sums": time_sums, "overlap": time_overlap}
    modes[sys.argv[1]](*sys.argv[2:])
