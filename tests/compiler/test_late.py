"""Sizes that follow from data: parts between bounds that are fed, what is made of them, and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.compiler import debugging
from gpukeras.layers import Conv2D, Dense, Dropout, Flatten, Input, Lambda
from gpukeras.models import Model

X = np.random.RandomState(0).rand(2, 6, 7, 3).astype("float32")


def pair(n: Any) -> tuple[Any, Any]:
    return n[0], n[1]


def test_a_part_between_fed_bounds_has_its_size_when_it_is_computed() -> None:
    x, n = K.placeholder((None, None, 3)), K.placeholder((2,), dtype="int32")
    part = x[:, n[0] : n[1]]
    assert K.int_shape(part) == (None, None, 3)
    f = K.function([x, n], [part, K.shape(part), K.sum(part, 1), part * 2 + x[:, n[0] : n[1]]])
    for bounds in ((1, 4), (0, 7), (3, 3), (-2, 7)):
        expected = X[0][:, slice(*bounds)]
        for made in (f([X[0], bounds]), _debugged(f, [X[0], bounds])):
            np.testing.assert_allclose(made[0], expected)
            assert made[1].tolist() == list(expected.shape)
            np.testing.assert_allclose(made[2], expected.sum(1), 1e-5)
            np.testing.assert_allclose(made[3], expected * 3, 1e-5)


def _debugged(f: Any, inputs: list[Any]) -> Any:
    with debugging():
        return f(inputs)


@pytest.mark.parametrize(
    "pool, expected",
    [
        (lambda x, a, b: K.max(x[:, a:b, b : b + 2], axis=(1, 2)), lambda x, a, b: x[:, a:b, b : b + 2].max((1, 2))),
        (lambda x, a, b: K.exp(K.mean(x[:, a:b] * 2, 1)), lambda x, a, b: np.exp((x[:, a:b] * 2).mean(1))),
        (
            lambda x, a, b: K.sum(K.concatenate([x[:, a:b], x[:, :b]], 1), 1),
            lambda x, a, b: x[:, a:b].sum(1) + x[:, :b].sum(1),
        ),
        (
            lambda x, a, b: K.reshape(x, [b, -1, a * 3])[0, 0],
            lambda x, a, b: x.reshape(b, -1, a * 3)[0, 0],
        ),
        (lambda x, a, b: x[0, 0, 0] * K.sum(K.cast(K.arange(b) * a, "float32")), lambda x, a, b: x[0, 0, 0] * 6.0),
        (
            lambda x, a, b: K.gather(x[0], K.arange(a, b))[-1, a:] * K.ones((1, 3)),
            lambda x, a, b: x[0, a:b][-1, a:],
        ),
    ],
)
def test_what_is_made_of_a_part_has_values_and_derivatives(
    pool: Callable[..., Any], expected: Callable[..., Any]
) -> None:
    x, n = K.placeholder((None, 6, 7, 3)), K.placeholder((2,), dtype="int32")
    made = pool(x, *pair(n))
    (slope,) = K.gradients(K.sum(K.square(made)), [x])
    assert K.int_shape(slope) == (None, 6, 7, 3)
    f = K.function([x, n], [made, slope])
    value, derivative = f([X, (1, 4)])
    np.testing.assert_allclose(value, expected(X, 1, 4), 1e-4)
    direction = np.random.RandomState(1).randn(*X.shape)
    ahead, behind = (np.square(expected(X.astype("float64") + h * direction, 1, 4)).sum() for h in (1e-4, -1e-4))
    assert (derivative * direction).sum() == pytest.approx((ahead - behind) / 2e-4, rel=1e-3)


def test_a_model_that_pools_fed_regions_is_trained() -> None:
    def pooled(tensors: list[Any]) -> Any:
        picture, regions = tensors
        parts = []
        for i in range(2):
            x, y, w, h = (K.cast(regions[0, i, j], "int32") for j in range(4))
            parts += [
                K.max(picture[:, y : y + h // 2, x : x + w], axis=(1, 2)),
                K.max(picture[:, y + h // 2 : y + h, x : x + w], axis=(1, 2)),
            ]
        return K.reshape(K.concatenate(parts, axis=0), (1, 2, 2, 4))

    picture, regions = Input((None, None, 3)), Input((2, 4))
    found = Lambda(pooled, output_shape=(2, 2, 4))([Conv2D(4, 3)(picture), regions])
    model = Model([picture, regions], Dense(1)(Flatten()(found)))
    model.compile("sgd", "mse")
    boxes = np.array([[[0, 1, 2, 3], [1, 0, 3, 4]]])
    losses = [model.train_on_batch([X[:1], boxes], np.ones((1, 1))) for _ in range(20)]
    assert losses[-1] < losses[0] / 2
    whole, smaller = model.predict([X[:1], boxes]), model.predict([X[:1, :, :6], boxes])
    np.testing.assert_allclose(whole, smaller, 1e-5)


def test_a_size_that_does_not_fit_is_an_error_of_the_run() -> None:
    x, n = K.placeholder((4,)), K.placeholder((), dtype="int32")
    f = K.function([x, n], [x[:n] + K.ones((2,))])
    assert f([np.arange(4), 2])[0].tolist() == [1, 2]
    with pytest.raises(ValueError, match="add: shapes"):
        f([np.arange(4), 3])
    v = K.variable(np.zeros(2))
    with pytest.raises(ValueError, match="the new value of .* must have a size that follows from shapes"):
        K.function([x, n], [], [K.update(v, x[:n])])([np.arange(4), 2])
    with pytest.raises(ValueError, match="not available for random numbers"):
        K.function([x, n], [K.random_normal((n,))])([np.arange(4), 2])
    with pytest.raises(ValueError, match="what a step makes must have a size"):
        K.function([x, n], [K.map_fn(lambda t: K.ones((K.cast(t, "int32"),)), x)])([np.arange(4), 2])
    made = K.function([x, n], [K.map_fn(lambda t: K.ones((n,)) * t, x)])
    assert made([np.arange(4), 2])[0].tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]


def test_a_part_goes_through_a_step_of_a_recurrence_and_through_layers() -> None:
    x, n = K.placeholder((None, 4)), K.placeholder((), dtype="int32")
    sums = K.map_fn(lambda row: K.sum(row[:n]), x)
    (slope,) = K.gradients(K.sum(sums), [x])
    rows = np.arange(8.0).reshape(2, 4)
    value, derivative = K.function([x, n], [sums, slope])([rows, 3])
    assert value.tolist() == [3, 15] and derivative.tolist() == [[1, 1, 1, 0]] * 2
    dense = Dense(2, weights=[np.ones((4, 2)), np.zeros(2)], input_shape=(4,))
    made = K.function([x, n, K.learning_phase()], [Dropout(0.5)(dense(x[:n]))])([rows, 1, 0])
    assert made[0].tolist() == [[6, 6]]
