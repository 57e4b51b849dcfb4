"""ConvLSTM2D against convolutions step by step."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import ConvLSTM2D, Input, TimeDistributed
from gpukeras.layers.core import Activation
from gpukeras.models import Model, Sequential, model_from_json

N, STEPS, ROWS, COLS, CHANNELS, FILTERS = 2, 3, 5, 4, 2, 3
X = np.random.RandomState(0).normal(size=(N, STEPS, ROWS, COLS, CHANNELS)).astype("float32")


def by_hand(weights, x, **options):
    """All outputs, with K.conv2d for the products."""
    kernel, recurrent, bias = (K.constant(w) for w in weights)
    h = c = None
    outputs = []
    for t in range(STEPS):
        z = K.conv2d(K.constant(x[:, t]), kernel, **options) + bias
        h = K.zeros_like(z[..., :FILTERS]) if h is None else h
        c = K.zeros_like(h) if c is None else c
        z = z + K.conv2d(h, recurrent, padding="same")
        i, f, g, o = (z[..., k * FILTERS:(k + 1) * FILTERS] for k in range(4))
        c = K.hard_sigmoid(f) * c + K.hard_sigmoid(i) * K.tanh(g)
        h = K.hard_sigmoid(o) * K.tanh(c)
        outputs.append(h)
    return K.eval(K.stack(outputs, 1))


@pytest.mark.parametrize("options", [{}, {"padding": "same"}, {"strides": (2, 1)}, {"dilation_rate": (1, 2)}])
def test_formula(options):
    layer = ConvLSTM2D(FILTERS, (3, 2), return_sequences=True, **options)
    model = Sequential([Input(X.shape[1:]), layer])
    model.set_weights([np.random.RandomState(i).normal(size=w.shape) * 0.3 for i, w in enumerate(layer.get_weights())])
    expected = by_hand(layer.get_weights(), X, **options)
    np.testing.assert_allclose(model.predict(X), expected, 1e-4, 1e-5)
    assert model.output_shape == (None, *expected.shape[1:])


def test_channels_first():
    last = Sequential([Input(X.shape[1:]), ConvLSTM2D(FILTERS, 3, return_sequences=True)])
    first = Sequential([Input((STEPS, CHANNELS, ROWS, COLS)),
                        ConvLSTM2D(FILTERS, 3, return_sequences=True, data_format="channels_first")])
    first.set_weights(last.get_weights())
    moved = np.moveaxis(X, -1, 2)
    np.testing.assert_allclose(first.predict(moved), np.moveaxis(last.predict(X), -1, 2), 1e-5, 1e-6)


def test_states_given_and_returned():
    x = Input(X.shape[1:])
    layer = ConvLSTM2D(FILTERS, 3, return_state=True, padding="same")
    states = [Input((ROWS, COLS, FILTERS)) for _ in range(2)]
    model = Model([x, *states], layer(x, initial_state=states))
    zeros = [np.zeros((N, ROWS, COLS, FILTERS))] * 2
    whole = model.predict([X, *zeros])
    np.testing.assert_array_equal(whole[0], whole[1])
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    ones = [np.ones_like(z) for z in zeros]
    np.testing.assert_array_equal(again.predict([X, *ones])[2], model.predict([X, *ones])[2])
    with pytest.raises(ValueError, match="initial state"):
        layer(x, initial_state=states[:1])
    with pytest.raises(ValueError, match="Initial state 1 is incompatible"):
        layer(x, initial_state=[states[0], Input((ROWS, 1, FILTERS))])


def test_stateful():
    layer = ConvLSTM2D(FILTERS, 2, stateful=True, return_sequences=True)
    model = Sequential([Input(batch_shape=X.shape), layer])
    first, second = model.predict(X), model.predict(X)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(K.get_value(layer.states[0]), second[:, -1])
    layer.reset_states()
    np.testing.assert_allclose(model.predict(X), first, 1e-6)
    layer.reset_states([np.ones((N, ROWS - 1, COLS - 1, FILTERS))] * 2)
    assert K.get_value(layer.states[1]).min() == 1


def test_dropout_and_losses():
    layer = ConvLSTM2D(FILTERS, 2, dropout=0.4, recurrent_dropout=0.3, kernel_regularizer="l2", bias_regularizer="l1",
                       recurrent_regularizer="l1", activity_regularizer="l2")
    x = Input(X.shape[1:])
    y = layer(x)
    assert y._uses_learning_phase and len(layer.losses) == 4
    f = K.function([x, K.learning_phase()], [y])
    assert not np.allclose(f([X, 1])[0], f([X, 1])[0])
    np.testing.assert_array_equal(f([X, 0])[0], f([X, 0])[0])


def test_a_stack_learns():
    model = Sequential([ConvLSTM2D(4, 3, padding="same", return_sequences=True, input_shape=X.shape[1:]),
                        TimeDistributed(Activation("relu")), ConvLSTM2D(1, 3, padding="same")])
    model.compile("adam", "mse")
    y = X.sum((1, 4))[..., None] * 0.1
    losses = [model.train_on_batch(X, y) for _ in range(40)]
    assert losses[-1] < 0.8 * losses[0]


def test_bias():
    layer = ConvLSTM2D(2, 1)
    layer.build((None, None, 3, 3, 1))
    assert layer.bias is layer.cell.bias and K.get_value(layer.bias).tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_keras_1_arguments():
    with pytest.warns(UserWarning, match="Keras 1 spelling"):
        layer = ConvLSTM2D(nb_filter=3, kernel_size=2, border_mode="same", inner_init="uniform", dropout_W=0.1)
    assert (layer.filters, layer.padding, layer.dropout) == (3, "same", 0.1)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="does not fit"):
        ConvLSTM2D(1, 9)(Input(X.shape[1:]))
    with pytest.raises(ValueError, match="number of its input's channels"):
        ConvLSTM2D(1, 2)(Input((STEPS, ROWS, COLS, None)))
    with pytest.raises(ValueError, match="ndim"):
        ConvLSTM2D(1, 2)(Input((ROWS, COLS, 1)))


def test_the_parts_of_a_step_by_their_names_of_keras_2():
    layer = ConvLSTM2D(2, 3, strides=2, dropout=0.5)
    x = K.constant(np.random.RandomState(0).rand(1, 4, 7, 7, 1))
    layer(x)
    image, state = x[:, 0], layer.get_initial_state(x)
    kernel = layer.kernel[..., :2]
    convolved = layer.input_conv(image, kernel, layer.bias[:2], padding="same")
    assert K.int_shape(K.constant(K.eval(convolved))) == (1, 4, 4, 2)
    np.testing.assert_allclose(K.eval(layer.input_conv(image, kernel)), K.eval(K.conv2d(image, kernel, (2, 2))))
    np.testing.assert_allclose(K.eval(layer.recurrent_conv(image, kernel)),
                               K.eval(K.conv2d(image, kernel, padding="same")))
    output, states = layer.step(image, [*state, "constants"])
    expected, _ = layer.cell.call(image, state)
    np.testing.assert_array_equal(K.eval(output), K.eval(expected))
    assert len(states) == 2
    of_inputs, of_state = layer.get_constants(x)
    assert len(of_inputs) == 4 and of_state == [1.0] * 4
    assert (K.eval(of_inputs[0]) == 1).all()  # nothing is dropped but in training
