"""Trainings that hold something that is easily lost, for the tests of interruptions. Each is a function that takes
further callbacks, trains, and returns what there is at the end, as bytes or text by name."""
from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np

from gpukeras import backend as K
from gpukeras import callbacks as cb
from gpukeras.layers import LSTM, BatchNormalization, Dense, Dropout, GaussianNoise, Input
from gpukeras.models import Model, Sequential
from gpukeras.utils import Sequence

DATA = np.random.RandomState(0)
X, Y = DATA.normal(size=(30, 4)).astype("float32"), DATA.randint(0, 3, 30)
STEPS = DATA.normal(size=(24, 3, 4)).astype("float32")


def classifier(optimizer: Any = "nadam") -> Any:
    np.random.seed(1)
    random.seed(3)
    model = Sequential([Dense(8, activation="relu", input_shape=(4,)), Dropout(0.3), BatchNormalization(),
                        GaussianNoise(0.1), Dense(3, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["acc"])
    return model


def ending(model: Any, history: Any) -> dict[str, Any]:
    """What must not depend on interruptions."""
    numbers = [*model.get_weights(), *model.optimizer.get_weights(), K.get_value(model.optimizer.lr)]
    return {"weights": hashlib.sha256(b"".join(a.tobytes() for a in numbers)).hexdigest(),
            "history": repr(history.history), "epochs": history.epoch, "predictions": str(model.predict(X[:3])),
            "numpy": np.random.random_sample(), "python": random.random()}


def dropout_and_schedules(*more: Any, epochs: int = 4) -> dict[str, Any]:
    """Dropout, noise, Nadam, shuffled rows, validation, and callbacks that change the learning rate and stop."""
    model = classifier()
    own = [cb.LearningRateScheduler(lambda epoch, lr: lr * 0.9),
           cb.ReduceLROnPlateau(patience=0, factor=0.5),
           cb.EarlyStopping(patience=2, restore_best_weights=True)]
    history = model.fit(X, Y, batch_size=7, epochs=epochs, verbose=0, validation_split=0.2, callbacks=[*own, *more])
    return ending(model, history)


def batches_in_random_order(*more: Any) -> dict[str, Any]:
    """shuffle='batch', and a callback that looks at every batch and counts in attributes of its own."""
    class Counts(cb.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.losses: list[float] = []
            self.draws: dict[int, tuple[float, float]] = {}

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            self.losses.append(logs["loss"])
            self.draws[len(self.losses)] = np.random.random_sample(), random.random()

    counts = Counts()
    model = classifier("adam")
    history = model.fit(X, Y, batch_size=8, epochs=3, verbose=0, shuffle="batch", callbacks=[counts, *more])
    return {**ending(model, history), "losses": counts.losses, "draws": counts.draws}


def stateful(*more: Any) -> dict[str, Any]:
    """A recurrent layer that keeps its state from batch to batch, and over epochs."""
    np.random.seed(2)
    model = Sequential([LSTM(5, stateful=True, batch_input_shape=(6, 3, 4), dropout=0.2, recurrent_dropout=0.2),
                        Dense(1)])
    model.compile("rmsprop", "mse")
    history = model.fit(STEPS, STEPS[:, 0, :1], batch_size=6, epochs=3, verbose=0, shuffle=False, callbacks=list(more))
    numbers = [*model.get_weights(), *map(K.get_value, model.layers[0].states)]
    return {"weights": [a.tobytes() for a in numbers], "history": repr(history.history)}


def steps_on_tensors(*more: Any) -> dict[str, Any]:
    """A model that feeds itself: random numbers as input and target."""
    np.random.seed(4)
    x = Input(tensor=K.random_normal((5, 4)))
    model = Model(x, Dense(2)(x))
    model.compile("sgd", "mse", target_tensors=[K.random_uniform((5, 2))])
    history = model.fit(None, None, steps_per_epoch=5, epochs=3, verbose=0, callbacks=list(more))
    return {"weights": [a.tobytes() for a in model.get_weights()], "history": repr(history.history)}


def generated(*more: Any) -> dict[str, Any]:
    """Batches from a generator that draws random numbers."""
    model = classifier("adagrad")

    def batches() -> Any:
        while True:
            rows = np.random.randint(0, 30, random.randint(2, 6))
            yield X[rows], Y[rows]

    history = model.fit_generator(batches(), 5, epochs=3, verbose=0, validation_data=(X, Y), callbacks=list(more))
    return {"weights": [a.tobytes() for a in model.get_weights()], "history": repr(history.history)}


def sequence(*more: Any) -> dict[str, Any]:
    """Batches of a Sequence in random order, which changes between epochs."""
    class Rows(Sequence):
        shift = 0

        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> Any:
            rows = np.arange(6) + 6 * index
            return X[rows] + self.shift, Y[rows]

        def on_epoch_end(self) -> None:
            self.shift += 1

    model = classifier("sgd")
    history = model.fit_generator(Rows(), epochs=3, verbose=0, workers=2, callbacks=list(more))
    return {"weights": [a.tobytes() for a in model.get_weights()], "history": repr(history.history)}


ALL = [dropout_and_schedules, batches_in_random_order, stateful, steps_on_tensors, generated, sequence]
