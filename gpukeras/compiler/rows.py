"""Rows of data: in which order an epoch takes them, and how compiled code (`kernels/rows.c`) brings them into a
program's inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import device
from ..device.tasks import Chain, Task

Rows = Any  # a slice, or an array of row numbers
_CONVERSIONS = {*(f"take_{source}_as_float32" for source in ("float64", "int64", "int32", "uint8", "bool")),
                "take_float32_as_float64"}
TAKEN = 0.1  # nanoseconds that it takes to copy a byte


class Order:
    """The order in which an epoch takes the rows: row numbers on the host and, once asked for, on the device."""

    def __init__(self) -> None:
        self.index: np.ndarray | None = None
        self._there: Any = None
        self._sent = False

    def set(self, index: np.ndarray | None) -> None:
        """From now on, slices count along `index`; None: along the data."""
        self._sent = self._sent and index is None and self.index is None
        self.index = index

    def rows(self, rows: Rows) -> Rows:
        """The rows that are meant, on the host."""
        return self.index[rows] if self.index is not None and isinstance(rows, slice) else rows

    def there(self, count: int) -> Any:
        """The row numbers on the device, for data of `count` rows: in the same memory as the last ones, if they are as
        many, for recorded graphs read them there."""
        if not self._sent:
            index = np.arange(count) if self.index is None else np.ascontiguousarray(self.index, np.int64)
            if self._there is None or len(self._there) != len(index):
                self._there = device.asarray(index)
            else:
                device.upload(self._there, index)
            self._sent = True
        return self._there


def taking_function(source: np.dtype[Any], target: np.dtype[Any]) -> str:
    """The C function that takes rows of one dtype for a batch of another; '' if there is none."""
    if source == target:
        return "take_rows"
    name = f"take_{source.name}_as_{target.name}"
    return name if name in _CONVERSIONS and source.isnative else ""


def taking_rows(source: np.ndarray, batch: np.ndarray, order: Any, place: np.ndarray) -> Chain:
    """The rows of `source` that `order` names (0: all as they stand) from `place` on, taken for a batch."""
    width = (batch.nbytes if source.dtype == batch.dtype else batch.size) // len(batch)
    task = Task("rows", taking_function(source.dtype, batch.dtype), (source, order, place, batch, width),
                len(batch), TAKEN * source.itemsize * batch.size)
    return Chain([task], [_impossible])


def _impossible() -> None:
    raise AssertionError("rows are in range")
