"""Steps that are more than one task, taken apart: each task becomes a step by itself.

A sum over the batch, such as the statistics of a batch normalization, then is sums of each sample, which can be made
with what is done to the samples just then (see groups.py), and a small step that joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device.tasks import Chain, Run, Task, untouched
from ..graph import MIX, ROW, Call, Flow, Op, Spec
from .bodies import probe, rooms, uses_tasks
from .ir import Step, Value, bytes_of, needed, rewrite

BLOCK = 384 << 10  # bytes that a block of samples may have


class Piece(Op):
    """Task `number` of an op. It reads and writes some of the op's arrays: inputs, outputs and rooms, in that order.
    Not a value type: it is made for one place."""

    def __init__(self, op: Op, number: int, flow: Flow, arrays: Sequence[Spec], inputs: int, outputs: int, like: Task):
        self.op, self.number, self.arrays, self.inputs, self.outputs = op, number, list(arrays), inputs, outputs
        self.reads, self.writes = flow[number]
        self.by_samples = like.samples
        self.name = f"{op.name}_{like.name}"
        self.c_family = like.family
        packed = range(inputs) if op.gapless is None else op.gapless
        self.gapless = tuple(i for i, a in enumerate(self.reads) if a in packed or a >= inputs)
        if self.writes[0] == inputs:  # the op's first output
            self.in_place = tuple(i for i, a in enumerate(self.reads) if a in op.in_place)

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """What it writes."""
        return tuple(self.arrays[a] for a in self.writes)

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """It is one."""
        return True

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One. In place of the arrays that it does not touch there are some of their shapes."""
        given = {**dict(zip(self.reads, ins)), **dict(zip(self.writes, outs))}
        arrays = [given[i] if i in given else untouched(s.shape, s.dtype) for i, s in enumerate(self.arrays)]
        end = self.inputs + self.outputs
        return [self.op.tasks(arrays[:self.inputs], arrays[self.inputs:end], arrays[end:])[self.number]]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The task by itself: a step that fails has the values remade that it read."""
        return [(Run([Chain(self.tasks(ins, outs, ()), [_no_indices])]), ())]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise, or all samples at once."""
        return ROW if self.by_samples else MIX


def _no_indices() -> None:
    raise AssertionError("a piece knows no indices that could be out of range")


def take_apart(roots: Sequence[Value]) -> list[Value]:
    """Puts pieces in the place of steps of which some go from sample to sample; returns the values that take the roots'
    places."""
    new = rewrite(needed(roots), _pieces)
    return [new.get(v, v) for v in roots]


def _fits(step: Step, task: Task) -> bool:
    """Whether what must be done in one go is little enough to stay in cache with what else is done to it."""
    return task.block == 1 or task.block * sum(bytes_of(v) // v.shape[0] for v in step.reads() if v.shape) <= BLOCK


def _pieces(step: Step) -> dict[Value, Value]:
    """The outputs, and what is in their places; nothing if the step is best left as it is."""
    if not step.op.flow or not uses_tasks(step):
        return {}
    made = probe(step)
    if len(made) != len(step.op.flow) or not any(task.samples and _fits(step, task) for task in made):
        return {}
    return apart(step, step.op.flow, made)


def apart(step: Step, flow: Flow, tasks: Sequence[Task]) -> dict[Value, Value]:
    """A piece for each task of a step: the outputs, and what is in their places."""
    specs = [*(v.spec for v in step.ins), *(v.spec for v in step.outs), *rooms(step)]
    arrays: dict[int, Value] = dict(enumerate(step.ins))
    for number, task in enumerate(tasks):
        piece = Piece(step.op, number, flow, specs, len(step.ins), len(step.outs), task)
        outs = Step(piece, [arrays[a] for a in piece.reads], piece.infer(), step.origin).outs
        arrays.update(zip(piece.writes, outs))
    return {v: arrays[len(step.ins) + i] for i, v in enumerate(step.outs)}
