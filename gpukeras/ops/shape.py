"""Ops that show the same elements under another shape: views, broadcasting, and the reading of shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..device import xp
from ..graph import (
    MIX,
    ROW,
    Apply,
    ExpandedOp,
    Spec,
    Tensor,
    ViewOp,
    apply,
    frozen,
    size_of,
)
from ..graph.static_shape import UNKNOWN
from .convert import as_tensor
from .slicing import Slice

Dims = tuple["int | None", ...]


# Shapes as values ----------------------------------------------------------------------------------------------
@frozen
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


@frozen
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


@frozen
class Range(ExpandedOp):
    """start, start + step, ... before stop, of three scalars."""

    name = "arange"
    known_from = 0

    def infer(self, *ins: Spec) -> Spec:
        """A vector; of known length if the scalars are known."""
        if any(s.value is None for s in ins):
            return Spec((None,), ins[0].dtype)
        values = np.arange(*(s.value for s in ins), dtype=ins[0].dtype)
        return Spec(values.shape, ins[0].dtype, values)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The constant."""
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
    dims: list[int | None] = []
    dynamic: list[Tensor] = []
    for d in numbers(shape):
        known = known_number(d) if isinstance(d, Tensor) else -1 if d is None or d is UNKNOWN else int(d)
        dims.append(known)
        if known is None:
            dynamic.append(d)
    return tuple(dims), dynamic


def numbers(given: Any) -> list[Any]:
    """What a program gives for several numbers (one of them, a sequence, or a tensor of one axis) one by one: a vector
    that was put together of scalars as these."""
    if isinstance(given, Tensor) and given.ndim:
        found = [_entry(given, i) for i in range(len(given))]
        return [given[i] if one is None else one for i, one in enumerate(found)]
    if np.ndim(given) == 0 and not isinstance(given, (list, tuple)):
        return [given]
    return list(given)


def known_number(t: Tensor) -> int | None:
    """The value of a scalar of integers if it is known: a constant, or an entry of ``shape_of(x)`` for an axis of
    known length, also of a vector that was put together of such."""
    if t.const is not None:
        return int(t.const)
    node = t.producer
    if node is None or not isinstance(node.op, Slice) or node.inputs[0].ndim != 1 or t.ndim:
        return None
    found = _entry(node.inputs[0], *node.op.index)
    return found if isinstance(found, int) else None


def _entry(vector: Tensor, i: int) -> int | Tensor | None:
    """Entry i of a vector: its number if known, else the scalar that was put there; None for what is neither."""
    from .elementwise import Cast
    from .joining import Concatenate
    if vector.const is not None:
        return int(vector.const[i])
    node = vector.producer
    if node is None:
        return None
    first, op = node.inputs[0], node.op
    if isinstance(op, ShapeOf):
        return first.shape[i]
    if isinstance(op, InsertAxes) and not first.ndim:
        known = known_number(first)
        return first if known is None else known
    if isinstance(op, Cast):
        return _entry(first, i)
    if vector.shape[0] is None:
        return None
    i %= vector.shape[0]
    if isinstance(op, Slice) and first.ndim == 1 and first.shape[0] is not None and len(op.index) == 1:
        return _entry(first, range(first.shape[0])[slice(*op.index[0])][i])
    if isinstance(op, Concatenate):
        for part in node.inputs:
            if i < len(part):
                return _entry(part, i)
            i -= len(part)
    return None


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
@frozen
class Reshape(ViewOp):
    """The same elements in row-major order under another shape. -1 stands for 'what is left', None for a dimension
    that an extra scalar input gives."""

    dims: Dims
    name = "reshape"
    known_from = 1
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


class _Like(ExpandedOp):
    """Base of ops that give a tensor the shape of a second one."""

    shape_only = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The second shape, the first dtype."""
        return Spec(ins[1].shape, ins[0].dtype)


@frozen
class ReshapeLike(_Like):
    """Reshape to the shape of a second tensor."""

    name = "reshape_like"

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """A reshape to constants."""
        return make(Reshape(ins[1].shape), ins[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Back to the first shape."""
        return [apply(ReshapeLike(), grads[0], node.inputs[0]), None]


@frozen
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


@frozen
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


@frozen
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


def expand_dims(x: Any, axis: int = -1) -> Tensor:
    """A new axis of length 1."""
    x = as_tensor(x)
    rank = x.ndim + 1
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for a result of rank {rank}")
    return apply(InsertAxes((axis % rank,)), x)


def squeeze(x: Any, axis: int) -> Tensor:
    """Without an axis of length 1."""
    x = as_tensor(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} is out of range for shape {x.shape}")
    return apply(DropAxes((axis % x.ndim,)), x)
