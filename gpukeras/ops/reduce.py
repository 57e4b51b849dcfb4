"""Reductions and scans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..device import C_NAMES, NAME, REDUCTIONS, SCANS, asarray, blocks, launch
from ..device.launch import BLOCK
from ..device.tasks import Task
from ..graph import (
    HALVES,
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
    frozen,
    is_float,
)
from . import reduce_tasks
from .broadcasting import broadcast_like
from .convert import as_float, as_tensor, cast
from .elementwise import divide, equal, exp, log, mask, sqrt, square
from .shape import DropAxes, InsertAxes, ReshapeLike, count, reshape, shape_of, transpose
from .slicing import reverse

_KINDS: dict[str, dict[str, Any]] = {  # defines for the kernels: a name of reduce.cuh where it is not the default
    "sum": {}, "prod": {"KIND": "Multiply"}, "max": {"KIND": "Max"}, "min": {"KIND": "Min"}, "any": {"KIND": "Max"},
    "all": {"KIND": "Min"}}
FEW = 4096  # numbers whose sum takes NumPy longer to begin than to make
WIDE = 512  # elements of a row from which on NumPy adds up rows well
_MOST_BLOCKS = 1024  # of a long reduction: enough to fill any GPU


@frozen
class Reduce(Op):
    """Sum, product, maximum, minimum, any or all over some axes."""

    kind: str
    axes: tuple[int, ...]
    keepdims: bool
    packed = ()
    gapless = ()
    flow = (((0,), (2,)), ((2,), (1,)))

    @property
    def name(self) -> str:  # type: ignore[override]
        """The kind."""
        return self.kind

    @property
    def c_family(self) -> str:  # type: ignore[override]
        """Each kind is compiled by itself."""
        return reduce_tasks.family(self.kind)

    def infer(self, *ins: Spec) -> Spec:
        """The shape without the axes, or with 1 in their places."""
        dims = enumerate(ins[0].shape)
        shape = tuple(1 if a in self.axes else d for a, d in dims if self.keepdims or a not in self.axes)
        return Spec(shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Several short rows side by side."""
        width = _wide_rows(self.kind, ins[0].shape, self.axes) if ins[0].dtype in ("float32", "float64") else 0
        return [Spec((width,), ins[0].dtype)] if width else []

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One reduction, in NumPy's fixed order; two where the first can go over longer rows."""
        if self._is_of_nothing(ins[0]):
            return [(outs[0].fill, (lowest(self.kind, outs[0].dtype),))]
        if scratch and ins[0].flags.c_contiguous:
            wide, out = scratch[0], outs[0].reshape(-1)
            return [(REDUCTIONS["sum"], (ins[0].reshape(-1, wide.size), 0, None, wide)),
                    (REDUCTIONS["sum"], (wide.reshape(-1, out.size), 0, None, out))]
        backwards = self.kind in ("max", "min") and any(s < 0 for s in ins[0].strides)
        if self.kind == "sum":
            return [sum_call(ins[0], self.axes, outs[0], self.keepdims)]
        arguments = ins[0], self.axes, None, outs[0], self.keepdims
        reduction = REDUCTIONS[self.kind]
        return [(_reduce_backwards, (reduction, *arguments)) if backwards else (reduction, arguments)]

    def _is_of_nothing(self, x: Any) -> bool:
        """Whether it is an extremum of no elements."""
        return bool(x.size == 0) and self.kind in ("max", "min")

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Where there are elements, of a type that has this kind."""
        return reduce_tasks.takes(self.kind, ins[0])

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Results of the parts of a long reduction."""
        return reduce_tasks.room(self.kind, ins[0], self.axes)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One, and for long reductions another that joins the parts."""
        return reduce_tasks.tasks(self.kind, ins[0], self.axes, outs[0], room)

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """`any` and `all` of truth values, the others of everything."""
        return ins[0].dtype in C_NAMES and (ins[0].dtype == "bool" or self.kind not in ("any", "all"))

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Partial results of long reductions."""
        parts = _most_parts(outs[0].size, _count(ins[0].shape, self.axes))
        return [Spec((parts, outs[0].size), sum_dtype(outs[0].dtype))] if parts > 1 else []

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, or two for results of many elements; x is read as it lies."""
        x, out = ins[0], outs[0]
        if not out.size:
            return []
        if self._is_of_nothing(x):
            return [(out.fill, (lowest(self.kind, out.dtype),))]
        length = _count(x.shape, self.axes)
        axes = [(n, s // x.itemsize) for n, s in zip(x.shape, x.strides)]
        kept = _merged(axes[a] for a in range(x.ndim) if a not in self.axes)
        reduced = _merged(sorted((axes[a] for a in self.axes), key=lambda axis: -abs(axis[1])))
        along = not kept or (bool(reduced) and abs(reduced[-1][1]) < abs(kept[-1][1]))
        lanes = _lanes(out.size, length, along)
        parts = _parts(out.size, length, lanes)
        chunk = max(-(-length // parts), 1)
        parts = max(-(-length // chunk), 1)
        sizes = out.size, length, chunk, lanes, int(along)
        grid = blocks(out.size * lanes), parts
        layout: tuple[Any, ...] = (*_pair(kept), *_pair(reduced))
        suffix = ""
        if len(kept) > 2 or len(reduced) > 2:
            layout = (asarray(np.array([(len(kept), len(reduced)), *kept, *reduced], np.int64)),)
            suffix = "_table"
        if parts == 1:
            return [launch("reduction", "reduce" + suffix, x.dtype, grid, x, out, *sizes, *layout, **_KINDS[self.kind])]
        return [launch("reduction", "reduce_part" + suffix, x.dtype, grid, x, room[0], *sizes, *layout,
                       **_KINDS[self.kind]), add_parts(room[0], out, parts, self.kind)]

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


def lowest(kind: str, dtype: Any) -> Any:
    """The maximum of no elements, to which every element is one; or the minimum."""
    name = np.dtype(dtype).name
    if name == "bool":
        return kind == "min"
    ends = (-np.inf, np.inf) if is_float(name) else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return ends[kind == "min"]


def sum_call(x: Any, axes: tuple[int, ...], out: Any, keepdims: bool) -> Call:
    """The call that sums over axes. For a few numbers NumPy takes half as long for their product with ones, where that
    is what the sum is: over the first axes, or over the last."""
    plain = NAME == "numpy" and x.dtype.name in ("float32", "float64") and x.dtype == out.dtype
    if plain and 0 < x.size <= FEW and x.flags.c_contiguous and out.flags.c_contiguous:
        summed = prod(x.shape[a] for a in axes)
        ones = np.ones(summed, x.dtype)
        axes = tuple(sorted(a % x.ndim for a in axes))
        if out.size == 1:
            return np.dot, (ones, x.reshape(-1), out.reshape(()))
        if axes == tuple(range(len(axes))):
            return np.dot, (ones, x.reshape(summed, -1), out.reshape(-1))
        if axes == tuple(range(x.ndim - len(axes), x.ndim)):
            return np.dot, (x.reshape(-1, summed), ones, out.reshape(-1))
    wide = "float32" if x.dtype in HALVES else None  # as on a GPU
    return REDUCTIONS["sum"], (x, axes, wide, out, keepdims)


def _wide_rows(kind: str, shape: Any, axes: Sequence[int]) -> int:
    """Elements of the rows that NumPy best adds up where many short ones stand one after the other, as a convolution's
    gradients for its bias do: its inner loop goes along a row. 0 where they are long or few."""
    columns, rows = prod(shape[len(axes):]), prod(shape[:len(axes)])
    if kind != "sum" or NAME != "numpy" or tuple(axes) != (*range(len(axes)),) or not 0 < columns < WIDE // 2:
        return 0
    beside = 1 << ((WIDE // columns).bit_length() - 1)
    while beside > 1 and rows % beside:
        beside //= 2
    return beside * columns if rows >= 64 * beside > 64 else 0


def _reduce_backwards(reduce: Any, x: Any, axes: Any, dtype: Any, out: Any, keepdims: bool) -> None:
    """NumPy 1.25 to 2.1 finds wrong extrema in arrays that are walked backwards, if it is given where to put them."""
    out[...] = reduce(x, axes, dtype, None, keepdims)


@frozen
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

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """Every dtype."""
        return ins[0].dtype in C_NAMES

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel: a thread for each line of elements, or a block where they lie side by side."""
        x, out = ins[0], outs[0]
        if not x.size:
            return []
        length, inner = x.shape[self.axis], prod(x.shape[self.axis + 1:])
        lines, exclusive, kind = x.size // length, int(self.exclusive), _KINDS[self.kind]
        if inner == 1 and length > 32:
            return [launch("reduction", "scan_rows", x.dtype, blocks(lines * BLOCK), x, out, lines, length, exclusive,
                           **kind)]
        return [launch("reduction", "scan_lines", x.dtype, blocks(lines), x, out, lines, length, inner, exclusive,
                       **kind)]

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


