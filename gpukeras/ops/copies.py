"""Tasks that copy arrays, with gaps or without (`kernels/copy.c`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import same_memory
from ..device.layouts import MOST_AXES, layout
from ..device.tasks import Task

FAMILY = "copy"
TYPES = ("float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
         "uint64")
COST = 0.08  # nanoseconds a byte
LINE = 16  # rows at least, of an array whose units are its rows; with fewer they are its elements


def takes_copy(*arrays: Any) -> bool:
    """Whether arrays like these can be copied by a task."""
    return all(str(x.dtype) in TYPES and len(x.shape) <= MOST_AXES for x in arrays)


def copy(target: Any, source: Any, samples: bool = False) -> list[Task]:
    """The task for target[...] = source, of one dtype, the source broadcast; none if they are the same memory. With
    `samples`, row i of axis 0 is sample i of both."""
    if not target.size or same_memory(target, source):
        return []
    by_rows = samples and target.ndim > 0 and source.ndim == target.ndim
    units = target.shape[0] if by_rows or target.ndim and target.shape[0] >= LINE else target.size
    return [Task(FAMILY, "copy", (target, source, layout(target, source), target.itemsize, target.size // units), units,
                 COST * target.nbytes, samples=by_rows)]


def fill(target: Any, value: float, samples: bool = False) -> list[Task]:
    """The task that puts one number everywhere."""
    shape: Sequence[int] = (1,) * target.ndim
    return copy(target, np.full(shape, value, target.dtype), samples)


def one_hot(indices: Any, out: Any) -> list[Task]:
    """The task that writes rows of float32 with 1 at each index."""
    units = out.shape[0] if indices.ndim else 1
    return [Task(FAMILY, "one_hot", (indices, indices.itemsize, out, out.shape[-1], indices.size // units), units,
                 COST * out.nbytes + 2 * indices.size, samples=indices.ndim > 0)]
