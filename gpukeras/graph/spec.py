"""What is known of a tensor before it is computed: shape, dtype, and sometimes its value."""

from __future__ import annotations

import reprlib
from typing import Any, NamedTuple

import numpy as np

Shape = tuple["int | None", ...]


class Spec(NamedTuple):
    """Shape (None = not yet known), dtype name and, for constants, the value as a host array."""

    shape: Shape
    dtype: str
    value: Any = None

    @property
    def known(self) -> bool:
        """True if every dimension is known."""
        return None not in self.shape

    @property
    def size(self) -> int:
        """Number of elements; all dimensions must be known."""
        return size_of(self.shape)


class DType(str):
    """The name of a dtype, with what programs of TensorFlow's time ask of one: `y_pred.dtype.base_dtype`."""

    __slots__ = ()

    @property
    def base_dtype(self) -> DType:
        """Itself: a variable's is no other one here."""
        return self

    @property
    def name(self) -> str:
        """The name."""
        return str(self)

    @property
    def as_numpy_dtype(self) -> Any:
        """NumPy's class of scalars."""
        return np.dtype(self).type


_DTYPES: dict[str, DType] = {}


def dtype_named(name: str) -> DType:
    """The one DType of this name."""
    found = _DTYPES.get(name)
    if found is None:
        found = _DTYPES[name] = DType(name)
    return found


def size_of(shape: Shape) -> int:
    """The number of elements of a shape without unknown dimensions."""
    n = 1
    for d in shape:
        assert d is not None
        n *= d
    return n


def is_float(dtype: str) -> bool:
    """True for the dtypes that have gradients."""
    return dtype.startswith("float") or dtype == "bfloat16"


def dtype_name(dtype: Any) -> str:
    """The name of a dtype of numbers or truth values, given as a name or in any way that NumPy takes.

    ValueError for everything else: texts and objects are nothing to compute with, and of several fields a tensor has
    none. A name may come from a file, so NumPy is asked only for what is one word: it evaluates parts of longer ones.

    >>> dtype_name(np.float32), dtype_name('bool'), dtype_name('>f4')
    ('float32', 'bool', 'float32')
    """
    try:
        if not isinstance(dtype, str) or dtype.lstrip("<>=|").isidentifier():
            found = np.dtype(dtype)
            if found.kind in "biufc" or found.name == "bfloat16":
                return str(found.name)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"dtype must be that of numbers, such as 'float32', 'int32' or 'bool', got {reprlib.repr(dtype)}")


def merge_dtypes(*dtypes: str) -> str:
    """The dtype of an arithmetic result: a float beats integers whatever their width; the widest float wins.

    >>> merge_dtypes('float32', 'int64'), merge_dtypes('float32', 'float64'), merge_dtypes('bool', 'int32')
    ('float32', 'float64', 'int32')
    """
    if dtypes.count(dtypes[0]) == len(dtypes):
        return dtypes[0]
    floats = [d for d in dtypes if is_float(d)]
    return str(np.result_type(*(floats or dtypes)))


def broadcast_shapes(*shapes: Shape) -> Shape:
    """NumPy's broadcasting, with unknown dimensions.

    An unknown dimension against a known one other than 1 takes the known one: a mismatch, if there is one, is
    then seen when the shapes are specialised.

    >>> broadcast_shapes((None, 1), (5,)), broadcast_shapes((None, 3), (None, 3))
    ((None, 5), (None, 3))
    """
    rank = max((len(s) for s in shapes), default=0)
    out: list[int | None] = []
    for i in range(-rank, 0):
        dims = [s[i] for s in shapes if len(s) >= -i]
        wide = {d for d in dims if d is not None and d != 1}
        if len(wide) > 1:
            raise ValueError(f"shapes {' and '.join(map(str, shapes))} do not fit together")
        if wide:
            out.append(wide.pop())
        else:
            out.append(None if None in dims else 1)
    return tuple(out)


def canonical_axes(axis: int | list[int] | tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """Sorted non-negative axes; None means all of them.

    >>> canonical_axes(-1, 3), canonical_axes(None, 2)
    ((2,), (0, 1))
    """
    if axis is None:
        return tuple(range(rank))
    axes = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    for a in axes:
        if not -max(rank, 1) <= a < max(rank, 1):
            raise ValueError(f"axis {a} is out of range for a tensor of rank {rank}")
    return tuple(sorted({int(a) % rank for a in axes})) if rank else ()
