"""States of recurrent layers: given, returned, kept between batches, masked."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers
from gpukeras.layers import RNN, Dense, Embedding, Input, LSTMCell, Masking
from gpukeras.models import Model, Sequential, model_from_json

LAYERS = [layers.SimpleRNN, layers.GRU, layers.LSTM, layers.CuDNNGRU, layers.CuDNNLSTM]
N, STEPS, SIZE, UNITS = 2, 4, 3, 5
RNG = np.random.RandomState(0)
X = RNG.normal(size=(N, STEPS, SIZE)).astype("float32")

every = pytest.mark.parametrize("layer_class", LAYERS)


def count(layer_class):
    return 2 if "LSTM" in layer_class.__name__ else 1


def given(layer_class):
    return [RNG.normal(size=(N, UNITS)).astype("float32") for _ in range(count(layer_class))]


@every
def test_a_sequence_in_two_halves(layer_class):
    layer = layer_class(UNITS, return_sequences=True, return_state=True)
    x = Input((None, SIZE))
    states = [Input((UNITS,)) for _ in range(count(layer_class))]
    model = Model([x, *states], layer(x, initial_state=states))
    zeros = [np.zeros((N, UNITS))] * len(states)
    whole = model.predict([X, *zeros])
    first = model.predict([X[:, :2], *zeros])
    second = model.predict([X[:, 2:], *first[1:]])
    np.testing.assert_allclose(np.concatenate([first[0], second[0]], 1), whole[0], 1e-5, 1e-6)
    for a, b in zip(second[1:], whole[1:]):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


@every
def test_ways_to_give_states(layer_class):
    layer = layer_class(UNITS)
    values = given(layer_class)
    x, states = Input((STEPS, SIZE)), [Input((UNITS,)) for _ in values]
    by_keyword = Model([x, *states], layer(x, initial_state=states))
    in_a_list = Model([x, *states], layer([x, *states]))
    constants = Model(x, layer(x, initial_state=[K.constant(v) for v in values]))
    expected = by_keyword.predict([X, *values])
    assert states[0] in layer.inbound_nodes[0].input_tensors
    np.testing.assert_array_equal(in_a_list.predict([X, *values]), expected)
    np.testing.assert_allclose(constants.predict(X), expected, 1e-6)
    assert not np.allclose(Model(x, layer(x)).predict(X), expected)


@every
def test_states_from_layers_survive_json(layer_class):
    x, states = Input((STEPS, SIZE)), [Input((UNITS,)) for _ in range(count(layer_class))]
    seeds = [Dense(UNITS)(s) for s in states]
    model = Model([x, *states], layer_class(UNITS)(x, initial_state=seeds))
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    values = [X, *given(layer_class)]
    np.testing.assert_array_equal(again.predict(values), model.predict(values))


@every
def test_a_model_with_states_called_on_other_tensors(layer_class):
    layer = layer_class(UNITS)
    x, states = Input((STEPS, SIZE)), [Input((UNITS,)) for _ in range(count(layer_class))]
    model = Model([x, *states], layer(x, initial_state=states))
    others = [Input((STEPS, SIZE)), *(Input((UNITS,)) for _ in states)]
    outer = Model(others, model(others))
    values = [X, *given(layer_class)]
    np.testing.assert_array_equal(outer.predict(values), model.predict(values))


@every
def test_states_that_do_not_fit(layer_class):
    x = Input((STEPS, SIZE))
    wrong = [Input((UNITS + 1,)) for _ in range(count(layer_class))]
    with pytest.raises(ValueError, match="states of the sizes"):
        layer_class(UNITS)(x, initial_state=wrong)
    layer = layer_class(UNITS)
    layer(x)
    with pytest.raises(ValueError, match="Initial state 0 is incompatible"):
        layer(x, initial_state=wrong)
    with pytest.raises(ValueError, match="initial state"):
        layer(x, initial_state=[Input((UNITS,))] * (count(layer_class) + 1))
    with pytest.raises(ValueError, match="can't be mixed"):
        RNN(LSTMCell(UNITS))(x, initial_state=[Input((UNITS,)), K.constant(np.zeros((N, UNITS)))])


# Stateful ------------------------------------------------------------------------------------------------------
def stateful_model(layer_class, **arguments):
    layer = layer_class(UNITS, stateful=True, **arguments)
    model = Sequential([Input(batch_shape=(N, None, SIZE)), layer])
    model.compile("sgd", "mse")
    return model, layer


@every
def test_batches_follow_each_other(layer_class):
    model, layer = stateful_model(layer_class, return_sequences=True)
    parts = [model.predict(X[:, :1]), model.predict(X[:, 1:])]
    model.reset_states()
    np.testing.assert_allclose(np.concatenate(parts, 1), model.predict(X), 1e-5, 1e-6)
    layer.reset_states()
    np.testing.assert_allclose(model.predict(X[:, :1]), parts[0], 1e-5, 1e-6)


@every
def test_training_and_evaluation_move_the_states_too(layer_class):
    model, layer = stateful_model(layer_class)
    y = np.zeros((N, UNITS))
    for run in (model.train_on_batch, model.test_on_batch):
        model.reset_states()
        assert not K.get_value(layer.states[0]).any()
        run(X, y)
        assert K.get_value(layer.states[0]).all()


@every
def test_the_state_is_the_last_output(layer_class):
    model, layer = stateful_model(layer_class)
    np.testing.assert_array_equal(model.predict(X), K.get_value(layer.states[0]))
    assert len(layer.states) == count(layer_class)


@every
def test_resetting_to_values(layer_class):
    model, layer = stateful_model(layer_class)
    values = given(layer_class)
    layer.reset_states(values if len(values) > 1 else values[0])
    for a, b in zip(layer.states, values):
        np.testing.assert_array_equal(K.get_value(a), b)
    with pytest.raises(ValueError, match="reset_states was given"):
        layer.reset_states([*values, values[0]])
    with pytest.raises(ValueError, match="state 0 has shape"):
        layer.reset_states([v[:1] for v in values])
    np.testing.assert_array_equal(K.get_value(layer.states[0]), values[0])


@every
def test_what_stateful_needs(layer_class):
    with pytest.raises(ValueError, match="must know its batch size"):
        Sequential([layer_class(UNITS, stateful=True, input_shape=(STEPS, SIZE))])
    layer = layer_class(UNITS)
    layer(Input((STEPS, SIZE)))
    with pytest.raises(AttributeError, match="must be stateful"):
        layer.reset_states()
    assert layer.states == [None] * count(layer_class)
    model, _ = stateful_model(layer_class)
    with pytest.raises(ValueError, match="divided by the batch size"):
        model.predict(np.zeros((3, STEPS, SIZE)), batch_size=2)


# Masks ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("layer_class", LAYERS[:3])
def test_padding_does_not_matter(layer_class):
    model = Sequential([Embedding(7, SIZE, mask_zero=True, input_length=5), layer_class(UNITS)])
    left, right = np.array([[0, 0, 3, 2, 5]]), np.array([[3, 2, 5, 0, 0]])
    short = np.array([[3, 2, 5]])
    plain = Sequential([Embedding(7, SIZE, mask_zero=True), model.layers[1]])
    plain.layers[0].set_weights(model.layers[0].get_weights())
    np.testing.assert_allclose(model.predict(left), plain.predict(short), 1e-5, 1e-6)
    np.testing.assert_allclose(model.predict(right), plain.predict(short), 1e-5, 1e-6)


@pytest.mark.parametrize("layer_class", LAYERS[:3])
@pytest.mark.parametrize("fused", [True, False])
def test_masked_steps_repeat_the_state(layer_class, fused):
    x = X.copy()
    x[0, :2] = x[1, 2:] = 0
    for unroll in (False, True):
        layer = layer_class(UNITS, return_sequences=True, unroll=unroll)
        layer.fused = fused
        inputs, h = Input((STEPS, SIZE)), Input((UNITS,))
        model = Model([inputs, h], layer(Masking()(inputs), initial_state=[h] * count(layer_class)))
        begin = given(layer_class)[0]
        y = model.predict([x, begin])
        np.testing.assert_allclose(y[0, :2], [[0 * begin[0]] * 2, [begin[0]] * 2][not unroll], 1e-6)
        np.testing.assert_array_equal(y[1, 3], y[1, 1])
        assert not np.allclose(y[1, 1], y[1, 0])


def test_masks_go_on_where_all_outputs_are_returned():
    x = Masking()(Input((STEPS, SIZE)))
    layer = layers.LSTM(UNITS, return_sequences=True, return_state=True)
    layer(x)
    masks = layer.inbound_nodes[0].output_masks
    assert masks[0] is not None and masks[1:] == [None, None]
    last = layers.LSTM(UNITS)
    last(x)
    assert last.output_mask is None


@pytest.mark.parametrize("layer_class", LAYERS[3:])
def test_cudnn_names_take_no_mask(layer_class):
    with pytest.raises(ValueError, match="Masking is not supported"):
        layer_class(UNITS)(Masking()(Input((STEPS, SIZE))))


@pytest.mark.parametrize("layer_class", LAYERS[:3])
def test_one_step_cannot_be_unrolled(layer_class):
    for steps in (None, 1):
        with pytest.raises(ValueError, match="can't unroll"):
            layer_class(UNITS, unroll=True)(Input((steps, SIZE)))


@pytest.mark.parametrize("make", [layers.GRU, layers.LSTM])
def test_an_identity_for_each_gate(make):
    layer = make(3, recurrent_initializer="identity", input_shape=(2, 4))
    Sequential([layer])
    kernel = layer.get_weights()[1]
    assert np.array_equal(kernel, np.concatenate([np.eye(3)] * (kernel.shape[1] // 3), axis=1))
