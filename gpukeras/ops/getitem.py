"""What `x[...]` makes: parts of a tensor, between bounds and at places that numbers or tensors give."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import OPERATORS, Tensor, apply
from .convert import as_tensor, cast
from .elementwise import less, where
from .indexing import gather
from .selection import chosen
from .shape import known_number, shape_of, transpose
from .slicing import GIVEN, Slice, SliceBetween


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]` with ints, slices, Ellipsis and None; a tensor or an array of ints gathers along axis 0, one of
    truths picks what stands where they hold.

    Ints and bounds of slices may be scalar tensors of integers. Where a bound follows from data, so does the length of
    the part: it is known when a program runs.
    """
    entries = list(index) if isinstance(index, tuple) else [index]
    if len(entries) == 1 and isinstance(entries[0], (Tensor, np.ndarray, list)):
        if as_tensor(entries[0]).dtype == "bool":
            return chosen(x, entries[0])
        rows = as_tensor(entries[0], "int32")
        if rows.ndim or rows.dtype not in ("int32", "int64"):
            return gather(x, rows)
        entries = [rows]
    if any(e is Ellipsis for e in entries):
        at = next(i for i, e in enumerate(entries) if e is Ellipsis)
        used = sum(e is not None for e in entries) - 1
        entries[at:at + 1] = [slice(None)] * (x.ndim - used)
    if sum(e is not None for e in entries) > x.ndim:
        raise IndexError(f"{len(entries)} indices for a tensor of shape {x.shape}")
    return _picked(x, [_place(e) for e in entries])


def _place(e: Any) -> Any:
    """An entry of an index, with a tensor as its number if that is known."""
    if not isinstance(e, Tensor):
        return e
    number = known_number(_scalar(e))
    return e if number is None else number


def _scalar(e: Tensor) -> Tensor:
    if e.ndim or not e.dtype.startswith(("int", "uint")):
        raise TypeError(f"can't index a tensor with {e!r}: expected a scalar of integers (K.cast(..., 'int32'))")
    return e


def _picked(x: Tensor, entries: list[Any]) -> Tensor:
    """A slice, then the places that only tensors tell."""
    if not any(isinstance(e, Tensor) for e in entries):
        return _sliced(x, entries)
    kept = [slice(None) if isinstance(e, Tensor) else e for e in entries]
    part = _sliced(x, kept)
    axis = sum(not isinstance(e, (int, np.integer)) for e in kept)
    for e, k in zip(reversed(entries), reversed(kept)):
        axis -= not isinstance(k, (int, np.integer))
        if isinstance(e, Tensor):
            part = _at(part, axis, e)
    return part


def _at(x: Tensor, axis: int, place: Tensor) -> Tensor:
    """The part at one place of an axis, which counts from the end if it is negative."""
    if place.dtype not in ("int32", "int64"):
        place = cast(place, "int32")
    length = x.shape[axis]
    end = cast(shape_of(x)[axis] if length is None else as_tensor(length, "int32"), place.dtype)
    place = where(less(place, 0), place + end, place)
    return gather(transpose(x, (axis, *(a for a in range(x.ndim) if a != axis))), place)


def _sliced(x: Tensor, entries: list[Any]) -> Tensor:
    """Basic indexing, between bounds that may be tensors."""
    bounds: list[Tensor] = []

    def bound(v: Any) -> int | str | None:
        v = _bound(v)
        if isinstance(v, Tensor):
            bounds.append(v)
            return GIVEN
        return v
    index = tuple(tuple(map(bound, (e.start, e.stop, e.step))) if isinstance(e, slice) else _entry(e) for e in entries)
    result: Tensor = apply(SliceBetween(index) if bounds else Slice(index), x, *bounds)
    return result


def _bound(v: Any) -> int | Tensor | None:
    """A bound of a slice as a number, or as a tensor if that follows from what is fed."""
    if v is None or not isinstance(v, Tensor):
        return None if v is None else int(v)
    number = known_number(_scalar(v))
    return number if number is not None else int(v) if v.is_known() else v


def _entry(e: Any) -> Any:
    if e is None:
        return "new"
    if isinstance(e, (int, np.integer)):
        return int(e)
    raise TypeError(f"can't index a tensor with {e!r}: expected an int, a slice of ints, Ellipsis or None")


OPERATORS.update(getitem=getitem)
