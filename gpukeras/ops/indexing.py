"""Gathering rows, picking one class a row, and one-hot rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..device import scatter_add, take, xp
from ..graph import MIX, REDUCE, ROW, Apply, Call, Op, Spec, Tensor, apply
from .convert import as_tensor, cast
from .elementwise import greater, less
from .reduce import reduce
from .shape import expand_dims

_UNSIGNED = {np.dtype("int32"): np.dtype("uint32"), np.dtype("int64"): np.dtype("uint64")}


def check_range(indices: Any, length: int, what: str) -> None:
    """Raises IndexError for indices (int32 or int64) outside of [0, length)."""
    # Read as unsigned, a negative index is a huge one: one search finds both ends.
    if indices.size and int(indices.view(_UNSIGNED[indices.dtype]).max()) >= length:
        raise IndexError(f"{what}: indices must lie in [0, {length}), got values from {int(indices.min())} "
                         f"to {int(indices.max())}")


@dataclass(frozen=True)
class Gather(Op):
    """Rows of a table: (table, indices) -> indices' shape + row shape."""

    name = "gather"

    def infer(self, *ins: Spec) -> Spec:
        """The indices' shape, then the row's."""
        if not ins[0].shape:
            raise ValueError("can't gather from a scalar")
        return Spec((*ins[1].shape, *ins[0].shape[1:]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A range check, then one take."""
        return [(check_range, (ins[1], ins[0].shape[0], self.name)), (take, (ins[0], ins[1], 0, outs[0]))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Rows added up where they came from."""
        return [apply(ScatterRows(), grads[0], *node.inputs[::-1]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise in the indices."""
        return ROW if carries[1] and not carries[0] else MIX


@dataclass(frozen=True)
class ScatterRows(Op):
    """The table of zeros to which each row is added at its index, in the rows' order: (rows, indices, like)."""

    name = "scatter_rows"
    shape_only = (2,)

    def infer(self, *ins: Spec) -> Spec:
        """The table's shape."""
        return Spec(ins[2].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Zeros, then one addition in fixed order."""
        return [(outs[0].fill, (0,)), (scatter_add, (outs[0], ins[1], ins[0]))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The rows gathered again."""
        return [gather(grads[0], node.inputs[1]), None, None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Reducing: a sum over the rows."""
        return REDUCE


@dataclass(frozen=True)
class OneHot(Op):
    """Rows with 1 at the index; all zeros for an index out of range, as in TensorFlow."""

    classes: int
    dtype: str
    name = "one_hot"

    def infer(self, *ins: Spec) -> Spec:
        """One more axis."""
        return Spec((*ins[0].shape, self.classes), self.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Room for the comparison."""
        return [Spec(outs[0].shape, "bool")]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One comparison with 0, 1, 2, ..."""
        classes = xp.arange(self.classes, dtype=ins[0].dtype)
        return [(xp.equal, (ins[0][..., None], classes, scratch[0])), (xp.copyto, (outs[0], scratch[0]))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None: an index does not vary smoothly."""
        return [None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


def gather(table: Tensor, indices: Any) -> Tensor:
    """Rows of `table` at `indices`."""
    t = as_tensor(indices, "int32")
    return apply(Gather(), table, cast(t, "int32") if t.dtype not in ("int32", "int64") else t)


def one_hot(indices: Any, classes: int, dtype: str) -> Tensor:
    """Rows with a 1 at each index."""
    t = as_tensor(indices, "int32")
    return apply(OneHot(int(classes), dtype), cast(t, "int64") if t.dtype not in ("int32", "int64") else t)


def in_top_k(predictions: Tensor, targets: Tensor, k: int) -> Tensor:
    """Whether fewer than k predictions are larger than the target's, so that ties at the boundary count; bool of
    shape (samples,)."""
    if predictions.ndim != 2 or targets.ndim != 1:
        raise ValueError(f"in_top_k needs predictions of shape (samples, classes) and targets of shape (samples,), "
                         f"got {predictions.shape} and {targets.shape}")
    hot = one_hot(targets, _classes(predictions), predictions.dtype)
    own = expand_dims(reduce("sum", predictions * hot, -1), -1)
    above = reduce("sum", cast(greater(predictions, own), "int32"), -1)
    return less(above, k)


def _classes(predictions: Tensor) -> int:
    if predictions.shape[-1] is None:
        raise ValueError(f"the number of classes must be known, got shape {predictions.shape}")
    return predictions.shape[-1]
