"""Recurrent, the base class that programs had before there were cells."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Input, Masking, Recurrent
from gpukeras.models import Model, Sequential, model_from_json

N, STEPS, SIZE, UNITS = 2, 4, 3, 5
X = np.random.RandomState(0).normal(size=(N, STEPS, SIZE)).astype("float32")


class Own(Recurrent):
    """Multiplies in `preprocess_input`, and adds a constant of its own at every step."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units))
        self.input_spec[0].shape = (input_shape[0] if self.stateful else None, None, input_shape[-1])
        self.states = [None]
        if self.stateful:
            self.reset_states()
        self.built = True

    def preprocess_input(self, inputs, training=None):
        return K.dot(inputs, self.kernel)

    def get_constants(self, inputs, training=None):
        return [K.mean(inputs)]

    def step(self, x, states):
        h, mean = states
        new = K.tanh(x + h) + mean
        return new, [new]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def by_hand(x, kernel):
    h, outputs = np.zeros((N, UNITS)), []
    for t in range(STEPS):
        h = np.tanh(x[:, t] @ kernel + h) + x.mean()
        outputs.append(h)
    return np.stack(outputs, 1)


def test_steps_of_ones_own():
    layer = Own(UNITS, return_sequences=True, return_state=True)
    inputs = Input((STEPS, SIZE))
    outputs, state = Model(inputs, layer(inputs)).predict(X)
    np.testing.assert_allclose(outputs, by_hand(X, layer.get_weights()[0]), 1e-4, 1e-5)
    np.testing.assert_array_equal(state, outputs[:, -1])
    assert layer.compute_output_shape((7, STEPS, SIZE)) == [(7, STEPS, UNITS), (7, UNITS)]


def test_in_a_model():
    model = Sequential([Masking(input_shape=(STEPS, SIZE)), Own(UNITS), Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(X, np.ones((N, 1)))
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    again = model_from_json(model.to_json(), custom_objects={"Own": Own})
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_stateful():
    layer = Own(UNITS, stateful=True)
    model = Sequential([Input(batch_shape=X.shape), layer])
    first, second = model.predict(X), model.predict(X)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(K.get_value(layer.states[0]), second)
    model.reset_states()
    np.testing.assert_allclose(model.predict(X), first, 1e-6)


def test_without_a_step():
    class Idle(Recurrent):
        units = 2

        def build(self, input_shape):
            self.states = [None]
            self.built = True
    with pytest.raises(NotImplementedError, match="Idle does not say what a step is"):
        Idle()(Input((STEPS, SIZE)))
