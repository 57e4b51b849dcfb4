"""From graph to steps: all shapes become concrete, constants are folded, equal steps are shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import numpy as np

from .. import device
from ..graph import Apply, ComposedOp, ExpandedOp, Op, Placeholder, Spec, Tensor, Variable
from ..ops.broadcasting import BroadcastTo
from ..ops.control import Branch, Print
from ..ops.loops import MOST_UNROLLED, Looping
from ..ops.scan import Recurrence
from ..ops.shape import Reshape
from .bodies import run
from .ir import Step, Value, needed, replace
from .late import Late, cell_of, is_guess, place_all, place_of, spec_of
from .rules import simplify
from .scan import prune, unroll

FOLD_LIMIT = 1 << 16  # elements; larger constants are cheaper to compute than to keep


class Lowering:
    """Turns tensors into values, given the shapes (or the constant values) of what is fed.

    Called as `lowering(op, *values)` it applies one op; rules and expansions use it that way. `optimize=False`
    leaves out everything that could change how a number is computed: the interpreter's form.
    """

    most_passes: float = MOST_UNROLLED

    def __init__(self, feeds: dict[Tensor, Spec], optimize: bool = True):
        self.feeds = feeds
        self.optimize = optimize
        self.origin: str | None = None
        self._values: dict[Tensor, Value] = {}
        self._steps: dict[Any, tuple[Value, ...]] = {}
        self._measured: dict[tuple[Any, str], Value] = {}

    def value(self, tensor: Tensor) -> Value:
        """The value of a tensor, with all that it depends on."""
        stack = [tensor]
        while stack:
            t = stack[-1]
            if t in self._values:
                stack.pop()
            elif t.producer is None or t in self.feeds:
                self._values[t] = self._leaf(t)
            else:
                missing = self._missing(t.producer)
                if missing:
                    stack.extend(reversed(missing))
                else:
                    self._apply(t.producer)
        return self._values[tensor]

    def constant(self, array: Any) -> Value:
        """A constant value; equal small constants are one value."""
        array = np.asarray(array, order="C")
        key = ("const", array.shape, array.dtype.name, array.tobytes())
        if array.size > FOLD_LIMIT or key not in self._steps:
            self._steps[key] = (Value(Spec(array.shape, array.dtype.name, array)),)
        return self._steps[key][0]

    def _leaf(self, t: Tensor) -> Value:
        if t in self.feeds:
            spec = self.feeds[t]
            return self.constant(spec.value) if spec.value is not None else Value(spec, leaf=t)
        if t.const is not None:
            return self.constant(t.const)
        if isinstance(t, Variable):
            return Value(Spec(t.shape, t.dtype), leaf=t)
        if isinstance(t, Placeholder):
            if t.default is not None:
                return self.constant(np.asarray(t.default, t.dtype))
            raise ValueError(f"nothing is fed for {t!r}, on which an output depends; add it to the inputs")
        raise TypeError(f"{t!r} can't be computed: it is neither fed, stored, nor made by an op")

    def _missing(self, node: Apply) -> list[Tensor]:
        """Inputs to be lowered first. Of a branch with a constant condition, only the side taken."""
        if isinstance(node.op, Branch) and node.inputs[0] not in self._values:
            return [node.inputs[0]]
        taken = self._taken(node)
        return [t for t in (node.inputs if taken is None else [taken]) if t not in self._values]

    def _taken(self, node: Apply) -> Tensor | None:
        """The side of a branch that a constant condition chooses; None for anything else."""
        if not isinstance(node.op, Branch):
            return None
        condition = self._values[node.inputs[0]]
        if condition.const is None or condition.size != 1:
            return None
        return node.inputs[1 if bool(condition.const) else 2]

    def _apply(self, node: Apply) -> None:
        self.origin = node.origin
        taken = self._taken(node)
        if taken is not None:
            self._values[node.outputs[0]] = self._values[taken]
            return
        ins = [self._values[t] for t in node.inputs]
        try:
            made = None if self._is_late(node.op, ins) else self._made(node.op, ins)
            made = self._late(node, ins) if made is None else made
        except ValueError as e:
            where = f"layer '{node.origin}': " if node.origin else ""
            raise ValueError(f"{where}{e}") from None
        for t, v in zip(node.outputs, made):
            self._values[t] = v

    def _made(self, op: Op, ins: Sequence[Value]) -> tuple[Value, ...] | None:
        """The outputs of an op; None of a loop whose end only a run will tell."""
        if not isinstance(op, Looping):
            return self.outputs(op, *ins)
        proxies = [Placeholder(s.shape, s.dtype) for s in map(spec_of, ins)]
        self._values.update(zip(proxies, ins))
        origin = self.origin
        made = op.unrolled(proxies, self._truth, self.most_passes)
        values = None if made is None else tuple(map(self.value, made))
        self.origin = origin
        return values

    def _truth(self, tensor: Tensor) -> bool | None:
        """What a condition is, if it is known."""
        known = self.value(tensor).const
        return None if known is None else bool(known)

    def _is_late(self, op: Op, ins: Sequence[Value]) -> bool:
        """Whether an op, or one of its inputs, has a size that only a run will tell."""
        return (op.unknown or op.known_from is not None and any(v.const is None for v in ins[op.known_from:])
                or any(cell_of(v) for v in ins))

    def _late(self, node: Apply, ins: Sequence[Value]) -> tuple[Value, ...]:
        """The outputs of an op that is bound when it runs: tokens of those of unknown shape."""
        op = node.op
        if op.stateful and not isinstance(op, Print):
            raise ValueError(f"{op.name}: a size that follows from data is not available for random numbers")
        places = tuple(map(place_of, ins))
        specs = op.infer(*map(spec_of, ins))
        made = place_all([specs] if isinstance(specs, Spec) else specs, [t.shape for t in node.outputs],
                         is_guess(op, ins))
        late = Late(op, places, made, compute)
        measured = [self._measure(v) if i in op.shape_only and cell_of(v) is None else v for i, v in enumerate(ins)]
        return Step(late, measured, late.infer(), self.origin).outs

    def __call__(self, op: Op, *ins: Value) -> Value:
        """The (single) output of an op."""
        return self.outputs(op, *ins)[0]

    def outputs(self, op: Op, *ins: Value) -> tuple[Value, ...]:
        """The outputs of an op on values: simplified, folded, shared with an equal step, or of a new step."""
        if isinstance(op, Recurrence):
            return self._unroll(op, ins)
        if isinstance(op, (Reshape, BroadcastTo)) and len(ins) > 1:
            op, ins = self._settle(op, ins), ins[:1]
        if self.optimize:
            better = simplify(self, op, ins)
            if better is not None:
                return (better,)
        if isinstance(op, ExpandedOp):
            made = op.expand(self, *ins)
            return made if isinstance(made, tuple) else (made,)
        if isinstance(op, ComposedOp) and (not self.optimize or all(v.const is not None for v in ins)):
            return (self._compose(op, ins),)
        ins = tuple(self._measure(v) if i in op.shape_only else v for i, v in enumerate(ins))
        try:
            specs = op.infer(*(v.spec for v in ins))
        except ValueError as e:
            raise ValueError(f"{op.name}: {e}") from None
        many = (specs,) if isinstance(specs, Spec) else specs
        if all(v.const is not None for v in ins) and self._folds(op, many):
            return tuple(map(self.constant, self._fold(Step(op, ins, many, None))))
        key = (op, *map(id, ins))
        if key not in self._steps or op.stateful or not self.optimize:
            self._steps[key] = Step(op, ins, many, self.origin).outs
        return self._steps[key]

    def _unroll(self, op: Recurrence, ins: Sequence[Value]) -> tuple[Value, ...]:
        key = (op, *map(id, ins))
        if key not in self._steps:
            self._steps[key] = unroll(self, op, ins)
        return self._steps[key]

    def inside(self, feeds: dict[Tensor, Spec]) -> Lowering:
        """A lowering of the same kind for a graph inside of this one."""
        return Lowering(feeds, self.optimize)

    def stand_in(self, tensor: Tensor, value: Value) -> None:
        """Lets a value stand for a tensor in all that is lowered from now on."""
        self._values[tensor] = value

    @staticmethod
    def _settle(op: Reshape | BroadcastTo, ins: Sequence[Value]) -> Reshape | BroadcastTo:
        """The op with constant dimensions in place of those that inputs give."""
        dims = op.infer(*(v.spec for v in ins)).shape
        if None in dims:
            raise ValueError(f"{op.name}: the dimensions {dims} must follow from shapes (K.shape), not from data")
        return type(op)(dims)

    @staticmethod
    def _folds(op: Op, outs: Sequence[Spec]) -> bool:
        """Whether an op of constants is computed now. A broadcast number is better kept as a number: rules see it."""
        limit = 64 if isinstance(op, BroadcastTo) else FOLD_LIMIT
        return not op.stateful and sum(s.size for s in outs) <= limit

    @staticmethod
    def _fold(step: Step) -> list[np.ndarray]:
        """The results of a step of constants."""
        return [device.to_host(a) for a in run(step, [device.asarray(v.const) for v in step.ins])]

    def _compose(self, op: ComposedOp, ins: Sequence[Value]) -> Value:
        return self.composed(op.compose, ins)

    def composed(self, compose: Callable[..., Tensor], ins: Sequence[Value]) -> Value:
        """What `compose` makes of these values. Steps that are there already are not made again: the value is one of
        the program's own, if the program has it."""
        proxies = [Placeholder(v.shape, v.dtype) for v in ins]
        self._values.update(zip(proxies, ins))
        origin = self.origin
        value = self.value(compose(*proxies))
        self.origin = origin
        return value

    def finish(self, roots: Sequence[Value]) -> list[Value]:
        """Puts compositions in the place of the composed ops that no rule has recognised, and leaves out what is
        computed for nobody."""
        new: dict[Value, Value] = {}
        for step in needed(roots):
            replace([step], new)
            if isinstance(step.op, ComposedOp):
                self.origin = step.origin
                new[step.outs[0]] = self._compose(step.op, step.ins)
        return prune([new.get(v, v) for v in roots])

    def _measure(self, v: Value) -> Value:
        """A stand-in of the same shape and dtype that costs nothing."""
        if v.const is not None:
            return v
        return self._measured.setdefault((v.shape, v.dtype), Value(Spec(v.shape, v.dtype), shape_only=True))


