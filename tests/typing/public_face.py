"""A program over the public API, for `mypy --strict`: what it assigns must have these types, and each line marked with
an ignored error must be one. It also runs (tests/test_typing.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gpukeras
from gpukeras import backend as K
from gpukeras.callbacks import Callback, EarlyStopping, History, LearningRateScheduler
from gpukeras.datasets import digits
from gpukeras.initializers import Initializer
from gpukeras.layers import LSTM, Conv2D, Dense, Flatten, Input, Lambda, Layer, add, concatenate
from gpukeras.losses import BinaryCrossentropy, mean_squared_error
from gpukeras.metrics import Precision, categorical_accuracy
from gpukeras.models import Model, Sequential, load_model
from gpukeras.optimizers import SGD, Adam, Optimizer, schedules
from gpukeras.preprocessing.sequence import pad_sequences
from gpukeras.preprocessing.text import Tokenizer
from gpukeras.regularizers import l2
from gpukeras.utils import Progbar, Sequence, plot_model, to_categorical


class Scale(Layer):
    """A layer of one's own."""

    def build(self, input_shape: Any) -> None:
        """Makes the weight."""
        self.factor = self.add_weight(name="factor", shape=(1,), initializer="ones")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Multiplies."""
        return inputs * self.factor


class Batches(Sequence):
    """Data of one's own."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((4, 3), "float32"), np.zeros((4, 1), "float32")


class Counter(Callback):
    """A callback of one's own."""

    epochs = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Counts."""
        self.epochs += 1


def closeness(y_true: Any, y_pred: Any) -> Any:
    """A loss of one's own."""
    return K.mean(K.square(y_pred - y_true), axis=-1)


def main() -> int:
    """Builds, trains, and reads; the number of epochs that the callback counted."""
    (x, y), _ = digits.load_data()
    labels: np.ndarray = to_categorical(y[:64], 10)
    image = Input(shape=(8, 8, 1), name="image")
    hidden = Flatten()(Conv2D(4, 3, activation="relu", kernel_regularizer=l2(1e-4))(image))
    both = concatenate([Dense(8)(hidden), Lambda(lambda t: t * 2)(Dense(8)(hidden))])
    model: Model = Model(inputs=image, outputs=Dense(10, activation="softmax")(Scale()(both)))
    optimizer: Optimizer = Adam(schedules.ExponentialDecay(1e-3, 10, 0.9))
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy", categorical_accuracy])
    counter = Counter()
    callbacks: list[Callback] = [counter, EarlyStopping("loss", patience=2)]
    history: History = model.fit(x[:64, ..., None] / 16, labels, 16, epochs=2, verbose=0, callbacks=callbacks)
    losses: list[Any] = history.history["loss"]
    values: Any = model.predict(x[:4, ..., None] / 16)
    config: dict[str, Any] = model.get_config()
    text: str = model.to_json()

    small = Sequential([Dense(1, input_shape=(3,))])
    small.add(Scale())
    small.compile(SGD(lr=0.1, momentum=0.9), closeness, metrics=[Precision(), BinaryCrossentropy()])
    small.fit_generator(Batches(), steps_per_epoch=2, epochs=1, verbose=0,
                        callbacks=[LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))])
    cells: Layer = LSTM(4, return_sequences=True)
    loss: Callable[..., Any] = mean_squared_error
    starts: Initializer = gpukeras.initializers.RandomNormal(stddev=0.01)
    words = Tokenizer(num_words=10)
    words.fit_on_texts(["one two", "two"])
    padded: np.ndarray = pad_sequences(words.texts_to_sequences(["two one"]), maxlen=3)
    tensor = K.placeholder((None, 3))
    doubled: list[Any] = K.function([tensor], [tensor * 2 + K.ones((3,))])([np.ones((2, 3))])
    print(Progbar, add, plot_model, load_model, gpukeras.config()["backend"], len(losses), values.shape, len(config),
          len(text), cells, loss, starts, padded.shape, doubled[0].shape)
    return counter.epochs


def wrong() -> None:
    """What a checker must refuse; never run."""
    K.mean()  # type: ignore[call-arg]
    Dense("eight")  # type: ignore[arg-type]
    gpukeras.utils.to_categoricl([1])  # type: ignore[attr-defined]
    gpukeras.layer  # type: ignore[attr-defined]  # noqa: B018
    Sequential().fitt()  # type: ignore[attr-defined]
    text: int = Sequential().to_json()  # type: ignore[assignment]
    print(text)
