"""A prediction like one before it is made without checks: it must be the one that all checks would lead to."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.layers import (
    LSTM,
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    Input,
    SimpleRNN,
    concatenate,
)
from gpukeras.models import Model, Sequential

RNG = np.random.RandomState(0)
ROW = RNG.normal(size=(1, 3)).astype("float32")
on_the_host = pytest.mark.skipif(device.NAME != "numpy", reason="there is no short way on a GPU")


@pytest.fixture
def model():
    made = Sequential([Dense(4, activation="tanh", input_shape=(3,)), BatchNormalization(), Dropout(0.5), Dense(2)])
    made.compile("adam", "mse")
    return made


def known(model, x=ROW):
    """Whether the model would take the short way."""
    return model.predict_function is not None and model.predict_function.again(x) is not None


def by_hand(model, x):
    """The prediction of a stack like `model`, of its weights."""
    kernel, bias, gamma, beta, mean, variance, last, bias_2 = model.get_weights()
    y = (np.tanh(x @ kernel + bias) - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return y @ last + bias_2


def settled(model, x=ROW):
    """The prediction, made so often that the last one takes the short way."""
    first = model.predict(x)
    for _ in range(3):
        np.testing.assert_array_equal(model.predict(x), first)
    return first


@on_the_host
def test_a_second_call_takes_the_short_way(model):
    model.predict(ROW)
    model.predict(ROW)
    assert known(model) and not known(model, ROW.astype("float64"))
    model.predict(ROW.astype("float64"), batch_size=1)
    assert known(model, ROW.astype("float64"))


def test_results_belong_to_the_caller(model):
    first, second = settled(model), model.predict(2 * ROW)
    np.testing.assert_allclose(second, by_hand(model, 2 * ROW), 1e-4, 1e-5)
    np.testing.assert_allclose(first, by_hand(model, ROW), 1e-4, 1e-5)
    second.fill(7)
    np.testing.assert_array_equal(model.predict(ROW), first)
    np.testing.assert_array_equal(model.predict_on_batch(ROW), first)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "int8", "bool", ">f8"])
def test_rows_of_any_type_and_order(model, dtype):
    x = (RNG.rand(6, 3) * 3).astype(dtype)
    as_floats = x.astype("float32")
    expected = by_hand(model, as_floats)
    for _ in range(3):
        np.testing.assert_allclose(model.predict(x[:1]), expected[:1], 1e-4, 1e-5)
        np.testing.assert_allclose(model.predict(x[::2]), expected[::2], 1e-4, 1e-5)
        np.testing.assert_allclose(model.predict(np.asfortranarray(x)[1:]), expected[1:], 1e-4, 1e-5)
        np.testing.assert_allclose(model.predict(x[::-1]), expected[::-1], 1e-4, 1e-5)
        np.testing.assert_allclose(model.predict(x[:1].tolist()), expected[:1], 1e-4, 1e-5)
        np.testing.assert_allclose(model.predict([x[:1]]), expected[:1], 1e-4, 1e-5)


def test_wrong_input_is_refused_as_ever(model):
    settled(model)
    for wrong in (ROW[:, :2], ROW[0], ROW[None], ROW.astype(str), "text"):
        with pytest.raises((ValueError, TypeError), match="Error when checking|should be"):
            model.predict(wrong)
    with pytest.raises(ValueError, match="0 samples"):
        model.predict(ROW[:0])
    for size in (0, -1, 2.5):
        with pytest.raises(ValueError, match="batch_size"):
            model.predict(ROW, batch_size=size)
    with pytest.raises(TypeError, match="batch_size"):
        model.predict(ROW, batch_size="all")
    settled(model)


def test_weights_that_change(model, tmp_path):
    def changes():
        yield lambda: model.set_weights([w + 0.1 for w in model.get_weights()])
        yield lambda: model.layers[0].set_weights([w * 2 for w in model.layers[0].get_weights()])
        yield lambda: K.set_value(model.layers[-1].bias, [5.0, 6.0])
        yield lambda: model.train_on_batch(ROW, [[1.0, 2.0]])
        yield lambda: model.fit(RNG.rand(9, 3), RNG.rand(9, 2), epochs=2, batch_size=4, verbose=0)
        yield lambda: model.save_weights(tmp_path / "weights.h5")
        yield lambda: model.set_weights([w * 0.5 for w in model.get_weights()])
        yield lambda: model.load_weights(tmp_path / "weights.h5")

    for change in changes():
        change()
        np.testing.assert_allclose(settled(model), by_hand(model, ROW), 1e-4, 1e-5)


def test_weights_that_move_to_another_optimizers_vector(model):
    settled(model)
    x = Input((3,))
    other = Model(x, Dense(1)(model.layers[0](x)))
    other.compile("sgd", "mse")
    other.fit(RNG.rand(8, 3), RNG.rand(8, 1), verbose=0)
    np.testing.assert_allclose(settled(model), by_hand(model, ROW), 1e-4, 1e-5)


def test_a_model_compiled_anew(model):
    settled(model)
    for trainable in (False, True):
        model.layers[0].trainable = trainable
        np.testing.assert_allclose(settled(model), by_hand(model, ROW), 1e-4, 1e-5)
        model.compile("sgd", "mse")
        model.fit(RNG.rand(8, 3), RNG.rand(8, 2), verbose=0)
        np.testing.assert_allclose(settled(model), by_hand(model, ROW), 1e-4, 1e-5)


def test_layers_added_and_taken_away(model):
    before = settled(model)
    model.add(Activation("relu"))
    np.testing.assert_array_equal(settled(model), np.maximum(before, 0))
    model.pop()
    np.testing.assert_array_equal(settled(model), before)
    model.pop()
    assert settled(model).shape == (1, 4)


def test_learning_phase_and_floatx_set_afterwards(model):
    before = settled(model)
    K.set_learning_phase(1)
    K.set_floatx("float64")
    try:
        np.testing.assert_array_equal(settled(model), before)
        assert settled(model).dtype == "float32"
    finally:
        K.set_floatx("float32")
        K.set_learning_phase(0)
        K.clear_session()
    np.testing.assert_array_equal(settled(model), before)


def test_a_call_is_looked_into_while_debugging(model):
    settled(model)
    K.set_value(model.layers[1].gamma, np.full(4, 1e30))
    K.set_value(model.layers[-1].kernel, np.full((4, 2), 1e30))
    assert not np.isfinite(settled(model)).any()
    with K.debugging(), pytest.raises(FloatingPointError):
        model.predict(ROW)
    assert not np.isfinite(model.predict(ROW)).any()


def test_an_index_out_of_range_is_refused_each_time():
    model = Sequential([Embedding(5, 2, input_length=3), Activation("relu")])
    good, bad = np.array([[0, 1, 4]]), np.array([[0, 1, 5]])
    expected = settled(model, good)
    for _ in range(3):
        with pytest.raises(IndexError, match="embedding"):
            model.predict(bad)
        np.testing.assert_array_equal(model.predict(good), expected)


def test_several_outputs_and_inputs():
    a, b = Input((3,)), Input((3,))
    two = Model(a, [Dense(2)(a), Activation("relu")(a)])
    for _ in range(3):
        first, second = two.predict(ROW)
        assert first.shape == (1, 2)
        np.testing.assert_array_equal(second, np.maximum(ROW, 0))
    joined = Model([a, b], concatenate([a, b]))
    names = joined.input_names
    for _ in range(3):
        np.testing.assert_array_equal(joined.predict([ROW, 2 * ROW]), np.hstack([ROW, 2 * ROW]))
        np.testing.assert_array_equal(joined.predict({names[1]: 3 * ROW, names[0]: ROW}), np.hstack([ROW, 3 * ROW]))


def test_states_go_on():
    model = Sequential([SimpleRNN(2, stateful=True, batch_input_shape=(1, 4, 3))])
    x = RNG.rand(1, 4, 3).astype("float32")
    found = [model.predict(x) for _ in range(4)]
    model.reset_states()
    np.testing.assert_array_equal([model.predict(x) for _ in range(4)], found)
    assert not np.array_equal(found[0], found[1])


@on_the_host
def test_as_many_calls_are_remembered_as_there_are_programs():
    model = Sequential([LSTM(2, input_shape=(None, 3))])
    for length in (*range(1, 40), 1):
        settled(model, np.ones((1, length, 3), "float32"))
    assert known(model, np.ones((1, 1, 3), "float32")) and len(model.predict_function._known) <= 33


def test_several_threads_predict_while_weights_are_set(model):
    rows = RNG.rand(4, 1, 3).astype("float32")
    expected = [settled(model, row) for row in rows]
    doubled = [*model.get_weights()[:-2], *(2 * w for w in model.get_weights()[-2:])]
    wrong = []

    def work(row, right):
        for i in range(300):
            x = row.astype("float64") if i % 3 == 0 else row
            if not np.allclose(model.predict(x), right, 1e-4, 1e-5):
                wrong.append(i)

    for right in (expected, [2 * y for y in expected]):
        workers = [threading.Thread(target=work, args=pair) for pair in zip(rows, right)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert not wrong
        model.set_weights(doubled)
