"""A compiled program: a straight line of bound calls into memory that is allocated once."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from operator import length_hint
from typing import Any

import numpy as np

from .. import device
from ..graph import Call, Spec, Tensor, Variable, ViewOp, size_of
from .fuse import fuse
from .ir import Step, Value, describe, is_view
from .lower import Lowering
from .plan import Plan


class Program:
    """What a Function does for one set of input shapes. `run` makes the calls; `inputs[i]` is the buffer of input i
    (None if nothing depends on it), `outputs[i]` the array of output i, valid until the next run."""

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor],
                 updates: Sequence[tuple[Variable, Tensor]], feeds: dict[Tensor, Spec], memory: Memory):
        lowering = Lowering(feeds)
        roots = [lowering.value(t) for t in (*outputs, *(t for _, t in updates))]
        roots = fuse(lowering.finish(roots))
        new_values = zip((v for v, _ in updates), roots[len(outputs):])
        self.plan = Plan(roots[:len(outputs)], list(new_values))
        self.layout = Variable.layout
        self._arrays: dict[Value, Any] = {}
        self._memory = memory.at_least(self.plan.size)
        self.calls: list[Call] = []
        self._starts: list[int] = []  # for each step, its first call
        for step in self.plan.steps:
            self._starts.append(len(self.calls))
            self._bind(step)
        for variable, value in self.plan.copies:
            self.calls.append((device.xp.copyto, (variable.array, self._array(value))))
        self.outputs = [self._array(v) for v in self.plan.outputs]
        fed = {v.leaf: a for v, a in self._arrays.items() if v.leaf in feeds}
        self.inputs = [fed.get(t) for t in inputs]

    def run(self) -> None:
        """Makes every call, in order."""
        calls = iter(self.calls)
        try:
            for function, args in calls:
                function(*args)
        except IndexError as e:  # labels or indices out of range: say of which layer
            at = len(self.calls) - length_hint(calls) - 1
            step = self.plan.steps[bisect(self._starts, at) - 1]
            raise IndexError(f"layer '{step.origin}': {e}" if step.origin else str(e)) from None

    def describe(self) -> str:
        """The steps, one a line, for people."""
        return "\n".join(describe(s) for s in self.plan.steps)

    def _bind(self, step: Step) -> None:
        if isinstance(step.op, ViewOp):
            return  # made when somebody asks for it
        ins = [None if v.shape_only else self._array(v) for v in step.ins]
        outs = [self._array(v) for v in step.outs]
        scratch = [self._cut(offset, s.shape, s.dtype) for offset, s in zip(
            self.plan.scratch[step], step.op.scratch([v.spec for v in step.ins], [v.spec for v in step.outs]))]
        self.calls += step.op.calls(ins, outs, scratch)

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
        return self._cut(self.plan.offsets[v], v.shape, v.dtype)

    def _cut(self, offset: int, shape: Sequence[int | None], dtype: str) -> Any:
        size = size_of(tuple(shape)) * np.dtype(dtype).itemsize
        return self._memory[offset:offset + size].view(dtype).reshape(shape)


class Memory:
    """The arena that the programs of a function share: only one of them runs at a time."""

    def __init__(self) -> None:
        self._block: Any = None

    def at_least(self, size: int) -> Any:
        """A block of `size` bytes or more; a larger one replaces it when asked for."""
        if self._block is None or self._block.size < size:
            self._block = device.allocate(max(size, 1))
        return self._block
