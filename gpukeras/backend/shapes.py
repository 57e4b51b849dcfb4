"""Shapes: joining, splitting, repeating, turning."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph import Tensor, apply, canonical_axes, known_as, size_of
from ..ops import broadcasting as b
from ..ops import convert, slicing
from ..ops import shape as s
from ..ops.joining import concatenate
from ..ops.joining import stack as _stack
from ..ops.reduce import prod
from ..ops.shape import expand_dims, reshape, squeeze
from .settings import floatx

__all__ = ["arange", "batch_flatten", "concatenate", "expand_dims", "flatten", "permute_dimensions", "repeat",
           "repeat_elements", "reshape", "reverse", "size", "slice", "squeeze", "stack", "tile", "transpose"]


@known_as("stack")
def stack(x: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    return _stack(x, axis)


def transpose(x: Tensor) -> Tensor:
    """All axes in reverse order."""
    return s.transpose(convert.as_tensor(x))


def permute_dimensions(x: Tensor, pattern: Sequence[int]) -> Tensor:
    """Axes in the order of `pattern`."""
    t = convert.as_tensor(x)
    return s.transpose(t, tuple(int(a) % max(t.ndim, 1) for a in pattern))


def flatten(x: Tensor) -> Tensor:
    """All elements as one row."""
    return reshape(x, [-1])


def batch_flatten(x: Tensor) -> Tensor:
    """Each sample's elements as one row: shape (samples, n)."""
    t = convert.as_tensor(x)
    rest = t.shape[1:]
    if None in rest or 0 in rest:  # the number of elements then tells nothing of that of the samples
        return reshape(t, [s.shape_of(t)[0], 0 if 0 in rest else -1])
    return reshape(t, [-1, size_of(rest)])


@known_as("concat")
def repeat_elements(x: Tensor, rep: int, axis: int) -> Tensor:
    """Each element `rep` times along an axis, next to itself."""
    return b.repeat_elements(convert.as_tensor(x), rep, axis)


@known_as("Tile")
def repeat(x: Tensor, n: int) -> Tensor:
    """Each sample's row n times: (samples, features) to (samples, n, features)."""
    if x.ndim != 2:
        raise ValueError(f"repeat needs a tensor of shape (samples, features), got {x.shape}")
    wide = expand_dims(x, 1)
    return b.repeat_elements(wide, n, 1)


@known_as("Tile")
def tile(x: Tensor, n: Any) -> Tensor:
    """The whole tensor n times, along each axis (a list or a vector of counts) or the last ones. Counts may be tensors
    that follow from shapes.

    >>> from gpukeras import backend as K
    >>> x = K.placeholder((None, 3))
    >>> y = K.tile(K.expand_dims(x, 1), [1, K.shape(x)[0], 1])
    >>> K.function([x], [y])([[[1., 2., 3.], [4., 5., 6.]]])[0].shape
    (2, 2, 3)
    """
    t = convert.as_tensor(x)
    counts = [_count(v) for v in s.numbers(n)]
    if len(counts) > t.ndim:
        raise ValueError(f"tile: {len(counts)} counts for a tensor of shape {t.shape}")
    return b.tile(t, [1] * (t.ndim - len(counts)) + counts)


def _count(v: Any) -> int | Tensor:
    """A number of repetitions, as a tensor only where that follows from what is fed."""
    if not isinstance(v, Tensor):
        return int(v)
    known = s.known_number(v)
    return known if known is not None else int(v) if v.is_known() else v


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: str = "int32") -> Tensor:
    """start, start + step, ... before stop; with one argument, from 0. The ends may be tensors made of shapes.

    Floats among the ends give floats, unless another `dtype` than the default is asked for.

    >>> arange(0., 1., 0.25).numpy().tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    if stop is None:
        start, stop = 0, start
        if not isinstance(stop, Tensor) and stop < 0:
            stop = 0
    if dtype == "int32" and any(isinstance(v, (float, np.floating)) for v in (start, stop, step)):
        dtype = floatx()
    result: Tensor = apply(s.Range(), *(convert.cast(convert.as_tensor(v, dtype), dtype) for v in (start, stop, step)))
    return result


def reverse(x: Tensor, axes: Any) -> Tensor:
    """Some axes backwards."""
    t = convert.as_tensor(x)
    return slicing.reverse(t, canonical_axes(axes, t.ndim))


def size(x: Any, name: str | None = None) -> Tensor:
    """How many elements it has, as an integer tensor."""
    result: Tensor = convert.as_tensor(prod(s.shape_of(convert.as_tensor(x))))
    return result


def slice(x: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
    """The part that begins at `start` and has `size` elements, a number for each axis; -1 is all that is left.

    >>> from gpukeras import backend as K
    >>> K.eval(slice(K.constant([[1, 2, 3], [4, 5, 6]]), [0, 1], [2, -1])).tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    """
    t = convert.as_tensor(x)
    if len(start) != t.ndim or len(size) != t.ndim:
        raise ValueError(f"slice needs a start and a size for each axis of shape {t.shape}, got {start} and {size}")
    return t[tuple(builtins.slice(int(a), None if n == -1 else int(a) + int(n)) for a, n in zip(start, size))]
