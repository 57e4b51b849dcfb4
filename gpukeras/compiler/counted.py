"""Steps that need not do all of their rows: those of rows at distinct places, of which there are fewer than there is
room for.

An optimizer's rule for the rows that a batch has used gathers them, computes, and puts them back. Where the places are
those of Distinct (word_ops.py), the last of them stands again in all places that are left, so rows from the count on
are never put anywhere. Such steps are told of the count, and their compiled tasks leave the rest out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ops.distinct import PutRows
from ..ops.elementwise import Cast, Elementwise
from ..ops.indexing import Gather
from .bodies import uses_tasks
from .fuse import Fused
from .ir import Step, Value, needed, readers, root
from .native import LEAST_ROWS
from .word_ops import CountedContract, CountedProduct, Distinct


def count_rows(roots: Sequence[Value]) -> None:
    """Tells the steps that `roots` depend on of the counts that hold for them."""
    steps = needed(roots)
    counts = {step.outs[0]: step.outs[3] for step in steps if isinstance(step.op, Distinct)}
    if counts:
        for step, count in _used(_found(steps, counts), steps, roots).items():
            step.counted = count


def _found(steps: Sequence[Step], counts: dict[Value, Value]) -> dict[Step, Value]:
    """The steps of rows at distinct places, each with the count of these."""
    found: dict[Step, Value] = {}
    for step in steps:
        if isinstance(step.op, (Gather, PutRows)):
            count = counts.get(root(step.ins[1]))
        elif isinstance(step.op, (Elementwise, Cast, Fused)):
            of_rows = [v for v in step.reads() if v.step in found]
            shapes = {v.shape for v in (*of_rows, *step.outs)}
            kinds = {found[v.step] for v in of_rows if v.step}
            count = kinds.pop() if len(kinds) == len(shapes) == 1 and max(shapes) >= (LEAST_ROWS,) else None
        else:
            count = None
        if count is not None and uses_tasks(step):
            found[step] = count
    return found


def _used(found: dict[Step, Value], steps: Sequence[Step], roots: Sequence[Value]) -> dict[Step, Value]:
    """Those of which nobody wants the other rows."""
    wanted = set(roots)
    read_by = readers(steps)
    while True:
        left = {step: count for step, count in found.items() if isinstance(step.op, PutRows) or not any(
            v in wanted or any(_reads_more(r, v, count, found) for r in read_by.get(v, ())) for v in step.outs)}
        if len(left) == len(found):
            return left
        found = left


def _reads_more(reader: Step, v: Value, count: Value, found: dict[Step, Value]) -> bool:
    """Whether a step looks at rows of a value beyond the count."""
    if isinstance(reader.op, (CountedProduct, CountedContract)):
        return reader.ins[2] is not count or isinstance(reader.op, CountedProduct) and v is reader.ins[1]
    rows = isinstance(reader.op, (Elementwise, Cast, Fused)) or isinstance(reader.op, PutRows) and v is reader.ins[0]
    return not rows or found.get(reader) is not count
