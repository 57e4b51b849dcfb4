"""SimpleRNN, GRU, LSTM: formulas by hand, and the fused op against the cell walked step by step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers
from gpukeras.layers import Dense, Input
from gpukeras.models import Model, Sequential

LAYERS = [layers.SimpleRNN, layers.GRU, layers.LSTM]
CELLS = {layers.SimpleRNN: layers.SimpleRNNCell, layers.GRU: layers.GRUCell, layers.LSTM: layers.LSTMCell}
N, STEPS, SIZE, UNITS = 9, 5, 2, 8  # states of more than 64 numbers: the compiler treats smaller ones otherwise
RNG = np.random.RandomState(0)
X = RNG.normal(size=(N, STEPS, SIZE))
MASKED = X.copy()
MASKED[0, :2] = MASKED[1, 2] = MASKED[2] = MASKED[5:, 3:] = 0

every = pytest.mark.parametrize("layer_class", LAYERS)


pytestmark = pytest.mark.usefixtures("float64")


def weights_for(layer, seed=1):
    rng = np.random.RandomState(seed)
    return [rng.normal(size=K.int_shape(w)) * 0.6 for w in layer.weights]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def by_hand(kind, weights, x, gate):
    """All outputs for all steps, from the formulas."""
    kernel, recurrent, bias = weights
    h, c, outputs = np.zeros((len(x), UNITS)), np.zeros((len(x), UNITS)), []
    for t in range(x.shape[1]):
        z = x[:, t] @ kernel + bias
        if kind is layers.SimpleRNN:
            h = np.tanh(z + h @ recurrent)
        elif kind is layers.GRU:
            zz, zr, zh = np.split(z, 3, 1)
            uz, ur, uh = np.split(recurrent, 3, 1)
            update, reset = gate(zz + h @ uz), gate(zr + h @ ur)
            h = update * h + (1 - update) * np.tanh(zh + (reset * h) @ uh)
        else:
            i, f, g, o = np.split(z + h @ recurrent, 4, 1)
            c = gate(f) * c + gate(i) * np.tanh(g)
            h = gate(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1)


@every
@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("gate", [sigmoid, hard_sigmoid])
def test_formulas(layer_class, implementation, gate):
    arguments = {} if layer_class is layers.SimpleRNN else {"implementation": implementation,
                                                            "recurrent_activation": gate.__name__}
    layer = layer_class(UNITS, return_sequences=True, **arguments)
    model = Sequential([Input((STEPS, SIZE)), layer])
    model.set_weights(weights_for(layer))
    np.testing.assert_allclose(model.predict(X), by_hand(layer_class, model.get_weights(), X, gate), 1e-10, 1e-10)


def both_ways(layer_class, x, walk=False, training=None, **arguments):
    """Outputs and derivatives of a layer, of two batches if it is stateful."""
    np.random.seed(5)  # the same dropout masks each time
    layer = layer_class(UNITS, return_state=True, **arguments)
    layer.fused = not walk
    inputs = Input(batch_shape=(N, STEPS, SIZE))
    outputs = layer(inputs, training=training)
    layer.set_weights(weights_for(layer))
    loss = sum(K.sum(K.square(t) * K.sin(K.cumsum(K.ones_like(t), -1))) for t in outputs)
    wrt = [inputs, *layer.weights]
    f = K.function([inputs, K.learning_phase()], [*outputs, *K.gradients(loss, wrt)], layer.updates)
    first = f([x, 1])
    return [*first, *f([x, 1])] if layer.stateful else first


OPTIONS = [dict(zip(("return_sequences", "go_backwards", "unroll", "stateful"), flags))
           for flags in itertools.product([False, True], repeat=4)]


@every
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(k for k, v in o.items() if v) or "plain")
def test_fused_and_walked_agree(layer_class, options):
    compare(layer_class, X, **options)


def compare(layer_class, x, **options):
    fused, walked = (both_ways(layer_class, x, walk, **options) for walk in (False, True))
    assert len(fused) == len(walked)
    for a, b in zip(fused, walked):
        np.testing.assert_allclose(a, b, 1e-9, 1e-9)


class Masked:
    """A layer class whose layers skip the steps that are 0."""

    def __init__(self, layer_class):
        self.layer_class = layer_class

    def __call__(self, units, **arguments):
        layer = self.layer_class(units, **arguments)
        call = layer.call

        def masked(inputs, mask=None, **kwargs):
            return call(inputs, mask=K.any(K.not_equal(inputs, 0), -1), **kwargs)
        layer.call = masked
        return layer


@every
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(k for k, v in o.items() if v) or "plain")
def test_fused_and_walked_agree_with_masks(layer_class, options):
    compare(Masked(layer_class), MASKED, **options)


@every
@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("dropout, recurrent_dropout", [(0.4, 0.0), (0.0, 0.4), (0.3, 0.3)])
def test_fused_and_walked_agree_with_dropout(layer_class, implementation, dropout, recurrent_dropout):
    more = {} if layer_class is layers.SimpleRNN else {"implementation": implementation}
    options = {"dropout": dropout, "recurrent_dropout": recurrent_dropout, **more}
    compare(layer_class, X, return_sequences=True, **options)
    compare(layer_class, X, training=True, **options)
    plain = both_ways(layer_class, X, return_sequences=True)
    assert not np.allclose(both_ways(layer_class, X, return_sequences=True, **options)[0], plain[0])
    np.testing.assert_allclose(both_ways(layer_class, X, training=False, return_sequences=True, **options)[0], plain[0],
                               1e-9)


@every
@pytest.mark.parametrize("activation", ["relu", "linear", "sigmoid", "hard_sigmoid", None])
def test_fused_and_walked_agree_for_activations(layer_class, activation):
    compare(layer_class, X, activation=activation)
    if layer_class is not layers.SimpleRNN:
        compare(layer_class, X, recurrent_activation=activation)


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"dropout": 0.3, "recurrent_dropout": 0.3},
                                     {"recurrent_dropout": 0.3, "implementation": 2}])
def test_the_reset_gate_after_the_product(options):
    compare(layers.GRU, X, reset_after=True, return_sequences=True, **options)
    cudnn = Sequential([Input((STEPS, SIZE)), layers.CuDNNGRU(UNITS)])
    later = Sequential([Input((STEPS, SIZE)), layers.GRU(UNITS, reset_after=True, recurrent_activation="sigmoid")])
    kernel, recurrent, bias = weights_for(cudnn)
    cudnn.set_weights([kernel, recurrent, bias])
    later.set_weights([kernel, recurrent, bias.reshape(2, -1)])
    np.testing.assert_allclose(later.predict(X), cudnn.predict(X), 1e-9)


@pytest.mark.parametrize("layer_class", [layers.CuDNNGRU, layers.CuDNNLSTM])
def test_fused_and_walked_agree_for_cudnn(layer_class):
    compare(layer_class, X, return_sequences=True)
    compare(layer_class, X, stateful=True)


def test_configs_of_later_keras():
    later = {"time_major": False, "zero_output_for_mask": False}
    for layer in (layers.GRU(3, reset_after=True), layers.LSTM(3), layers.SimpleRNN(3), layers.ConvLSTM2D(2, 2),
                  layers.RNN(layers.GRUCell(2))):
        config = {**layer.get_config(), **later}
        assert type(layer).from_config(config).get_config() == layer.get_config()
        with pytest.raises(ValueError, match="time_major=True"):
            type(layer).from_config({**config, "time_major": True})
    assert "reset_after" not in layers.GRU(3).get_config()


@every
def test_what_is_fused(layer_class):
    def ops(layer):
        x = K.placeholder((N, STEPS, SIZE))
        f = K.function([x], [layer(x)])
        return {s.op.name for s in f.program([X.shape]).plan.steps}

    class Own(layer_class):
        pass

    class OwnCell(CELLS[layer_class]):
        def call(self, inputs, states, training=None):
            output, states = super().call(inputs, states, training)
            return output * 2, states

    own_cell = layer_class(UNITS)
    own_cell.cell = OwnCell(UNITS)
    assert "recurrence" not in ops(layer_class(UNITS)) | ops(Own(UNITS))
    assert "recurrence" in ops(own_cell)
    assert "recurrence" in ops(layer_class(UNITS, activation="elu"))
    assert "recurrence" in ops(layer_class(UNITS, activation=lambda x: K.tanh(x)))
    assert "recurrence" in ops(layers.RNN(CELLS[layer_class](UNITS)))


@every
def test_second_derivatives_step_by_step(layer_class):
    x = K.variable(X)
    layer = layer_class(UNITS)
    layer.fused = False
    first, = K.gradients(K.sum(layer(x) ** 2), [x])
    assert K.eval(K.gradients(K.sum(first ** 2), [x])[0]).shape == X.shape


@every
def test_steps_may_vary_in_number(layer_class):
    layer = layer_class(UNITS)
    model = Sequential([Input((None, SIZE)), layer])
    long, short = model.predict(X), model.predict(X[:, :2])
    assert long.shape == short.shape == (N, UNITS) and not np.allclose(long, short)


@every
def test_dropout_masks_hold_for_all_steps(layer_class):
    layer = layer_class(UNITS, dropout=0.5, return_sequences=True)
    layer.build((None, None, SIZE))
    x = K.placeholder((1, STEPS, SIZE))
    slope, = K.gradients(K.sum(layer(x, training=True)), [x])
    f = K.function([x], [slope])
    for _ in range(20):
        dropped = f([X[:1]])[0][0, 1:] == 0  # in the first step a GRU's reset gate has no say
        assert (dropped == dropped[0]).all()


@every
def test_flag_of_the_learning_phase(layer_class):
    x = K.constant(X)
    assert not layer_class(UNITS)(x)._uses_learning_phase
    assert layer_class(UNITS, dropout=0.1)(x)._uses_learning_phase
    assert layer_class(UNITS, recurrent_dropout=0.1)(x)._uses_learning_phase
    assert not layer_class(UNITS, dropout=0.1)(x, training=True)._uses_learning_phase


# Weights and arguments -----------------------------------------------------------------------------------------
def test_bias_of_the_forget_gate():
    layer = layers.LSTM(2, bias_initializer="zeros")
    layer.build((None, None, 1))
    assert layer.get_weights()[2].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    layer = layers.LSTM(2, bias_initializer="ones", unit_forget_bias=False)
    layer.build((None, None, 1))
    assert layer.get_weights()[2].tolist() == [1] * 8
    layer = layers.CuDNNLSTM(1)
    layer.build((None, None, 1))
    assert layer.get_weights()[2].tolist() == [0, 0, 0, 0, 0, 1, 0, 0]


@every
def test_parts_of_the_weights_have_names(layer_class):
    layer = layer_class(UNITS)
    layer.build((None, None, SIZE))
    cell = layer.cell
    for i, gate in enumerate(g for g in cell._gates if g):
        part = slice(i * UNITS, (i + 1) * UNITS)
        for name in ("kernel", "recurrent_kernel", "bias"):
            whole = K.eval(getattr(cell, name))
            np.testing.assert_array_equal(K.eval(getattr(cell, f"{name}_{gate}")), whole[..., part])


@every
def test_frozen(layer_class):
    model = Sequential([Input((STEPS, SIZE)), layer_class(UNITS), Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    before = model.layers[0].get_weights()
    model.train_on_batch(X, np.ones((N, 1)))
    for a, b in zip(before, model.layers[0].get_weights()):
        np.testing.assert_array_equal(a, b)
    assert len(model.trainable_weights) == 2 and len(model.layers[0].non_trainable_weights) == 3


@every
def test_weights_given_to_the_constructor(layer_class):
    model = Sequential([layer_class(UNITS, input_shape=(STEPS, SIZE))])
    again = Sequential([layer_class(UNITS, input_shape=(STEPS, SIZE), weights=model.get_weights())])
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@every
def test_losses_of_weights_and_outputs(layer_class):
    layer = layer_class(UNITS, kernel_regularizer="l2", recurrent_regularizer="l2", bias_regularizer="l2",
                        activity_regularizer="l1")
    inputs = Input((STEPS, SIZE))
    model = Model(inputs, layer(inputs))
    assert len(layer.get_losses_for(None)) == 3 and len(layer.get_losses_for(inputs)) == 1
    assert len(layer.losses) == len(model.losses) == 4


@every
def test_keras_1_arguments(layer_class):
    with pytest.warns(UserWarning, match="Keras 1 spelling"):
        layer = layer_class(output_dim=3, init="normal", inner_init="uniform", W_regularizer="l1", U_regularizer="l2",
                            b_regularizer="l1", dropout_W=0.1, dropout_U=0.2)
    assert (layer.units, layer.dropout, layer.recurrent_dropout) == (3, 0.1, 0.2)
    with pytest.warns(UserWarning, match="input_shape="):
        model = Sequential([layer_class(3, input_dim=SIZE, input_length=STEPS)])
    assert model.input_shape == (None, STEPS, SIZE)
    if layer_class is layers.SimpleRNN:
        with pytest.warns(UserWarning, match="no `implementation`"):
            layer_class(3, implementation=2)
    else:
        with pytest.warns(UserWarning, match="consume_less"):
            assert layer_class(3, consume_less="gpu").implementation == 2
        with pytest.warns(UserWarning, match="implementation=0"):
            assert layer_class(3, implementation=0).implementation == 1
        with pytest.raises(ValueError, match="implementation must be 1 or 2"):
            layer_class(3, implementation=4)


def test_keras_1_bias_of_the_forget_gate():
    with pytest.warns(UserWarning, match="unit_forget_bias"):
        assert layers.LSTM(3, forget_bias_init="one").unit_forget_bias
    with pytest.warns(UserWarning, match="ignored"):
        layers.LSTM(3, forget_bias_init="zero")


@pytest.mark.parametrize("layer_class, arguments, kernel", [
    (layers.LSTM, {"implementation": 1}, [0.588707, 0.445572, -1.079624, -0.47814]),
    (layers.LSTM, {"implementation": 2}, [0.588707, 0.445572, -1.079624, -0.47814]),
    (layers.GRU, {"implementation": 2}, [-0.457922, -0.091377, 0.135527, 0.968361]),
    (layers.SimpleRNN, {}, [0.920797, -0.970604, 1.224146, -0.248152]),
], ids=["LSTM 1", "LSTM 2", "GRU 2", "SimpleRNN"])
def test_dropout_leaves_the_layers_after_it_the_initial_weights_of_keras(layer_class, arguments, kernel):
    np.random.seed(7)  # the numbers are those of Keras 2.0.9
    model = Sequential([layer_class(2, dropout=0.2, recurrent_dropout=0.3, input_shape=(3, 2), **arguments), Dense(2)])
    np.testing.assert_allclose(model.layers[-1].get_weights()[0].ravel(), kernel, atol=1e-6)
