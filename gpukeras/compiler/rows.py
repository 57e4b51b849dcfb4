"""Rows of plain data, brought into a program's inputs by compiled code (`kernels/rows.c`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device.tasks import Chain, Task

_CONVERSIONS = {*(f"take_{source}_as_float32" for source in ("float64", "int64", "int32", "uint8", "bool")),
                "take_float32_as_float64"}
TAKEN = 0.1  # nanoseconds that it takes to copy a byte


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
