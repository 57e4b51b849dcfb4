"""Products that keep the samples on an axis of their own.

A dense layer on sequences, or a convolution with windows of one cell, multiplies its input as one flat matrix, in which
nothing says any more where a sample ends. As a product per sample with the same right matrix it can be done with its
neighbours, a few samples at a time (see groups.py), and so can the sum over the samples that is its kernel's gradient.
This is for compiled tasks: for NumPy one product is better than many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import products
from ..device.tasks import Task
from ..graph import REDUCE, Call, Op, Spec, frozen
from ..ops.linalg import Contract, MatMul
from ..ops.product_tasks import FAMILY, MANY_ROWS, sample_blocks, sum_of_samples
from ..ops.shape import Reshape
from .bodies import uses_tasks
from .groups import SHARED
from .ir import Step, Value, bytes_of, needed, readers, rewrite

SAMPLES = 8  # that there are at least: they are what is dealt to threads
ROWS = 16  # of a sample at least: for fewer the right matrix would be read too often


@frozen
class ContractSamples(Op):
    """(samples, rows, k) and (samples, rows, n) -> (k, n), the sum of all samples' a' b, by blocks of samples."""

    blocks: int
    name = "contract_samples"
    c_family = FAMILY
    contiguous = (0, 1)
    flow = (((0, 1), (3,)), ((3,), (2,)))

    def infer(self, *ins: Spec) -> Spec:
        """The columns of both."""
        return Spec((ins[0].shape[-1], ins[1].shape[-1]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product."""
        a, b = (x.reshape(-1, x.shape[-1]) for x in ins)
        return products(a.T, b, outs[0])

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The sums of the blocks."""
        return [Spec((self.blocks, *outs[0].shape), outs[0].dtype)]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """Blocks of samples, and their sum."""
        return sum_of_samples(ins[0], ins[1], outs[0], room[0])

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Reducing."""
        return REDUCE


def keep_samples(roots: Sequence[Value]) -> list[Value]:
    """Unfolds flat products whose factors have samples; returns the values that take the roots' places."""
    steps = needed(roots)
    new = rewrite(steps, _Unfolding(steps).changes)
    return [new.get(v, v) for v in roots]


class _Unfolding:
    """What becomes of the steps of a program; each shape of a value is made once."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._made: dict[tuple[Value, tuple[int, ...]], Value] = {}
        self._readers = readers(steps)

    def changes(self, step: Step) -> dict[Value, Value]:
        """What takes the places of a step's outputs."""
        if isinstance(step.op, MatMul):
            return self._product(step)
        return self._sum(step) if isinstance(step.op, Contract) else {}

    def _product(self, step: Step) -> dict[Value, Value]:
        """What takes the places of a flat product and of those of its shapes that have the samples first."""
        flat, (left, right) = step.outs[0], step.ins
        source = self._with_samples(left)
        if source is None or len(flat.shape) > 2 or bytes_of(right) > SHARED or not uses_tasks(step):
            return {}
        back = [s.outs[0] for s in self._readers.get(flat, [])
                if isinstance(s.op, Reshape) and s.outs[0].shape[0] == source.shape[0]]
        if not back:
            return {}
        made = Step(step.op, [source, right], [Spec((*source.shape[:2], flat.shape[1]), flat.dtype)], step.origin)
        return {v: self._shaped(made.outs[0], v.shape) for v in (*back, flat)}

    def _sum(self, step: Step) -> dict[Value, Value]:
        """What takes the place of a sum over samples and their rows."""
        left, right = map(self._with_samples, step.ins)
        if left is None or right is None or left.shape[:2] != right.shape[:2] or not uses_tasks(step):
            return {}
        blocks = sample_blocks(left.spec, right.spec)
        if not blocks:
            return {}
        return {step.outs[0]: Step(ContractSamples(blocks), [left, right], [step.outs[0].spec], step.origin).outs[0]}

    def _with_samples(self, flat: Value) -> Value | None:
        """Of a flat matrix, for which it is worth while: (samples, rows, columns)."""
        if flat.step is None or not isinstance(flat.step.op, Reshape):
            return None
        source = flat.step.ins[0]
        samples, columns = source.shape[0] if source.shape else 0, flat.shape[-1]
        if len(source.shape) < 3 or source.shape[-1] != columns or samples < SAMPLES \
                or flat.shape[0] < max(samples * ROWS, MANY_ROWS):
            return None
        return self._shaped(source, (samples, flat.shape[0] // samples, columns))

    def _shaped(self, v: Value, shape: tuple[int, ...]) -> Value:
        if v.shape == shape:
            return v
        if (v, shape) not in self._made:
            origin = v.step.origin if v.step else None
            self._made[v, shape] = Step(Reshape(shape), [v], [Spec(shape, v.dtype)], origin).outs[0]
        return self._made[v, shape]
