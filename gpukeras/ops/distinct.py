"""Steps on those rows of a table that a batch has used, each once: with them an optimizer leaves the others alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..device import C_NAMES, FLOATS, blocks, launch, same_memory, scatter_add, xp
from ..device.tasks import Task
from ..graph import Call, ExpandedOp, Op, Spec, Tensor, apply, frozen, size_of
from .embedding_tasks import FAMILY, pairs_spec, putting, summing, takes_rows
from .indexing import LONG, SLICE, long_sums, range_check, sorted_pairs, sorting_room

WORTH = 2  # a batch that uses more rows than a table has, divided by this, is better treated as using all of them


@frozen
class SumDistinct(Op):
    """(rows, indices) -> (places, sums) for a table of `length` rows: the indices, flat and sorted, and at the first
    of each run of equal ones the sum of its rows, added in their order; zeros at the others."""

    length: int
    name = "sum_distinct"
    contiguous = (0, 1)
    kernel_types = FLOATS
    c_family = FAMILY
    gapless = ()

    def infer(self, *ins: Spec) -> tuple[Spec, Spec]:
        """A place and a row for each index."""
        rows, indices = ins
        count = None if None in indices.shape else size_of(indices.shape)
        return Spec((count,), "int32"), Spec((count, *rows.shape[len(indices.shape):]), rows.dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A sort of the indices, then additions to single elements in the order of the rows."""
        rows, indices, (places, sums) = ins[0], ins[1].reshape(-1), outs
        return [range_check(indices, self.length, self.name),
                (_sum_distinct, (rows.reshape(-1), indices, places, sums.reshape(-1), size_of(sums.shape[1:])))]

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """That of sorting."""
        return sorting_room(ins[1].size)

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """Pairs of index and place sorted by index, then a sum at the first of each run."""
        rows, indices, (places, sums) = *ins, outs
        if not indices.size:
            return []
        calls, keys, origins = sorted_pairs(indices, self.length, self.name, room)
        calls.append((xp.copyto, (places, keys)))
        if sums.size:
            width = size_of(sums.shape[1:])
            last = (keys, origins, rows, sums, indices.size, width, self.length)
            calls.append(launch("embedding", "sum_distinct", rows.dtype, blocks(sums.size), *last, LABEL="int"))
            if indices.size > LONG:
                calls.append(long_sums(*last, distinct=True))
        return calls

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of float32, for rows with one axis at most."""
        return super().takes_tasks(ins, outs) and takes_rows(ins[1], outs[1], *ins, *outs)

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Where each index has its row, before and after a pass of sorting."""
        return [pairs_spec(ins[1])] * 2

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """A sort of the indices, then the sum of each run."""
        return summing(ins[0], ins[1], self.length, outs, room)


def _sum_distinct(rows: Any, indices: Any, places: Any, sums: Any, width: int) -> None:
    order = xp.argsort(indices, kind="stable")
    places[...] = indices[order]
    firsts = xp.arange(places.size)
    firsts[1:][places[1:] == places[:-1]] = 0
    starts = xp.empty_like(firsts)
    starts[order] = xp.maximum.accumulate(firsts) * width
    sums.fill(0)
    columns = xp.arange(width)
    height = max(SLICE // max(width, 1), 1)
    for i in range(0, places.size if width else 0, height):
        there = (starts[i:i + height, None] + columns).reshape(-1)
        scatter_add(sums, there, rows[i * width:i * width + there.size])


@frozen
class PutRows(Op):
    """(rows, places, table) -> the table with the first row of each run of equal places (sorted) at that place."""

    name = "put_rows"
    in_place = (2,)
    contiguous = (0, 1, 2)
    kernel_types = tuple(C_NAMES)
    c_family = FAMILY

    def infer(self, *ins: Spec) -> Spec:
        """The table's."""
        return ins[2]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """An assignment to rows; before it a copy, if the table may not be changed."""
        return [*_copied(ins[2], outs[0]), (_put_rows, (ins[0], ins[1], outs[0]))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """The same with one kernel."""
        (rows, places, table), out = ins, outs[0]
        if not rows.size:
            return _copied(table, out)
        return [*_copied(table, out), launch("embedding", "put_rows", rows.dtype, blocks(rows.size), rows, places, out,
                                             places.size, rows.size // places.size, table.shape[0], LABEL="int")]

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of any type: bytes are copied."""
        return ins[1].dtype == "int32" and all(0 not in s.shape for s in ins)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """A copy, if the table may not be changed, and the rows."""
        return putting(ins[0], ins[1], ins[2], outs[0])


def _copied(source: Any, to: Any) -> list[Call]:
    return [] if same_memory(source, to) else [(xp.copyto, (to, source))]


def _put_rows(rows: Any, places: Any, table: Any) -> None:
    first = xp.ones(places.size, bool)
    first[1:] = places[1:] != places[:-1]
    table[places[first]] = rows[first]


@frozen
class Cheaper(ExpandedOp):
    """(by rows, as a whole, indices, table) -> one of the first two, which are the same: the first if the indices are
    few beside the rows of the table."""

    name = "cheaper"

    def infer(self, *ins: Spec) -> Spec:
        """That of the second."""
        return ins[1]

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The choice."""
        by_rows, whole, indices, table = ins
        return by_rows if WORTH * indices.size <= table.shape[0] else whole


def sum_distinct(rows: Tensor, indices: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The distinct indices' places, and the sums of their rows: see SumDistinct."""
    return apply(SumDistinct(length), rows, indices)


def put_rows(rows: Tensor, places: Tensor, table: Tensor) -> Tensor:
    """The table with these rows at these places."""
    return apply(PutRows(), rows, places, table)


def cheaper(by_rows: Tensor, whole: Tensor, indices: Tensor, table: Tensor) -> Tensor:
    """Whichever of two ways to the same result suits the number of indices."""
    return apply(Cheaper(), by_rows, whole, indices, table)
