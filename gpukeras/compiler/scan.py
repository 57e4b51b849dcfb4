"""Recurrences in a program: the body is lowered and planned once, and its calls are repeated for every step, on
views of the sequences, in the same memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import device
from ..device.tasks import Chain, merged
from ..graph import Call, ComposedOp, Op, Spec, Variable, ViewOp, size_of
from ..ops.broadcasting import BroadcastTo
from ..ops.scan import Recurrence, steps_of
from .bodies import bind, rooms
from .fuse import fuse
from .hoist import hoist_after, hoist_before, multiply_after
from .ir import Step, Value, contiguous, is_view, needed, replace, root
from .late import settled
from .plan import Plan

if TYPE_CHECKING:
    from .lower import Lowering


class Gaps(ViewOp):
    """The input, of which the plan must not assume that its elements lie without gaps."""

    name = "gaps"

    def infer(self, *ins: Spec) -> Spec:
        """The input's."""
        return Spec(ins[0].shape, ins[0].dtype)

    def view(self, x: Any) -> Any:
        """The input."""
        return x


class Input:
    """What a body reads: one element of a sequence at each step, a state, or a constant. `number` is the place of
    the state among the states."""

    def __init__(self, kind: str, leaf: Value, number: int = 0):
        self.kind, self.leaf, self.number = kind, leaf, number


class Unrolled(Op):
    """A recurrence with known shapes. Not a value type: it is made for one place.

    `results` are the body's outputs, sums and new states, in that order; for each input of the op there is an `Input`.
    """

    name = "recurrence"

    def __init__(self, steps: int, inputs: Sequence[Input], results: dict[str, list[Value]], optimize: bool):
        self.steps, self.inputs, self.results, self.optimize = steps, list(inputs), results, optimize

    @property
    def roots(self) -> list[Value]:
        """The body's results in the order of the op's outputs."""
        return [v for kind in ("output", "sum", "state") for v in self.results[kind]]

    def specs(self) -> list[Spec]:
        """Shapes of the op's outputs: stacked outputs, sums, and states with the initial one in front."""
        more = {"output": (self.steps,), "sum": (), "state": (self.steps + 1,)}
        return [Spec((*more[kind], *v.shape), v.dtype) for kind, found in self.results.items() for v in found]

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """What `specs` says."""
        return tuple(self.specs())

    def restricted(self, live: Sequence[bool]) -> tuple[Unrolled, list[int], list[int]]:
        """The op with only those outputs that are read, and what these need; the places of the inputs and of the
        outputs that are left."""
        roots = self.roots
        first = len(roots) - len(self.results["state"])
        kept = {i for i, used in enumerate(live) if used}
        while True:
            read = _read([roots[i] for i in kept])
            more = {first + x.number for x in self.inputs if x.kind == "state" and x.leaf in read}
            if more <= kept:
                break
            kept |= more
        outs = sorted(kept)
        ins = [i for i, x in enumerate(self.inputs)
               if (first + x.number in kept if x.kind == "state" else x.leaf in read)]
        number = {i - first: n for n, i in enumerate(i for i in outs if i >= first)}
        inputs = [Input(x.kind, x.leaf, number.get(x.number, 0)) for x in (self.inputs[i] for i in ins)]
        bounds = np.cumsum([0, *(len(found) for found in self.results.values())]).tolist()
        results = {kind: [roots[i] for i in outs if a <= i < b]
                   for kind, a, b in zip(self.results, bounds[:-1], bounds[1:])}
        return Unrolled(self.steps, inputs, results, self.optimize), ins, outs

    @cached_property
    def plan(self) -> BodyPlan:
        """The body's steps and memory."""
        roots = self.roots
        if self.optimize:
            roots = fuse(prune(roots))
        return BodyPlan(roots, self.added)

    @property
    def added(self) -> range:
        """The places of the sums among the outputs."""
        outputs = len(self.results["output"])
        return range(outputs, outputs + len(self.results["sum"]))

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The arena of a step, which all steps use."""
        return [Spec((self.plan.size,), "uint8")] if self.plan.size else []

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The body's calls for each step."""
        added = self.added
        states = outs[added.stop:]
        calls: list[Chain | Call] = [(device.xp.copyto, (states[x.number][0, ...], a))
                             for x, a in zip(self.inputs, ins) if x.kind == "state"]
        calls += [(outs[i].fill, (0,)) for i in added]
        fixed = {x.leaf: a for x, a in zip(self.inputs, ins) if x.kind == "constant"}
        frame = Frame(self.plan, scratch[0] if scratch else None, fixed)
        for t in range(self.steps):
            moving = {x.leaf: a[t, ...] for x, a in zip(self.inputs, ins) if x.kind == "sequence"}
            moving |= {x.leaf: states[x.number][t, ...] for x in self.inputs if x.kind == "state"}
            calls += frame.calls(moving, [*(a[t, ...] for a in outs[:added.start]), *outs[added.start:added.stop],
                                          *(s[t + 1, ...] for s in states)])
        return merged(calls)


