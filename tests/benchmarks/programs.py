"""The programs that are measured, for any Keras: `keras` below is gpukeras, Keras 2.0.9, Keras 2.15 or Keras 3.

This file and those that the worker imports stand alone (the standard library, NumPy and the library measured) and run
on Python 3.7, which Keras 2.0.9 asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


def old(keras: Any) -> bool:
    """Whether this is Keras 2 before it said `learning_rate`; gpukeras knows both words, and newer layers."""
    return keras.__name__ == "keras" and keras.__version__.startswith("2.0.")


def optimizer(keras: Any, name: str, rate: float) -> Any:
    """An optimizer with this learning rate."""
    word = "lr" if old(keras) else "learning_rate"
    return getattr(keras.optimizers, name)(**{word: rate})


def tiny(keras: Any) -> Any:
    """The model of docs/examples/clinical_trial.py."""
    Dense, Input = keras.layers.Dense, keras.layers.Input
    x = Input((1,))
    y = Dense(2, activation="softmax")(Dense(32, activation="relu")(Dense(16, activation="relu")(x)))
    model = keras.models.Model(x, y)
    model.compile(optimizer(keras, "Adam", 0.0001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def quiz(keras: Any) -> Any:
    """A first network on colour images."""
    layers = keras.layers
    x = layers.Input((32, 32, 3))
    y = layers.Dense(5, activation="softmax")(layers.Dense(128, activation="relu")(layers.Flatten()(x)))
    model = keras.models.Model(x, y)
    model.compile(optimizer(keras, "Adam", 0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def mlp(keras: Any) -> Any:
    """The model of docs/examples/mnist_mlp.py."""
    Dense, Dropout = keras.layers.Dense, keras.layers.Dropout
    x = keras.layers.Input((784,))
    y = Dropout(0.2)(Dense(512, activation="relu")(x))
    y = Dropout(0.2)(Dense(512, activation="relu")(y))
    model = keras.models.Model(x, Dense(10, activation="softmax")(y))
    model.compile(optimizer(keras, "RMSprop", 0.001), "categorical_crossentropy", metrics=["accuracy"])
    return model


def mnist_cnn(keras: Any) -> Any:
    """The model of docs/examples/mnist_cnn.py."""
    layers = keras.layers
    x = layers.Input((28, 28, 1))
    y = layers.Conv2D(64, (3, 3), activation="relu")(layers.Conv2D(32, (3, 3), activation="relu")(x))
    y = layers.Flatten()(layers.Dropout(0.25)(layers.MaxPooling2D((2, 2))(y)))
    y = layers.Dropout(0.5)(layers.Dense(128, activation="relu")(y))
    model = keras.models.Model(x, layers.Dense(10, activation="softmax")(y))
    model.compile(optimizer(keras, "Adadelta", 1.0), "categorical_crossentropy", metrics=["accuracy"])
    return model


def cifar10_cnn(keras: Any) -> Any:
    """Four convolutions, the network that Keras's users know from CIFAR-10."""
    layers = keras.layers
    x = y = layers.Input((32, 32, 3))
    for units in (32, 64):
        y = layers.Conv2D(units, (3, 3), padding="same", activation="relu")(y)
        y = layers.MaxPooling2D((2, 2))(layers.Conv2D(units, (3, 3), activation="relu")(y))
        y = layers.Dropout(0.25)(y)
    y = layers.Dropout(0.5)(layers.Dense(512, activation="relu")(layers.Flatten()(y)))
    model = keras.models.Model(x, layers.Dense(10, activation="softmax")(y))
    model.compile(optimizer(keras, "RMSprop", 0.0001), "categorical_crossentropy", metrics=["accuracy"])
    return model


def lstm(keras: Any) -> Any:
    """Reviews of 80 words; the same formulas everywhere (newer Kerases' default)."""
    return _reviews(keras, keras.layers.LSTM(128, recurrent_activation="sigmoid"))


def gru(keras: Any) -> Any:
    """The same with the GRU that newer Kerases and PyTorch have; Keras 2.0.9 has the older one only."""
    newer = {} if old(keras) else {"reset_after": True}
    return _reviews(keras, keras.layers.GRU(128, recurrent_activation="sigmoid", **newer))


def _reviews(keras: Any, recurrent: Any) -> Any:
    layers = keras.layers
    x = layers.Input((80,), dtype="int32")
    y = layers.Dense(1, activation="sigmoid")(recurrent(layers.Embedding(20000, 128)(x)))
    model = keras.models.Model(x, y)
    model.compile(optimizer(keras, "Adam", 0.001), "binary_crossentropy", metrics=["accuracy"])
    return model


def resnet20(keras: Any) -> Any:
    """He and others 2015, section 4.2, with n = 3 and convolutions of 1x1 where a shortcut changes its shape."""
    layers = keras.layers

    def convolved(y: Any, units: int, size: int = 3, strides: int = 1) -> Any:
        return layers.Conv2D(units, (size, size), strides=strides, padding="same", kernel_initializer="he_normal")(y)

    def settled(y: Any, activated: bool = True) -> Any:
        y = layers.BatchNormalization()(y)
        return layers.Activation("relu")(y) if activated else y

    x = layers.Input((32, 32, 3))
    y = settled(convolved(x, 16))
    for stage, units in enumerate((16, 32, 64)):
        for block in range(3):
            strides = 2 if stage and not block else 1
            z = settled(convolved(settled(convolved(y, units, strides=strides)), units), False)
            if strides == 2:
                y = convolved(y, units, 1, 2)
            y = layers.Activation("relu")(layers.add([y, z]))
    y = layers.Flatten()(layers.AveragePooling2D((8, 8))(y))
    model = keras.models.Model(x, layers.Dense(10, activation="softmax")(y))
    model.compile(optimizer(keras, "Adam", 0.001), "categorical_crossentropy", metrics=["accuracy"])
    return model


