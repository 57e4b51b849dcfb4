"""Tensors: specs, operators, constants, dtypes, and what errors say."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.graph import Spec, broadcast_shapes, canonical_axes, constant, merge_dtypes, origin, size_of
from gpukeras.ops.convert import as_float, as_tensor, unify

A = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], "float32")
B = np.array([2.0, 3.0, 4.0], "float32")


@pytest.mark.parametrize(
    "f",
    [
        operator.add,
        operator.sub,
        operator.mul,
        operator.truediv,
        operator.floordiv,
        operator.mod,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
    ],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize(
    "other", [B, 2, 2.5, np.float64(3), [1.0, 2.0, 3.0]], ids=["array", "int", "float", "numpy", "list"]
)
def test_operators_with_numbers_and_arrays_on_either_side(f: Callable[..., Any], other: Any) -> None:
    x = K.constant(A)
    plain = np.asarray(other, "float32")
    left, right = f(x, other), f(other, x)
    assert left.shape == right.shape == (2, 3)
    np.testing.assert_allclose(K.eval(left), f(A, plain), 1e-6)
    np.testing.assert_allclose(K.eval(right), f(plain, A), 1e-6)


def test_power_matmul_and_unary_operators() -> None:
    x, y = K.constant(np.abs(A)), K.constant(A.T)
    for made, expected in (
        (x**2, A**2),
        (2**x, 2 ** np.abs(A)),
        (x ** y.dtype.count("x"), np.ones_like(A)),
        (x @ y, np.abs(A) @ A.T),
        (A @ y, A @ A.T),
        (x @ A.T, np.abs(A) @ A.T),
        (-x, -np.abs(A)),
        (abs(K.constant(A)), np.abs(A)),
    ):
        np.testing.assert_allclose(K.eval(made), expected, 1e-6)
    p, q = K.constant(A) > 0, K.constant(A) < 4
    assert K.eval((p & q) | ~p).tolist() == (((A > 0) & (A < 4)) | ~(A > 0)).tolist()


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(1, None),
        slice(None, None, -1),
        (0, 2),
        (slice(None), 1),
        (Ellipsis, 0),
        (None, 0),
        (slice(None), None, slice(0, 2)),
        (Ellipsis, None),
        (1, Ellipsis),
        (slice(-1, None), slice(None, None, 2)),
    ],
    ids=str,
)
def test_indexing(index: Any) -> None:
    x = K.constant(A)
    assert x[index].shape == A[index].shape
    assert K.eval(x[index]).tolist() == A[index].tolist()


def test_indexing_by_arrays_gathers() -> None:
    x = K.constant(A)
    assert K.eval(x[np.array([1, 0, 1])]).tolist() == A[[1, 0, 1]].tolist()
    assert K.eval(x[[1, 1]]).tolist() == A[[1, 1]].tolist()


def test_iteration_and_length() -> None:
    x = K.constant(A)
    assert len(x) == 2 and [K.eval(r).tolist() for r in x] == A.tolist()
    with pytest.raises(TypeError, match="unknown"):
        len(K.placeholder((None, 2)))
    with pytest.raises(TypeError, match="unknown"):
        iter(K.placeholder((None, 2)))


def test_a_tensor_decides_no_if() -> None:
    with pytest.raises(TypeError, match="K.switch"):
        bool(K.placeholder((2,)) > 0)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda x: x[3], ValueError, "index 3 is out of range for an axis of length 2"),
        (lambda x: x[0, 0, 0], IndexError, "3 indices"),
        (lambda x: x["a"], TypeError, "can't index"),
        (lambda x: x + "text", (TypeError, ValueError), "text"),
        (lambda x: x + K.zeros((2,)), ValueError, r"add: shapes \(2, 3\) and \(2,\) do not fit together"),
        (lambda x: K.dot(x, x), ValueError, "must have the same length"),
        (lambda x: K.reshape(x, (4, 2)), ValueError, r"can't reshape \(2, 3\)"),
        (lambda x: K.reshape(x, (-1, -1)), ValueError, "only one dimension"),
        (lambda x: K.squeeze(x, 0), ValueError, "has not length 1"),
        (lambda x: K.sum(x, 2), ValueError, "axis 2 is out of range"),
        (lambda x: K.concatenate([x, K.zeros((3, 2))], 0), ValueError, "same shape except"),
        (lambda x: K.concatenate([x, K.zeros((3,))], 0), ValueError, "same number of dimensions"),
        (lambda x: K.permute_dimensions(x, (0, 0)), ValueError, "not an order"),
        (lambda x: K.expand_dims(x, 4), ValueError, "out of range"),
        (lambda x: K.concatenate([x], 2), ValueError, "out of range"),
        (lambda x: K.gather(K.constant(1.0), [0]), ValueError, "scalar"),
        (lambda x: K.switch(K.constant(1.0), x, K.zeros((3, 2))), ValueError, "same shape"),
        (lambda x: K.categorical_crossentropy(K.zeros((2, 4)), x), ValueError, "differ in their last axis"),
        (lambda x: K.tile(x, [1, 2, 3]), ValueError, "3 counts"),
        (lambda x: K.softmax(x, 5), ValueError, "axis 5"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(make: Callable[[Any], Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make(K.placeholder((2, 3)))


def test_errors_name_the_layers() -> None:
    with origin("dense_1"):
        x = K.placeholder((None, 3)) + 1
    with origin("merge_2"), pytest.raises(ValueError) as caught:
        x + K.zeros((4,))
    assert str(caught.value).startswith("layer 'merge_2': add: shapes (None, 3) and (4,)")
    assert "(None, 3) from layer 'dense_1'" in str(caught.value)


@pytest.mark.parametrize(
    "value, dtype, expected",
    [
        (1, None, "int32"),
        (1.5, None, "float32"),
        (True, None, "bool"),
        (np.float64(1), None, "float64"),
        ([1, 2], None, "int32"),
        ([1.0, 2.0], None, "float32"),
        (np.arange(2), None, "int64"),
        ([1, 2], "float64", "float64"),
        (np.ones(2, "float32"), None, "float32"),
    ],
)
def test_as_tensor(value: Any, dtype: str | None, expected: str) -> None:
    t = as_tensor(value, dtype)
    assert t.dtype == expected and np.asarray(t.const).tolist() == np.asarray(value).tolist()


def test_as_tensor_of_tensors() -> None:
    x = K.placeholder(())
    assert as_tensor(x) is x
    stacked = as_tensor([x, 2.0, x * 3])
    assert stacked.shape == (3,) and K.function([x], [stacked])([5.0])[0].tolist() == [5, 2, 15]
    with pytest.raises(TypeError, match="can't make a tensor"):
        as_tensor(object())
    with pytest.raises(TypeError, match="can't make a tensor"):
        as_tensor(None)


def test_constants_cannot_be_changed() -> None:
    a = np.ones(2)
    t = constant(a, "float32")
    a[0] = 5
    assert t.const.tolist() == [1, 1]
    with pytest.raises(ValueError):
        t.const[0] = 2


@pytest.mark.parametrize(
    "dtypes, expected",
    [
        (("float32", "float16"), "float32"),
        (("float16", "int64"), "float16"),
        (("bool", "float32"), "float32"),
        (("int32", "int64"), "int64"),
        (("uint8", "int8"), "int16"),
        (("bool", "bool"), "bool"),
        (("float64", "float32", "int32"), "float64"),
    ],
)
def test_merged_dtypes(dtypes: tuple[str, ...], expected: str) -> None:
    assert merge_dtypes(*dtypes) == merge_dtypes(*reversed(dtypes)) == expected


def test_numbers_and_arrays_adapt_to_tensors() -> None:
    x, n = K.placeholder((2,), dtype="float16"), K.placeholder((2,), dtype="int32")
    assert [t.dtype for t in unify(x, 1.5, np.ones(2))] == ["float16"] * 3
    assert [t.dtype for t in unify(n, 2)] == ["int32"] * 2 and [t.dtype for t in unify(n, 2.5)] == ["float32"] * 2
    assert (
        (x + n).dtype == "float16"
        and (n / n).dtype == "float32"
        and as_float(n).dtype == "float32"
        and (n + True).dtype == "int32"
    )
    assert (n > 1).dtype == "bool" and (n // 2).dtype == "int32"


@pytest.mark.parametrize(
    "shapes, expected",
    [
        (((2, 3), (3,)), (2, 3)),
        (((None, 1), (5,)), (None, 5)),
        (((None,), (1,)), (None,)),
        (((None,), (4,)), (4,)),
        (((), (2, 1)), (2, 1)),
        (((0,), (1,)), (0,)),
        (((None, 3), (None, 3)), (None, 3)),
        (((3, 1, 1), (None, 4), (5,)), None),
    ],
)
def test_broadcast_shapes(shapes: Any, expected: Any) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="do not fit together"):
            broadcast_shapes(*shapes)
    else:
        assert broadcast_shapes(*shapes) == broadcast_shapes(*reversed(shapes)) == expected


def test_specs_and_axes() -> None:
    assert (
        Spec((2, 3), "float32").known
        and not Spec((None,), "float32").known
        and Spec((2, 3), "float32").size == size_of((2, 3)) == 6
    )
    assert canonical_axes((1, -1), 3) == (1, 2) and canonical_axes(None, 2) == (0, 1) and canonical_axes(-1, 0) == ()
    for axis in (3, -4, (0, 5)):
        with pytest.raises(ValueError, match="out of range for a tensor of rank 3"):
            canonical_axes(axis, 3)


def test_shapes_as_programs_of_the_time_ask_for_them() -> None:
    x = K.placeholder((None, 3))
    assert x.get_shape().as_list() == [None, 3] and x.get_shape().ndims == 2 and x.get_shape()[1] == 3 and x.ndim == 2
    assert "shape=(None, 3) dtype=float32" in repr(x)


def test_a_variable_refuses_a_value_of_another_shape() -> None:
    v = K.variable(np.zeros((2, 3)), name="kernel")
    with pytest.raises(ValueError, match=r"'kernel:0' has shape \(2, 3\), but got a value of shape \(3, 2\)"):
        K.set_value(v, np.zeros((3, 2)))
    K.set_value(v, np.ones((2, 3), "int64"))
    got = K.get_value(v)
    got[0, 0] = 7
    assert K.get_value(v).tolist() == [[1, 1, 1]] * 2 and K.get_value(v).dtype == np.float32
