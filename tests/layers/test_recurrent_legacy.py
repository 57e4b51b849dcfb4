"""Recurrent and ConvRecurrent2D, the base classes that programs had before there were cells."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.engine import InputSpec
from gpukeras.layers import ConvRecurrent2D, Dense, Input, Masking, Recurrent
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


class Added(ConvRecurrent2D):
    """Adds up what a convolution makes of the images; its first state is a convolution with zeros."""

    def build(self, input_shape):
        self.input_spec[0] = InputSpec(shape=(None, None, *input_shape[2:]))
        channels = input_shape[2 if self.data_format == "channels_first" else -1]
        self.kernel = self.add_weight(name="kernel", shape=(*self.kernel_size, channels, self.filters))
        self.states = [None]
        self.built = True

    def convolved(self, x, kernel):
        return K.conv2d(x, kernel, self.strides, self.padding, self.data_format, self.dilation_rate)

    def get_initial_state(self, inputs):
        return [self.convolved(K.zeros_like(inputs[:, 0]), K.zeros_like(self.kernel))]

    def step(self, x, states):
        new = states[0] + self.convolved(x, self.kernel)
        return new, [new]


@pytest.mark.parametrize("options", [
    {}, {"strides": 2, "return_sequences": True}, {"dilation_rate": (1, 2), "return_state": True, "go_backwards": True},
    {"padding": "same", "data_format": "channels_first", "return_sequences": True, "return_state": True}])
def test_states_that_are_images(options):
    shape = (STEPS, 2, 7, 6) if "data_format" in options else (STEPS, 7, 6, 2)
    x = np.random.RandomState(0).normal(size=(N, *shape)).astype("float32")
    inputs, layer = Input(shape), Added(3, 2, **options)
    model = Model(inputs, layer(inputs))
    got, shapes = (v if isinstance(v, list) else [v] for v in (model.predict(x), model.output_shape))
    assert [v.shape[1:] for v in got] == [s[1:] for s in shapes]
    windows = {k: v for k, v in options.items() if k not in ("return_sequences", "return_state", "go_backwards")}
    each = [K.eval(K.conv2d(K.constant(x[:, t]), layer.kernel, windows.get("strides", (1, 1)),
                            windows.get("padding", "valid"), layer.data_format, windows.get("dilation_rate", (1, 1))))
            for t in range(STEPS)]
    sums = np.cumsum(each[::-1] if "go_backwards" in options else each, 0).swapaxes(0, 1)
    np.testing.assert_allclose(got[0], sums if "return_sequences" in options else sums[:, -1], 1e-4, 1e-5)
    if "return_state" in options:
        np.testing.assert_array_equal(got[1], got[0][:, -1] if "return_sequences" in options else got[0])
    again = model_from_json(model.to_json(), custom_objects={"Added": Added})
    again.set_weights(model.get_weights())
    once_more = again.predict(x)
    for a, b in zip(once_more if isinstance(once_more, list) else [once_more], got, strict=True):
        np.testing.assert_array_equal(a, b)