def vae(keras: Any) -> Any:
    """Kingma and Welling 2013; the model of docs/examples/variational_autoencoder.py."""
    Dense = keras.layers.Dense
    newer = keras.__name__ == "keras" and keras.__version__[0] != "2"
    K = keras.ops if newer else keras.backend

    class Draw(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            if newer:
                self.generator = keras.random.SeedGenerator(1)

        def call(self, parameters: Any) -> Any:
            mean, log_variance = parameters
            apart = K.sum(1.0 + log_variance - K.square(mean) - K.exp(log_variance), axis=-1)
            loss = -0.5 * K.mean(apart)
            if newer:
                self.add_loss(loss)
                noise = keras.random.normal(K.shape(mean), seed=self.generator)
            else:
                self.add_loss(loss, inputs=parameters) if old(keras) else self.add_loss(loss)
                noise = K.random_normal(K.shape(mean))
            return mean + K.exp(0.5 * log_variance) * noise

        def compute_output_shape(self, shapes: Any) -> Any:
            return shapes[0]

    x = keras.layers.Input((784,))
    hidden = Dense(256, activation="relu")(x)
    point = Draw()([Dense(2)(hidden), Dense(2)(hidden)])
    painted = Dense(784, activation="sigmoid")(Dense(256, activation="relu")(point))
    model = keras.models.Model(x, painted)
    model.compile(optimizer(keras, "RMSprop", 0.001),
                  lambda image, made: 784.0 * keras.losses.binary_crossentropy(image, made))
    return model


class Case(NamedTuple):
    """A program: what it is, how it is built, rows a batch, and what one sample of the clock is: so many epochs of so
    many steps."""

    what: str
    build: Callable[[Any], Any]
    batch: int
    steps: int
    epochs: int
    data: str  # see data.py


CASES = {
    "tiny": Case("1-16-32-2, Adam, batch 10", tiny, 10, 1000, 1, "points"),
    "quiz": Case("32x32x3 flattened, 128-5, Adam, batch 32", quiz, 32, 100, 4, "photographs of 5"),
    "mlp": Case("784-512-512-10, dropout, RMSprop, batch 128", mlp, 128, 100, 2, "digits as rows"),
    "mnist_cnn": Case("28x28, convolutions 3x3 to 32 and 64, pooling, dropout, 128-10, Adadelta, batch 128", mnist_cnn,
                      128, 20, 1, "digits"),
    "cifar10_cnn": Case("32x32x3, four convolutions 3x3 to 32, 32, 64, 64, pooling, dropout, 512-10, RMSprop, batch 32",
                        cifar10_cnn, 32, 40, 1, "photographs of 10"),
    "lstm": Case("Embedding 20000x128, LSTM 128, 80 steps, Adam, batch 32", lstm, 32, 30, 1, "reviews"),
    "gru": Case("Embedding 20000x128, GRU 128, 80 steps, Adam, batch 32", gru, 32, 30, 1, "reviews"),
    "resnet20": Case("ResNet-20 on 32x32x3, Adam, batch 32", resnet20, 32, 15, 1, "photographs of 10"),
    "vae": Case("784-256-2-256-784, variational, RMSprop, batch 100", vae, 100, 100, 2, "images"),
}


def flops(name: str) -> int:
    """Multiplications and additions of the matrix products and convolutions in a training step of the program, forward
    and backward; what is elementwise is not counted. The first layer needs no gradient of its input."""
    def product(inner: int, outer: int, places: int = 1, first: bool = False) -> int:
        return 2 * inner * outer * places * (2 if first else 3)

    def resnet() -> int:
        total, before = product(27, 16, 32 * 32, True), 16
        for stage, units in enumerate((16, 32, 64)):
            places = (32 >> stage) ** 2
            for _ in range(3):
                total += product(9 * before, units, places) + product(9 * units, units, places)
                total += product(before, units, places) if before != units else 0
                before = units
        return total + product(64, 10)

    rows = {
        "tiny": product(1, 16, first=True) + product(16, 32) + product(32, 2),
        "quiz": product(3072, 128, first=True) + product(128, 5),
        "mlp": product(784, 512, first=True) + product(512, 512) + product(512, 10),
        "mnist_cnn": product(9, 32, 26 * 26, True) + product(288, 64, 24 * 24) + product(9216, 128) + product(128, 10),
        "cifar10_cnn": product(27, 32, 32 * 32, True) + product(288, 32, 30 * 30) + product(288, 64, 15 * 15)
        + product(576, 64, 13 * 13) + product(2304, 512) + product(512, 10),
        "lstm": 80 * product(256, 512) + product(128, 1),
        "gru": 80 * product(256, 384) + product(128, 1),
        "resnet20": resnet(),
        "vae": product(784, 256, first=True) + 2 * product(256, 2) + product(2, 256) + product(256, 784),
    }
    return rows[name] * CASES[name].batch
