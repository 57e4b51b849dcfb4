"""A compiled program: a straight line of bound calls into memory that is allocated once; on a GPU, one CUDA graph."""

from __future__ import annotations

import warnings
from bisect import bisect
from collections.abc import Callable, Sequence
from functools import partial
from operator import length_hint
from typing import Any

import numpy as np

from .. import device
from ..device.changes import Kept, Writing
from ..device.tasks import Chain, Private, Run, merged, ready
from ..graph import Call, Op, Spec, Tensor, Variable, ViewOp, size_of
from ..ops import copies
from ..ops.indexing import Gather
from .bodies import bind, explain, in_layer, prepare, rooms, run, uses_tasks
from .by_samples import keep_samples
from .finish import finish
from .fuse import Fused, fuse
from .groups import Group
from .ir import Step, Value, describe, is_view, needed
from .kept import part_packings
from .late import Late, cell_of, settled
from .loops import give_loops
from .lower import Lowering
from .pieces import take_apart
from .plan import Plan
from .zeros import leave_out_zeros

WARM_UPS = 1  # runs before a program is recorded

_noted: set[str] = set()  # ops that were reported as impossible to record


def _nothing() -> None:
    """What goes before and after a program that runs alone."""


class Program:
    """What a Function does for one set of input shapes. `run` makes the calls; `inputs[i]` is the buffer of input i
    (None if nothing depends on it)."""

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor],
                 updates: Sequence[tuple[Variable, Tensor]], feeds: dict[Tensor, Spec], memory: Memory):
        lowering = Lowering(feeds)
        roots = [lowering.value(t) for t in outputs]
        roots += [settled(lowering.value(t), f"the new value of {v.name}") for v, t in updates]
        roots = lowering.finish(roots)
        prepare(needed(roots))
        words = device.NAME == "numpy" and any(isinstance(step.op, Gather) for step in needed(roots))
        if device.NAME == "cupy":
            from .epilogues import take_epilogues  # late: only GPUs have them

            roots = take_epilogues(lowering, roots)
        elif words:
            from .by_words import by_words  # late: it knows all recurrences
            from .counted import count_rows

            roots = by_words(lowering, roots)
        roots = take_apart(finish(fuse(keep_samples(roots))))
        updated = {v.storage for v, _ in updates}
        roots = leave_out_zeros(part_packings(roots, updated), updated)
        give_loops(roots[len(outputs):])
        if words:
            count_rows(roots)
        new_values = zip((v for v, _ in updates), roots[len(outputs):])
        self.plan = Plan(roots[:len(outputs)], list(new_values))
        self.layout = Variable.layout
        self._arrays: dict[Value, Any] = {}
        self._memory = memory.at_least(self.plan.size)
        self._kept_memory = device.allocate(self.plan.kept_size)
        self._kept = Kept([v.changes for v in self.plan.keeping.owners])
        self._making = set(self.plan.keeping.steps)
        self._changes = list(dict.fromkeys(v.storage.changes for v, _ in updates)) if device.NAME == "numpy" else []
        self._private = {group: Private(group.room) for group in self.plan.groups.values()}
        self._members: dict[Group, list[tuple[Chain, int]]] = {}
        self.calls: list[Call] = []
        self._starts: list[int] = []  # for each step, its first call
        waiting: list[Chain | Call] = []
        for step in self.plan.steps:
            if uses_tasks(step):
                self._starts.append(len(self.calls))
                waiting += self._bind(step)
                continue
            if not isinstance(step.op, ViewOp):  # those are made when somebody asks for them
                self.calls += self._merged(waiting)
                waiting = []
            self._starts.append(len(self.calls))
            if not isinstance(step.op, ViewOp):
                self.calls += self._merged(self._bind(step))
        for variable, value in self.plan.copies:
            waiting += _copy(variable.array, self._array(value))
        self.calls += self._merged(waiting)
        if device.NAME == "cupy":
            self.calls += [call for op in self._ops() for call in op.finish()]
        self._complaints = [(complaint, self._step(i)) for i, (f, _) in enumerate(self.calls)
                            if isinstance(f, device.Launch) for complaint in f.complaints]
        self._results = [self._array(v) for v in self.plan.outputs]
        self.cells = {i: cell for i, cell in enumerate(map(cell_of, self.plan.outputs)) if cell is not None}
        fed = {v.leaf: a for v, a in self._arrays.items() if v.leaf in feeds}
        self.inputs = [fed.get(t) for t in inputs]
        hold = device.threads.hold(self.calls)
        self._hold = hold if self.whole is not None or not self._changes else Writing(self._changes, hold)
        self._runs = 0
        self._refuses = any(isinstance(step.op, Late) for step in self.plan.steps)  # to be recorded
        self._recording: device.Recording | None = None
        self.recordings = 0  # how often a graph was made of it

    @property
    def outputs(self) -> list[Any]:
        """The array of each output, valid until the next run."""
        if not self.cells:
            return self._results
        return [self.cells[i].array if i in self.cells else a for i, a in enumerate(self._results)]

    @property
    def whole(self) -> Run | None:
        """The program as one run of compiled tasks; None if there is more to it."""
        only = self.calls[0][0] if len(self.calls) == 1 else None
        return only if isinstance(only, Run) else None

    def run(self) -> None:
        """Makes every call, in order. On a GPU the first run compiles the kernels, the second records them as a graph,
        which it and all later runs launch."""
        if self._recording is None and self.recordable:
            self._recording = self.record()
        if self._recording is not None:
            self._recording()
        else:
            self._run_plainly()

    @property
    def recordable(self) -> bool:
        """Whether the program can be recorded now: on a GPU, once it has run, unless something in it refused."""
        return device.NAME == "cupy" and self._runs >= WARM_UPS and not self._refuses

    def record(self, before: Sequence[Callable[[], None]] = (_nothing,),
               after: Callable[[], None] = _nothing) -> device.Recording | None:
        """Steps as one graph: for each of `before` it and all calls, and in the end `after`. None, and a warning, if
        that can't be: what refuses to be recorded alone is not tried again."""
        def steps() -> None:
            for first in before:
                first()
                self._make_calls()
            after()

        try:
            made = device.Recording(steps)
        except Exception as error:  # whatever refuses to be recorded, by CuPy, CUDA or a user's function
            self._refused(len(before), str(error) or type(error).__name__)
            return None
        self.recordings += 1
        return made

    def _refused(self, steps: int, why: str) -> None:
        if steps > 1:
            warnings.warn(f"{steps} steps can't be one CUDA graph ({why}); fewer at a time are launched.",
                          RuntimeWarning, stacklevel=2)
            return
        self._refuses = True
        step = self._failed()
        if step.op.name not in _noted:
            _noted.add(step.op.name)
            warnings.warn(f"{describe(step)} can't be part of a CUDA graph ({why}); programs with it launch kernel "
                          "by kernel, which is slower.", RuntimeWarning, stacklevel=2)

    def _run_plainly(self) -> None:
        self._runs += 1
        try:
            self._make_calls()
        except IndexError as e:  # labels or indices out of range: say of which layer
            if isinstance(self.calls[self._failed_call()][0], Run):
                raise  # it has said so
            raise IndexError(in_layer(self._failed(), e)) from None

    def _make_calls(self) -> None:
        self._pending = iter(self.calls)
        with self._hold:
            for function, args in self._pending:
                function(*args)

    def _failed(self) -> Step:
        """The step whose call has just raised."""
        return self._step(self._failed_call())

    def _failed_call(self) -> int:
        return len(self.calls) - length_hint(self._pending) - 1

    def check(self) -> None:
        """Raises IndexError if labels or indices were out of range in a run: a kernel can't raise, it makes a note."""
        for complaint, step in self._complaints:
            try:
                complaint.check()
            except IndexError as e:
                raise IndexError(in_layer(step, e)) from None

    def _step(self, call: int) -> Step:
        """The step that a call belongs to."""
        return self.plan.steps[bisect(self._starts, call) - 1]

    def _ops(self) -> list[Op]:
        """The ops of the program, each once, also those inside of fused steps."""
        found: list[Op] = []
        for step in self.plan.steps:
            found += [m.op for m in step.op.members] if isinstance(step.op, Fused) else [step.op]
        return list(dict.fromkeys(found))

    def describe(self) -> str:
        """The steps, one a line, for people: in the order of the graph. What is done together is done in another."""
        return "\n".join(describe(s) for s in self.plan.as_written)

    def _merged(self, body: Sequence[Chain | Call]) -> list[Call]:
        for item in body:
            if isinstance(item, Chain):
                item.changes = self._changes
        return merged(body)

    def _bind(self, step: Step) -> list[Chain | Call]:
        ins = [None if v.shape_only else self._array(v) for v in step.ins]
        outs = [self._array(v) for v in step.outs]
        room = [self._cut(offset, s.shape, s.dtype) for offset, s in zip(self.plan.scratch[step], rooms(step))]
        made = bind(step, ins, outs, room)
        chains = [chain for chain in made if isinstance(chain, Chain)]
        if step in self._making:
            for chain in chains:
                chain.kept = self._kept
        if step.counted is not None and isinstance(made[-1], Chain):
            made[-1].counted = self._array(step.counted)  # what comes before it may be a copy
        group = self.plan.groups.get(step)
        if group is None:
            return made
        for chain in chains:
            chain.explain = [partial(self._explain, step, group)]
        members = self._members.setdefault(group, [])
        members += [(chain, group.scale(step, chain.tasks[0])) for chain in chains if group.joins(chain.tasks[0])]
        before: list[Chain | Call] = [chain for chain in chains if not group.joins(chain.tasks[0])]
        if step is not group.steps[-1]:
            return before
        return [*before, Chain([chain.tasks[0] for chain, _ in members], [chain.explain[0] for chain, _ in members],
                               group.chunk, self._private[group], [scale for _, scale in members])]

    def _explain(self, step: Step, group: Group) -> None:
        """Raises the IndexError of a step in a group. What the group passes on is nowhere as a whole: it is remade."""
        made: dict[Value, Any] = {}

        def array(v: Value) -> Any:
            if v.step in group.steps and v not in made:
                made.update(zip(v.step.outs, run(v.step, inputs(v.step))))
            if v in made:
                return made[v]
            return v.step.op.view(array(v.step.ins[0])) if is_view(v) else self._array(v)  # type: ignore[union-attr]

        def inputs(of: Step) -> list[Any]:
            return [None if v.shape_only else array(v) for v in of.ins]

        explain(step, inputs(step))

    def _array(self, v: Value) -> Any:
        if v not in self._arrays:
            self._arrays[v] = self._make(v)
        return self._arrays[v]

    def _make(self, v: Value) -> Any:
        if v.const is not None:
            return device.asarray(v.const)
        if isinstance(v.leaf, Variable):
            return v.leaf.array
        if v.leaf is not None:
            return device.xp.empty(v.shape, v.dtype)
        if is_view(v):
            assert v.step is not None and isinstance(v.step.op, ViewOp)
            return v.step.op.view(self._array(v.step.ins[0]))
        if v in self.plan.variables:
            return self.plan.variables[v].array
        if v in self.plan.parts:
            whole, i = self.plan.parts[v]
            assert whole.step is not None
            return whole.step.op.part(self._array(whole), whole.step.ins, i).reshape(v.shape)  # type: ignore[attr-defined]
        group = self.plan.groups.get(v.step) if v.step else None
        if group is not None and v in group.places:
            return self._private[group].array(group.places[v], v.shape, v.dtype, group.bytes_of_unit(v))
        if v in self.plan.kept:
            return self._cut(self.plan.kept[v], v.shape, v.dtype, self._kept_memory)
        return self._cut(self.plan.offsets[v], v.shape, v.dtype)

    def _cut(self, offset: int, shape: Sequence[int | None], dtype: str, memory: Any = None) -> Any:
        size = size_of(tuple(shape)) * np.dtype(dtype).itemsize
        memory = self._memory if memory is None else memory
        return memory[offset:offset + size].view(dtype).reshape(shape)


def _copy(target: Any, source: Any) -> list[Chain | Call]:
    """A value's way into a variable in whose memory it could not be made."""
    if not ready(copies.FAMILY) or target.dtype != source.dtype or not copies.takes_copy(target, source):
        return [(device.xp.copyto, (target, source))]
    return [Chain([task], [_no_indices]) for task in copies.copy(target, source)]


def _no_indices() -> None:
    raise AssertionError("a copy knows no indices that could be out of range")


class Memory:
    """The arena that the programs of a function share: only one of them runs at a time."""

    def __init__(self) -> None:
        self._block: Any = None

    def at_least(self, size: int) -> Any:
        """A block of `size` bytes or more; a larger one replaces it when asked for."""
        if self._block is None or self._block.size < size:
            self._block = device.allocate(max(size, 1))
        return self._block
