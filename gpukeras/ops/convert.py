"""Python numbers, NumPy arrays and tensors made fit to be inputs of one op."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device import as_host
from ..graph import OPERATORS, Tensor, as_read, constant, is_float, merge_dtypes

default_float = "float32"
"""The dtype of Python floats that meet no float tensor; `K.set_floatx` sets it."""


def as_tensor(value: Any, dtype: str | None = None) -> Tensor:
    """The value as a tensor. What is not yet one becomes a constant of `dtype`.

    Without a dtype, floats take the default float, other arrays keep their own.
    """
    if isinstance(value, Tensor):
        return as_read(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
        if isinstance(getattr(value, "tensor", None), Tensor):  # an update
            return as_read(value.tensor)  # type: ignore[union-attr]
        from .joining import stack
        return stack([as_tensor(v, dtype) for v in value], 0)
    value = as_host(value)
    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(f"can't make a tensor of {value!r}: expected numbers, an array of numbers or a tensor")
    if dtype is None:
        if array.dtype.kind == "f" and not isinstance(value, (np.ndarray, np.generic)):
            dtype = default_float
        elif array.dtype == np.int64 and not isinstance(value, (np.ndarray, np.generic)):
            dtype = "int32"
        else:
            dtype = array.dtype.name
    return constant(array, dtype)


def unify(*values: Any) -> list[Tensor]:
    """The values as tensors of one dtype: numbers and arrays adapt to the tensors, integers to floats."""
    values = tuple(as_read(v) if isinstance(v, Tensor) else v for v in values)
    tensors = [v for v in values if isinstance(v, Tensor)]
    if not tensors:
        tensors = [as_tensor(v) for v in values]
    dtype = merge_dtypes(*(t.dtype for t in tensors))
    if not is_float(dtype) and any(not isinstance(v, Tensor) and np.asarray(v).dtype.kind == "f" for v in values):
        dtype = default_float
    return [cast(as_tensor(v, dtype), dtype) for v in values]


def as_float(value: Any) -> Tensor:
    """The value as a tensor of a float dtype."""
    t = as_tensor(value)
    return t if is_float(t.dtype) else cast(t, default_float)


def cast(x: Tensor, dtype: str) -> Tensor:
    """The tensor in another dtype; the same tensor if it has it already."""
    from ..graph import apply
    from .elementwise import Cast
    return x if x.dtype == dtype else apply(Cast(dtype), x)


OPERATORS["cast"] = cast
