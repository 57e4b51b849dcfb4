"""The order of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import xp
from ..graph import MIX, ROW, Apply, Call, Op, Spec, Tensor, apply, frozen
from .convert import as_tensor


@frozen
class ArgSort(Op):
    """The places of the elements along the last axis from the smallest to the largest one, or `descending`, int32. Of
    equal ones the first comes first."""

    descending: bool
    name = "argsort"

    def infer(self, *ins: Spec) -> Spec:
        """The input's shape."""
        if not ins[0].shape:
            raise ValueError("a number by itself has no order")
        return Spec(ins[0].shape, "int32")

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One stable sort."""
        return [(_argsort, (ins[0], outs[0], self.descending))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None: an index does not vary smoothly."""
        return [None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise, if the rows are not the samples' axis."""
        return ROW if len(ins[0].shape) > 1 else MIX


def _argsort(x: Any, out: Any, descending: bool) -> None:
    if not descending:
        out[...] = xp.argsort(x, -1, kind="stable")
        return
    backwards = xp.argsort(x[..., ::-1], -1, kind="stable")
    xp.subtract(x.shape[-1] - 1, backwards[..., ::-1], out, casting="unsafe")


def argsort(x: Any, descending: bool = False) -> Tensor:
    """The places of the elements along the last axis in their order.

    >>> from gpukeras import backend as K
    >>> K.eval(argsort([3., 1., 2., 3.], descending=True)).tolist()
    [0, 3, 2, 1]
    """
    return apply(ArgSort(descending), as_tensor(x))
