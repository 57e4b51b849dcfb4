"""Matrix products that need not wait for their step: those of a sequence with a constant are made of all steps at once,
before the walk, and those that only become outputs after it. One large product is faster than many small ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..graph import Placeholder, Spec
from ..ops.linalg import MatMul
from ..ops.shape import Reshape
from ..ops.slicing import Reverse
from .ir import Step, Value, needed, replace

if TYPE_CHECKING:
    from .lower import Lowering

BACKWARDS = Reverse((0,))
Outer = dict[Value, Value]
"""By what stands for it inside of a body: the value outside."""


def hoist_before(lowering: Lowering, steps: int, sequences: Outer, constants: Outer, roots: list[Value]) -> Outer:
    """Takes products of a sequence and a constant out of the body; returns new sequences for their results. The roots
    are changed in place. `sequences` and `constants` may also name views that show the whole of the leaf."""
    made: Outer = {}
    new: dict[Value, Value] = {}
    for step in needed(roots):
        if _is_product(step) and step.ins[0] in sequences and step.ins[1] in constants:
            out = step.outs[0]
            whole = _all_steps(lowering, steps, sequences[step.ins[0]], constants[step.ins[1]])
            leaf = Value(Spec(out.shape, out.dtype), leaf=Placeholder(out.shape, out.dtype))
            made[leaf] = whole
            new[out] = leaf
    replace(needed(roots), new)
    roots[:] = [new.get(v, v) for v in roots]
    return made


def hoist_after(constants: Outer, outputs: list[Value]) -> list[tuple[int, Value | None]]:
    """Puts the first factor in the place of outputs that are products with a constant, each output once. For every
    output there was: its place among the new ones, and the constant that it is to be multiplied with."""
    places: list[tuple[int, Value | None]] = []
    kept: list[Value] = []
    for v in outputs:
        factor = None
        maker = v.step
        if maker is not None and _is_product(maker) and maker.ins[1] in constants:
            v, factor = maker.ins[0], constants[maker.ins[1]]
        if v not in kept:
            kept.append(v)
        places.append((kept.index(v), factor))
    outputs[:] = kept
    return places


def multiply_after(lowering: Lowering, steps: int, stacked: Sequence[Value],
                   places: Sequence[tuple[int, Value | None]]) -> list[Value]:
    """The outputs that `hoist_after` promised."""
    return [stacked[i] if factor is None else _all_steps(lowering, steps, stacked[i], factor) for i, factor in places]


def _is_product(step: Step) -> bool:
    return isinstance(step.op, MatMul) and all(len(v.shape) == 2 for v in step.ins)


def _all_steps(lowering: Lowering, steps: int, sequence: Value, factor: Value) -> Value:
    """(steps, n, k) times (k, m) as one product. That of a sequence backwards is that of the sequence, backwards: the
    walk forwards may have made it already."""
    if sequence.step is not None and sequence.step.op == BACKWARDS:
        return lowering(BACKWARDS, _all_steps(lowering, steps, sequence.step.ins[0], factor))
    n, k = sequence.shape[1:]
    rows = lowering(Reshape((steps * n, k)), sequence)
    return lowering(Reshape((steps, n, factor.shape[1])), lowering(MatMul(), rows, factor))
