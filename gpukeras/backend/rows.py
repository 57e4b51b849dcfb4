"""Gradients of tables of which a batch has used some rows only: an Embedding's."""

from __future__ import annotations

from ..graph import Tensor, Variable, apply
from ..ops import convert, distinct
from ..ops.elementwise import Elementwise
from ..ops.indexing import ScatterRows
from . import math, ranks
from .shapes import concatenate, flatten, reshape

FEWEST = 1024  # rows; a smaller table is better off in the flat vector of all weights


class RowGradient:
    """The gradient of a table (length, ...) as the sums of what has come to each row that was used, beside the whole
    gradient. A program uses one of the two, depending on the number of rows in its batch.

    `of` finds out whether a gradient is of this kind.
    """

    def __init__(self, variable: Variable, whole: Tensor, rows: Tensor, indices: Tensor):
        self.variable, self.whole, self.indices = variable, whole, indices
        self.places, self.sums = distinct.sum_distinct(rows, indices, len(variable))

    @classmethod
    def of(cls, table: Tensor, gradient: Tensor, small: bool = False) -> RowGradient | None:
        """The gradient by rows, if nothing but rows of the table was used, and it pays or a `small` table is welcome;
        else None."""
        if not isinstance(table, Variable) or not table.shape or table.constraint is not None:
            return None
        if len(table) < FEWEST and not small:
            return None
        found = _scattered(gradient)
        if not found or ranks.dealing() and not ranks.rows_by_rank():
            return None
        rows, indices = found[0]
        if len(found) > 1:
            rows = concatenate([reshape(r, (-1, *table.shape[1:])) for r, _ in found], 0)
            indices = concatenate([flatten(i) for _, i in found], 0)
        if ranks.dealing():  # rows are fewer than the table has
            if indices.shape[:1] != (None,):
                return None  # not in step with the batch
            rows, indices = ranks.rows_of_ranks(rows), ranks.rows_of_ranks(indices)
            # for where the batch uses too many of them
            gradient = (apply(ScatterRows(), rows, indices, table) if ranks.in_parts()
                        else ranks.sum_apart_over_ranks(gradient))
        return cls(table, gradient, rows, indices)

    def choose(self, by_rows: Tensor, whole: Tensor) -> Tensor:
        """Whichever of two ways to the same result suits the batch."""
        return distinct.cheaper(by_rows, whole, self.indices, self.variable)

    def sum_of_squares(self) -> Tensor:
        """That of the gradient's elements, a scalar."""
        return self.choose(math.sum(math.square(self.sums)), math.sum(math.square(self.whole)))

    def put(self, rows: Tensor, rest: Tensor) -> Tensor:
        """`rest`, the table's size, with `rows` (one for each place) where rows were used."""
        return distinct.put_rows(rows, self.places, rest)

    def taken(self, tensor: Tensor) -> Tensor:
        """The rows of a tensor of the table's shape that were used."""
        return math.gather(tensor, self.places)


def _scattered(gradient: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The (rows, indices) whose scattered sum a gradient is; empty if it is anything else."""
    node = gradient.producer
    if node is None:
        return []
    if isinstance(node.op, ScatterRows):
        rows, indices = node.inputs[:2]
        return [(rows, convert.cast(indices, "int32"))]
    if node.op != Elementwise("add"):
        return []
    terms = [_scattered(t) for t in node.inputs]
    return [pair for term in terms for pair in term] if all(terms) else []
