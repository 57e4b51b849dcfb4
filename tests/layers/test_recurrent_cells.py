"""RNN over cells: stacks, cells of the user's own, constants, configs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    GRUCell,
    Input,
    Layer,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from gpukeras.models import Model, Sequential, model_from_json
from gpukeras.utils import CustomObjectScope

N, STEPS, SIZE = 2, 4, 3
X = np.random.RandomState(0).normal(size=(N, STEPS, SIZE)).astype("float32")


class Leaky(Layer):
    """A cell with a weight, an argument, and a constant if there is one."""

    def __init__(self, units, leak=0.5, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units
        self.leak = leak

    def build(self, input_shape):
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], self.units))
        if isinstance(input_shape, list):
            self.mixer = self.add_weight(name="mixer", shape=(input_shape[1][-1], self.units))
        self.built = True

    def call(self, inputs, states, constants=None):
        h = states[0] * self.leak + K.dot(inputs, self.kernel)
        if constants:
            h = h + K.dot(constants[0], self.mixer)
        return K.tanh(h), [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "leak": self.leak}


OWN = {"Leaky": Leaky}


@pytest.mark.parametrize("cell, layer", [(SimpleRNNCell, SimpleRNN), (GRUCell, GRU), (LSTMCell, LSTM)])
def test_cell_and_layer_agree(cell, layer):
    one = Sequential([Input((STEPS, SIZE)), RNN(cell(5), return_sequences=True)])
    other = Sequential([Input((STEPS, SIZE)), layer(5, return_sequences=True)])
    other.set_weights(one.get_weights())
    np.testing.assert_allclose(one.predict(X), other.predict(X), 1e-5, 1e-6)


def test_a_stack_is_layer_upon_layer():
    sizes = [4, 6, 5]
    stack = Sequential([Input((STEPS, SIZE)), RNN([LSTMCell(n) for n in sizes], return_sequences=True)])
    layers = Sequential([Input((STEPS, SIZE)), *(LSTM(n, return_sequences=True) for n in sizes)])
    layers.set_weights(stack.get_weights())
    np.testing.assert_allclose(stack.predict(X), layers.predict(X), 1e-5, 1e-6)


def test_states_of_a_stack_begin_with_the_last_cell():
    cells = StackedRNNCells([GRUCell(2), LSTMCell(3), SimpleRNNCell(4)])
    assert cells.state_size == (4, 3, 3, 2)
    layer = RNN(cells, return_state=True)
    outputs = layer(Input((STEPS, SIZE)))
    assert [K.int_shape(t) for t in outputs] == [(None, 4), (None, 4), (None, 3), (None, 3), (None, 2)]
    assert layer.compute_output_shape((7, STEPS, SIZE)) == [(7, 4), (7, 4), (7, 3), (7, 3), (7, 2)]


def test_parts_of_a_stack():
    cells = [LSTMCell(3), LSTMCell(3, kernel_regularizer="l2")]
    layer = RNN(cells)
    layer.build((None, None, 5))
    assert len(layer.losses) == len(layer.get_losses_for(None)) == 1 and len(layer.trainable_weights) == 6
    cells[0].trainable = False
    assert len(layer.trainable_weights) == len(layer.non_trainable_weights) == 3
    assert [w.shape for w in layer.get_weights()] == [(5, 12), (3, 12), (12,), (3, 12), (3, 12), (12,)]
    layer.set_weights([np.ones_like(w) for w in layer.get_weights()])
    assert all((w == 1).all() for w in layer.get_weights())
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.weights) == 6


def test_dropout_in_a_stack():
    layer = RNN([GRUCell(6, dropout=0.5), LSTMCell(5, recurrent_dropout=0.5, implementation=2)], return_sequences=True)
    x = Input((STEPS, SIZE))
    f = K.function([x, K.learning_phase()], [layer(x)])
    np.testing.assert_array_equal(f([X, 0])[0], f([X, 0])[0])
    assert not np.array_equal(f([X, 1])[0], f([X, 1])[0])


@pytest.mark.parametrize("cells", [lambda: Leaky(3, 0.25), lambda: [Leaky(3), Leaky(4)], lambda: LSTMCell(3, "relu")])
def test_own_cells_in_the_middle_of_a_model(cells):
    model = Sequential([Dense(4, input_shape=(STEPS, SIZE)), RNN(cells(), return_sequences=True, go_backwards=True),
                        Bidirectional(RNN(Leaky(2))), Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(X, np.ones((N, 1)))
    stored = model.to_json()
    again = model_from_json(stored, custom_objects=OWN)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert json.loads(again.to_json()) == json.loads(stored)
    with CustomObjectScope(OWN):
        model_from_json(stored)
    with pytest.raises(ValueError, match="Leaky"):
        model_from_json(stored)


def with_constants(cell):
    x, c = Input((STEPS, SIZE)), Input((2,))
    layer = RNN(cell)
    return layer, Model([x, c], layer(x, constants=c))


@pytest.mark.parametrize("cell", [lambda: Leaky(3), lambda: [Leaky(3), GRUCell(2)]])
def test_constants(cell):
    layer, model = with_constants(cell())
    model.compile("sgd", "mse")
    c = np.random.RandomState(1).normal(size=(N, 2))
    size = model.output_shape[-1]
    before = model.get_weights()
    model.train_on_batch([X, c], np.ones((N, size)))
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    assert not np.allclose(model.predict([X, c]), model.predict([X, c * 2]))
    assert layer.get_config()["num_constants"] == 1
    again = model_from_json(model.to_json(), custom_objects=OWN)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict([X, c]), model.predict([X, c]))


def test_constants_and_states_together():
    x, h, c = Input((STEPS, SIZE)), Input((3,)), Input((2,))
    layer = RNN(Leaky(3))
    one = Model([x, h, c], layer(x, initial_state=h, constants=c))
    other = Model([x, h, c], layer([x, h, c]))
    values = [X, np.ones((N, 3)), np.ones((N, 2))]
    np.testing.assert_array_equal(one.predict(values), other.predict(values))
    assert not np.allclose(one.predict(values), one.predict([X, np.zeros((N, 3)), values[2]]))
    again = model_from_json(one.to_json(), custom_objects=OWN)
    again.set_weights(one.get_weights())
    np.testing.assert_array_equal(again.predict(values), one.predict(values))


def test_constants_that_no_layer_made():
    x, c = Input((STEPS, SIZE)), np.ones((N, 2))
    layer, model = with_constants(Leaky(3))
    fixed = Model(x, layer(x, constants=K.constant(c)))
    np.testing.assert_allclose(fixed.predict(X), model.predict([X, c]), 1e-6)
    alone = RNN(Leaky(3))
    assert K.eval(alone(K.constant(X), constants=K.constant(c))).shape == (N, 3)


def test_cells_that_take_no_constants():
    with pytest.raises(ValueError, match="without `constants`"):
        RNN(LSTMCell(3))(Input((STEPS, SIZE)), constants=Input((2,)))


def test_a_cell_that_is_no_layer():
    class Sum:
        state_size = (SIZE, 1)

        def call(self, inputs, states):
            return inputs + states[0], [inputs + states[0], states[1] + 1]

    layer = RNN(Sum(), return_state=True, return_sequences=True)
    x = Input((STEPS, SIZE))
    total, last, count = Model(x, layer(x)).predict(X)
    np.testing.assert_allclose(total, np.cumsum(X, 1), 1e-5)
    np.testing.assert_allclose(last, X.sum(1), 1e-5)
    assert count.tolist() == [[STEPS]] * N and layer.weights == [] and layer.losses == []


def test_what_is_no_cell():
    with pytest.raises(ValueError, match="has no `call`"):
        RNN(object())
    with pytest.raises(ValueError, match="has no `state_size`"):
        RNN(Dense(2))
    with pytest.raises(ValueError, match="lacks one"):
        StackedRNNCells([Dense(2)])


def test_config_of_a_stack():
    layer = RNN([GRUCell(3, dropout=0.1), LSTMCell(2, unit_forget_bias=False)], return_state=True)
    again = RNN.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    assert [type(c) for c in again.cell.cells] == [GRUCell, LSTMCell] and not again.cell.cells[1].unit_forget_bias


def test_a_cell_by_itself():
    cell = LSTMCell(3, dropout=0.5)
    cell.build((None, SIZE))
    x = K.constant(X[:, 0])
    zeros = K.constant(np.zeros((N, 3)))
    output, states = cell.call(x, [zeros, zeros])
    assert K.eval(output).shape == (N, 3) and len(states) == 2 and states[0] is output
