"""What tests/distribute compares: run by one process, and by the ranks of a job. Prints what it computed as JSON; every
rank checks that all have the same."""

from __future__ import annotations

import json
import sys
import zlib

import numpy as np

import gpukeras as keras
from gpukeras import backend as K
from gpukeras import distribute
from gpukeras.callbacks import CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from gpukeras.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Lambda,
    MaxPooling2D,
    TimeDistributed,
)
from gpukeras.metric_classes import Precision
from gpukeras.models import Model, Sequential, load_model


def main() -> None:
    """Everything, in one process or several."""
    folder = sys.argv[1]
    found: dict[str, object] = {}
    np.random.seed(5)
    x = np.random.rand(103, 20).astype("float32")
    y = np.eye(5)[np.random.randint(0, 5, 103)]

    def checksum(*arrays):
        return zlib.crc32(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays))

    def batches(size=17):
        i = 0
        while True:
            i = i % 6
            yield x[i * size:(i + 1) * size], y[i * size:(i + 1) * size]
            i += 1

    class Losses(keras.callbacks.Callback):
        """Notes the loss of every step."""

        def on_train_begin(self, logs=None):
            self.losses = []

        def on_batch_end(self, batch, logs=None):
            self.losses.append(float(logs["loss"]))

    # before training the weights are the same, so evaluation and prediction are the same to the bit
    mlp = Sequential([Dense(32, activation="relu", input_shape=(20,)), Dropout(0.3),
                      Dense(5, activation="softmax", kernel_regularizer="l2", activity_regularizer="l2")])
    mlp.compile("adam", "categorical_crossentropy", ["acc"])
    found["exact evaluate"] = mlp.evaluate(x, y, batch_size=16, verbose=0)
    found["exact predict"] = checksum(mlp.predict(x, batch_size=16))
    found["exact evaluate_generator"] = mlp.evaluate_generator(batches(), 5)
    found["exact predict_generator"] = checksum(mlp.predict_generator(batches(), 5))

    rng = np.random.RandomState(1)
    losses = Losses()
    history = mlp.fit(x, y, batch_size=16, epochs=2, verbose=0, validation_split=0.2, callbacks=[losses])
    found["mlp"] = [losses.losses, dict(history.history)]
    found["weights of samples"] = mlp.fit(x, y, batch_size=31, epochs=1, verbose=0, class_weight={
        0: 1., 1: 2., 2: .5, 3: 1., 4: 1.}, sample_weight=rng.randint(0, 3, 103)).history["loss"]
    found["generator"] = mlp.fit_generator(batches(), 4, epochs=2, verbose=0).history["loss"]
    found["few rows"] = [float(mlp.train_on_batch(x[:n], y[:n])[0]) for n in (1, 3, 1, 2)]

    # callbacks that change the training run on rank 0 and count on all
    called: list[int] = []
    mlp.fit(x, y, batch_size=40, epochs=3, verbose=0, validation_data=(x[:50], y[:50]), callbacks=[
        ReduceLROnPlateau("loss", patience=0, min_delta=9, factor=0.5), CSVLogger(folder + "/log.csv"),
        LambdaCallback(on_epoch_end=lambda epoch, logs: called.append(len(mlp.predict(x[:50], batch_size=10)))),
        ModelCheckpoint(folder + "/best.h5", save_best_only=True), EarlyStopping("loss", patience=0, min_delta=9)])
    found["learning rate"] = float(K.get_value(mlp.optimizer.lr))
    found["called"] = sum(distribute.gather(len(called)))
    mlp.load_weights(folder + "/best.h5")
    mlp.save(folder + "/model.h5")
    found["exact saved"] = checksum(load_model(folder + "/model.h5").predict(x)) == checksum(mlp.predict(x))

    cnn = Sequential([Conv2D(4, 3, activation="relu", input_shape=(10, 10, 1)), BatchNormalization(synchronized=True),
                      MaxPooling2D(), Dropout(0.25), Flatten(), Dense(5, activation="softmax")])
    cnn.compile(keras.optimizers.SGD(0.1, momentum=0.9), "categorical_crossentropy", ["acc"])
    pictures = rng.rand(43, 10, 10, 1).astype("float32")
    cnn.fit(pictures, y[:43], batch_size=15, epochs=2, verbose=0, callbacks=[losses])
    found["cnn"] = losses.losses
    found["moving mean"] = cnn.layers[1].get_weights()[2].tolist()

    words = rng.randint(0, 2000, (37, 9)) * (rng.rand(37, 9) > 0.3)
    steps = rng.rand(37, 9, 1)
    lstm = Sequential([Embedding(2000, 8, mask_zero=True, input_length=9), LSTM(6, dropout=0.2, recurrent_dropout=0.2),
                       Dense(1, activation="sigmoid")])
    lstm.compile("adam", "binary_crossentropy", [Precision()])
    history = lstm.fit(words, y[:37, 0], batch_size=9, epochs=2, verbose=0, callbacks=[losses])
    found["lstm"] = [losses.losses, history.history["loss"]]
    masked = Sequential([Embedding(2000, 8, mask_zero=True, input_length=9), GRU(6, return_sequences=True),
                         TimeDistributed(Dense(1))])
    masked.compile("rmsprop", "mse", ["mae"], sample_weight_mode="temporal")
    found["masked"] = masked.fit(words, steps, batch_size=9, epochs=2, verbose=0, sample_weight=rng.rand(37, 9)
                                 ).history["loss"]

    a = Input((20,))
    b = Dense(8, activation="tanh")(a)
    c = Lambda(lambda v: v + K.random_normal(K.shape(v)))(b)
    two = Model(a, [Dense(5, activation="softmax", name="u")(c), Dense(1, name="v")(b)])
    two.add_loss(K.sum(K.square(b)) * 1e-3)
    two.compile(keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.5), {
        "u": "categorical_crossentropy", "v": lambda p, q: K.mean(K.square(p - q))}, loss_weights={"u": 1., "v": .3},
        metrics={"u": ["acc", lambda p, q: K.mean(q)]})
    found["two outputs"] = two.fit(x, [y, y[:, :1]], batch_size=23, epochs=2, verbose=0).history["loss"]
    found["exact random numbers"] = np.random.rand()
    found["exact size of the job"] = max(distribute.size(), 2)

    everyone = distribute.gather([json.dumps(found, default=float), *(
        checksum(*m.get_weights()) for m in (mlp, cnn, lstm, masked, two))])
    assert everyone.count(everyone[0]) == len(everyone), everyone
    print(json.dumps(found, default=float))


if __name__ == "__main__":
    main()
