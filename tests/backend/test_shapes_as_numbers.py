"""Tensors where programs of Keras 2.0.9 give them for numbers: bounds of slices, places, repetitions, shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Input, Lambda
from gpukeras.models import Model, Sequential

X = np.arange(18, dtype="float32").reshape(6, 3)
LONG = np.arange(60, dtype="float32").reshape(3, 5, 4)
SHORT = np.arange(24, dtype="float32").reshape(3, 2, 4)


def value_and_gradient(f: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """f of tensors of which only the last size is known, and the derivative of half its squares by the first."""
    tensors = [K.placeholder((None,) * (a.ndim - 1) + a.shape[-1:]) for a in arrays]
    y = f(*tensors)
    made = K.function(tensors, [y, *K.gradients(K.sum(K.square(y)) / 2, tensors[:1])])(list(arrays))
    assert all(known in (None, real) for known, real in zip(K.int_shape(y), made[0].shape))
    return list(made)


@pytest.mark.parametrize(
    "cut, expected",
    [
        (lambda x: x[:, : K.shape(x)[1] // 2], (slice(None), slice(0, 1))),
        (lambda x: x[: K.shape(x)[0] // 2], slice(0, 3)),
        (lambda x: x[K.shape(x)[0] // 2 : -1, None], (slice(3, -1), None)),
        (lambda x: x[:: K.shape(x)[1] - 1], slice(0, None, 2)),
        (lambda x: x[:, 1 - K.shape(x)[1] :], (slice(None), slice(-2, None))),
        (lambda x: x[..., K.shape(x)[1] - 1], (slice(None), 2)),
        (lambda x: x[:, K.argmax(x[0])], (slice(None), 2)),
        (lambda x: x[:, K.cast(x[0, 1], "int32")], (slice(None), 1)),
        (lambda x: x[:, -K.cast(x[0, 1], "int64")], (slice(None), -1)),
        (lambda x: x[K.argmax(x[:, 0])], 5),
        (lambda x: x[K.argmax(x[:, 0]), K.cast(x[0, 1], "int32")], (5, 1)),
        (lambda x: x[: K.shape(x)[0] // 2, None, K.cast(x[0, 1], "uint8")], (slice(0, 3), None, 1)),
        (lambda x: x[K.constant(1, "int32"), K.constant(2, "int32")], (1, 2)),
    ],
    ids=range(13),
)
def test_bounds_and_places_may_be_tensors(cut: Any, expected: Any) -> None:
    value, gradient = value_and_gradient(cut, X)
    there = np.zeros_like(X)
    there[expected] = X[expected]
    assert value.shape == X[expected].shape and value.tolist() == X[expected].tolist()
    assert gradient.tolist() == there.tolist()


def test_the_length_between_tensors_is_unknown_and_other_sizes_stay_known() -> None:
    x = K.placeholder((None, 5, 3))
    assert K.int_shape(x[:, : K.shape(x)[1] // 2]) == (None, None, 3)
    assert K.int_shape(x[:, : K.shape(x)[1], 0]) == (None, 5)
    assert K.int_shape(x[:, K.argmax(x[0, :, 0])]) == (None, 3)


def test_one_input_is_cut_to_the_length_of_another() -> None:
    x, y = Input((None, 4)), Input((None, 4))
    model = Model([x, y], Lambda(lambda t: t[0][:, : K.shape(t[1])[1]])([x, y]))
    assert model.output_shape == (None, None, 4)
    assert model.predict([LONG, SHORT]).tolist() == LONG[:, :2].tolist()


def test_losses_compare_halves_of_a_batch_and_pick_columns() -> None:
    def halves(t: Any, p: Any) -> Any:
        n = K.shape(p)[0]
        return K.mean(K.square(p[: n // 2] - p[n // 2 :]))

    for loss, expected in ((halves, 81), (lambda t, p: p[:, K.cast(t[0, 0], "int32")], X[:, 1].mean())):
        model = Sequential([Dense(3, input_shape=(3,), weights=[np.eye(3), np.zeros(3)])])
        model.compile("sgd", loss)
        assert model.train_on_batch(X, np.ones((6, 3))) == pytest.approx(expected)
        assert not np.allclose(model.get_weights()[0], np.eye(3))


def test_what_is_no_scalar_of_integers_is_no_index() -> None:
    x = K.placeholder((None, 3))
    with pytest.raises(IndexError, match=r"must lie in \[0, 3\)"):
        K.function([x], [x[:, K.cast(x[2, 1], "int32")]])([X])
    for index in (x[0, 0], x[0] > 1, K.shape(x)):
        with pytest.raises(TypeError, match="can't index a tensor with"):
            x[:, index]
    with pytest.raises(TypeError, match="a scalar of integers"):
        x[:, : x[0, 0]]


@pytest.mark.parametrize(
    "repeat, counts",
    [
        (lambda x, y: K.tile(x, [1, K.shape(y)[1], 1]), (1, 5, 1)),
        (lambda x, y: K.tile(x, (K.shape(y)[0], K.shape(y)[1], 1)), (3, 5, 1)),
        (lambda x, y: K.tile(x, K.stack([1, K.shape(y)[1], 2])), (1, 5, 2)),
        (lambda x, y: K.tile(x, K.shape(y)), (3, 5, 4)),
    ],
    ids=["list", "tuple", "stack", "shape"],
)
def test_tile_as_often_as_tensors_say(repeat: Any, counts: Any) -> None:
    value, gradient = value_and_gradient(repeat, SHORT, LONG)
    assert value.tolist() == np.tile(SHORT, counts).tolist()
    assert gradient.tolist() == (np.prod(counts) * SHORT).tolist()


def test_a_row_is_repeated_for_each_step_of_another_input() -> None:
    x, y = K.placeholder((None, 4)), K.placeholder((None, None, 3))
    z = K.tile(K.expand_dims(x, 1), [1, K.shape(y)[1], 1])
    assert K.int_shape(z) == (None, None, 4)
    made = K.function([x, y], [z])([SHORT[:, 0], LONG[..., :3]])[0]
    assert made.tolist() == np.repeat(SHORT[:, :1], 5, 1).tolist()


@pytest.mark.parametrize(
    "shape, known",
    [
        (lambda x: K.stack([-1, 3, 5]), (None, 3, 5)),
        (lambda x: K.stack([K.shape(x)[0], 3, 5]), (None, 3, 5)),
        (lambda x: K.stack([K.shape(x)[0], 15])[:2], (None, 15)),
        (lambda x: K.stack([K.shape(x)[0] * 3, 5]), (None, 5)),
        (lambda x: K.concatenate([K.shape(x)[:1], [15]]), (None, 15)),
        (lambda x: K.concatenate([K.shape(x)[:2], [1], K.shape(x)[2:]]), (None, 3, 1, 5)),
        (lambda x: K.concatenate([K.constant([-1], dtype="int32"), K.shape(x)[2:]]), (None, 5)),
        (lambda x: K.cast(K.shape(x), "int64"), (None, 3, 5)),
    ],
    ids=range(8),
)
def test_a_vector_put_together_of_sizes_keeps_what_is_known(shape: Any, known: Any) -> None:
    x = K.placeholder((None, 3, 5))
    y = K.reshape(x, shape(x))
    assert K.int_shape(y) == known
    value = np.arange(30, dtype="float32").reshape(2, 3, 5)
    assert K.function([x], [y])([value])[0].tolist() == value.reshape([-1, *known[1:]]).tolist()


def test_a_stack_of_sizes_is_the_shape_of_a_transposed_convolution() -> None:
    x, kernel = K.placeholder((None, 4, 4, 3)), K.ones((3, 3, 2, 3))
    y = K.conv2d_transpose(x, kernel, K.stack([K.shape(x)[0], 6, 6, 2]))
    assert K.int_shape(y) == (None, 6, 6, 2)
    assert K.function([x], [y])([np.ones((2, 4, 4, 3))])[0].sum() == 2 * 4 * 4 * 3 * 9 * 2


def test_the_number_of_classes() -> None:
    labels, x = K.placeholder((None, 2), dtype="int32"), K.placeholder((None, 3))
    known, unknown = K.one_hot(labels, K.shape(x)[1]), K.one_hot(labels, K.shape(x)[0])
    assert K.int_shape(known) == (None, 2, 3) and K.int_shape(unknown) == (None, 2, None)
    found = K.function([labels, x], [known, unknown])([[[0, 2], [-1, 3]], X])
    expected = np.equal.outer([[0, 2], [-1, 3]], np.arange(6)).astype("float32")
    np.testing.assert_array_equal(found[0], expected[..., :3])
    np.testing.assert_array_equal(found[1], expected)
    assert K.eval(K.one_hot(K.constant([1], "int32"), K.constant(2, "int32"))).tolist() == [[0, 1]]
