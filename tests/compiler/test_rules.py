"""Simplification: constants folded, equal steps shared, crossentropies brought back to logits, and no further."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.backend.flat import Flat
from gpukeras.compiler import Function, debugging
from gpukeras.compiler.lower import Lowering

CLASSES = 4


def steps(inputs: list[Any], outputs: list[Any], shapes: list[Any], values: Any = ()) -> list[str]:
    """The names of the program's steps."""
    text = Function(inputs, outputs).program(shapes, values).describe()
    return [line.split("(")[0] for line in text.splitlines()]


def test_constants_are_folded() -> None:
    x = K.placeholder((3,))
    c = K.exp(K.constant(2.0) * 3 - 1)
    assert steps([x], [x * c], [(3,)]) == ["multiply"]
    assert steps([], [c], []) == []


def test_constants_are_kept_in_row_major_order() -> None:
    """A kernel that takes inputs without gaps takes a constant as it is."""
    columns = K.constant(np.arange(6.0).reshape(2, 3).T)
    for tensor in (columns, K.transpose(K.constant(np.ones((2, 3))))):
        assert Lowering({}).value(tensor).const.flags.c_contiguous


def test_shape_arithmetic_is_folded() -> None:
    x = K.placeholder((None, 3))
    y = K.reshape(x, [K.shape(x)[0] * 3]) / K.cast(K.shape(x)[0], "float32")
    assert steps([x], [y], [(5, 3)]) == ["reshape", "divide"]


