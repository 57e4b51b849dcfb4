"""Values that Keras 2.0.9 on TensorFlow 1.15 gave for the same calls, where gpukeras once gave others."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import metrics


def test_random_variables_take_their_seed_from_numpy_as_in_keras():
    np.random.seed(0)
    uniform = K.get_value(K.random_uniform_variable((4,), -1, 2))
    np.random.seed(0)
    normal = K.get_value(K.random_normal_variable((4,), 1, 2))
    np.testing.assert_allclose(uniform, [1.4577832, 0.37247634, -0.85648143, -0.62022495], rtol=1e-6)
    np.testing.assert_allclose(normal, [1.3332956, -0.21808612, 4.5217624, 4.452016], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_round_leaves_integers_what_they_are(dtype):
    rounded = K.round(K.constant([1, 2], dtype=dtype))
    assert K.dtype(rounded) == dtype and K.eval(rounded).tolist() == [1, 2]


def test_arange_of_floats():
    steps = K.arange(0.0, 1.0, 0.25)
    assert K.dtype(steps) == "float32" and K.eval(steps).tolist() == [0, 0.25, 0.5, 0.75]
    assert K.eval(K.arange(1, 2, 0.5)).tolist() == [1, 1.5]
    assert K.dtype(K.arange(3.0, dtype="int64")) == "int64"
    assert K.dtype(K.arange(3)) == "int32"


def test_the_last_value_of_a_constant_fills_its_shape():
    assert K.eval(K.constant([1, 2], shape=(2, 2))).tolist() == [[1, 2], [2, 2]]
    assert K.eval(K.constant([[1, 2], [3, 4]], shape=(5,))).tolist() == [1, 2, 3, 4, 4]
    assert K.eval(K.constant(3, shape=(2,))).tolist() == [3, 3]
    assert K.eval(K.constant(1, shape=(0, 2))).shape == (0, 2)
    with pytest.raises(ValueError, match="reshape"):
        K.constant([1, 2, 3], shape=(2,))


def test_truths_combine_with_truths_and_with_arrays():
    truths, others = K.constant([True, False], dtype="bool"), np.array([True, True])
    assert K.eval(truths ^ others).tolist() == [False, True]
    assert K.eval(others ^ truths).tolist() == [False, True]
    assert K.eval(others & truths).tolist() == [True, False]
    assert K.eval(np.array([False, False]) | truths).tolist() == [True, False]


def test_truths_are_no_row_numbers():
    """They were taken for the rows 0 and 1; TensorFlow picks rows by them, whose number is not known here."""
    x = K.constant([[1, 2], [3, 4]])
    for mask in (x > 2, np.array([True, False]), [True, False]):
        with pytest.raises(TypeError, match="K.switch"):
            x[mask]
    assert K.eval(x[[1, 0]]).tolist() == [[3, 4], [1, 2]]


def test_nothing_is_among_the_best_where_a_prediction_is_no_number():
    predictions = [[np.nan, 0.5, 0.5], [0.2, 0.5, 0.1], [np.inf, 1, 2], [-np.inf, 1, 2]]
    best = K.in_top_k(K.constant(predictions), K.constant([0, 1, 0, 2], dtype="int32"), 1)
    assert K.eval(best).tolist() == [False, True, False, False]
    truth, lost = K.constant([[0, 1, 0]]), K.constant([[np.nan] * 3])
    assert float(K.eval(metrics.top_k_categorical_accuracy(truth, lost, k=2))) == 0
