"""Ops that repeat elements: broadcasting, its undoing, constants of a shape, tiling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..device import xp
from ..graph import (
    MIX,
    OPERATORS,
    ROW,
    Apply,
    Spec,
    Tensor,
    ViewOp,
    apply,
    broadcast_shapes,
    constant,
    frozen,
)
from .convert import as_tensor
from .shape import Dims, InsertAxes, Reshape, _Like, fill_dims, reshape, shape_of, split_dims


@frozen
class BroadcastTo(ViewOp):
    """Repeated along axes of length 1 and along new leading axes, without copying."""

    dims: Dims
    name = "broadcast_to"
    known_from = 1

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


@frozen
class BroadcastLike(_Like):
    """Broadcast to the shape of a second tensor."""

    name = "broadcast_like"

    def infer(self, *ins: Spec) -> Spec:
        """The second shape. ValueError where the first does not broadcast to it."""
        broadcast_shapes(ins[0].shape, ins[1].shape)
        return super().infer(*ins)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """A broadcast to constants."""
        return make(BroadcastTo(ins[1].shape), ins[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Summed over the repetitions."""
        return [sum_like(grads[0], node.inputs[0]), None]


@frozen
class SumLike(_Like):
    """Summed down to the shape of a second tensor that broadcasts to the first: broadcasting undone."""

    name = "sum_like"

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


def tile(x: Tensor, repeats: Sequence[int | Tensor]) -> Tensor:
    """The whole tensor repeated along each axis; scalar tensors that follow from shapes may say how often."""
    axes = tuple(2 * a for a in range(x.ndim))
    dims = shape_of(x)
    wide = [r if i == 0 else dims[a] for a, r in enumerate(repeats) for i in (0, 1)]
    final = [-1 if d is None or isinstance(r, Tensor) else d * r for d, r in zip(x.shape, repeats)]
    return _repeat(apply(InsertAxes(axes), x), wide, final, dims, repeats)


def repeat_elements(x: Tensor, repeats: int, axis: int) -> Tensor:
    """Each element repeated along an axis, next to itself."""
    axis %= x.ndim
    dims = shape_of(x)
    wide = [d for a in range(x.ndim) for d in ([dims[a], repeats] if a == axis else [dims[a]])]
    counts = [repeats if a == axis else 1 for a in range(x.ndim)]
    final = [-1 if d is None else d * r for d, r in zip(x.shape, counts)]
    return _repeat(apply(InsertAxes((axis + 1,)), x), wide, final, dims, counts)


def _repeat(x: Tensor, wide: list[Any], final: list[int], dims: Tensor,
            counts: Sequence[int | Tensor]) -> Tensor:
    if final.count(-1) > 1:
        final = [dims[a] * r if d == -1 else d for a, (d, r) in enumerate(zip(final, counts))]  # type: ignore[misc]
    return reshape(broadcast_to(x, wide), final)


OPERATORS.update(sum_like=sum_like, ones_like=ones_like, zeros_like=zeros_like)
