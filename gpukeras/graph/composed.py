"""Ops that are named for the compiler's sake but defined by a composition of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .gradients import gradients
from .op import Op
from .spec import Spec
from .tensor import OPERATORS, Apply, Placeholder, Tensor


class ComposedOp(Op):
    """An op that is given as graph. Its name lets the compiler recognise a pattern (softmax then crossentropy); if
    it recognises none, the composition takes its place. The derivative is that of the composition."""

    def compose(self, *inputs: Tensor) -> Tensor:
        """The same value made of other ops."""
        raise NotImplementedError(f"op {self.name} declares no composition")

    def infer(self, *ins: Spec) -> Spec:
        """The composition's shape and dtype."""
        out = self.compose(*(Placeholder(s.shape, s.dtype) for s in ins))
        return Spec(out.shape, out.dtype)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The derivative of the composition."""
        return differentiate(self.compose, node, grads[0])


def differentiate(compose: Callable[..., Any], node: Apply, *grads: Tensor) -> list[Tensor | None]:
    """The partial derivatives of sum(compose(*inputs) * grad) with respect to each input of `node`. A composition of
    several outputs takes a grad for each; the derivatives are those of all together."""
    inputs = list(node.inputs)
    for i, x in enumerate(node.inputs):
        if x in inputs[:i]:  # one tensor in two places has a derivative for each
            inputs[i] = OPERATORS["identity"](x)
    made = compose(*inputs)
    found: list[Tensor | None] = [None] * len(inputs)
    for output, grad in zip(made if isinstance(made, tuple) else (made,), grads, strict=True):
        for i, d in enumerate(gradients(output, inputs, seed=grad)):
            have = found[i]
            found[i] = d if have is None else have if d is None else OPERATORS["add"](have, d)
    return found
