"""How a loss depends on the samples of a batch: whether it is a mean over them, a sum, or something that ranks which
have some of the samples each can't put together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..backend import ranks
from ..graph import REDUCE, Apply, Tensor, ViewOp, apply, topological
from ..ops.broadcasting import BroadcastTo
from ..ops.control import Branch, Identity
from ..ops.elementwise import Cast, Elementwise
from ..ops.joining import Concatenate
from ..ops.random import Random
from ..ops.ranks import Average
from ..ops.reduce import Reduce
from ..ops.shape import Count, ShapeOf

SAME, ROWS, MOVED, MEAN, SUM, COUNT, OTHER = "the same", "rows", "moved", "mean", "sum", "count", "other"
_LINEAR = (ViewOp, Cast, Identity, BroadcastTo, Concatenate)


class NotDealt(ValueError):
    """What a batch can't be dealt to ranks for."""


class Kinds:
    """For each tensor that `roots` depend on, how it depends on the samples in `fed`: it is the same for all batches,
    has a row for each sample (or has the samples along another axis than the first), or is a mean, a sum or the count
    of them. `mixed` names layers that use a mean or a sum over samples in what they do to each of them."""

    def __init__(self, roots: Sequence[Tensor], fed: Collection[Tensor], weights: Collection[Tensor] = ()):
        self._weights = set(weights)  # of samples, fed too: a mean that is multiplied with them is a user's own
        self._kinds: dict[Tensor, str] = dict.fromkeys(fed, ROWS)
        self.mixed: dict[str, None] = {}
        for node in topological(list(roots)):
            kind = self._kind([self.of(t) for t in node.inputs], node)
            for t in node.outputs:
                self._kinds.setdefault(t, kind)

    def of(self, tensor: Tensor) -> str:
        """The kind of a tensor."""
        return self._kinds.get(tensor, SAME)

    def _kind(self, kinds: list[str], node: Apply) -> str:
        op = node.op
        if isinstance(op, Average):
            return SAME
        if isinstance(op, ShapeOf) or isinstance(op, Count) and 0 in op.axes:
            return COUNT if kinds[0] in (ROWS, MOVED) else SAME
        if isinstance(op, Count):
            return SAME
        if isinstance(op, Random):
            return ROWS if op.dims and op.dims[0] is None else SAME
        if ROWS in kinds or MOVED in kinds:
            return self._of_rows(kinds, node)
        found = set(kinds) - {SAME}
        if not found:
            return SAME
        return _combined(op, kinds, found)

    def _of_rows(self, kinds: list[str], node: Apply) -> str:
        others = set(kinds) - {ROWS, MOVED, SAME, COUNT}
        if MOVED not in kinds:
            how = node.op.batch([k == ROWS for k in kinds], [t.spec for t in node.inputs])
            if how == REDUCE:
                return OTHER if others else SUM
        elif isinstance(node.op, Reduce):
            return OTHER  # perhaps over the samples
        if others and self._weights.isdisjoint(node.inputs):
            self.mixed[node.origin or node.op.name] = None
        elif others - {MEAN}:
            return OTHER  # a loss of a user's own, such as the root of a mean: ranks can't put it together
        shape = node.outputs[0].shape
        return OTHER if None not in shape else ROWS if shape[0] is None else MOVED

    def dealt(self, tensor: Tensor) -> Tensor:
        """What each rank is to compute instead of a scalar, so that the mean over the ranks, weighted by their rows, is
        that scalar over the whole batch. NotDealt if there is no such thing."""
        kind = self.of(tensor)
        if kind in (MEAN, SAME):
            return tensor
        if kind == SUM:
            return tensor * ranks.inverse_share(tensor.dtype)
        node = tensor.producer
        if node is not None and isinstance(node.op, Elementwise):
            kinds = [self.of(t) for t in node.inputs]
            if node.op.name in ("add", "subtract"):
                return apply(node.op, *map(self.dealt, node.inputs))
            if node.op.name == "multiply" and SAME in kinds:
                return apply(node.op, *(t if k == SAME else self.dealt(t) for t, k in zip(node.inputs, kinds)))
            if node.op.name == "divide" and kinds[1] == SAME:
                return apply(node.op, self.dealt(node.inputs[0]), node.inputs[1])
        raise NotDealt("neither a mean nor a sum over the samples of a batch"
                       + (f" (in '{tensor.origin}')" if tensor.origin else ""))


def _combined(op: Any, kinds: list[str], found: set[str]) -> str:
    """The kind of what an op makes of means, sums and counts."""
    if isinstance(op, Branch):
        kinds, found = kinds[1:], set(kinds[1:]) - {SAME} if kinds[0] == SAME else {OTHER}
    name = op.name if isinstance(op, Elementwise) else ""
    if name == "divide" and kinds == [SUM, COUNT]:
        return MEAN
    if len(found) != 1:
        return OTHER
    (kind,) = found
    if name in ("add", "subtract") or isinstance(op, (Branch, Concatenate)):
        return kind if kind == MEAN or SAME not in kinds else OTHER
    if name == "multiply":
        return kind if kinds.count(kind) == 1 else OTHER
    if name == "divide":
        return kind if kinds[1] == SAME else OTHER
    linear = name == "negative" or isinstance(op, _LINEAR) or isinstance(op, Reduce) and op.kind == "sum"
    return kind if linear and kinds[0] == kind else COUNT if kind == COUNT else OTHER
