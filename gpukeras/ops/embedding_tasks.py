"""Rows of tables as compiled tasks (kernels/embedding.c)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import same_memory
from ..device.tasks import Task
from ..graph import Spec, size_of

FAMILY = "embedding"
BYTE = 0.02  # nanoseconds in which one is copied
ROW = 30.0  # nanoseconds until a row is found in memory
STEP = 5.0  # nanoseconds for an index, where nothing is looked for
COLUMNS = 16  # that a thread adds up by itself
BROAD = 128  # the same at most where rows are read at random: some cache lines in one go
BLOCK = 1 << 16  # bytes that a unit of a copy has


def takes_rows(indices: Spec, table: Spec, *used: Spec) -> bool:
    """Whether rows of this table can be walked by these indices, and there are any."""
    return indices.dtype in ("int32", "int64") and len(table.shape) <= 2 and all(0 not in s.shape for s in used)


def gathering(table: Any, indices: Any, out: Any) -> Task:
    """out = the rows of a table without gaps at indices with any strides."""
    bytes_ = table.itemsize * size_of(table.shape[1:])
    (first, *lengths), (step, *steps) = indices.shape or (1,), _steps(indices) or [0]
    count = size_of(tuple(lengths))
    words = (table, len(table), bytes_, out, indices, indices.itemsize, step, count, len(lengths), *lengths, *steps,
             *[0] * len(steps))
    return Task(FAMILY, "gather", words, first, indices.size * (ROW + BYTE * bytes_), samples=True)


def pairs_spec(indices: Spec) -> Spec:
    """Room for the pairs of indices and their rows."""
    return Spec((size_of(indices.shape), 2), "int64")


def pairing(rows: Any, indices: Any, length: int, pairs: Any) -> Task:
    """Each index and where its row begins, of rows with any strides."""
    axes = len(indices.shape)
    words = (indices, indices.itemsize, indices.size, length, pairs, axes, *indices.shape, *_steps(indices),
             *_steps(rows)[:axes])
    return Task(FAMILY, "pair_up", words, 1, indices.size * STEP)


def adding(rows: Any, indices: Any, table: Any, pairs: Any) -> list[Task]:
    """The table of zeros to which rows are added at their indices."""
    width = table.size // len(table)
    units = -(-width // COLUMNS)
    return [_clearing(table), pairing(rows, indices, len(table), pairs),
            Task(FAMILY, "add_rows", (pairs, indices.size, rows, width, _column(rows, indices), table, COLUMNS), units,
                 indices.size * units * STEP)]


def _clearing(table: Any) -> Task:
    return Task(FAMILY, "clear_rows", (table, table.nbytes // len(table)), len(table), BYTE * table.nbytes)


def numbering(indices: Any, length: int, outs: Sequence[Any], room: Any) -> list[Task]:
    """The distinct indices, the number of each index, and the sorted pairs: see Distinct in compiler/word_ops.py."""
    places, numbers, pairs, count = outs
    return [pairing(numbers, indices, length, pairs),
            Task(FAMILY, "sort_pairs", (pairs, room, indices.size, length, numbers), 1, indices.size * 4 * STEP),
            Task(FAMILY, "number_pairs", (pairs, indices.size, places, len(places), count, numbers), 1,
                 indices.size * STEP)]


def summing_numbered(rows: Any, pairs: Any, sums: Any) -> Task:
    """The sum of the rows of each number."""
    width = sums.shape[1]
    columns = min(-(-width // (4 * COLUMNS)) * COLUMNS, BROAD)
    return Task(FAMILY, "sum_numbered", (pairs, len(pairs), rows, width, sums, columns), -(-width // columns),
                len(pairs) * (ROW + 4 * BYTE * width))


def clearing_rest(table: Any, count: Any) -> Task:
    """Zeros in the rows behind the first `count`."""
    return Task(FAMILY, "clear_rest", (table, table.nbytes // len(table), count), len(table), BYTE * table.nbytes)


def spreading(rows: Any, places: Any, count: Any, table: Any) -> list[Task]:
    """The first `count` rows in a table of zeros."""
    (put,) = putting(rows, places, table, table)
    return [_clearing(table), put._replace(counted=count)]


def summing(rows: Any, indices: Any, length: int, outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
    """The sorted indices, and at the first of each run of equal ones the sum of its rows."""
    (places, sums), (pairs, other) = outs, room
    count, width = indices.size, sums.size // indices.size
    return [pairing(rows, indices, length, pairs),
            Task(FAMILY, "sort_pairs", (pairs, other, count, length, places), 1, count * 4 * STEP),
            Task(FAMILY, "sum_runs", (pairs, count, rows, width, _column(rows, indices), sums), count,
                 count * (ROW + 4 * BYTE * width))]


def putting(rows: Any, places: Any, table: Any, out: Any) -> list[Task]:
    """The table with these rows at these places."""
    bytes_ = table.itemsize * (table.size // len(table))
    put = Task(FAMILY, "put_rows", (rows, places, out, len(table), bytes_), len(places),
               len(places) * (ROW + BYTE * bytes_))
    if same_memory(table, out):
        return [put]
    return [Task(FAMILY, "copy_bytes_of", (table, out, BLOCK, table.nbytes), -(-table.nbytes // BLOCK),
                 BYTE * table.nbytes), put]


def _steps(a: Any) -> list[int]:
    """Elements from one to the next along each axis."""
    return [s // a.itemsize for s in a.strides]


def _column(rows: Any, indices: Any) -> int:
    """From one element of a row to the next."""
    return (_steps(rows)[len(indices.shape):] or [1])[0]
