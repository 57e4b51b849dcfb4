"""Derivatives as graph: reverse accumulation over the ops' own gradient rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import naming
from .tensor import OPERATORS, Apply, Tensor, apply, has_gradient


class Side(NamedTuple):
    """One of the two sides of choices with the same condition."""

    op: Any
    condition: Tensor
    taken: bool

    def same(self, other: Side) -> bool:
        """Whether it is this side, or the one opposite."""
        return self.op == other.op and self.condition is other.condition

    def chosen(self, g: Tensor, other: Tensor) -> Tensor:
        """`g` if this side is chosen, else `other`."""
        made: Tensor = apply(self.op, self.condition, *((g, other) if self.taken else (other, g)))
        return made


class Share(NamedTuple):
    """A derivative that counts where choices fall so, from the outermost to the innermost."""

    value: Tensor
    sides: tuple[Side, ...] = ()

    def at(self, depth: int) -> Tensor:
        """The derivative wherever the first `depth` choices fall so: zeros where the others fall otherwise."""
        value = self.value
        for side in reversed(self.sides[depth:]):
            value = side.chosen(value, OPERATORS["zeros_like"](value))
        return value


def _common(shares: Sequence[Share]) -> int:
    """How many sides the shares have in common, from the outermost on."""
    depth = 0
    for sides in zip(*(share.sides for share in shares)):
        if any(not side.same(sides[0]) or side.taken is not sides[0].taken for side in sides):
            break
        depth += 1
    return depth


def _together(a: Share, b: Share) -> Share:
    """The sum of two shares. What comes from the two sides of one choice is chosen, and nothing is added: a program
    that knows the choice, as that by the learning phase, then computes one of them only."""
    depth = _common((a, b))
    sides = a.sides[:depth]
    if min(len(a.sides), len(b.sides)) > depth and a.sides[depth].same(b.sides[depth]):
        return Share(a.sides[depth].chosen(a.at(depth + 1), b.at(depth + 1)), sides)
    return Share(OPERATORS["add"](a.at(depth), b.at(depth)), sides)


def _chosen(sides: tuple[Side, ...], node: Apply, number: int) -> tuple[Side, ...] | None:
    """The sides for input `number` of a choice; None if it is never taken."""
    side = Side(node.op, node.inputs[0], number == 1)
    before = [one for one in sides if one.same(side)]
    if before:
        return sides if before[0].taken is side.taken else None
    return (*sides, side)


def topological(outputs: Sequence[Tensor], given: Sequence[Tensor] = ()) -> list[Apply]:
    """Every op application that `outputs` depend on, inputs before users; nothing of what makes `given`."""
    order: list[Apply] = []
    seen: set[Apply] = {t.producer for t in given if t.producer}
    stack: list[tuple[Apply, bool]] = [(t.producer, False) for t in reversed(outputs)
                                       if t.producer and t.producer not in seen]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((t.producer, False) for t in reversed(node.inputs)
                         if t.producer and t.producer not in seen)
    return order


@naming.scope("gradients/")
def gradients(loss: Tensor, wrt: Sequence[Tensor], seed: Tensor | None = None,
              fixed: Sequence[Tensor] = ()) -> list[Tensor | None]:
    """d sum(loss) / d x for each x in `wrt`; None where the loss does not depend on it. The derivatives are total:
    if one x is made of another, what flows through it counts. Nothing flows through tensors that are `fixed`.

    With a `seed` of the loss's shape, the partial derivatives of sum(loss * seed) instead, as an op's own rule needs
    them: the seed and the other x are held fixed. The results are ordinary tensors, so they can be differentiated
    again.
    """
    order = topological([loss], fixed if seed is None else [*wrt, *fixed])
    targets = set(wrt)
    reaches = set(targets)  # tensors that depend on a target
    for node in order:
        shape_only = node.op.shape_only
        if any(t in reaches for i, t in enumerate(node.inputs) if i not in shape_only):
            reaches.update(t for t in node.outputs if has_gradient(t))
    grads: dict[Tensor, Share] = {}
    if loss in reaches:
        grads[loss] = Share(OPERATORS["ones_like"](loss) if seed is None else seed)
    for node in reversed(order):
        incoming = [grads.get(t) for t in node.outputs]
        if all(g is None for g in incoming):
            continue
        wanted = [t in reaches and has_gradient(t) and i not in node.op.shape_only for i, t in enumerate(node.inputs)]
        if not any(wanted):
            continue
        shares = [g for g in incoming if g is not None]
        depth = _common(shares)
        filled = [OPERATORS["zeros_like"](t) if g is None else g.at(depth) for t, g in zip(node.outputs, incoming)]
        found = node.op.gradient(node, *filled) if node.rule is None else node.rule(node, *filled)
        for i, (t, g, want) in enumerate(zip(node.inputs, found, wanted)):
            if g is None or not want:
                continue
            if node.op.elementwise:
                g = OPERATORS["sum_like"](g, t)  # the one place where broadcasting is undone
            sides: tuple[Side, ...] | None = shares[0].sides[:depth]
            if node.op.chooses:
                sides = _chosen(shares[0].sides[:depth], node, i)
            if sides is not None:
                share = Share(g, sides)
                grads[t] = share if t not in grads else _together(grads[t], share)
    return [grads[t].at(0) if t in grads else None for t in wrt]
