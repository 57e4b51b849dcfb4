"""Parts of tensors: basic indexing, its undoing, and reversal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import xp
from ..device.tasks import Task
from ..graph import MIX, OPERATORS, ROW, Apply, Call, Op, Spec, Tensor, ViewOp, apply, frozen
from . import copies
from .convert import as_tensor

Index = tuple[Any, ...]


@frozen
class Slice(ViewOp):
    """Basic indexing: per axis an int, or (start, stop, step), and 'new' for a new axis."""

    index: Index
    name = "slice"

    @property
    def keeps_contiguous(self) -> bool:  # type: ignore[override]
        """Rows that follow each other, taken whole, have no gaps between them."""
        first, rest = self.index[:1], self.index[1:]
        rows = first == () or isinstance(first[0], tuple) and first[0][2] in (None, 1)
        return rows and all(entry == (None, None, None) for entry in rest)

    def python_index(self) -> Index:
        """The index as NumPy takes it."""
        return tuple(None if i == "new" else i if isinstance(i, int) else slice(*i) for i in self.index)

    def infer(self, *ins: Spec) -> Spec:
        """The shape of the part; ints must be in range."""
        shape: list[int | None] = []
        dims = iter(ins[0].shape)
        for entry in self.index:
            if entry == "new":
                shape.append(1)
                continue
            d = next(dims)
            if isinstance(entry, int):
                if d is not None and not -d <= entry < d:
                    raise ValueError(f"index {entry} is out of range for an axis of length {d}")
            elif d is None:
                shape.append(None)
            else:
                shape.append(len(range(*slice(*entry).indices(d))))
        value = ins[0].value
        return Spec((*shape, *dims), ins[0].dtype, None if value is None else np.array(value[self.python_index()]))

    def view(self, x: Any) -> Any:
        """A view of the part (an array also where nothing is left of the axes)."""
        part = x[(*self.python_index(), ...)]
        return part

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The derivative in its place among zeros."""
        return [apply(PlaceSlice(self.index), grads[0], node.inputs[0])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if axis 0 is taken whole."""
        return ROW if self.index[:1] in ((), ((None, None, None),)) else MIX


@frozen
class PlaceSlice(Op):
    """Zeros of the shape of a second tensor, with the first one in the place that a Slice would take."""

    index: Index
    name = "place_slice"
    shape_only = (1,)
    c_family = copies.FAMILY
    gapless = ()

    def infer(self, *ins: Spec) -> Spec:
        """The second shape."""
        return Spec(ins[1].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Zeros, then the part."""
        part = outs[0][(*Slice(self.index).python_index(), ...)]
        return [(outs[0].fill, (0,)), (xp.copyto, (part, ins[0]))]

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Always, but for very many axes."""
        return copies.takes_copy(ins[0], *outs)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """Zeros, then the part."""
        index = Slice(self.index)
        samples = index.batch((True,), ins) == ROW
        return [*copies.fill(outs[0], 0, samples), *copies.copy(outs[0][(*index.python_index(), ...)], ins[0], samples)]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The part."""
        return [apply(Slice(self.index), grads[0]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """As the slice that it undoes."""
        return Slice(self.index).batch(carries, ins)


@frozen
class Reverse(ViewOp):
    """Some axes backwards."""

    axes: tuple[int, ...]
    name = "reverse"

    def infer(self, *ins: Spec) -> Spec:
        """The same shape."""
        return Spec(ins[0].shape, ins[0].dtype)

    def view(self, x: Any) -> Any:
        """A view with negative strides."""
        return x[tuple(slice(None, None, -1) if a in self.axes else slice(None) for a in range(x.ndim))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Reversed again."""
        return [apply(Reverse(self.axes), grads[0])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if axis 0 keeps its direction."""
        return MIX if 0 in self.axes else ROW


def reverse(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Some axes backwards."""
    return apply(Reverse(axes), x)


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]` with ints, slices, Ellipsis and None; a tensor or an array of ints gathers along axis 0."""
    entries = list(index) if isinstance(index, tuple) else [index]
    if len(entries) == 1 and isinstance(entries[0], (Tensor, np.ndarray, list)):
        from .indexing import gather
        if as_tensor(entries[0]).dtype == "bool":
            raise TypeError("can't index a tensor with truths: how many rows are left is not known before the program "
                            "runs. Use K.switch, or multiply by the mask")
        return gather(x, as_tensor(entries[0], "int32"))
    if any(e is Ellipsis for e in entries):
        at = next(i for i, e in enumerate(entries) if e is Ellipsis)
        used = sum(e is not None for e in entries) - 1
        entries[at:at + 1] = [slice(None)] * (x.ndim - used)
    if sum(e is not None for e in entries) > x.ndim:
        raise IndexError(f"{len(entries)} indices for a tensor of shape {x.shape}")
    return apply(Slice(tuple(_index_entry(e) for e in entries)), x)


def _index_entry(e: Any) -> Any:
    if e is None:
        return "new"
    if isinstance(e, slice):
        return tuple(None if v is None else int(v) for v in (e.start, e.stop, e.step))
    if isinstance(e, (int, np.integer)):
        return int(e)
    raise TypeError(f"can't index a tensor with {e!r}: expected an int, a slice of ints, Ellipsis or None")


OPERATORS.update(getitem=getitem)
