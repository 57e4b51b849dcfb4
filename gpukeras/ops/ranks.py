"""Ops across the ranks of a job, which vanish from a program whose batch one rank has to itself.

Each takes `parts` too: a constant of the program, the vector (rows of the batch that this rank computes, rows of the
whole batch), or (0, 0) where the batch is not dealt to ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..device import same_memory, xp
from ..device.job import joined, part_of
from ..graph import MIX, Apply, Call, ExpandedOp, Op, Spec, Tensor, apply, frozen
from .convert import as_tensor


@frozen
class AllReduce(Op):
    """The sum of a tensor over the ranks, the same bits on all of them: one call of MPI, or of NCCL on a GPU."""

    name = "all_reduce"
    stateful = True  # every rank makes every call
    in_place = (0,)
    contiguous = (0,)

    def infer(self, *ins: Spec) -> Spec:
        """The input's."""
        return Spec(ins[0].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A copy, if the input's memory is still needed, and the sum in place."""
        job = joined()
        job.prepare()
        copied: list[Call] = [] if same_memory(ins[0], outs[0]) else [(xp.copyto, (outs[0], ins[0]))]
        return [*copied, (job.sum, (outs[0],))]


@frozen
class AllGather(Op):
    """The rows of all ranks in the order of the ranks, of (rows, parts): as many for each sample on all of them."""

    name = "all_gather"
    stateful = True
    contiguous = (0,)

    def infer(self, *ins: Spec) -> Spec:
        """The rows of the whole batch."""
        return Spec((_each(ins[0], ins[1]) * int(ins[1].value[1]), *ins[0].shape[1:]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One call of MPI, with the number of elements that each rank has."""
        job = joined()
        count, whole = np.asarray(ins[1]).tolist()
        each = ins[0].size // max(count, 1)
        counts = [part_of(whole, rank, job.size).length * each for rank in range(job.size)]
        return [(job.gather, (ins[0].reshape(-1)[:count * each], counts, outs[0].reshape(-1)))]


def _each(rows: Spec, parts: Spec) -> int:
    """Rows for each sample. A rank without samples computes one all the same."""
    assert rows.shape[0] is not None
    return rows.shape[0] // max(int(parts.value[0]), 1)


@frozen
class Across(ExpandedOp):
    """(tensor, parts) -> its sum over the ranks ('sum'), or the rows of all ranks ('rows')."""

    kind: str
    name = "across_ranks"

    def infer(self, *ins: Spec) -> Spec:
        """The input's; the number of rows of all ranks is known when the program is made."""
        return Spec(ins[0].shape if self.kind == "sum" else (None, *ins[0].shape[1:]), ins[0].dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The input itself where there is one rank, or nothing to add up but a constant."""
        x, parts = ins
        if not parts.const[1]:
            return x
        return make(AllReduce(), x) if self.kind == "sum" else make(AllGather(), x, parts)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Of a sum: every rank's result depends on it, so their derivatives are added up."""
        return [apply(self, grads[0], node.inputs[1]), None] if self.kind == "sum" else [None, None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """The whole batch."""
        return MIX


@frozen
class Average(ExpandedOp):
    """(tensor, parts) -> the mean over the ranks, each with the weight of its rows: of means over samples, their mean
    over the whole batch."""

    name = "mean_over_ranks"

    def infer(self, *ins: Spec) -> Spec:
        """The input's."""
        return Spec(ins[0].shape, ins[0].dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The input itself where there is one rank, or where it is a constant, which is the same on all."""
        x, parts = ins
        if not parts.const[1] or x.const is not None:
            return x
        from .elementwise import Elementwise
        share = make.constant(np.asarray(_share(parts.const), x.dtype))  # type: ignore[attr-defined]
        return make(AllReduce(), make(Elementwise("multiply"), x, share))

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """All ranks' together, times this one's share."""
        parts = node.inputs[1]
        return [apply(Across("sum"), grads[0], parts) * ratio("share", parts, grads[0].dtype), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """The whole batch."""
        return MIX


@frozen
class Ratio(ExpandedOp):
    """(parts) -> this rank's 'share' of the batch (1 if it has it to itself), its 'inverse' (0 if it has no rows), or
    the 'rows' of the whole batch (0 if it is not dealt)."""

    kind: str
    dtype: str
    name = "ratio"

    def infer(self, *ins: Spec) -> Spec:
        """A scalar."""
        return Spec((), self.dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The constant."""
        parts = ins[0].const
        share = _share(parts)
        value = {"share": share, "inverse": 1 / share if share else 0.0, "rows": float(parts[1])}[self.kind]
        return make.constant(np.asarray(value, self.dtype))  # type: ignore[attr-defined]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None."""
        return [None]


def _share(parts: Any) -> float:
    return int(parts[0]) / int(parts[1]) if int(parts[1]) else 1.0


def ratio(kind: str, parts: Tensor, dtype: str) -> Tensor:
    """A number that follows from `parts`: see Ratio."""
    return apply(Ratio(kind, dtype), parts)


def sum_over_ranks(x: Any, parts: Tensor) -> Tensor:
    """The sum over the ranks of a job."""
    return apply(Across("sum"), as_tensor(x), parts)


def rows_of_ranks(x: Tensor, parts: Tensor) -> Tensor:
    """The rows of all ranks, those of rank 0 first."""
    return apply(Across("rows"), x, parts)


def mean_over_ranks(x: Any, parts: Tensor) -> Tensor:
    """The mean over the ranks, each with the weight of its rows."""
    return apply(Average(), as_tensor(x), parts)
