"""A tensor as it would be if others had other values."""

from __future__ import annotations

from collections.abc import Mapping

from .tensor import Apply, Tensor, apply


def substitute(tensor: Tensor, values: Mapping[Tensor, Tensor]) -> Tensor:
    """`tensor`, computed from `values` in the place of their keys. What doesn't depend on them is used as it is.

    >>> from gpukeras import backend as K
    >>> n = K.variable(1.)
    >>> float(K.eval(substitute(n * 2, {n: K.constant(5.)})))
    10.0
    """
    made: dict[Tensor, Tensor] = dict(values)
    todo = [tensor]
    while todo:
        node: Apply | None = todo[-1].producer
        if todo[-1] in made or node is None:
            made.setdefault(todo[-1], todo[-1])
            todo.pop()
            continue
        missing = [t for t in node.inputs if t not in made]
        if missing:
            todo.extend(missing)
            continue
        if all(made[t] is t for t in node.inputs):
            outputs = node.outputs
        else:
            found = apply(node.op, *(made[t] for t in node.inputs))
            outputs = found if isinstance(found, tuple) else (found,)
        made.update(zip(node.outputs, outputs))
        todo.pop()
    return made[tensor]
