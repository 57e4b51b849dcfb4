"""Reductions and scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..device import REDUCTIONS, SCANS
from ..graph import (
    MIX,
    REDUCE,
    ROW,
    Apply,
    Call,
    Op,
    Spec,
    Tensor,
    apply,
    canonical_axes,
)
from .broadcasting import broadcast_like
from .convert import as_float, as_tensor, cast
from .elementwise import divide, equal, exp, log, mask, sqrt, square
from .shape import DropAxes, InsertAxes, ReshapeLike, count, reshape, shape_of, transpose
from .slicing import reverse


@dataclass(frozen=True)
class Reduce(Op):
    """Sum, product, maximum, minimum, any or all over some axes."""

    kind: str
    axes: tuple[int, ...]
    keepdims: bool

    @property
    def name(self) -> str:  # type: ignore[override]
        """The kind."""
        return self.kind

    def infer(self, *ins: Spec) -> Spec:
        """The shape without the axes, or with 1 in their places."""
        dims = enumerate(ins[0].shape)
        shape = tuple(1 if a in self.axes else d for a, d in dims if self.keepdims or a not in self.axes)
        return Spec(shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One reduction, in NumPy's fixed order."""
        x, out = ins[0], outs[0]
        if x.size == 0 and self.kind in ("max", "min"):
            raise ValueError(f"{self.kind} over no elements: the input has shape {x.shape}")
        return [(REDUCTIONS[self.kind], (x, self.axes, None, out, self.keepdims))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Spread back over the axes: to all elements, to those equal to the extremum (shared among equals), or
        times the product of the others."""
        x, y, g = node.inputs[0], node.outputs[0], grads[0]
        if self.kind in ("any", "all"):
            return [None]
        if not self.keepdims:
            y, g = apply(InsertAxes(self.axes), y), apply(InsertAxes(self.axes), g)
        if self.kind == "sum":
            return [broadcast_like(g, x)]
        if self.kind == "prod":
            return [g * _product_of_others(x, self.axes)]
        hit = equal(x, y)
        return [mask(g / reduce("sum", cast(hit, x.dtype), self.axes, keepdims=True), hit)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise along other axes; a sum over axis 0 is reducing."""
        if 0 not in self.axes:
            return ROW
        return REDUCE if self.kind == "sum" else MIX


@dataclass(frozen=True)
class Scan(Op):
    """Running sums or products along an axis; `exclusive` leaves each element itself out."""

    kind: str
    axis: int
    exclusive: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        """cumsum or cumprod."""
        return "cum" + self.kind

    def infer(self, *ins: Spec) -> Spec:
        """The same shape."""
        return Spec(ins[0].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One accumulation; shifted by one if exclusive."""
        x, out = ins[0], outs[0]
        scan = SCANS[self.kind]
        if not self.exclusive:
            return [(scan, (x, self.axis, None, out))]
        head: tuple[Any, ...] = (slice(None),) * self.axis
        first, rest, before = (*head, slice(0, 1)), (*head, slice(1, None)), (*head, slice(0, -1))
        calls: list[Call] = [(out[first].fill, (0 if self.kind == "sum" else 1,))]
        if x.shape[self.axis] > 1:
            calls.append((scan, (x[before], self.axis, None, out[rest])))
        return calls

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The reversed running sum (over the elements, for a product: 0 among them has no derivative here)."""
        x, y, g = node.inputs[0], node.outputs[0], grads[0]
        back = apply(Scan("sum", self.axis, self.exclusive),
                     reverse(g if self.kind == "sum" else g * y, (self.axis,)))
        back = reverse(back, (self.axis,))
        return [back if self.kind == "sum" else back / x]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise along other axes."""
        return ROW if self.axis else MIX


@dataclass(frozen=True)
class ArgExtreme(Op):
    """The index of the first largest or smallest element along an axis, int64."""

    kind: str
    axis: int

    @property
    def name(self) -> str:  # type: ignore[override]
        """argmax or argmin."""
        return "arg" + self.kind

    def infer(self, *ins: Spec) -> Spec:
        """The shape without the axis."""
        return Spec(ins[0].shape[:self.axis] + ins[0].shape[self.axis + 1:], "int64")

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One search."""
        find = ins[0].argmax if self.kind == "max" else ins[0].argmin
        return [(find, (self.axis, outs[0]))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None: an index does not vary smoothly."""
        return [None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise along other axes."""
        return ROW if self.axis else MIX


def _product_of_others(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """For each element the product of the others along the axes: products from the left and from the right, so
    that zeros do no harm."""
    rest = tuple(a for a in range(x.ndim) if a not in axes)
    moved = transpose(x, rest + axes)
    lengths = shape_of(moved)
    flat = reshape(moved, [*(lengths[i] for i in range(len(rest))), -1])
    last = flat.ndim - 1
    left = apply(Scan("prod", last, True), flat)
    right = reverse(apply(Scan("prod", last, True), reverse(flat, (last,))), (last,))
    others = apply(ReshapeLike(), left * right, moved)
    order = rest + axes
    return transpose(others, tuple(order.index(a) for a in range(x.ndim)))


def reduce(kind: str, x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The reduction over one axis, several, or all (None)."""
    t = as_tensor(x)
    if kind in ("any", "all"):
        t = cast(t, "bool")
    elif kind in ("sum", "prod") and t.dtype == "bool":
        t = as_float(t)  # counts
    axes = canonical_axes(axis, t.ndim)
    return apply(Reduce(kind, axes, bool(keepdims)), t) if axes else t


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The average over one axis, several, or all."""
    t = as_float(x)
    axes = canonical_axes(axis, t.ndim)
    return divide(reduce("sum", t, axes, keepdims), count(t, axes, t.dtype)) if axes else t


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The (biased) variance over one axis, several, or all."""
    t = as_float(x)
    return mean(square(t - mean(t, axis, keepdims=True)), axis, keepdims)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The (biased) standard deviation."""
    return sqrt(var(x, axis, keepdims))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) without overflow."""
    from .control import stop_gradient
    t = as_float(x)
    axes = canonical_axes(axis, t.ndim)
    top = stop_gradient(reduce("max", t, axes, True))
    total = log(reduce("sum", exp(t - top), axes, True)) + top
    if keepdims or not axes:
        return total
    return apply(DropAxes(axes), total)


def scan(kind: str, x: Any, axis: int = 0) -> Tensor:
    """Running sum or product along an axis."""
    t = as_tensor(x)
    (axis,) = canonical_axes(axis, t.ndim)
    return apply(Scan(kind, axis), t)


def arg_extreme(kind: str, x: Any, axis: int = -1) -> Tensor:
    """The index of the largest or smallest element along an axis."""
    t = as_tensor(x)
    (axis,) = canonical_axes(axis, t.ndim)
    return apply(ArgExtreme(kind, axis), t)

