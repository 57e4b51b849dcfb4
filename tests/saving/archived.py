"""What the tests of archives share: a small model, and what stands in an archive."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import numpy as np

from gpukeras import layers as L
from gpukeras.models import Sequential


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def described(path):
    return json.loads(members(path)["config.json"])


def stored(path):
    """Paths and shapes of all arrays in an archive, or a file of weights."""
    found = {}
    source = path if path.suffix == ".h5" else io.BytesIO(members(path)["model.weights.h5"])
    with h5py.File(source) as file:
        file.visititems(lambda name, o: found.update({name: o.shape}) if isinstance(o, h5py.Dataset) else None)
    return found


def small(optimizer="adam", **kwargs):
    model = Sequential([L.Dense(3, activation="tanh", input_shape=(4,)), L.BatchNormalization(), L.Dense(2)])
    model.compile(optimizer, "mse", **kwargs)
    return model


X, Y = np.random.RandomState(0).rand(6, 4), np.random.RandomState(1).rand(6, 2)


def loss(model, x=X, y=Y):
    """That of one more training step."""
    return np.ravel(model.train_on_batch(x, y))[0]


class Scale(L.Layer):
    """A layer of the user's."""

    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.factor = self.add_weight(name="factor", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.factor + self.start

    def get_config(self):
        return {**super().get_config(), "start": self.start}
