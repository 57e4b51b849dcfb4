"""Products of one row leave out its zeros, and nobody sees it but on a clock."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler.zeros import ProductWithoutZeros
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from gpukeras.layers import Dense
from gpukeras.models import Sequential

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("product"),
                                reason=f"no compiled code: {why_not()}")
STATE = np.random.RandomState(0)
WEIGHTS = STATE.randn(700, 300).astype("float32")
ROWS = np.maximum(STATE.randn(3, 700), 0).astype("float32")


def product(*updates, weights=WEIGHTS, rows=1):
    """A function of a row's product with a variable, and the variable."""
    x, w = K.placeholder((rows, len(weights))), K.variable(weights)
    return K.function([x], [K.dot(x, w)], [(w, w * step) for step in updates]), w


def leaves_out(function, *inputs):
    made = function.program([x.shape for x in inputs])
    return any(isinstance(step.op, ProductWithoutZeros) for step in made.plan.steps)


def test_a_row_is_that_of_a_batch():
    function, _ = product()
    batch, _ = product(rows=3)
    for i in range(3):
        np.testing.assert_array_equal(function([ROWS[i:i + 1]])[0], batch([ROWS])[0][i:i + 1])
    assert leaves_out(function, ROWS[:1]) and not leaves_out(batch, ROWS)


def test_zero_times_infinity_is_not_a_number_from_the_moment_it_is_written():
    function, w = product()
    zero = int(np.flatnonzero(ROWS[0] == 0)[-1])
    before = function([ROWS[:1]])[0]
    damaged = WEIGHTS.copy()
    damaged[zero, 7] = np.inf
    for _ in range(2):
        K.set_value(w, damaged)
        for _ in range(2):
            got = function([ROWS[:1]])[0]
            assert list(np.flatnonzero(np.isnan(got))) == [7]
            np.testing.assert_array_equal(np.delete(got, 7), np.delete(before, 7))
        K.set_value(w, WEIGHTS)
        for _ in range(2):
            np.testing.assert_array_equal(function([ROWS[:1]])[0], before)


def test_weights_that_turn_infinite_in_training_show_in_the_next_prediction():
    model = Sequential([Dense(600, activation="relu", input_shape=(20,)), Dense(300)])
    model.compile("sgd", "mse")
    x = STATE.randn(32, 20).astype("float32")
    assert leaves_out(K.function(model.inputs, model.outputs), x[:1])
    assert np.isfinite(model.predict(x[:1])).all()
    model.train_on_batch(x, np.full((32, 300), np.inf, "float32"))
    assert np.isnan(model.predict(x[:1])).all() and np.isnan(model.predict(x)).all()


@pytest.mark.parametrize("function", [
    product(0.5)[0],  # the weights are written each time: to look at them all would take longer than it saves
    product(weights=WEIGHTS[:, :10])[0],
    product(weights=STATE.randn(200000, 1))[0],
], ids=["updated", "little to read", "one column"])
def test_products_that_stay_as_they_are(function):
    size = function.inputs[0].shape[1]
    row = np.resize(ROWS[:1], (1, size))
    function([row])
    assert not leaves_out(function, row)


def test_transposed_weights_stay_as_they_are():
    x, w = K.placeholder((1, 300)), K.variable(WEIGHTS)
    function = K.function([x], [K.dot(x, K.transpose(w))])
    np.testing.assert_allclose(function([ROWS[:1, :300]])[0], ROWS[:1, :300] @ WEIGHTS.T, 1e-4, 1e-4)
    assert not leaves_out(function, ROWS[:1, :300])
