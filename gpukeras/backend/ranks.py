"""What a graph says of the ranks that its batches are dealt to. Without a job of several ranks, and in functions whose
batch is not dealt, all of it is the identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .. import device
from ..device.job import job
from ..graph import Placeholder, Tensor
from ..ops import convert, ranks
from ..ops.convert import cast
from .shapes import concatenate, flatten, reshape

_parts: Placeholder | None = None
_summing: list[Summing] = []


def parts() -> Placeholder:
    """What is fed for (rows of this rank, rows of all): a constant of the program, (0, 0) where nothing is dealt."""
    global _parts
    if _parts is None:
        _parts = Placeholder((2,), "int64", name="rows_of_ranks:0", default=(0, 0))
        _parts.is_constant = True  # type: ignore[attr-defined]
    return _parts


def mean_over_ranks(x: Tensor) -> Tensor:
    """The mean over a batch that is dealt to ranks, of the ranks' means.

    >>> from gpukeras import backend as K
    >>> float(K.eval(mean_over_ranks(K.constant(2.))))
    2.0
    """
    return ranks.mean_over_ranks(x, parts())


class Summing:
    """Sums over the ranks that a training step takes. The `others` go with the first vector that is added up, in one
    message; afterwards `reduced` has them. `in_parts`: parts of a batch come one after the other."""

    def __init__(self, others: Sequence[Tensor], in_parts: bool):
        self.others, self.in_parts = list(others), in_parts
        self.reduced: list[Tensor] | None = None

    def add(self, vector: Tensor) -> Tensor:
        """The vector's sum over the ranks."""
        if self.reduced is not None:
            return ranks.sum_over_ranks(vector, parts())
        flat = [cast(flatten(t), vector.dtype) for t in self.others]
        whole = ranks.sum_over_ranks(concatenate([vector, *flat], 0), parts())
        place = vector.shape[0]
        assert place is not None
        start, self.reduced = place, []
        for t, f in zip(self.others, flat):
            size = f.shape[0]
            assert size is not None
            self.reduced.append(cast(reshape(whole[start:start + size], t.shape), t.dtype))
            start += size
        return whole[:place]

    def rest(self) -> list[Tensor]:
        """The others' sums."""
        if self.reduced is not None or not self.others:
            return self.reduced or []
        self.others, first = self.others[1:], self.others[0]
        found = reshape(self.add(flatten(first)), first.shape)
        return [found, *(self.reduced or [])]


@contextmanager
def summing(others: Sequence[Tensor] = (), in_parts: bool = False) -> Iterator[Summing]:
    """Inside, the derivatives of an optimizer's step are added up over the ranks, or over the parts of a batch."""
    _summing.append(Summing(others, in_parts))
    try:
        yield _summing[-1]
    finally:
        _summing.pop()


def sum_over_ranks(vector: Tensor) -> Tensor:
    """A vector of derivatives, added up over the ranks if the step being made is theirs together."""
    return _summing[-1].add(vector) if _summing else vector


def sum_apart_over_ranks(tensor: Tensor) -> Tensor:
    """The same in a message of its own: for what a program may do without."""
    return ranks.sum_over_ranks(tensor, parts()) if _summing else tensor


def sum_each_over_ranks(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same for tensors of any shape and dtype, in one message for each dtype."""
    if not _summing or not tensors:
        return list(tensors)
    found: dict[int, Tensor] = {}
    for dtype in dict.fromkeys(t.dtype for t in tensors):
        places = [i for i, t in enumerate(tensors) if t.dtype == dtype]
        whole, start = sum_over_ranks(concatenate([flatten(tensors[i]) for i in places], 0)), 0
        for i in places:
            size = flatten(tensors[i]).shape[0]
            assert size is not None
            found[i] = reshape(whole[start:start + size], tensors[i].shape)
            start += size
    return [found[i] for i in range(len(tensors))]


def rows_by_rank() -> bool:
    """Whether gradients of tables go from rank to rank as rows, rather than as whole tables: on the host, in a step
    that the ranks take together."""
    return bool(_summing) and device.NAME == "numpy"


def dealing() -> bool:
    """Whether the step being made is one that ranks take together."""
    return bool(_summing)


def in_parts() -> bool:
    """Whether it computes parts of a batch one after the other."""
    return bool(_summing) and _summing[-1].in_parts


def rows_of_ranks(rows: Tensor) -> Tensor:
    """The rows of all ranks, of a tensor that has as many for each sample on all of them."""
    return ranks.rows_of_ranks(convert.as_tensor(rows), parts())


def share(dtype: str) -> Tensor:
    """This rank's share of the batch, at most 1."""
    return ranks.ratio("share", parts(), dtype)


def inverse_share(dtype: str) -> Tensor:
    """1 divided by that; 0 for a rank without rows."""
    return ranks.ratio("inverse", parts(), dtype)


def rows_of_batch() -> Tensor:
    """The number of rows of the whole batch, float64; 0 where it is not dealt."""
    return ranks.ratio("rows", parts(), "float64")


__all__ = ["job", "parts", "mean_over_ranks", "summing", "sum_over_ranks",
           "sum_apart_over_ranks", "sum_each_over_ranks",
           "rows_by_rank", "dealing", "in_parts", "rows_of_ranks", "share", "inverse_share", "rows_of_batch"]