class BodyPlan(Plan):
    """The plan of a body: a result that is computed is written where it is wanted, if it isn't one that is `added`."""

    grouped = keeps = False

    def __init__(self, roots: Sequence[Value], added: range):
        self.added = added
        super().__init__(list(roots), [])

    def _place_updates(self, updates: Sequence[tuple[Variable, Value]]) -> None:
        self.placed: dict[Value, int] = {}
        for i, v in enumerate(self.outputs):
            if v.step is not None and not is_view(v) and v not in self.placed and i not in self.added:
                self.placed[v] = i
        self.variables = dict.fromkeys(self.placed)  # type: ignore[assignment]


class Frame:
    """The arrays of a body. Those that stay the same from step to step are made once, and so are the calls on them."""

    def __init__(self, plan: BodyPlan, memory: Any, fixed: dict[Value, Any]):
        self.plan, self.memory = plan, memory
        self._fixed = dict(fixed)
        self._moving: dict[Value, Any] = {}
        self._changing = self._find_changing()
        self._bound: dict[Step, list[Chain | Call]] = {}

    def _find_changing(self) -> set[Value]:
        """Values whose array is another one at each step."""
        found = set(self.plan.placed)
        for step in self.plan.steps:
            found.update(v for v in step.reads() if v.leaf is not None and v not in self._fixed)
            if isinstance(step.op, ViewOp) and step.ins[0] in found:
                found.update(step.outs)
        return found

    def calls(self, moving: dict[Value, Any], targets: Sequence[Any]) -> list[Chain | Call]:
        """The calls of one step; `targets` is where its results go."""
        self._moving = moving | {v: targets[i] for v, i in self.plan.placed.items()}
        made: list[Chain | Call] = []
        for step in self.plan.steps:
            if not isinstance(step.op, ViewOp):
                made += self._bind(step)
        for i, v in enumerate(self.plan.outputs):
            if i in self.plan.added:
                made.append((device.xp.add, (targets[i], self.array(v), targets[i])))
            elif self.plan.placed.get(v) != i:
                made.append((device.xp.copyto, (targets[i], self.array(v))))
        return made

    def _bind(self, step: Step) -> list[Chain | Call]:
        if step in self._bound:
            return self._bound[step]
        ins = [None if v.shape_only else self.array(v) for v in step.ins]
        outs = [self.array(v) for v in step.outs]
        room = [self._cut(offset, s.shape, s.dtype) for offset, s in zip(self.plan.scratch[step], rooms(step))]
        made = bind(step, ins, outs, room)
        if not self._changing.intersection([*step.reads(), *step.outs]):
            self._bound[step] = made
        return made

    def array(self, v: Value) -> Any:
        """The array of a value at this step."""
        for known in (self._fixed, self._moving):
            if v in known:
                return known[v]
        made = self._make(v)
        (self._moving if v in self._changing else self._fixed)[v] = made
        return made

    def _make(self, v: Value) -> Any:
        if v.const is not None:
            return device.asarray(v.const)
        if is_view(v):
            assert v.step is not None and isinstance(v.step.op, ViewOp)
            return v.step.op.view(self.array(v.step.ins[0]))
        if v in self.plan.parts:
            whole, i = self.plan.parts[v]
            assert whole.step is not None
            part = whole.step.op.part(self.array(whole), whole.step.ins, i)  # type: ignore[attr-defined]
            return part.reshape(v.shape)
        return self._cut(self.plan.offsets[v], v.shape, v.dtype)

    def _cut(self, offset: int, shape: Sequence[int | None], dtype: str) -> Any:
        size = size_of(tuple(shape)) * np.dtype(dtype).itemsize
        return self.memory[offset:offset + size].view(dtype).reshape(shape)


