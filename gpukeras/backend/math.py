"""Elementwise mathematics, comparisons, reductions and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Tensor, dtype_name, known_as
from ..ops import convert, indexing, linalg
from ..ops import elementwise as e
from ..ops import reduce as r
from ..ops.elementwise import (
    ceil,
    cos,
    cosh,
    equal,
    erf,
    exp,
    expm1,
    floor,
    greater,
    greater_equal,
    is_inf,
    is_nan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    not_equal,
    sign,
    sin,
    sinh,
    square,
    tan,
    where,
)
from ..ops.linalg import dot, dot_of_samples
from .settings import floatx

__all__ = [
    "abs", "all", "any", "argmax", "argmin", "batch_dot", "cast", "ceil", "clip", "cos", "cosh", "cumprod", "cumsum",
    "dot", "dot_of_samples", "equal", "erf", "exp", "expm1", "floor", "gather", "greater", "greater_equal", "is_inf",
    "is_nan", "less", "less_equal", "log", "log1p", "logical_and", "logical_not", "logical_or", "logsumexp", "max",
    "maximum", "mean", "min", "minimum", "not_equal", "one_hot", "pow", "prod", "round", "sign", "sin", "sinh", "sqrt",
    "square", "std", "sum", "tan", "var", "where",
]


mean, var, std = known_as("Mean")(r.mean), known_as("Mean_1")(r.var), known_as("Sqrt")(r.std)
batch_dot = known_as("MatMul")(linalg.batch_dot)
logsumexp = known_as("ReduceLogSumExp/Add")(r.logsumexp)


def cast(x: Any, dtype: str) -> Tensor:
    """The tensor in another dtype.

    >>> cast(np.array([1.7]), 'int32').dtype
    'int32'
    """
    return convert.cast(convert.as_tensor(x), dtype_name(dtype))


def sqrt(x: Any) -> Tensor:
    """The square root; of 0 for negative numbers, as Keras has it."""
    return e.positive_sqrt(x)


def abs(x: Any) -> Tensor:
    """The absolute value."""
    return e.absolute(x)


def round(x: Any) -> Tensor:
    """The nearest whole number; halves go to the even one, and integers stay what they are."""
    t = convert.as_tensor(x)
    return t if np.dtype(t.dtype).kind in "iu" else e.rint(t)


@known_as("Pow")
def pow(x: Any, a: Any) -> Tensor:
    """x to the power a."""
    return e.power(x, a)


@known_as("clip_by_value")
def clip(x: Any, min_value: Any, max_value: Any) -> Tensor:
    """x kept within [min_value, max_value]; None for max_value means no bound."""
    if max_value is None:
        return maximum(x, min_value)
    if not isinstance(min_value, Tensor) and not isinstance(max_value, Tensor):
        max_value = np.maximum(max_value, min_value)
    return minimum(maximum(x, min_value), max_value)


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over one axis, several, or all."""
    return r.reduce("sum", x, axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The product over one axis, several, or all."""
    return r.reduce("prod", x, axis, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest element over one axis, several, or all."""
    return r.reduce("max", x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest element over one axis, several, or all."""
    return r.reduce("min", x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true; bool."""
    return r.reduce("any", x, axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are true; bool."""
    return r.reduce("all", x, axis, keepdims)


def cumsum(x: Any, axis: int = 0) -> Tensor:
    """Running sums along an axis."""
    return r.scan("sum", x, axis)


def cumprod(x: Any, axis: int = 0) -> Tensor:
    """Running products along an axis."""
    return r.scan("prod", x, axis)


def argmax(x: Any, axis: int | None = -1) -> Tensor:
    """The index of the first largest element along an axis, with None the first one; int64."""
    return r.arg_extreme("max", x, 0 if axis is None else axis)


def argmin(x: Any, axis: int | None = -1) -> Tensor:
    """The index of the first smallest element along an axis, with None the first one; int64."""
    return r.arg_extreme("min", x, 0 if axis is None else axis)


def gather(reference: Any, indices: Any) -> Tensor:
    """Rows of `reference`: shape of `indices`, then the shape of a row."""
    return indexing.gather(reference, indices)


def one_hot(indices: Any, num_classes: Any) -> Tensor:
    """Rows with a 1 at each index, in the default float dtype; `num_classes` may be a tensor made of shapes."""
    return indexing.one_hot(indices, num_classes, floatx())