def test_bounds_and_places_of_shapes_are_views() -> None:
    x = K.placeholder((None, None))
    assert steps([x], [x[:, : K.shape(x)[1] // 2]], [(5, 4)]) == ["slice"]
    last = x[:, K.shape(x)[1] - 1]
    assert set(steps([x], [last], [(5, 4)])) == {"transpose", "slice"}
    assert "scatter_rows" not in steps([x], K.gradients(last, [x]), [(5, 4)])


def test_large_broadcast_constants_stay_small() -> None:
    x = K.placeholder((None, 1000))
    assert steps([x], [x + K.zeros_like(x)], [(1000, 1000)]) == []
    assert steps([x], [x * K.ones_like(x) + 2], [(1000, 1000)]) == ["add"]


def test_equal_steps_are_shared() -> None:
    x, w = K.placeholder((4, 3)), K.variable(np.ones((3, 2)))
    a, b = K.dot(x, w), K.dot(x, w)
    assert steps([x], [a, b], [(4, 3)]) == ["matmul"]
    assert steps([x], [K.sum(a), K.max(b), K.sum(b)], [(4, 3)]).count("sum") == 1
    assert steps([x], [K.sum(a), K.sum(b, 0), K.sum(b, 0, keepdims=True)], [(4, 3)]).count("sum") == 3


@pytest.mark.parametrize(
    "build, expected",
    [
        (lambda x: x + 0, []),
        (lambda x: 0 + x, []),
        (lambda x: x * 1, []),
        (lambda x: x / 1, []),
        (lambda x: x - 0, []),
        (lambda x: operator.neg(-x), []),
        (lambda x: x**1, []),
        (lambda x: x**2, ["square"]),
        (lambda x: x**0.5, ["sqrt"]),
        (lambda x: x * -1, ["negative"]),
        (lambda x: K.transpose(K.transpose(x)), []),
        (lambda x: K.identity(x), []),
        (lambda x: K.permute_dimensions(K.permute_dimensions(x, (1, 0)), (1, 0)), []),
        (lambda x: K.reshape(K.reshape(x, [-1]), [3, 3]), []),
        (lambda x: x[:], []),
        (lambda x: K.cast(x, "float32"), []),
        (lambda x: K.reshape(K.expand_dims(K.reshape(x, [9])), [1, 9]), ["reshape"]),
        (lambda x: K.concatenate([x, x * 2], 1)[:, 0:3], []),
        (lambda x: K.concatenate([x, x + 1], 0)[3:6], ["add"]),
        (lambda x: K.sum(K.expand_dims(x), -1), []),
    ],
)
def test_algebra_that_costs_nothing(build: Callable[[Any], Any], expected: list[str]) -> None:
    x = K.placeholder((3, 3))
    a = np.abs(np.random.RandomState(0).randn(3, 3)).astype("float32")
    y = build(x)
    assert steps([x], [y], [(3, 3)]) == expected
    with debugging():
        oracle = K.function([x], [y])([a])[0]
    np.testing.assert_allclose(K.function([x], [y])([a])[0], oracle, 1e-6)


@pytest.mark.parametrize(
    "build",
    [
        lambda x, r: K.pow(x, K.ones_like(r) * 2),
        lambda x, r: K.pow(x, K.zeros_like(r) + 0.5),
        lambda x, r: x * K.ones_like(r),
        lambda x, r: x + K.zeros_like(r),
        lambda x, r: K.zeros_like(r) - (-x),
        lambda x, r: x * (K.ones_like(r) * -1),
        lambda x, r: K.where(K.ones_like(r) > 0, x, r),
        lambda x, r: K.where(K.constant([[1.0, 0.0, 1.0]]) > 0, x, r),
        lambda x, r: K.concatenate([x, x * 2], 0)[1:4],
        lambda x, r: K.concatenate([r, r * 2], 1)[:, 3:0:-1],
        lambda x, r: x[::-1] + r,
        lambda x, r: x[-2:] * r[..., :-1][:, :1],
        lambda x, r: K.relu(x) * K.square(r),
    ],
)
def test_algebra_keeps_broadcasting(build: Callable[[Any, Any], Any]) -> None:
    """A column and a row: the result has the full shape whatever is left out."""
    x, r = K.placeholder((3, 1)), K.placeholder((1, 3))
    a, b = np.array([[1.0], [2.0], [3.0]], "float32"), np.array([[4.0, 5.0, 6.0]], "float32")
    f = K.function([x, r], [build(x, r)])
    with debugging():
        oracle = f([a, b])[0]
    got = f([a, b])[0]
    assert got.shape == oracle.shape
    np.testing.assert_allclose(got, oracle, 1e-6)


# Crossentropies ------------------------------------------------------------------------------------------------
def softmax_pair(sparse: bool) -> tuple[list[Any], list[Any]]:
    z = K.placeholder((None, CLASSES))
    t = K.placeholder((None, 1) if sparse else (None, CLASSES))
    loss = (K.sparse_categorical_crossentropy if sparse else K.categorical_crossentropy)(t, K.softmax(z))
    return [z, t], [loss, *K.gradients(K.mean(loss), [z])]


LOGITS = np.array([[1000, -1000, 0, 5], [-1000, 1000, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0]], "float32")
LABELS = np.array([[1], [1], [2], [0]], "float32")
TARGETS = np.eye(CLASSES, dtype="float32")[LABELS[:, 0].astype(int)]


@pytest.mark.parametrize("sparse", [False, True])
def test_softmax_and_crossentropy_become_one_stable_step(sparse: bool) -> None:
    inputs, outputs = softmax_pair(sparse)
    prefix = "sparse_" if sparse else ""
    shapes = [(4, CLASSES), (4, 1) if sparse else (4, CLASSES)]
    names = steps(inputs, outputs, shapes)
    assert f"{prefix}softmax_crossentropy" in names and f"{prefix}softmax_crossentropy_gradient" in names
    assert "softmax_gradient" not in names and not any("log" in n for n in names)
    loss, slope = K.function(inputs, outputs)([LOGITS, LABELS if sparse else TARGETS])
    z = LOGITS.astype("float64")
    shifted = z - z.max(1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(1, keepdims=True))
    np.testing.assert_allclose(loss, -((shifted - log_sum) * TARGETS).sum(1), 1e-6)
    np.testing.assert_allclose(slope, (np.exp(shifted - log_sum) - TARGETS) / 4, 1e-5, 1e-7)


def test_sigmoid_and_crossentropy_become_stable_steps() -> None:
    z, t = K.placeholder((None, 1)), K.placeholder((None, 1))
    loss = K.binary_crossentropy(t, K.sigmoid(z))
    (slope,) = K.gradients(K.mean(loss), [z])
    names = " ".join(steps([z, t], [loss, slope], [(6, 1), (6, 1)]))
    assert "sigmoid_crossentropy" in names and "sqrt" not in names and "divide" not in names
    logits = np.array([[1000], [-1000], [1000], [-1000], [0.5], [0]], "float32")
    targets = np.array([[0], [1], [1], [0], [0.3], [1]], "float32")
    got = K.function([z, t], [loss, slope])([logits, targets])
    zz = logits.astype("float64")
    np.testing.assert_allclose(got[0], np.maximum(zz, 0) - zz * targets + np.log1p(np.exp(-abs(zz))), 1e-6)
    np.testing.assert_allclose(got[1], (0.5 * (1 + np.tanh(zz / 2)) - targets) / 6, 1e-5, 1e-7)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    "build",
    [
        lambda z: K.sigmoid(z),
        lambda z: K.softmax(z) * 0.5 + 0.1,
        lambda z: K.softmax(z, axis=0),
        lambda z: z,
        lambda z: K.stop_gradient(K.softmax(z)) * z,
        lambda z: K.relu(K.softmax(z)) + 1e-3,
        lambda z: K.softmax(z)[::-1],
    ],
)
def test_no_crossentropy_on_logits_where_there_is_no_softmax(build: Callable[[Any], Any], sparse: bool) -> None:
    z = K.placeholder((None, CLASSES))
    t = K.placeholder((None, 1) if sparse else (None, CLASSES))
    loss = (K.sparse_categorical_crossentropy if sparse else K.categorical_crossentropy)(t, build(z))
    f = Function([z, t], [loss, *K.gradients(K.mean(loss), [z])])
    values = [np.random.RandomState(0).uniform(0.1, 0.9, (4, CLASSES)), LABELS if sparse else TARGETS]
    assert "softmax_crossentropy" not in f.program([(4, CLASSES), values[1].shape]).describe()
    with debugging():
        expected = f(values)
    for a, b in zip(f(values), expected):
        np.testing.assert_allclose(a, b, 1e-4, 1e-6)


def test_softmax_used_twice_keeps_both_gradients() -> None:
    z, t = K.placeholder((None, CLASSES)), K.placeholder((None, CLASSES))
    p = K.softmax(z)
    loss = K.mean(K.categorical_crossentropy(t, p)) + 0.1 * K.sum(K.square(p))
    f = K.function([z, t], [loss, *K.gradients(loss, [z, t])])
    values = [np.random.RandomState(0).randn(4, CLASSES), TARGETS]
    with debugging():
        expected = f(values)
    for a, b in zip(f(values), expected):
        np.testing.assert_allclose(a, b, 1e-4, 1e-6)


def test_broadcast_targets_are_not_mistaken() -> None:
    z, t = K.placeholder((None, CLASSES)), K.placeholder((1, CLASSES))
    loss = K.categorical_crossentropy(t, K.softmax(z))
    f = K.function([z, t], [loss, *K.gradients(K.sum(loss), [z, t])])
    values = [np.random.RandomState(0).randn(4, CLASSES), TARGETS[:1]]
    with debugging():
        expected = f(values)
    for a, b in zip(f(values), expected):
        np.testing.assert_allclose(a, b, 1e-4, 1e-6)


def test_second_derivative_through_the_fused_crossentropy() -> None:
    z, t = K.placeholder((None, CLASSES), dtype="float64"), K.placeholder((None, CLASSES), dtype="float64")
    (slope,) = K.gradients(K.sum(K.categorical_crossentropy(t, K.softmax(z))), [z])
    (curvature,) = K.gradients(K.sum(K.square(slope)), [z])
    f = K.function([z, t], [slope, curvature])
    at = np.random.RandomState(0).randn(4, CLASSES)
    _, got = f([at, TARGETS])
    step = 1e-6 * np.eye(CLASSES)[1]
    up, down = (np.square(f([at + s, TARGETS])[0]).sum(1) for s in (step, -step))
    np.testing.assert_allclose(got[:, 1], (up - down) / 2e-6, 1e-4, 1e-6)


def test_crossentropy_from_logits_has_the_right_slope_at_zero() -> None:
    z, t = K.placeholder((None,)), K.placeholder((None,))
    (slope,) = K.gradients(K.sum(K.binary_crossentropy(t, z, from_logits=True)), [z])
    got = K.function([z, t], [slope])([[0.0, 0.0, 3.0, -1000.0, 1000.0], [0.0, 1.0, 1.0, 0.0, 0.0]])[0]
    np.testing.assert_allclose(got, [0.5, -0.5, 1 / (1 + np.exp(-3)) - 1, 0, 1], 1e-6, 1e-7)


@pytest.mark.parametrize("loss", [K.categorical_crossentropy, K.binary_crossentropy])
def test_crossentropy_of_a_tensor_with_itself(loss: Callable[..., Any]) -> None:
    """The entropy: the derivative has a part for each of the two places."""
    p = K.placeholder((None, CLASSES), dtype="float64")
    total = K.sum(loss(p, p))
    f = K.function([p], [total, *K.gradients(total, [p])])
    at = np.random.RandomState(0).uniform(0.1, 0.9, (3, CLASSES))
    direction = np.random.RandomState(1).randn(3, CLASSES)
    up, down = (f([at + h * direction])[0] for h in (1e-5, -1e-5))
    assert (f([at])[1] * direction).sum() == pytest.approx((up - down) / 2e-5, rel=1e-6)


def test_rows_are_gathered_in_the_order_in_which_they_are_wanted() -> None:
    table, i = K.variable(np.arange(12.0).reshape(4, 3)), K.placeholder((None, 2), dtype="int32")
    rows = K.gather(table, i)
    indices = np.array([[0, 3], [1, 2], [3, 3]], "int32")
    turned = K.permute_dimensions(rows, (1, 0, 2))
    made = steps([i], [turned], [(3, 2)])  # on a GPU with a copy of the indices between
    assert made[0] == "transpose" and made[-1] == "gather"
    np.testing.assert_array_equal(K.function([i], [turned])([indices])[0], K.get_value(table)[indices.T])
    columns = K.permute_dimensions(rows, (0, 2, 1))  # moves an axis of the rows
    assert steps([i], [columns], [(3, 2)])[:2] == ["gather", "transpose"]
    np.testing.assert_array_equal(K.function([i], [columns])([indices])[0], K.get_value(table)[indices].swapaxes(1, 2))


@pytest.mark.parametrize("samples", (3, 300))
def test_states_that_begin_with_zeros_are_one_number(samples: int) -> None:
    x = K.placeholder((None, 5, 4))
    zero = K.expand_dims(K.sum(K.zeros_like(x), axis=(1, 2)))
    state = K.tile(zero, [1, 7])
    assert steps([x], [K.exp(x)[:, 0, :1] + K.permute_dimensions(state, (1, 0))[0, 0]], [(samples, 5, 4)])[-1] != "sum"
    assert set(steps([x], [state], [(samples, 5, 4)])) <= {"broadcast_to", "identity"}
    np.testing.assert_array_equal(K.function([x], [state])([np.ones((samples, 5, 4))])[0], np.zeros((samples, 7)))


def test_a_sum_of_a_number_that_is_not_zero_is_computed() -> None:
    x = K.placeholder((None, 1000))
    assert K.function([x], [K.sum(K.ones_like(x), axis=1)])([np.zeros((2, 1000))])[0].tolist() == [1000, 1000]
    moved = K.permute_dimensions(K.expand_dims(K.ones_like(x), 1), (2, 1, 0))
    np.testing.assert_array_equal(K.function([x], [moved])([np.zeros((2, 1000))])[0], np.ones((1000, 1, 2)))


def test_the_derivative_of_a_side_that_is_not_taken_costs_nothing() -> None:
    x, phase = K.placeholder((None, 100)), K.learning_phase()
    w, v = K.variable(np.full(100, 3.0)), K.variable(np.full(100, 5.0))
    y = K.in_train_phase(K.exp(x * w), lambda: K.tanh(-x / v) * K.cast(K.greater(x, 0), "float32"))
    slopes = K.gradients(K.sum(y), [x, w])
    made = steps([x, phase], slopes, [(4, 100), ()], [None, 1])
    assert not any(name in step for step in made for name in ("tanh", "divide", "negative", "mask"))
    a = np.random.RandomState(0).rand(4, 100)
    np.testing.assert_allclose(K.function([x, phase], slopes)([a, 1])[0], 3 * np.exp(3 * a), rtol=1e-5)
    zero = K.function([x], [x * 0.0])([np.array([[np.nan] * 100])])[0]  # a zero that a program writes is multiplied
    assert np.isnan(zero).all()


def test_weights_in_a_flat_vector_are_cast_together() -> None:
    weights = [K.variable(np.arange(6.0).reshape(2, 3)), K.variable(np.arange(3.0)), K.variable(np.full((), 7.0))]
    casts = [K.cast(w, "float16") for w in weights]
    assert steps([], casts, []).count("cast") == 3
    flat = Flat(weights)
    together = Function([], casts).program([]).describe().splitlines()
    assert [line for line in together if line.startswith("cast")] == ["cast(float32[10]) -> float16[10]"]
    assert isinstance(flat.value, K.Variable)
    K.set_value(weights[1], [1, 2, 3])  # read at each call
    for made, w in zip(K.function([], casts)([]), weights):
        np.testing.assert_array_equal(made, K.get_value(w))
def test_a_branch_that_is_not_taken_leaves_nothing_in_the_derivative() -> None:
    """Not even zeros times something: batch normalization in training has no trace of its moving values."""
    x, scale = K.placeholder((4, 100)), K.variable(np.full(100, np.inf, "float32"))
    y = K.in_train_phase(K.square(x), lambda: K.sqrt(x) / scale * K.exp(x))
    (gradient,) = K.gradients(K.sum(y), [x])
    values = np.full((4, 100), -2.0, "float32")
    np.testing.assert_array_equal(Function([x, K.learning_phase()], [gradient])([values, 1])[0], 2 * values)
    assert steps([x, K.learning_phase()], [gradient], [(4, 100), ()], [values, 1]) == ["multiply"]


def test_zeros_of_a_program_s_own_are_numbers() -> None:
    x = K.placeholder((4, 100))
    made = Function([x], [x * K.zeros_like(x)])([np.full((4, 100), np.inf)])[0]
    assert np.isnan(made).all()
