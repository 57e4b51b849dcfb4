"""Which body of an op a program uses: the kernels on a GPU or the compiled tasks on a CPU, if the op has them for its
inputs, else the array module's. The one place where this is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from .. import device
from ..device import tasks
from ..graph import Call, Spec, ViewOp
from .ir import Step, Value, contiguous, describe


def uses_kernel(step: Step) -> bool:
    """Whether the step runs as launches of its op's kernels."""
    return device.NAME == "cupy" and step.op.takes_kernel([v.spec for v in step.ins])


def uses_tasks(step: Step) -> bool:
    """Whether the step runs as compiled tasks."""
    op = step.op
    if device.NAME != "numpy" or op.c_family is None:
        return False
    packed = range(len(step.ins)) if op.gapless is None else op.gapless
    if any(not contiguous(step.ins[i]) for i in packed if not step.ins[i].shape_only):
        return False
    return op.takes_tasks([v.spec for v in step.ins], [v.spec for v in step.outs]) and tasks.ready(op.c_family)


def prepare(steps: Iterable[Step]) -> None:
    """Has what these steps, and what becomes of them, may use of compiled code made beforehand."""
    able = [s.op for s in steps if s.op.takes_tasks([v.spec for v in s.ins], [v.spec for v in s.outs])]
    families = {family for op in able for family in (op.c_family, *op.c_further) if family}
    tasks.prepare(families | {"elementwise"})


def without_gaps(step: Step) -> tuple[int, ...]:
    """The inputs that the body takes without gaps only. (Tasks are chosen only where theirs have none.)"""
    return () if uses_tasks(step) else _without_gaps(step)


def _without_gaps(step: Step) -> tuple[int, ...]:
    op = step.op
    if isinstance(op, ViewOp):
        return (0,) if op.needs_contiguous else ()
    if not uses_kernel(step):
        return op.contiguous
    return tuple(range(len(step.ins))) if op.packed is None else op.packed


def rooms(step: Step) -> list[Spec]:
    """The buffers that the body needs while it runs."""
    return _asked(step, step.op.tasks_room if uses_tasks(step) else step.op.scratch)


def bind(step: Step, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[tasks.Chain | Call]:
    """The body on these arrays: tasks, each a chain by itself, or calls."""
    if uses_tasks(step):
        return [tasks.Chain([task], [partial(explain, step, ins)]) for task in step.op.tasks(ins, outs, room)]
    return list(_calls(step, ins, outs, room))


def probe(step: Step) -> list[tasks.Task]:
    """The step's tasks on arrays that nobody may touch: what they are like does not depend on where the arrays are."""
    made: dict[Value, Any] = {}

    def array(v: Value) -> Any:
        if v not in made:
            view = v.step.op.view(array(v.step.ins[0])) if v.step and isinstance(v.step.op, ViewOp) else None
            made[v] = tasks.untouched(v.shape, v.dtype) if view is None else view
        return made[v]

    return step.op.tasks([None if v.shape_only else array(v) for v in step.ins], [array(v) for v in step.outs],
                         [tasks.untouched(s.shape, s.dtype) for s in rooms(step)])


class Probes(dict[Step, list[tasks.Task]]):
    """The tasks of steps, as `probe` makes them: each step's once, when somebody asks."""

    def __missing__(self, step: Step) -> list[tasks.Task]:
        self[step] = probe(step)
        return self[step]


def _calls(step: Step, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
    return (step.op.launches if uses_kernel(step) else step.op.calls)(ins, outs, room)


def explain(step: Step, ins: Sequence[Any]) -> None:
    """Raises what the array module has to say of indices that a task refused."""
    try:
        run(step, ins)
    except IndexError as e:
        raise IndexError(in_layer(step, e)) from None
    raise AssertionError(f"{describe(step)}: the compiled body refuses what the other takes")


def in_layer(step: Step, error: Exception) -> str:
    """The message with the layer that the step comes from."""
    return f"layer '{step.origin}': {error}" if step.origin else str(error)


def run(step: Step, ins: Sequence[Any]) -> list[Any]:
    """Runs one step by itself, with fresh memory, by kernels or the array module. Inputs of which only the shape is
    read may be None."""
    if isinstance(step.op, ViewOp):
        return [device.xp.array(step.op.view(ins[0]))]
    outs = [device.xp.empty(v.shape, v.dtype) for v in step.outs]
    room = [device.xp.empty(s.shape, s.dtype) for s in _asked(step, step.op.scratch)]
    ready = [device.xp.ascontiguousarray(a) if i in _without_gaps(step) and a is not None else a
             for i, a in enumerate(ins)]
    for function, args in _calls(step, ready, outs, room):
        function(*args)
    if device.NAME == "cupy":
        for function, args in step.op.finish():
            function(*args)
    return outs


def _asked(step: Step, otherwise: Callable[..., list[Spec]]) -> list[Spec]:
    asks = step.op.workspace if uses_kernel(step) else otherwise
    return [Spec(s.shape, s.dtype) for s in asks([v.spec for v in step.ins], [v.spec for v in step.outs])]
