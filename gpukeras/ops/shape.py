"""Ops that show the same elements under another shape: views, broadcasting, and the reading of shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..device import xp
from ..graph import (
    MIX,
    OPERATORS,
    ROW,
    Apply,
    Call,
    ExpandedOp,
    Op,
    Spec,
    Tensor,
    ViewOp,
    apply,
    broadcast_shapes,
    constant,
    size_of,
)
from .convert import as_tensor

Dims = tuple["int | None", ...]


# Shapes as values ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ShapeOf(ExpandedOp):
    """The shape of a tensor as an int32 vector; a constant once shapes are known."""

    name = "shape"
    shape_only = (0,)

    def infer(self, *ins: Spec) -> Spec:
        """A vector of the rank's length."""
        known = np.array(ins[0].shape, "int32") if ins[0].known else None
        return Spec((len(ins[0].shape),), "int32", known)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The constant."""
        return make.constant(np.array(ins[0].shape, "int32"))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Count(ExpandedOp):
    """The number of elements along some axes, as a scalar; a constant once shapes are known."""

    axes: tuple[int, ...]
    dtype: str
    name = "count"
    shape_only = (0,)

    def infer(self, *ins: Spec) -> Spec:
        """A scalar."""
        dims = tuple(ins[0].shape[a] for a in self.axes)
        return Spec((), self.dtype, None if None in dims else np.array(size_of(dims), self.dtype))

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The constant."""
        return make.constant(np.array(size_of(tuple(ins[0].shape[a] for a in self.axes)), self.dtype))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Range(ExpandedOp):
    """start, start + step, ... before stop, of three scalars that are constant once shapes are known."""

    name = "arange"

    def infer(self, *ins: Spec) -> Spec:
        """A vector; of known length if the scalars are known."""
        if any(s.value is None for s in ins):
            return Spec((None,), ins[0].dtype)
        values = np.arange(*(s.value for s in ins), dtype=ins[0].dtype)
        return Spec(values.shape, ins[0].dtype, values)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The constant."""
        if any(v.const is None for v in ins):
            raise ValueError("the ends of a range must follow from shapes, not from data")
        return make.constant(np.arange(*(v.const for v in ins), dtype=ins[0].dtype))  # type: ignore[attr-defined]


def shape_of(x: Tensor) -> Tensor:
    """The shape as an int32 vector."""
    return apply(ShapeOf(), x)


def count(x: Tensor, axes: tuple[int, ...], dtype: str) -> Tensor:
    """The number of elements along the axes."""
    return apply(Count(axes, dtype), x)


def split_dims(shape: Any) -> tuple[Dims, list[Tensor]]:
    """A shape given by a program (ints, None, scalar tensors, or one vector tensor) as static dimensions, None
    where only a tensor tells, and those tensors."""
    if isinstance(shape, Tensor):
        entries: list[Any] = [shape[i] for i in range(len(shape))] if shape.ndim else [shape]
    elif np.ndim(shape) == 0 and not isinstance(shape, (list, tuple)):
        entries = [shape]
    else:
        entries = list(shape)
    dims: list[int | None] = []
    dynamic: list[Tensor] = []
    for d in entries:
        if isinstance(d, Tensor) and d.value is None:
            dims.append(None)
            dynamic.append(d)
        else:
            dims.append(-1 if d is None else int(d.value if isinstance(d, Tensor) else d))
    return tuple(dims), dynamic


def fill_dims(dims: Dims, operands: Sequence[Spec]) -> Dims:
    """The dimensions with the operands' values, where they are known, in place of None."""
    values = iter(operands)
    filled: list[int | None] = []
    for d in dims:
        if d is None:
            v = next(values).value
            filled.append(None if v is None else int(v))
        else:
            filled.append(d)
    return tuple(filled)


