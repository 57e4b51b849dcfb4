"""TimeDistributed and Bidirectional."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers
from gpukeras.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Input,
    Lambda,
    Masking,
    SimpleRNN,
    SimpleRNNCell,
    TimeDistributed,
)
from gpukeras.models import Model, Sequential, model_from_json

N, STEPS, SIZE = 3, 4, 2
X = np.random.RandomState(0).normal(size=(N, STEPS, SIZE)).astype("float32")


# TimeDistributed -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("batch", [None, N])
@pytest.mark.parametrize("make, shape", [
    (lambda: Dense(3), (SIZE,)), (lambda: Conv2D(2, 2), (4, 3, 2)), (lambda: LSTM(3), (5, SIZE)),
    (lambda: Sequential([Dense(3, input_shape=(SIZE,))]), (SIZE,)), (lambda: TimeDistributed(Dense(2)), (5, SIZE))])
def test_every_step_by_itself(make, shape, batch):
    layer = make()
    x = np.random.RandomState(1).normal(size=(N, STEPS, *shape))
    model = Sequential([Input(batch_shape=(batch, STEPS, *shape)), TimeDistributed(layer)])
    one = Sequential([Input(shape), layer])
    expected = np.stack([one.predict(x[:, t]) for t in range(STEPS)], 1)
    np.testing.assert_allclose(model.predict(x), expected, 1e-5, 1e-6)
    assert model.output_shape == (batch, *expected.shape[1:])
    assert len(model.get_weights()) == len(layer.get_weights()) > 0


def test_whole_numbers():
    rows = np.random.RandomState(0).randint(5, size=(N, STEPS, 6))
    for shape in ({"input_shape": (STEPS, 6)}, {"batch_input_shape": (N, STEPS, 6)}):
        model = Sequential([TimeDistributed(Embedding(5, 2), dtype="int32", **shape)])
        table, = model.get_weights()
        np.testing.assert_array_equal(model.predict(rows), table[rows])


def test_any_number_of_steps():
    model = Sequential([TimeDistributed(Dense(3), input_shape=(None, SIZE))])
    assert model.output_shape == (None, None, 3)
    np.testing.assert_allclose(model.predict(X)[:, :2], model.predict(X[:, :2]), 1e-6)


def test_any_size_of_images():
    model = Sequential([TimeDistributed(Conv2D(3, 2), input_shape=(STEPS, None, None, 1))])
    assert model.predict(np.ones((N, STEPS, 5, 4, 1))).shape == (N, STEPS, 4, 3, 3)


def test_a_layer_that_must_know_the_batch_size():
    def halves(x):
        return K.reshape(x, (N, 2, SIZE // 2))
    model = Sequential([TimeDistributed(Lambda(halves, output_shape=(2, SIZE // 2)), batch_input_shape=X.shape)])
    np.testing.assert_array_equal(model.predict(X), X.reshape(N, STEPS, 2, 1))


@pytest.mark.parametrize("batch", [None, N])
def test_moving_averages_are_updated(batch):
    model = Sequential([Input(batch_shape=(batch, STEPS, SIZE)), TimeDistributed(BatchNormalization(momentum=0.0))])
    model.compile("sgd", "mse")
    model.train_on_batch(X, X)
    mean, variance = model.get_weights()[2:]
    np.testing.assert_allclose(mean, X.mean((0, 1)), 1e-5)
    np.testing.assert_allclose(variance, X.var((0, 1)), 1e-4)
    model.train_on_batch(X, X)


@pytest.mark.parametrize("batch", [None, N])
def test_dropout_differs_from_step_to_step(batch):
    x = Input(batch_shape=(batch, STEPS, 30))
    f = K.function([x], [TimeDistributed(Dropout(0.5))(x, training=True)])
    rows = f([np.ones((N, STEPS, 30))])[0].reshape(-1, 30)
    assert len({row.tobytes() for row in rows}) == N * STEPS
    y = TimeDistributed(Dropout(0.5))(x)
    assert y._uses_learning_phase
    np.testing.assert_array_equal(K.function([x], [y])([np.ones((N, STEPS, 30))])[0], 1)


@pytest.mark.parametrize("batch", [None, N])
def test_losses_inside(batch):
    def total(**arguments):
        model = Sequential([Input(batch_shape=(batch, STEPS, SIZE)),
                            TimeDistributed(Dense(2, kernel_initializer="ones", **arguments))])
        model.compile("sgd", "mse")
        return len(model.losses), model.test_on_batch(X, np.zeros((N, STEPS, 2))), model.predict(X)
    _, plain, y = total()
    count, with_weights, _ = total(kernel_regularizer="l1")
    assert count == 1 and with_weights - plain == pytest.approx(0.04, rel=1e-4)
    count, with_outputs, _ = total(activity_regularizer="l1")
    assert count == 1 and with_outputs - plain == pytest.approx(0.01 * np.abs(y).sum(), rel=1e-4)


def test_losses_that_the_layer_adds_in_its_call():
    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(K.sum(K.abs(inputs)))
            return inputs
    for batch in (None, N):
        model = Sequential([Input(batch_shape=(batch, STEPS, SIZE)), TimeDistributed(Penalty())])
        model.compile("sgd", "mse")
        assert model.test_on_batch(X, X) == pytest.approx(np.abs(X).sum(), rel=1e-4)


def test_masks_go_through_time_distributed():
    x = X.copy()
    x[:, 2:] = 0
    model = Sequential([Masking(input_shape=(STEPS, SIZE)), TimeDistributed(Dense(3)), SimpleRNN(2)])
    short = Sequential([Input((2, SIZE)), *model.layers[1:]])
    np.testing.assert_allclose(model.predict(x), short.predict(x[:, :2]), 1e-5, 1e-6)


def test_what_time_distributed_needs():
    with pytest.raises(ValueError, match="at least 3 axes"):
        TimeDistributed(Dense(2))(Input((SIZE,)))


def test_config_of_time_distributed():
    model = Sequential([TimeDistributed(TimeDistributed(Dense(2)), input_shape=(STEPS, 3, SIZE))])
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    x = np.ones((N, STEPS, 3, SIZE))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


# Bidirectional -------------------------------------------------------------------------------------------------
MERGED = {"concat": lambda a, b: np.concatenate([a, b], -1), "sum": lambda a, b: a + b, "mul": lambda a, b: a * b,
          "ave": lambda a, b: (a + b) / 2}


@pytest.mark.parametrize("mode", [*MERGED, None])
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("kind", [SimpleRNN, GRU, LSTM])
def test_both_directions(kind, sequences, mode):
    x = Input((STEPS, SIZE))
    layer = Bidirectional(kind(3, return_sequences=sequences), merge_mode=mode)
    model = Model(x, layer(x))
    half = len(layer.get_weights()) // 2
    forward, backward = kind(3, return_sequences=sequences), kind(3, return_sequences=sequences, go_backwards=True)
    parts = [Model(x, one(x)) for one in (forward, backward)]
    forward.set_weights(layer.get_weights()[:half])
    backward.set_weights(layer.get_weights()[half:])
    a, b = (part.predict(X) for part in parts)
    b = b[:, ::-1] if sequences else b
    got = model.predict(X)
    if mode is None:
        np.testing.assert_allclose(got[0], a, 1e-6)
        np.testing.assert_allclose(got[1], b, 1e-6)
    else:
        np.testing.assert_allclose(got, MERGED[mode](a, b), 1e-6, 1e-6)


def test_names_and_weights():
    layer = Bidirectional(LSTM(3, name="walk"))
    layer.build((None, STEPS, SIZE))
    assert (layer.forward_layer.name, layer.backward_layer.name) == ("forward_walk", "backward_walk")
    assert layer.backward_layer.go_backwards and not layer.forward_layer.go_backwards
    new = [np.full_like(w, i) for i, w in enumerate(layer.get_weights())]
    layer.set_weights(new)
    for a, b in zip(layer.forward_layer.get_weights() + layer.backward_layer.get_weights(), new):
        np.testing.assert_array_equal(a, b)
    again = Bidirectional(LSTM(3), weights=new)
    again(Input((STEPS, SIZE)))
    assert [w.flat[0] for w in again.get_weights()] == list(range(6))
    assert len(layer.trainable_weights) == 6
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 6


def test_constraints_by_weight():
    layer = Bidirectional(LSTM(3, kernel_constraint="max_norm"))
    layer.build((None, STEPS, SIZE))
    assert list(layer.constraints) == [layer.forward_layer.cell.kernel, layer.backward_layer.cell.kernel]


@pytest.mark.parametrize("sequences", [True, False])
def test_states_of_both_directions(sequences):
    x, states = Input((STEPS, SIZE)), [Input((3,)) for _ in range(4)]
    layer = Bidirectional(LSTM(3, return_sequences=sequences, return_state=True))
    model = Model([x, *states], layer(x, initial_state=states))
    values = [np.random.RandomState(i).normal(size=(N, 3)) for i in range(4)]
    forward, backward = layer.forward_layer, layer.backward_layer
    parts = [Model([x, *two], one(x, initial_state=two))
             for one, two in ((forward, states[:2]), (backward, states[2:]))]
    a, b = parts[0].predict([X, *values[:2]]), parts[1].predict([X, *values[2:]])
    got = model.predict([X, *values])
    last = b[0][:, ::-1] if sequences else b[0]
    for one, other in zip(got, [np.concatenate([a[0], last], -1), *a[1:], *b[1:]]):
        np.testing.assert_allclose(one, other, 1e-5, 1e-6)
    shapes = layer.compute_output_shape((N, STEPS, SIZE))
    assert [tuple(s) for s in shapes] == [y.shape for y in got]
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict([X, *values])[0], got[0])


def test_states_that_do_not_fit():
    x = Input((STEPS, SIZE))
    with pytest.raises(ValueError, match="an even number"):
        Bidirectional(GRU(3))(x, initial_state=Input((3,)))
    with pytest.raises(ValueError, match="can't be mixed"):
        Bidirectional(GRU(3))(x, initial_state=[Input((3,)), K.constant(np.zeros((N, 3)))])
    fixed = Bidirectional(GRU(3))(x, initial_state=[K.constant(np.ones((N, 3)))] * 2)
    assert Model(x, fixed).predict(X).shape == (N, 6)


def test_stateful_both_ways():
    layer = Bidirectional(GRU(3, stateful=True))
    model = Sequential([Input(batch_shape=X.shape), layer])
    model.compile("sgd", "mse")
    first, second = model.predict(X), model.predict(X)
    assert not np.allclose(first[:, :3], second[:, :3]) and not np.allclose(first[:, 3:], second[:, 3:])
    model.reset_states()
    np.testing.assert_allclose(model.predict(X), first, 1e-6)
    layer.reset_states()
    model.train_on_batch(X, first)
    assert all(K.get_value(one.states[0]).any() for one in (layer.forward_layer, layer.backward_layer))


def test_stateful_with_states_from_layers():
    layer = Bidirectional(GRU(3, stateful=True, return_sequences=True, activity_regularizer="l1"))
    x, states = Input(batch_shape=X.shape), [Input(batch_shape=(N, 3)) for _ in range(2)]
    model = Model([x, *states], layer(x, initial_state=states))
    model.compile("sgd", "mse")
    assert len(model.updates) == 2 and len(model.losses) == 1
    model.train_on_batch([X, np.ones((N, 3)), np.ones((N, 3))], np.zeros((N, STEPS, 6)))
    assert all(K.get_value(one.states[0]).any() for one in (layer.forward_layer, layer.backward_layer))


def test_masked_outputs_are_left_as_they_are():
    x = X.copy()
    x[:, 2:] = 0
    model = Sequential([Masking(input_shape=(STEPS, SIZE)), Bidirectional(GRU(3, return_sequences=True))])
    y = model.predict(x)
    np.testing.assert_array_equal(y[:, 3, :3], y[:, 1, :3])
    assert model.layers[1].output_mask is not None
    np.testing.assert_array_equal(y[:, 2:, 3:], 0)  # backwards, the walk begins with masked steps: the initial state


def test_losses_and_dropout_both_ways():
    model = Sequential([Bidirectional(LSTM(3, dropout=0.2, kernel_regularizer="l2", activity_regularizer="l1"),
                                      input_shape=(STEPS, SIZE))])
    assert len(model.losses) == 3 and model.uses_learning_phase


def test_a_user_cell_both_ways():
    class Own(SimpleRNNCell):
        pass
    model = Sequential([Bidirectional(RNN([Own(2), Own(3)]), input_shape=(STEPS, SIZE))])
    assert model.predict(X).shape == (N, 6) and type(model.layers[0].backward_layer.cell.cells[0]) is Own


def test_unknown_merge_mode():
    with pytest.raises(ValueError, match="merge_mode must be one of 'sum', 'mul', 'ave', 'concat', None"):
        Bidirectional(GRU(3), merge_mode="product")


def test_a_backward_layer_of_its_own():
    x, states = Input((STEPS, SIZE)), [Input((3,)), Input((3,)), Input((5,))]
    forward, backward = LSTM(3, return_sequences=True), GRU(5, return_sequences=True, go_backwards=True, name="back")
    layer = Bidirectional(forward, backward_layer=backward)
    model = Model([x, *states], layer(x, initial_state=states))
    given = [X, *(np.random.RandomState(i).normal(size=(N, s.shape[1])) for i, s in enumerate(states))]
    there = Model([x, *states[:2]], forward(x, initial_state=states[:2]))
    back = Model([x, states[2]], backward(x, initial_state=states[2:]))
    there.set_weights(layer.get_weights()[:3])
    back.set_weights(layer.get_weights()[3:])
    want = np.concatenate([there.predict(given[:3]), back.predict([X, given[3]])[:, ::-1]], axis=-1)
    np.testing.assert_allclose(model.predict(given), want, atol=1e-6)
    assert layer.compute_output_shape((None, STEPS, SIZE)) == (None, STEPS, 8)
    assert layer.backward_layer.name == "backward_back"
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(given), model.predict(given))
    assert again.layers[-1].backward_layer.name == "backward_back"


@pytest.mark.parametrize("given", [Dense(3), Sequential([LSTM(3, input_shape=(STEPS, SIZE))])])
def test_what_walks_nowhere(given):
    with pytest.raises(ValueError, match=r"Bidirectional takes a recurrent layer, one with `go_backwards`"):
        Bidirectional(given)
    with pytest.raises(ValueError, match=r"Bidirectional takes a recurrent layer, one with `go_backwards`"):
        Bidirectional(LSTM(3), backward_layer=given)


def test_what_a_backward_layer_must_agree_in():
    with pytest.raises(ValueError, match="opposite directions.*go_backwards=False"):
        Bidirectional(LSTM(3), backward_layer=GRU(3))
    with pytest.raises(ValueError, match="return_sequences=False, its backward_layer return_sequences=True"):
        Bidirectional(LSTM(3), backward_layer=GRU(3, go_backwards=True, return_sequences=True))


def test_what_a_wrapper_holds_is_a_layer():
    x = Input((STEPS, SIZE))
    for given, hint in ((3, "got 3"), (Dense, r"TimeDistributed\(Dense\(\.\.\.\)\)"),
                        (x, r"TimeDistributed\(layer\)\(tensor\)")):
        with pytest.raises(ValueError, match=f"TimeDistributed needs a layer to hold.*{hint}"):
            TimeDistributed(given)


# Masks inside TimeDistributed, constants in Bidirectional: newer than 2.0.9 ------------------------------------
def test_masks_that_begin_inside_of_a_step():
    words = np.array([[[1, 2, 0], [3, 0, 0]], [[0, 0, 0], [2, 1, 4]]])
    model = Sequential([TimeDistributed(Embedding(5, 4, mask_zero=True), input_shape=(None, None)),
                        TimeDistributed(SimpleRNN(3, return_sequences=True)), TimeDistributed(SimpleRNN(2)), LSTM(2)])
    masks, mask = [], None
    for layer in model.layers:
        mask = layer.compute_mask(layer.input, mask)
        masks.append(mask)
    assert masks.pop() is None
    found = K.function([model.input], masks)([words])
    for got, expected in zip(found, (words > 0, words > 0, (words > 0).any(-1))):
        np.testing.assert_array_equal(got, expected)
    longer = np.pad(words, [(0, 0), (0, 1), (0, 2)])
    np.testing.assert_allclose(model.predict(longer), model.predict(words), 1e-6)


def test_a_masking_layer_for_every_step():
    x = X.copy()
    x[0, 2:] = 0
    model = Sequential([TimeDistributed(Masking(), input_shape=(None, SIZE)), TimeDistributed(Dense(3)), LSTM(2)])
    np.testing.assert_allclose(model.predict(x[:1]), model.predict(x[:1, :2]), 1e-6)


class WithConstant(layers.Layer):
    """A cell with a weight for a constant."""

    state_size = 2

    def build(self, input_shape):
        (_, size), (_, wide) = input_shape
        self.kernel = self.add_weight(name="kernel", shape=(size + 2 + wide, 2), initializer="uniform")
        super().build(input_shape)

    def call(self, inputs, states, constants):
        h = K.dot(K.concatenate([inputs, states[0], constants[0]]), self.kernel)
        return h, [h]


def test_constants_go_to_both_directions():
    c = np.random.RandomState(2).normal(size=(N, 3)).astype("float32")
    state = np.ones((N, 2), "float32")
    inputs = [Input((STEPS, SIZE)), Input((2,)), Input((2,)), Input((3,))]
    both = Bidirectional(RNN(WithConstant()))
    model = Model(inputs, both(inputs[0], initial_state=inputs[1:3], constants=inputs[3]))
    y = model.predict([X, state, 2 * state, c])
    for weight, steps, h, part in zip(both.get_weights(), (X, X[:, ::-1]), (state, 2 * state), (y[:, :2], y[:, 2:])):
        for t in range(STEPS):
            h = np.concatenate([steps[:, t], h, c], -1) @ weight
        np.testing.assert_allclose(part, h, 1e-5, 1e-6)
    again = Bidirectional.from_config(both.get_config(), {"WithConstant": WithConstant})
    other = Model(inputs, again(inputs))
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other.predict([X, state, 2 * state, c]), y)
    with pytest.raises(ValueError, match="takes them"):
        Bidirectional(LSTM(2))(inputs[0], constants=inputs[3])


# Names ---------------------------------------------------------------------------------------------------------
def test_weights_are_named_by_the_outermost_layer():
    model = Sequential([Bidirectional(GRU(1, return_sequences=True), name="both", input_shape=(STEPS, SIZE)),
                        TimeDistributed(Dense(2), name="each"), RNN([SimpleRNNCell(2), SimpleRNNCell(1)], name="deep")])
    forward = model.layers[0].forward_layer.name
    names = [w.name for w in model.weights]
    assert names[0] == f"both/{forward}/kernel:0" and names[6:8] == ["each/kernel:0", "each/bias:0"]
    assert names[8:] == [f"deep/{kind}{number}:0" for number in ("", "_1")
                         for kind in ("kernel", "recurrent_kernel", "bias")]


@pytest.mark.parametrize("shape, layer, expected", [
    ((3, 0), lambda: layers.Activation("relu"), (None, 3, 0)),
    ((None, 0), lambda: layers.Activation("relu"), (None, None, 0)),
    ((3, 0), lambda: Dense(2), (None, 3, 2)), ((0, 4), lambda: Dense(2), (None, 0, 2)),
    ((3, 4, 0), layers.Flatten, (None, 3, 0)), ((3, 4, 4, 0), layers.MaxPooling2D, (None, 3, 2, 2, 0))],
    ids=["activation", "any steps", "dense", "no steps", "flatten", "pooling"])
def test_steps_or_channels_may_be_none_at_all(shape, layer, expected):
    """The number of elements, 0, then does not tell how many samples there are."""
    x = Input(shape)
    y = TimeDistributed(layer())(x)
    assert K.int_shape(y) == expected
    sizes = [3 if d is None else d for d in shape]
    found = Model(x, y).predict(np.zeros((2, *sizes)))
    assert found.shape == (2, *(3 if d is None else d for d in expected[1:])) and not found.any()


def test_a_dense_layer_on_sequences_of_no_channels_gives_its_bias():
    x = Input((3, 0))
    y = Dense(2, bias_initializer="ones")(x)
    assert Model(x, y).predict(np.zeros((4, 3, 0))).tolist() == np.ones((4, 3, 2)).tolist()