@frozen
class ArgExtreme(Op):
    """The index of the first largest or smallest element along an axis, int64."""

    kind: str
    axis: int
    gapless = ()

    @property
    def name(self) -> str:  # type: ignore[override]
        """argmax or argmin."""
        return "arg" + self.kind

    @property
    def c_family(self) -> str:  # type: ignore[override]
        """With the reductions to these extremes."""
        return reduce_tasks.family(self.kind)

    def infer(self, *ins: Spec) -> Spec:
        """The shape without the axis."""
        return Spec(ins[0].shape[:self.axis] + ins[0].shape[self.axis + 1:], "int64")

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One search."""
        find = ins[0].argmax if self.kind == "max" else ins[0].argmin
        return [(find, (self.axis, outs[0]))]

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Floats and integers, where there are elements."""
        return reduce_tasks.takes(self.kind, ins[0])

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One; a unit is all results of a sample where there are samples."""
        return reduce_tasks.arg_tasks(self.kind, ins[0], self.axis, outs[0])

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """Every dtype."""
        return ins[0].dtype in C_NAMES

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel."""
        x, out = ins[0], outs[0]
        length, inner = x.shape[self.axis], prod(x.shape[self.axis + 1:])
        if not out.size:
            return []
        if not length:
            raise ValueError(f"{self.name} over no elements: the input has shape {x.shape}")
        lanes = _lanes(out.size, length, inner == 1)
        return [launch("reduction", "arg_" + self.kind, x.dtype, blocks(out.size * lanes), x, out, out.size, length,
                       inner, lanes, int(inner == 1))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None: an index does not vary smoothly."""
        return [None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise along other axes."""
        return ROW if self.axis else MIX


def sum_dtype(dtype: str) -> str:
    """What kernels add up in (`Sum` of types.cuh)."""
    return "float32" if dtype in HALVES else dtype


def add_parts(part: Any, out: Any, parts: int | None = None, kind: str = "sum") -> Call:
    """out = the first `parts` rows (None: all) of part (rows, out.size) added up, or reduced by another kind."""
    count = part.shape[0] if parts is None else parts
    lanes = _lanes(out.size, count, False)
    return launch("reduction", "reduce_rest", out.dtype, blocks(out.size * lanes), part, out, out.size, count, lanes,
                  **_KINDS[kind])


def _count(shape: Sequence[Any], axes: Sequence[int]) -> int:
    return prod(shape[a] for a in axes)


def _merged(axes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Lengths and strides of axes, those that continue each other made one."""
    merged: list[tuple[int, int]] = []
    for length, stride in axes:
        if length == 1:
            continue
        if merged and merged[-1][1] == length * stride:
            length *= merged.pop()[0]
        merged.append((length, stride))
    return merged


def _pair(axes: Sequence[tuple[int, int]]) -> tuple[int, int, int]:
    """At most two axes as the kernels take them: length of the inner one, stride of the outer one, of the inner one."""
    if len(axes) > 1:
        return axes[1][0], axes[0][1], axes[1][1]
    length, stride = axes[0] if axes else (1, 0)
    return length, length * stride, stride


def _lanes(outputs: int, length: int, along: bool) -> int:
    """The number of threads, a power of two, that share a result: each has about four elements or more. In columns 32
    results, fewer if there are no more, stand side by side."""
    most = BLOCK if along else BLOCK // min(32, _power(outputs))
    return min(most, _power(-(-length // 4)))


def _power(n: int) -> int:
    """The smallest power of two that is not smaller."""
    return 1 << max(n - 1, 0).bit_length()


def _parts(outputs: int, length: int, lanes: int) -> int:
    """Into how many parts to cut a reduction, so that its blocks fill a GPU and every thread still has 16 elements."""
    tiles = -(-outputs * lanes // BLOCK)
    return max(1, min(_MOST_BLOCKS // tiles, length // (16 * lanes)))


def _most_parts(outputs: int, length: int) -> int:
    """What _parts can be at most, for whatever strides."""
    return max(1, min(_MOST_BLOCKS, length // 16, _MOST_BLOCKS * BLOCK // max(outputs, 1)))


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
    t = _whole(as_tensor(x), axis)
    if kind in ("any", "all"):
        t = cast(t, "bool")
    elif kind in ("sum", "prod") and t.dtype == "bool":
        t = as_float(t)  # counts
    axes = canonical_axes(axis, t.ndim)
    return apply(Reduce(kind, axes, bool(keepdims)), t) if axes else t


def _whole(x: Tensor, axis: Any) -> Tensor:
    """A tensor that is to be reduced: a vector, if its number of axes is a guess and all of them are meant."""
    todo, seen = [x] if axis is None else [], set()
    while todo:
        node = todo.pop().producer
        if node is None or node in seen:
            continue
        if node.op.unknown:
            return reshape(x, (-1,))
        seen.add(node)
        todo += node.inputs if node.op.elementwise else ()
    return x


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The average over one axis, several, or all. Of 16-bit floats too, whose sum could overflow."""
    given = as_float(_whole(as_tensor(x), axis))
    t = cast(given, sum_dtype(given.dtype))
    axes = canonical_axes(axis, t.ndim)
    if t is not given:
        return cast(mean(t, axes, keepdims), given.dtype)
    return divide(reduce("sum", t, axes, keepdims), count(t, axes, t.dtype)) if axes else t


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The (biased) variance over one axis, several, or all."""
    given = as_float(x)
    t = cast(given, sum_dtype(given.dtype))
    if t is not given:
        return cast(var(t, axis, keepdims), given.dtype)
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

