"""Parts of tensors: basic indexing, its undoing, both between bounds that tensors give, and reversal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..device import xp
from ..device.tasks import Task
from ..graph import MIX, ROW, Apply, Call, ExpandedOp, Op, Spec, Tensor, ViewOp, apply, frozen
from . import copies

Index = tuple[Any, ...]
GIVEN = "given"
"""In an index, the place of a bound that an input gives."""


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
class SliceBetween(ExpandedOp):
    """A slice of which inputs give some bounds: (x, *bounds), with GIVEN in their places in the index."""

    index: Index
    name = "strided_slice"
    known_from = 1

    def infer(self, *ins: Spec) -> Spec:
        """The shape of the part: unknown along an axis with a bound that is not known yet."""
        dims, index, axis = list(ins[0].shape), [], 0
        for entry in _filled(self.index, [s.value for s in ins[1:]]):
            is_open = isinstance(entry, tuple) and GIVEN in entry
            index.append((None, None, None) if is_open else entry)
            if is_open:
                dims[axis] = None
            axis += entry != "new"
        return Slice(tuple(index)).infer(Spec(tuple(dims), ins[0].dtype))

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """A slice with constant bounds."""
        return make(Slice(_settled(self.index, ins[1:])), ins[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The derivative in its place among zeros."""
        place = apply(PlaceSliceBetween(self.index), grads[0], *node.inputs)
        return [place, *[None] * (len(node.inputs) - 1)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if axis 0 is taken whole."""
        return Slice(self.index).batch(carries, ins)


@frozen
class PlaceSliceBetween(ExpandedOp):
    """What PlaceSlice is to Slice, to SliceBetween: (part, like, *bounds)."""

    index: Index
    name = "place_strided_slice"
    shape_only = (1,)
    known_from = 2

    def infer(self, *ins: Spec) -> Spec:
        """The second shape."""
        return Spec(ins[1].shape, ins[0].dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The part among zeros, at a constant place."""
        return make(PlaceSlice(_settled(self.index, ins[2:])), *ins[:2])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The part."""
        bounds = node.inputs[2:]
        return [apply(SliceBetween(self.index), grads[0], *bounds), *[None] * (len(bounds) + 1)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """As the slice that it undoes."""
        return Slice(self.index).batch(carries, ins)


def _filled(index: Index, values: Sequence[Any]) -> Index:
    """The index with numbers in place of GIVEN, where the values are known."""
    left = iter(values)

    def number(bound: Any) -> Any:
        value = next(left) if bound == GIVEN else bound
        return GIVEN if bound == GIVEN and value is None else value if value is None else int(value)
    return tuple(tuple(map(number, e)) if isinstance(e, tuple) else e for e in index)


def _settled(index: Index, bounds: Sequence[Any]) -> Index:
    """The index with the bounds' constants."""
    return _filled(index, [v.const for v in bounds])


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