class Eager(Lowering):
    """Values that are computed at once, so that sizes may follow from them."""

    most_passes = inf

    def __init__(self) -> None:
        super().__init__({}, optimize=False)
        self._arrays: dict[Value, Any] = {}

    def given(self, array: Any, spec: Spec) -> Value:
        """An array as a value; None where only its shape is read."""
        value = Value(Spec(spec.shape, spec.dtype), shape_only=array is None)
        if array is not None:
            self._arrays[value] = array
        return value

    def outputs(self, op: Op, *ins: Value) -> tuple[Value, ...]:
        """The outputs of an op on values. Of a branch it is one side."""
        if isinstance(op, Branch) and ins[0].size == 1:
            return (ins[1 if bool(device.to_host(self.array(ins[0]))) else 2],)
        if isinstance(op, Looping):
            ends = self._made(op, ins)
            assert ends is not None
            return ends
        if op.known_from is not None:
            for v in ins[op.known_from:]:
                v.const = device.to_host(self.array(v))
        made = super().outputs(op, *ins)
        for v in made:
            self.array(v)
        return made

    def _is_late(self, op: Op, ins: Sequence[Value]) -> bool:
        """Never: all sizes are there."""
        return False

    def _truth(self, tensor: Tensor) -> bool | None:
        return bool(device.to_host(self.array(self.value(tensor))))

    def array(self, v: Value) -> Any:
        """The array of a value."""
        if v.const is not None:
            return device.asarray(v.const)
        if v not in self._arrays:
            if v.step is None:
                return None  # only its shape is read
            ins = [None if i.shape_only else self.array(i) for i in v.step.ins]
            self._arrays.update(zip(v.step.outs, run(v.step, ins)))
        return self._arrays[v]


def compute(op: Op, arrays: Sequence[Any], specs: Sequence[Spec]) -> list[Any]:
    """The outputs of an op on arrays, in memory of their own."""
    eager = Eager()
    given = [eager.given(a, spec) for a, spec in zip(arrays, specs)]
    made = eager.outputs(op, *given)
    return [device.xp.array(eager.array(v)) if v in given else eager.array(v) for v in made]
