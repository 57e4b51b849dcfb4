"""What depends on variables alone is made once, and kept by its program until one of them is written: kernels as
convolutions and recurrences pack them, the factors of a normalization, a penalty on weights.

This is for compiled tasks on the CPU. They see before each run whether what they keep still holds: see
`gpukeras/device/changes.py`, and `kernels/tasks.c`.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import NamedTuple

from ..graph import Variable, ViewOp
from .bodies import probe, rooms, uses_tasks
from .ir import Step, Value, bytes_of, needed, rewrite, root
from .pieces import apart

MOST = 8 << 20  # bytes that a program keeps: the largest arrays are made anew in each run, if all together are more
ROUNDS = 8  # of leaving out the largest, each of which may bring to light what these are made of


class Keeping(NamedTuple):
    """The steps whose results are kept, in order; those of their values that other steps read; and the variables that
    own the memory which they are made of."""

    steps: list[Step]
    values: list[Value]
    owners: list[Variable]


def part_packings(roots: Sequence[Value], updated: Container[Variable]) -> list[Value]:
    """Parts the steps that pack an array which depends on variables alone, so that the packed one can be kept: into the
    packing, and the rest. Returns the values that take the roots' places. `updated` are the owners of the memory that
    the program writes."""
    steps = needed(roots)
    steady = _steady(steps, updated)

    def change(step: Step) -> dict[Value, Value]:
        packs = step.op.packs
        if packs is None or step in steady or not _is_steady(step.ins[packs], steady, updated):
            return {}
        return _parted(step, packs)

    new = rewrite(steps, change)
    return [new.get(v, v) for v in roots]


def _parted(step: Step, packs: int) -> dict[Value, Value]:
    tasks = probe(step) if uses_tasks(step) else []
    if len(tasks) != 2 or len(rooms(step)) != 1:
        return {}
    inputs, room = range(len(step.ins)), len(step.ins) + len(step.outs)
    reads = (*(i for i in inputs if i != packs), room)
    parts = apart(step, (((packs,), (room,)), (reads, tuple(range(len(inputs), room)))), tasks)
    for v in parts.values():
        assert v.step is not None
        v.step.op.name = step.op.name
    return parts


def find(steps: Sequence[Step], wanted: Sequence[Value], updated: Container[Variable]) -> Keeping:
    """What of the steps is kept. The values of `wanted` are not: others may have their memory, or write to it."""
    kept = _steady(steps, updated)
    _drop({root(v).step for v in wanted}, kept)
    for _ in range(ROUNDS):
        values = _read_by_others(steps, kept)
        excess = sum(map(bytes_of, values)) - MOST
        if excess <= 0:
            break
        _drop({v.step for v in _largest(values, excess)}, kept)
    else:
        values = []
    making = needed(values)
    leaves = [v.leaf for step in making for v in step.reads()]
    return Keeping(making, values, list(dict.fromkeys(v.storage for v in leaves if isinstance(v, Variable))))


def _largest(values: Sequence[Value], size: int) -> list[Value]:
    """The largest values, as many as have `size` bytes."""
    found: list[Value] = []
    for v in sorted(values, key=bytes_of, reverse=True):
        if size <= 0:
            break
        found.append(v)
        size -= bytes_of(v)
    return found


def _steady(steps: Sequence[Step], updated: Container[Variable]) -> dict[Step, None]:
    """The steps that make the same in each run, as long as nobody writes the variables."""
    found: dict[Step, None] = {}
    for step in steps:
        if all(_is_steady(v, found, updated) for v in step.reads()) and not step.op.stateful \
                and (isinstance(step.op, ViewOp) or uses_tasks(step)):
            found[step] = None
    return found


def _is_steady(v: Value, steady: Container[Step], updated: Container[Variable]) -> bool:
    if isinstance(v.leaf, Variable):
        return v.leaf.storage not in updated
    return v.const is not None or v.step in steady


def _drop(makers: Container[Step | None], kept: dict[Step, None]) -> None:
    """Takes steps from those that are kept, with all that is made of them."""
    dropped: set[Step | None] = set()
    for step in list(kept):
        if step in makers or any(v.step in dropped for v in step.reads()):
            dropped.add(step)
            del kept[step]


def _read_by_others(steps: Sequence[Step], kept: Collection[Step]) -> list[Value]:
    """The values with memory of their own that steps read which are not kept."""
    others = [step for step in steps if step not in kept and not isinstance(step.op, ViewOp)]
    read = dict.fromkeys(root(v) for step in others for v in step.reads())
    return [v for v in read if v.step in kept]
