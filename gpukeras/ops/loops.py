"""Loops that go on as long as a condition holds. How often that is, a program knows from shapes, or a run from data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..graph import Apply, Op, Placeholder, Spec, Tensor, apply, frozen, gradients, is_float, made_inside
from .broadcasting import zeros_like
from .control import identity
from .convert import as_tensor, cast
from .elementwise import add
from .random import Random
from .scan import closed_over

MOST_UNROLLED = 100
"""Passes up to which a loop becomes the steps of a program; a longer one is run op by op."""

Holds = Callable[[Tensor], "bool | None"]
"""Whether a scalar is true; None where that is not known before a run."""


class Loop:
    """A loop as graph: `states` are the tensors that stand for what a pass is given, `condition` and `new_states` are
    made of them and of `constants`, which are made outside. Two loops are equal only if they are one object."""

    def __init__(self, states: Sequence[Tensor], condition: Tensor, asked: Sequence[Apply],
                 new_states: Sequence[Tensor], done: Sequence[Apply]):
        self.states, self.condition, self.new_states = tuple(states), condition, tuple(new_states)
        self.asked, self.done = tuple(asked), tuple(done)
        self.constants = closed_over([condition, *new_states], states, [*asked, *done])

    def passes(self, given: Sequence[Tensor], holds: Holds, most: float) -> list[Tensor] | None:
        """The states in the end, from the first ones and the constants; None where it is not known when that is, or
        after more than `most` passes."""
        count = len(self.states)
        states, constants = list(given[:count]), dict(zip(self.constants, given[count:]))
        passed = 0
        while (goes_on := holds(self._made([self.condition], self.asked, states, constants)[0])):
            passed += 1
            if passed > most:
                return None
            states = self._made(self.new_states, self.done, states, constants)
        return None if goes_on is None else states

    def _made(self, wanted: Sequence[Tensor], nodes: Sequence[Apply], states: Sequence[Tensor],
              constants: dict[Tensor, Tensor]) -> list[Tensor]:
        new = {**dict(zip(self.states, states)), **constants}
        for node in nodes:
            if any(t in new for t in node.inputs):
                made = apply(node.op, *(new.get(t, t) for t in node.inputs))
                new.update(zip(node.outputs, made if isinstance(made, tuple) else (made,)))
        return [new.get(t, t) for t in wanted]


class Looping(Op):
    """Base of ops that are the passes of a loop."""

    def unrolled(self, given: Sequence[Tensor], holds: Holds, most: float) -> list[Tensor] | None:
        """The outputs, made of tensors for the inputs, or None as with `Loop.passes`."""
        raise NotImplementedError(f"op {self.name} has no passes")


@frozen
class While(Looping):
    """The states of a loop in the end: (states, constants)."""

    loop: Loop
    name = "while"

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """What is known of the states whatever the number of passes."""
        return tuple(Spec(t.shape, t.dtype) for t in self.loop.states)

    def unrolled(self, given: Sequence[Tensor], holds: Holds, most: float) -> list[Tensor] | None:
        """One pass after the other."""
        return self.loop.passes(given, holds, most)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The derivative of all passes, made when their number is known. NotImplementedError for random numbers, which
        would be others."""
        if any(isinstance(n.op, Random) for n in self.loop.done):
            raise NotImplementedError("a loop that draws random numbers has no derivative here: draw them outside")
        wanted = tuple(i for i, t in enumerate(node.inputs) if is_float(t.dtype))
        found: list[Tensor | None] = [None] * len(node.inputs)
        if wanted:
            for i, g in zip(wanted, apply(WhileGradient(self.loop, wanted), *grads, *node.inputs)):
                found[i] = g
        return found


@frozen
class WhileGradient(Looping):
    """The derivatives of a loop by some of its inputs: (derivatives by the states in the end, states, constants)."""

    loop: Loop
    wanted: tuple[int, ...]
    name = "while_gradient"

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """The shapes of these inputs."""
        inputs = ins[len(self.loop.states):]
        return tuple(Spec(inputs[i].shape, inputs[i].dtype) for i in self.wanted)

    def unrolled(self, given: Sequence[Tensor], holds: Holds, most: float) -> list[Tensor] | None:
        """The passes once more, and backwards through them."""
        count = len(self.loop.states)
        inputs = [identity(t) for t in given[count:]]  # one tensor in two places has a derivative for each
        ends = self.loop.passes(inputs, holds, most)
        if ends is None:
            return None
        wrt = [inputs[i] for i in self.wanted]
        total: list[Tensor | None] = [None] * len(wrt)
        for end, seed in zip(ends, given):
            if is_float(end.dtype):
                for i, g in enumerate(gradients(end, wrt, seed=seed)):
                    before = total[i]
                    total[i] = before if g is None else g if before is None else add(before, g)
        return [zeros_like(x) if g is None else g for x, g in zip(wrt, total)]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Not there."""
        raise NotImplementedError("the derivative of a loop has no derivative of its own here")


def while_loop(condition: Callable[..., Any], body: Callable[..., Sequence[Any]], states: Sequence[Any],
               shapes: Sequence[Any] | None = None) -> list[Tensor]:
    """The states after passes of body(*states), which returns the new ones, as long as condition(*states) is true.
    `shapes` are what is known of the states' shapes after any number of passes; by default what does not change in one.

    >>> from gpukeras import backend as K
    >>> i, total = while_loop(lambda i, t: i < 4, lambda i, t: (i + 1, t * 2.0), [0, K.constant(1.)])
    >>> int(K.eval(i)), float(K.eval(total))
    (4, 16.0)
    """
    begin = [as_tensor(s) for s in states]
    known = [tuple(t.shape) for t in begin] if shapes is None else [tuple(s) for s in shapes]
    while True:
        inner = [Placeholder(shape, t.dtype) for shape, t in zip(known, begin)]
        with made_inside() as asked:
            goes_on = cast(as_tensor(condition(*inner)), "bool")
        with made_inside() as done:
            new = [cast(as_tensor(s, h.dtype), h.dtype) for s, h in zip(body(*inner), inner, strict=True)]
        wider = [_in_common(a, tuple(t.shape)) for a, t in zip(known, new)]
        if wider == known:
            break
        known = wider
    loop = Loop(inner, goes_on, asked, new, done)
    return list(apply(While(loop), *begin, *loop.constants))


def _in_common(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> tuple[int | None, ...]:
    if len(a) != len(b):
        raise ValueError(f"while_loop: a state of shape {a} becomes one of shape {b}")
    return tuple(m if m == n else None for m, n in zip(a, b))
