"""Products of a single row that leave out what they would multiply by 0.

A ReLU makes half of a layer's numbers 0, and four fifths of a digit's pixels are. To predict one row takes as long as
reading the weights, so the rows of weights that meet a 0 are not read. They would add 0, which changes no bits, but for
a weight that is NaN or infinite: its product with 0 is NaN. So it is found out which weights are finite, once for as
long as nobody writes them (see kept.py). This is for compiled tasks on the CPU.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from ..device import products, xp
from ..device.tasks import Task
from ..graph import Call, Op, Spec, Variable, frozen
from ..ops import product_tasks
from ..ops.linalg import MatMul
from .bodies import uses_tasks
from .ir import Step, Value, contiguous, needed, rewrite


@frozen
class FinitePieces(Op):
    """A matrix -> for each piece of its rows, as products cut them, whether all its numbers are finite."""

    name = "finite_pieces"
    c_family = product_tasks.FAMILY

    def infer(self, *ins: Spec) -> Spec:
        """As many as there are pieces."""
        return Spec((product_tasks.pieces(ins[0]),), "bool")

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One answer for all of them."""
        return [(_all_finite, (ins[0], outs[0]))]

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Always: it is made for them."""
        return True

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """A look at each number."""
        return product_tasks.finite_pieces(ins[0], outs[0])


def _all_finite(x: Any, out: Any) -> None:
    out[...] = xp.isfinite(x).all()


@frozen
class ProductWithoutZeros(Op):
    """(row, matrix, its finite pieces) -> their product."""

    name = "matmul"
    c_family = product_tasks.FAMILY

    def infer(self, *ins: Spec) -> Spec:
        """(1, columns)."""
        return MatMul().infer(*ins[:2])

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The whole product."""
        return products(ins[0], ins[1], outs[0])

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Always: it is made for them."""
        return True

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The sums of pieces."""
        return [Spec((product_tasks.pieces(ins[1]), *outs[0].shape), outs[0].dtype)]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The pieces, and their sums."""
        return product_tasks.product_without_zeros(ins[0], ins[1], outs[0], room[0], ins[2])

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """As any product."""
        return MatMul().batch(carries[:2], ins[:2])


def leave_out_zeros(roots: Sequence[Value], updated: Container[Variable]) -> list[Value]:
    """Puts such products in the place of a single row's with a variable that the program does not write (`updated` has
    the owners of the memory that it does); returns the values that take the roots' places."""
    def change(step: Step) -> dict[Value, Value]:
        if not isinstance(step.op, MatMul) or not uses_tasks(step):
            return {}
        row, matrix = step.ins
        steady = isinstance(matrix.leaf, Variable) and matrix.leaf.storage not in updated and contiguous(row)
        if not steady or not product_tasks.has_zeros_to_leave_out(row.spec, matrix.spec, step.outs[0].spec):
            return {}
        finite = Step(FinitePieces(), [matrix], [FinitePieces().infer(matrix.spec)], step.origin).outs[0]
        made = Step(ProductWithoutZeros(), [row, matrix, finite], [step.outs[0].spec], step.origin)
        return {step.outs[0]: made.outs[0]}

    new = rewrite(needed(roots), change)
    return [new.get(v, v) for v in roots]