# Views ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Reshape(ViewOp):
    """The same elements in row-major order under another shape. -1 stands for 'what is left', None for a dimension
    that an extra scalar input gives."""

    dims: Dims
    name = "reshape"
    needs_contiguous = True
    keeps_contiguous = True

    def infer(self, *ins: Spec) -> Spec:
        """The target shape, with -1 resolved where the sizes are known."""
        x, dims = ins[0], list(fill_dims(self.dims, ins[1:]))
        if dims.count(-1) > 1:
            raise ValueError(f"only one dimension of {tuple(dims)} may be left open")
        if None not in dims and x.known:
            rest = size_of(tuple(d for d in dims if d != -1))
            if -1 in dims:
                if rest == 0 or x.size % rest:
                    raise ValueError(f"can't reshape {x.shape} into {tuple(dims)}: {x.size} elements")
                dims[dims.index(-1)] = x.size // rest
            elif rest != x.size:
                raise ValueError(f"can't reshape {x.shape} ({x.size} elements) into {tuple(dims)} ({rest})")
        elif -1 in dims:
            dims[dims.index(-1)] = None
        return Spec(tuple(dims), x.dtype)

    def view(self, x: Any) -> Any:
        """A reshaped view."""
        return x.reshape(self.dims)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The derivative in the input's shape."""
        return [apply(ReshapeLike(), grads[0], node.inputs[0]), *[None] * (len(node.inputs) - 1)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if the first axis stays."""
        return ROW if ins[0].shape and self.infer(*ins).shape[:1] == ins[0].shape[:1] else MIX


@dataclass(frozen=True)
class ReshapeLike(ExpandedOp):
    """Reshape to the shape of a second tensor."""

    name = "reshape_like"
    shape_only = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The second shape, the first dtype."""
        return Spec(ins[1].shape, ins[0].dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """A reshape to constants."""
        return make(Reshape(ins[1].shape), ins[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Back to the first shape."""
        return [apply(ReshapeLike(), grads[0], node.inputs[0]), None]


@dataclass(frozen=True)
class Transpose(ViewOp):
    """Axes in another order."""

    order: tuple[int, ...]
    name = "transpose"

    def infer(self, *ins: Spec) -> Spec:
        """The permuted shape."""
        if sorted(self.order) != list(range(len(ins[0].shape))):
            raise ValueError(f"{self.order} is not an order of the axes of shape {ins[0].shape}")
        return Spec(tuple(ins[0].shape[a] for a in self.order), ins[0].dtype)

    def view(self, x: Any) -> Any:
        """A transposed view."""
        return x.transpose(self.order)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The inverse permutation."""
        return [transpose(grads[0], tuple(int(i) for i in np.argsort(self.order)))]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if axis 0 stays first."""
        return ROW if self.order[:1] == (0,) else MIX


@dataclass(frozen=True)
class InsertAxes(ViewOp):
    """New axes of length 1 at these positions of the result."""

    axes: tuple[int, ...]
    name = "expand_dims"
    keeps_contiguous = True

    def infer(self, *ins: Spec) -> Spec:
        """The longer shape."""
        shape = list(ins[0].shape)
        for a in self.axes:
            shape.insert(a, 1)
        return Spec(tuple(shape), ins[0].dtype)

    def view(self, x: Any) -> Any:
        """A view with extra axes."""
        return xp.expand_dims(x, self.axes) if self.axes else x

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The axes dropped again."""
        return [apply(DropAxes(self.axes), grads[0])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if axis 0 stays first."""
        return MIX if 0 in self.axes else ROW


@dataclass(frozen=True)
class DropAxes(ViewOp):
    """Without these axes, which must have length 1."""

    axes: tuple[int, ...]
    name = "squeeze"
    keeps_contiguous = True

    def infer(self, *ins: Spec) -> Spec:
        """The shorter shape."""
        for a in self.axes:
            if ins[0].shape[a] not in (1, None):
                raise ValueError(f"axis {a} of shape {ins[0].shape} has not length 1")
        return Spec(tuple(d for a, d in enumerate(ins[0].shape) if a not in self.axes), ins[0].dtype)

    def view(self, x: Any) -> Any:
        """A view with fewer axes."""
        return x.squeeze(self.axes)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The axes put back."""
        return [apply(InsertAxes(self.axes), grads[0])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if axis 0 stays."""
        return MIX if 0 in self.axes else ROW


@dataclass(frozen=True)
class BroadcastTo(ViewOp):
    """Repeated along axes of length 1 and along new leading axes, without copying."""

    dims: Dims
    name = "broadcast_to"

    def infer(self, *ins: Spec) -> Spec:
        """The target shape."""
        dims = fill_dims(self.dims, ins[1:])
        if len(dims) < len(ins[0].shape):
            raise ValueError(f"can't broadcast {ins[0].shape} to {dims}")
        for d, t in zip(reversed(ins[0].shape), reversed(dims)):
            if d != t and d != 1 and None not in (d, t):
                raise ValueError(f"can't broadcast {ins[0].shape} to {dims}")
        return Spec(dims, ins[0].dtype)

    def view(self, x: Any) -> Any:
        """A view with zero strides."""
        return xp.broadcast_to(x, self.dims)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Summed over the repetitions."""
        return [sum_like(grads[0], node.inputs[0]), *[None] * (len(node.inputs) - 1)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if samples stay on axis 0."""
        return ROW if self.dims and len(ins[0].shape) == len(self.dims) and ins[0].shape[0] == self.dims[0] else MIX


@dataclass(frozen=True)
class BroadcastLike(ExpandedOp):
    """Broadcast to the shape of a second tensor."""

    name = "broadcast_like"
    shape_only = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The second shape."""
        broadcast_shapes(ins[0].shape, ins[1].shape)
        return Spec(ins[1].shape, ins[0].dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """A broadcast to constants."""
        return make(BroadcastTo(ins[1].shape), ins[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Summed over the repetitions."""
        return [sum_like(grads[0], node.inputs[0]), None]


@dataclass(frozen=True)
class SumLike(ExpandedOp):
    """Summed down to the shape of a second tensor that broadcasts to the first: broadcasting undone."""

    name = "sum_like"
    shape_only = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The second shape."""
        return Spec(ins[1].shape, ins[0].dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """A sum over the axes that were broadcast."""
        from .reduce import Reduce
        have, want = ins[0].shape, ins[1].shape
        lead = len(have) - len(want)
        axes = (*range(lead), *(a for a in range(lead, len(have)) if want[a - lead] == 1 and have[a] != 1))
        x = make(Reduce("sum", axes, False), ins[0]) if axes else ins[0]
        return make(Reshape(want), x)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Broadcast again."""
        return [broadcast_like(grads[0], node.inputs[0]), None]


Index = tuple[Any, ...]


@dataclass(frozen=True)
class Slice(ViewOp):
    """Basic indexing: per axis an int, or (start, stop, step), and 'new' for a new axis."""

    index: Index
    name = "slice"

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


@dataclass(frozen=True)
class PlaceSlice(Op):
    """Zeros of the shape of a second tensor, with the first one in the place that a Slice would take."""

    index: Index
    name = "place_slice"
    shape_only = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The second shape."""
        return Spec(ins[1].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Zeros, then the part."""
        part = outs[0][(*Slice(self.index).python_index(), ...)]
        return [(outs[0].fill, (0,)), (xp.copyto, (part, ins[0]))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The part."""
        return [apply(Slice(self.index), grads[0]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """As the slice that it undoes."""
        return Slice(self.index).batch(carries, ins)


@dataclass(frozen=True)
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


# Builders ------------------------------------------------------------------------------------------------------
def reshape(x: Any, shape: Any) -> Tensor:
    """The elements under another shape: ints, -1 for what is left, scalar tensors, or a vector tensor."""
    t = as_tensor(x)
    dims, dynamic = split_dims(shape)
    if len(dynamic) == 1 and dims[0] is None and -1 in dims and None not in t.shape[1:] and _is_length(dynamic[0], t):
        rest, have = size_of(tuple(d for d in dims[1:] if d != -1)), size_of(t.shape[1:])  # each sample keeps its own
        if rest and have % rest == 0:
            dims = tuple(have // rest if d == -1 else d for d in dims)
    return apply(Reshape(dims), t, *dynamic)


def _is_length(d: Tensor, x: Tensor) -> bool:
    """True for `K.shape(x)[0]`."""
    vector = d.producer.inputs[0].producer if d.producer and d.producer.op == Slice((0,)) else None
    return vector is not None and vector.op == ShapeOf() and vector.inputs[0] is x


def transpose(x: Tensor, order: tuple[int, ...] | None = None) -> Tensor:
    """Axes in another order; reversed by default."""
    return apply(Transpose(order or tuple(reversed(range(x.ndim)))), x)


def expand_dims(x: Tensor, axis: int = -1) -> Tensor:
    """A new axis of length 1."""
    rank = x.ndim + 1
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for a result of rank {rank}")
    return apply(InsertAxes((axis % rank,)), x)


def squeeze(x: Tensor, axis: int) -> Tensor:
    """Without an axis of length 1."""
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} is out of range for shape {x.shape}")
    return apply(DropAxes((axis % x.ndim,)), x)


def broadcast_to(x: Any, shape: Any) -> Tensor:
    """Repeated to a shape, without copying."""
    dims, dynamic = split_dims(shape)
    return apply(BroadcastTo(dims), as_tensor(x), *dynamic)


def broadcast_like(x: Tensor, like: Tensor) -> Tensor:
    """Repeated to another tensor's shape."""
    return x if x.shape == like.shape and None not in x.shape else apply(BroadcastLike(), x, like)


def sum_like(x: Tensor, like: Tensor) -> Tensor:
    """Summed down to another tensor's shape."""
    return x if x.shape == like.shape and None not in x.shape else apply(SumLike(), x, like)


def zeros_like(x: Tensor, dtype: str | None = None) -> Tensor:
    """Zeros of a tensor's shape."""
    return broadcast_like(constant(0, dtype or x.dtype), x)


def ones_like(x: Tensor, dtype: str | None = None) -> Tensor:
    """Ones of a tensor's shape."""
    return broadcast_like(constant(1, dtype or x.dtype), x)


def reverse(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Some axes backwards."""
    return apply(Reverse(axes), x)


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]` with ints, slices, Ellipsis and None; a tensor or an array of ints gathers along axis 0."""
    entries = list(index) if isinstance(index, tuple) else [index]
    if len(entries) == 1 and isinstance(entries[0], (Tensor, np.ndarray, list)):
        from .indexing import gather
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


def tile(x: Tensor, repeats: Sequence[int]) -> Tensor:
    """The whole tensor repeated along each axis."""
    axes = tuple(2 * a for a in range(x.ndim))
    dims = shape_of(x)
    wide = [r if i == 0 else dims[a] for a, r in enumerate(repeats) for i in (0, 1)]
    final = [-1 if d is None else d * r for d, r in zip(x.shape, repeats)]
    return _repeat(apply(InsertAxes(axes), x), wide, final, dims, repeats)


def repeat_elements(x: Tensor, repeats: int, axis: int) -> Tensor:
    """Each element repeated along an axis, next to itself."""
    axis %= x.ndim
    dims = shape_of(x)
    wide = [d for a in range(x.ndim) for d in ([dims[a], repeats] if a == axis else [dims[a]])]
    counts = [repeats if a == axis else 1 for a in range(x.ndim)]
    final = [-1 if d is None else d * r for d, r in zip(x.shape, counts)]
    return _repeat(apply(InsertAxes((axis + 1,)), x), wide, final, dims, counts)


def _repeat(x: Tensor, wide: list[Any], final: list[int], dims: Tensor, counts: Sequence[int]) -> Tensor:
    if final.count(-1) > 1:
        final = [dims[a] * r if d == -1 else d for a, (d, r) in enumerate(zip(final, counts))]  # type: ignore[misc]
    return reshape(broadcast_to(x, wide), final)


OPERATORS.update(getitem=getitem, sum_like=sum_like, ones_like=ones_like, zeros_like=zeros_like)
