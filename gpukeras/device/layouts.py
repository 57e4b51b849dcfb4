"""How the elements of arrays with gaps lie, in the words that `kernels/layout.h` reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

MOST_AXES = 16  # of a layout


def dense(shape: Sequence[int], size: int) -> tuple[int, ...]:
    """The strides of an array without gaps whose elements have `size` bytes."""
    strides: list[int] = []
    for length in reversed(shape):
        strides.append(size)
        size *= length
    return tuple(reversed(strides))


def merged(shape: Sequence[int], *strides: Sequence[int]) -> list[tuple[int, ...]]:
    """The axes as (length, stride, ...), outermost first; those that continue each other are one, and there is at least
    one."""
    axes: list[tuple[int, ...]] = []
    for length, *steps in zip(shape, *strides):
        if length == 1:
            continue
        if axes and all(outer == length * inner for outer, inner in zip(axes[-1][1:], steps)):
            length *= axes.pop()[0]
        axes.append((length, *steps))
    return axes or [(1, *(0 for _ in strides))]


def words(axes: Iterable[tuple[int, ...]]) -> np.ndarray:
    """Axes as an array of int64, their number in front."""
    listed = list(axes)
    return np.array([len(listed), *(n for axis in listed for n in axis)], np.int64)


def layout(target: Any, source: Any) -> np.ndarray:
    """For a copy of the array `source` to `target`, over whose shape it is broadcast."""
    return words(merged(target.shape, target.strides, np.broadcast_to(source, target.shape).strides))
