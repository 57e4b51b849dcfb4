"""Convolutions that finish what they make: a bias, a ReLU and, where tiles of 2x2 outputs are made anyway, pooling by
as many, are done to their sums before these are stored.

As steps by themselves these would go over numbers in the nearest caches (see groups.py), which takes a tenth to a third
of the convolution's time still. This is for compiled tasks on the CPU. The bits stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..device import xp
from ..device.tasks import Task
from ..graph import ROW, Call, Op, Spec, frozen
from ..ops import convolution_tasks, winograd_tasks
from ..ops.convolution import Convolution
from ..ops.elementwise import ADD, RELU
from ..ops.pooling import MaxPool
from ..ops.window_tasks import Finish
from .bodies import uses_tasks
from .fuse import Fused
from .ir import Step, Value, contiguous, needed, readers, rewrite


@frozen
class FinishedConvolution(Op):
    """(x, kernel, bias) -> the convolution plus the bias; with `relu` its ReLU; with `pool` of that the largest of each
    window."""

    plain: Convolution
    relu: bool
    pool: MaxPool | None
    name = "convolution_finished"
    contiguous = (1, 2)
    gapless = (1, 2)
    c_family = "convolution"
    packs = 1

    @property
    def c_further(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the convolution."""
        return self.plain.c_further

    def _whole(self, ins: Sequence[Any]) -> Spec:
        """What is finished."""
        return self.plain.infer(*(Spec(a.shape, "float32") for a in ins[:2]))

    def infer(self, *ins: Spec) -> Spec:
        """The shape of what is stored."""
        return self.pool.infer(self._whole(ins)) if self.pool else self._whole(ins)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What the convolution asks for, and what it makes."""
        return [*self.plain.scratch(ins[:2], outs), self._whole(ins)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One after the other."""
        *room, made = scratch
        calls = [*self.plain.calls(ins[:2], [made], room), (xp.add, (made, ins[2].reshape(-1), made))]
        if self.relu:
            calls.append((partial(xp.maximum, out=made), (made, 0)))
        return calls + (self.pool.calls([made], outs, []) if self.pool else [(xp.copyto, (outs[0], made))])

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """As the convolution does."""
        return self.plain.takes_tasks(ins[:2], outs)

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The packed kernel."""
        return self.plain.tasks_room(ins[:2], [self._whole(ins)])

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The convolution's."""
        window, (x, kernel, bias), whole = self.plain.window, ins, self._whole(ins)
        if self.pool:
            return winograd_tasks.forward(window, x, kernel, whole, room[0], Finish(bias, self.relu, outs[0]))
        way: Any = winograd_tasks if winograd_tasks.serves(window, x, whole) else convolution_tasks
        return way.forward(window, x, kernel, outs[0], room[0], Finish(bias, self.relu))

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW if not any(carries[1:]) else self.plain.batch(carries[:2], ins[:2])


def finish(roots: Sequence[Value]) -> list[Value]:
    """Puts such convolutions in the place of convolutions and what is done to what they make, where nobody else reads
    that; returns the values that take the roots' places."""
    steps = needed(roots)
    read_by = readers(steps)
    alone = {v for v, found in read_by.items() if len(found) == 1} - set(roots)
    made: set[Value] = set()  # of `alone` what takes their places

    def change(step: Step) -> dict[Value, Value]:
        new = _with_bias(step, alone) or _pooled(step, made)
        if new is None:
            return {}
        if step.outs[0] in alone:
            made.add(new.outs[0])
        return {step.outs[0]: new.outs[0]}

    new = rewrite(steps, change)
    return [new.get(v, v) for v in roots]


def _with_bias(step: Step, alone: set[Value]) -> Step | None:
    """What takes the place of a step that adds a bias to a convolution, and may take the ReLU of the sum."""
    if not isinstance(step.op, Fused) or len(step.ins) != 2 or step.op.exported != (len(step.op.members) - 1,):
        return None
    y, bias = sorted(step.ins, key=lambda v: v.size, reverse=True)
    before = y.step
    if before is None or not isinstance(before.op, Convolution) or y not in alone or not uses_tasks(before):
        return None
    filters = y.shape[-1]
    fits = bias.shape[-1:] == (filters,) and bias.size == filters and bias.dtype == y.dtype and contiguous(bias)
    kinds = [member.op for member in step.op.members]
    if not fits or y.size == filters or kinds not in ([ADD], [ADD, RELU]) or bias.step is before:
        return None
    return Step(FinishedConvolution(before.op, len(kinds) == 2, None), [*before.ins, bias], [step.outs[0].spec],
                before.origin)


def _pooled(step: Step, made: set[Value]) -> Step | None:
    """What takes the place of pooling by 2x2 of what tiles of as many make."""
    before = step.ins[0].step if step.ins else None
    if not isinstance(step.op, MaxPool) or step.ins[0] not in made or before is None:
        return None
    window, op = step.op.window, before.op
    assert isinstance(op, FinishedConvolution)
    if op.pool or window.size != (2, 2) or window.strides != (2, 2) or window.dilation != (1, 1) \
            or not winograd_tasks.serves(op.plain.window, before.ins[0], step.ins[0]):
        return None
    return Step(FinishedConvolution(op.plain, op.relu, step.op), before.ins, [step.outs[0].spec], before.origin)
