"""Derivatives as graph: reverse accumulation over the ops' own gradient rules."""

from __future__ import annotations

from collections.abc import Sequence

from .tensor import OPERATORS, Apply, Tensor, has_gradient


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


def gradients(loss: Tensor, wrt: Sequence[Tensor], seed: Tensor | None = None) -> list[Tensor | None]:
    """d sum(loss) / d x for each x in `wrt`; None where the loss does not depend on it. The derivatives are total:
    if one x is made of another, what flows through it counts.

    With a `seed` of the loss's shape, the partial derivatives of sum(loss * seed) instead, as an op's own rule needs
    them: the seed and the other x are held fixed. The results are ordinary tensors, so they can be differentiated
    again.
    """
    order = topological([loss], () if seed is None else wrt)
    targets = set(wrt)
    reaches = set(targets)  # tensors that depend on a target
    for node in order:
        shape_only = node.op.shape_only
        if any(t in reaches for i, t in enumerate(node.inputs) if i not in shape_only):
            reaches.update(t for t in node.outputs if has_gradient(t))
    grads: dict[Tensor, Tensor] = {}
    if loss in reaches:
        grads[loss] = OPERATORS["ones_like"](loss) if seed is None else seed
    for node in reversed(order):
        incoming = [grads.get(t) for t in node.outputs]
        if all(g is None for g in incoming):
            continue
        wanted = [t in reaches and has_gradient(t) and i not in node.op.shape_only for i, t in enumerate(node.inputs)]
        if not any(wanted):
            continue
        filled = [OPERATORS["zeros_like"](t) if g is None else g for t, g in zip(node.outputs, incoming)]
        for t, g, want in zip(node.inputs, node.op.gradient(node, *filled), wanted):
            if g is None or not want:
                continue
            if node.op.elementwise:
                g = OPERATORS["sum_like"](g, t)  # the one place where broadcasting is undone
            grads[t] = g if t not in grads else OPERATORS["add"](grads[t], g)
    return [grads.get(t) for t in wrt]