def _read(roots: Sequence[Value]) -> set[Value]:
    """The leaves that the roots depend on."""
    found = {v for step in needed(roots) for v in step.reads()} | set(roots)
    return {v for v in found if v.leaf is not None}


def unroll(lowering: Lowering, op: Recurrence, ins: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs of a recurrence on values."""
    body = op.body
    kinds = ["sequence"] * len(body.sequences) + ["state"] * len(body.states) + ["constant"] * len(body.constants)
    steps = steps_of([v.shape[0] for v, kind in zip(ins, kinds) if kind == "sequence"])
    assert steps is not None
    feeds = {t: v.spec if kind == "constant" else Spec(v.shape[kind == "sequence":], v.dtype)
             for t, v, kind in zip(body.leaves, ins, kinds)}
    inner = lowering.inside(feeds)
    inputs: list[Input] = []
    outside: dict[str, dict[Value, Value]] = {"sequence": {}, "state": {}, "constant": {}}
    for t, v, kind in zip(body.leaves, ins, kinds):
        leaf = inner.value(t)
        inputs.append(Input(kind, leaf, len(inputs) - len(body.sequences)))
        if kind == "state":
            pass  # only the initial one is known
        elif _is_repeated_number(v):  # the rules inside know what to do with it
            inner.stand_in(t, inner(BroadcastTo(leaf.shape), inner.constant(root(v).const)))
        elif leaf.leaf is not None and not _has_no_gaps(v):
            inner.stand_in(t, Step(Gaps(), [leaf], [leaf.spec], lowering.origin).outs[0])
        outside[kind][inner.value(t)] = v
    roots = [settled(inner.value(t), "what a step makes") for t in body.results]
    outputs, sums = len(body.outputs), len(body.outputs) + len(body.sums)
    for begin, new in zip(ins[len(body.sequences):], roots[sums:]):
        if begin.shape != new.shape:
            raise ValueError(f"a state of shape {begin.shape} becomes {new.shape} after a step")
    results = {"output": roots[:outputs], "sum": roots[outputs:sums], "state": roots[sums:]}
    given = list(ins)
    places: list[tuple[int, Value | None]] = [(i, None) for i in range(outputs)]
    if lowering.optimize:
        roots = inner.finish(roots)
        before = hoist_before(lowering, steps, outside["sequence"], outside["constant"], roots)
        inputs += [Input("sequence", leaf) for leaf in before]
        given += before.values()
        results = {"output": roots[:outputs], "sum": roots[outputs:sums], "state": roots[sums:]}
        places = hoist_after(outside["constant"], results["output"])
    used = _read([v for found in results.values() for v in found])
    left = [i for i, x in enumerate(inputs) if x.kind == "state" or x.leaf in used]
    made = Unrolled(steps, [inputs[i] for i in left], results, lowering.optimize)
    outs = Step(made, [given[i] for i in left], made.specs(), lowering.origin).outs
    count = len(results["output"])
    return (*multiply_after(lowering, steps, outs[:count], places), *outs[count:])


def _has_no_gaps(v: Value) -> bool:
    """Whether the value will surely lie in memory without gaps: a composition may turn into a view."""
    maker = root(v).step
    return contiguous(v) and (maker is None or not isinstance(maker.op, ComposedOp))


def _is_repeated_number(v: Value) -> bool:
    return v.step is not None and isinstance(v.step.op, BroadcastTo) and root(v).const is not None and root(v).size == 1


def prune(roots: Sequence[Value]) -> list[Value]:
    """Takes from recurrences what nobody reads; returns the values that take the roots' places."""
    steps = needed(roots)
    if not any(isinstance(step.op, Unrolled) for step in steps):
        return list(roots)
    live = set(roots)
    new: dict[Value, Value] = {}
    for step in reversed(steps):
        used = [v in live for v in step.outs]
        if not any(used):
            continue
        if isinstance(step.op, Unrolled):
            op, ins, outs = step.op.restricted(used)
            less = Step(op, [step.ins[i] for i in ins], op.specs(), step.origin)
            new.update((step.outs[i], v) for i, v in zip(outs, less.outs))
            step = less
        live.update(step.reads())
    replace([*steps, *{v.step for v in new.values() if v.step}], new)
    return [new.get(v, v) for v in roots]
