"""Which body of an op a program uses: the kernels on a GPU, if the op has them for its inputs, else the array
module's. The one place where this is decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import device
from ..graph import Call, Spec, ViewOp
from .ir import Step


def uses_kernel(step: Step) -> bool:
    """Whether the step runs as launches of its op's kernels."""
    return device.NAME == "cupy" and step.op.takes_kernel([v.spec for v in step.ins])


def without_gaps(step: Step) -> tuple[int, ...]:
    """The inputs that the body takes without gaps only."""
    op = step.op
    if isinstance(op, ViewOp):
        return (0,) if op.needs_contiguous else ()
    if not uses_kernel(step):
        return op.contiguous
    return tuple(range(len(step.ins))) if op.packed is None else op.packed


def rooms(step: Step) -> list[Spec]:
    """The buffers that the body needs while it runs."""
    ins, outs = [v.spec for v in step.ins], [v.spec for v in step.outs]
    made = step.op.workspace(ins, outs) if uses_kernel(step) else step.op.scratch(ins, outs)
    return [Spec(s.shape, s.dtype) for s in made]


def bind(step: Step, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
    """The body's calls on these arrays."""
    return (step.op.launches if uses_kernel(step) else step.op.calls)(ins, outs, room)


def run(step: Step, ins: Sequence[Any]) -> list[Any]:
    """Runs one step by itself, with fresh memory. Inputs of which only the shape is read may be None."""
    if isinstance(step.op, ViewOp):
        return [device.xp.array(step.op.view(ins[0]))]
    outs = [device.xp.empty(v.shape, v.dtype) for v in step.outs]
    room = [device.xp.empty(s.shape, s.dtype) for s in rooms(step)]
    ready = [device.xp.ascontiguousarray(a) if i in without_gaps(step) and a is not None else a
             for i, a in enumerate(ins)]
    for function, args in bind(step, ready, outs, room):
        function(*args)
    if device.NAME == "cupy":
        for function, args in step.op.finish():
            function(*args)
    return outs
