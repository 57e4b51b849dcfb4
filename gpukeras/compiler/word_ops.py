"""Products of a table's rows, made for the distinct indices of a batch only: a text repeats its words.

by_words.py puts these ops into programs for a CPU. How many distinct indices there are is known when a batch is there:
arrays have room for all that there can be, and compiled tasks do the rows that there are. What lies behind these is
left as it is, unless zeros are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import scatter_add, take, xp
from ..device.tasks import Task
from ..graph import Call, Op, Spec, ViewOp, frozen, size_of
from ..ops import product_tasks
from ..ops.embedding_tasks import FAMILY, clearing_rest, numbering, pairs_spec, spreading, summing_numbered
from ..ops.indexing import Gather, range_check
from ..ops.recurrent_tasks import Numbered


@frozen
class Distinct(Op):
    """Indices into a table of `length` rows -> (places, numbers, pairs, count): the distinct indices, sorted, the last
    of them again and again in the places that are left; the number among them of each index; pairs (number, place of
    an index), sorted; and how many distinct indices there are."""

    length: int
    name = "distinct"
    c_family = FAMILY
    c_types = ("int32", "int64")
    gapless = ()

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """There are no more distinct indices than the table has rows."""
        count = size_of(ins[0].shape)
        return (Spec((min(count, self.length),), "int32"), Spec(ins[0].shape, "int32"), pairs_spec(ins[0]),
                Spec((1,), "int64"))

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A sort of the indices."""
        return [range_check(ins[0], self.length, Gather.name), (_distinct, (ins[0], *outs))]

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The pairs after a pass of sorting."""
        return [pairs_spec(ins[0])]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """A sort of the indices."""
        return numbering(ins[0], self.length, outs, room[0])


def _distinct(indices: Any, places: Any, numbers: Any, pairs: Any, count: Any) -> None:
    line = indices.reshape(-1)
    found, inverse = xp.unique(line, return_inverse=True)
    places[:len(found)], places[len(found):] = found, found[-1:]
    numbers[...] = inverse.reshape(indices.shape)
    pairs[:, 1] = xp.argsort(line, kind="stable")
    pairs[:, 0] = inverse.reshape(-1)[pairs[:, 1]]
    count[0] = len(found)


@frozen
class After(ViewOp):
    """(a, b) -> a, but not before there is b: what is made of it is made no earlier, and takes no memory meanwhile."""

    name = "after"
    keeps_contiguous = True

    def infer(self, *ins: Spec) -> Spec:
        """The first."""
        return ins[0]

    def view(self, x: Any) -> Any:
        """All of it."""
        return x


@frozen
class SumNumbered(Op):
    """(rows, pairs, places) -> for each number the sum of its rows, in their order: see Distinct."""

    name = "sum_numbered"
    shape_only = (2,)
    c_family = FAMILY

    def infer(self, *ins: Spec) -> Spec:
        """A row for each place."""
        return Spec((*ins[2].shape, *ins[0].shape[1:]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Additions in the order of the pairs."""
        return [(_sum_numbered, (*ins[:2], outs[0]))]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One, some columns to a thread."""
        return [summing_numbered(ins[0], ins[1], outs[0])]


def _sum_numbered(rows: Any, pairs: Any, sums: Any) -> None:
    sums.fill(0)
    width = sums.shape[1]
    there = (pairs[:, :1] * width + xp.arange(width)).reshape(-1)
    scatter_add(sums.reshape(-1), there, rows[pairs[:, 1]].reshape(-1))


@frozen
class CountedProduct(Op):
    """(a, b, count[, bias]) -> the first `count` rows of the product a b, or of a b + bias; with `zeros` the others are
    0."""

    zeros: bool
    name = "counted_product"
    c_family = product_tasks.FAMILY
    gapless = (0, 2)

    def infer(self, *ins: Spec) -> Spec:
        """That of the product."""
        return Spec((ins[0].shape[0], ins[1].shape[1]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product."""
        return [(_counted_product, (outs[0], *ins))]

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """For the right matrix, packed."""
        return product_tasks.counted_room(ins[1])

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One product; zeros for the rest."""
        (a, b, count, *bias), out = ins, outs[0]
        made = product_tasks.counted_product(a, b, out, room, count, *bias)
        return [*made, clearing_rest(out, count)] if self.zeros else made


def _counted_product(out: Any, a: Any, b: Any, count: Any, bias: Any = 0) -> None:
    out.fill(0)
    here = int(count[0])
    xp.add(xp.matmul(a[:here], b), bias, out=out[:here])


@frozen
class CountedContract(Op):
    """(a, b, count) -> a' b of the first `count` rows."""

    name = "counted_contract"
    c_family = product_tasks.FAMILY
    gapless = ()

    def infer(self, *ins: Spec) -> Spec:
        """(columns of a, columns of b)."""
        return Spec((ins[0].shape[1], ins[1].shape[1]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product."""
        return [(_counted_contract, (*ins, outs[0]))]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One product."""
        return product_tasks.counted_contraction(ins[0].T, ins[1], outs[0], ins[2])


def _counted_contract(a: Any, b: Any, count: Any, out: Any) -> None:
    here = int(count[0])
    xp.matmul(a[:here].T, b[:here], out=out)


@frozen
class SpreadRows(Op):
    """(rows, places, count, like) -> the table of zeros in which the first `count` rows stand at their places."""

    name = "spread_rows"
    shape_only = (3,)
    c_family = FAMILY

    def infer(self, *ins: Spec) -> Spec:
        """The table's shape."""
        return Spec(ins[3].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Zeros, then an assignment to rows."""
        return [(_spread_rows, (*ins[:3], outs[0]))]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The same."""
        return spreading(ins[0], ins[1], ins[2], outs[0])


def _spread_rows(rows: Any, places: Any, count: Any, table: Any) -> None:
    table.fill(0)
    here = int(count[0])
    table[places[:here]] = rows[:here]


@frozen
class NumberedSequence(Op):
    """(rows, numbers, ...) -> what a recurrence over a sequence makes of the rows at the numbers (time, samples), which
    are in range, and of its other inputs."""

    sequence: Op
    c_family = "recurrent"
    gapless = (0, 1)  # all recurrences want their input so

    @property
    def name(self) -> str:  # type: ignore[override]
        """The recurrence's, marked."""
        return f"numbered_{self.sequence.name}"

    def _inner(self, ins: Sequence[Spec]) -> list[Spec]:
        """The recurrence's inputs."""
        return [Spec((*ins[1].shape, *ins[0].shape[1:]), ins[0].dtype), *ins[2:]]

    def infer(self, *ins: Spec) -> Spec | tuple[Spec, ...]:
        """As the recurrence."""
        return self.sequence.infer(*self._inner(ins))

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The rows, and what the recurrence needs."""
        inner = self._inner(ins)
        return [inner[0], *self.sequence.scratch(inner, outs)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The rows taken, then the recurrence."""
        rows, numbers, *rest = ins
        z, *room = scratch
        return [(take, (rows, numbers, 0, z)), *self.sequence.calls([z, *rest], outs, room)]

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """As the recurrence."""
        return self.sequence.takes_tasks(self._inner(ins), outs)

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """As the recurrence."""
        return self.sequence.tasks_room(self._inner(ins), outs)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The recurrence's, which find the rows by their numbers."""
        rows, numbers, *rest = ins
        return self.sequence.tasks([Numbered(rows, numbers), *rest], outs, room)
