"""Translations of what moves elements: shapes, parts, broadcasting, gathering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph import Apply, Tensor
from ..ops import broadcasting as b
from ..ops import indexing as i
from ..ops import shape as s
from ..ops.control import Branch
from ..ops.joining import Concatenate, ConcatenatePart
from ..ops.patches import Pad
from ..ops.selection import Places
from ..ops.slicing import GIVEN, Reverse, Slice, SliceBetween
from ..ops.sorting import ArgSort
from .exporter import Exporter, translates

_END = np.iinfo(np.int64).max


def shape_vector(e: Exporter, made: Tensor, dims: Sequence[int | None], operands: Sequence[Tensor],
                 open_one: bool = False) -> str:
    """The shape of `made` as a vector: numbers where it is known, `operands` where only they tell. With `open_one` a
    single unknown dimension is left to ONNX (-1)."""
    known = made.shape
    if None not in known or open_one and known.count(None) == 1 and 0 not in known:
        return e.ints([-1 if d is None else d for d in known])
    parts, values = [], iter(operands)
    for d, length in zip(dims, known):
        operand = next(values) if d is None else None
        if length is not None or operand is None:
            parts.append(e.ints([-1 if length is None else length]))
        else:
            parts.append(_length(e, operand))
    return e.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]


def _length(e: Exporter, operand: Tensor) -> str:
    """A scalar that gives a dimension, as a vector; a length of a tensor is read where it stands."""
    made = operand.producer
    if made is not None and isinstance(made.op, Slice) and len(made.op.index) == 1:
        vector, axis = made.inputs[0].producer, made.op.index[0]
        if isinstance(axis, int) and vector is not None and isinstance(vector.op, s.ShapeOf):
            return e.add("Gather", lengths(e, vector.inputs[0]), e.ints([axis]))
    return e.add("Reshape", e.cast(e.name(operand), "int64"), e.ints([1]))


def lengths(e: Exporter, t: Tensor) -> str:
    """The shape of a tensor as a vector of int64."""
    return e.ints(t.shape) if None not in t.shape else e.add("Shape", e.name(t))


@translates(s.ShapeOf)
def shape_of(e: Exporter, node: Apply) -> str:
    """Shape."""
    return e.cast(lengths(e, node.inputs[0]), "int32")


@translates(s.Count)
def count(e: Exporter, node: Apply) -> str:
    """The product of some lengths."""
    chosen = e.add("Gather", lengths(e, node.inputs[0]), e.ints(node.op.axes))
    return e.cast(e.reduce("ReduceProd", chosen, [0], False), node.op.dtype)


@translates(s.Range)
def arange(e: Exporter, node: Apply) -> str:
    """Range."""
    return e.add("Range", *map(e.name, node.inputs))


@translates(s.Reshape)
def reshape(e: Exporter, node: Apply) -> str:
    """Reshape."""
    out = node.outputs[0]
    more: dict[str, Any] = {"allowzero": 1} if 0 in out.shape and e.opset >= 14 else {}
    return e.add("Reshape", e.name(node.inputs[0]), shape_vector(e, out, node.op.dims, node.inputs[1:], True), **more)


@translates(s.ReshapeLike)
def reshape_like(e: Exporter, node: Apply) -> str:
    """Reshape to another tensor's shape."""
    return e.add("Reshape", e.name(node.inputs[0]), lengths(e, node.inputs[1]))


@translates(s.Transpose)
def transpose(e: Exporter, node: Apply) -> str:
    """Transpose."""
    return e.transpose(e.name(node.inputs[0]), node.op.order)


@translates(s.InsertAxes)
def insert_axes(e: Exporter, node: Apply) -> str:
    """Unsqueeze, whose axes count in the result too."""
    return e.add("Unsqueeze", e.name(node.inputs[0]), e.ints(node.op.axes))


@translates(s.DropAxes)
def drop_axes(e: Exporter, node: Apply) -> str:
    """Squeeze."""
    return e.add("Squeeze", e.name(node.inputs[0]), e.ints(node.op.axes))


@translates(b.BroadcastTo)
def broadcast_to(e: Exporter, node: Apply) -> str:
    """Expand."""
    return e.add("Expand", e.name(node.inputs[0]), shape_vector(e, node.outputs[0], node.op.dims, node.inputs[1:]))


@translates(b.BroadcastLike)
def broadcast_like(e: Exporter, node: Apply) -> str:
    """Expand to another tensor's shape."""
    return e.add("Expand", e.name(node.inputs[0]), lengths(e, node.inputs[1]))


@translates(Branch)
def branch(e: Exporter, node: Apply) -> str:
    """A condition that depends on an input: one of both results is selected."""
    return e.add("Where", e.cast(e.name(node.inputs[0]), "bool"), *map(e.name, node.inputs[1:]))


@translates(Concatenate)
def concatenate(e: Exporter, node: Apply) -> str:
    """Concat."""
    return e.add("Concat", *map(e.name, node.inputs), axis=node.op.axis)


@translates(ConcatenatePart)
def concatenate_part(e: Exporter, node: Apply) -> str:
    """A slice whose ends follow from the lengths of the parts before."""
    axis, part = node.op.axis, node.op.part
    each = [e.add("Gather", lengths(e, t), e.ints([axis])) for t in node.inputs[1:part + 2]]
    starts, end = e.ints([0]), each[0]
    for length in each[1:]:
        starts, end = end, e.add("Add", end, length)
    return e.add("Slice", e.name(node.inputs[0]), starts, end, e.ints([axis]))


@translates(Slice, SliceBetween)
def part(e: Exporter, node: Apply) -> str:
    """Slice; Squeeze where an index takes one element; Unsqueeze for new axes."""
    x, index = e.name(node.inputs[0]), node.op.index
    if x in e.states and index == ((1, None, None),):
        return e.states[x][0]
    if x in e.states and index == (-1,):
        return e.states[x][1]
    bounds = iter(node.inputs[1:])
    spans: dict[int, tuple[Any, ...]] = {}
    dropped, new = [], []
    axis = 0
    for place, entry in enumerate(index):
        if entry == "new":
            new.append(place - sum(isinstance(x, int) for x in index[:place]))
            continue
        if isinstance(entry, int):
            span: tuple[Any, ...] = (entry, entry + 1 if entry != -1 else _END, 1)
            dropped.append(axis)
        else:
            span = _span(e, *(_length(e, next(bounds)) if v == GIVEN else v for v in entry))
        if span != (0, _END, 1):
            spans[axis] = span
        axis += 1
    if spans:
        starts, ends, steps = (_vector(e, values) for values in zip(*spans.values()))
        x = e.add("Slice", x, starts, ends, e.ints(list(spans)), steps)
    x = e.add("Squeeze", x, e.ints(dropped)) if dropped else x
    return e.add("Unsqueeze", x, e.ints(new)) if new else x


def _span(e: Exporter, start: Any, stop: Any, step: Any) -> tuple[Any, ...]:
    """Start, end and step of a slice in ONNX's words: numbers, or the names of vectors."""
    step = 1 if step is None else step
    if isinstance(step, str):
        if start is None or stop is None:
            raise e.refuse("a slice with a step that a tensor gives needs both bounds to be translated to ONNX")
        return start, stop, step
    return (start if start is not None else 0 if step > 0 else _END,
            stop if stop is not None else _END if step > 0 else -_END, step)


def _vector(e: Exporter, values: Sequence[Any]) -> str:
    """Numbers and vectors of one number as one vector."""
    if all(isinstance(v, int) for v in values):
        return e.ints(values)
    parts = [e.ints([v]) if isinstance(v, int) else v for v in values]
    return e.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]


@translates(Reverse)
def reverse(e: Exporter, node: Apply) -> str:
    """Slice with steps of -1."""
    axes = node.op.axes
    ends = ([_END] * len(axes), [-_END] * len(axes), axes, [-1] * len(axes))
    return e.add("Slice", e.name(node.inputs[0]), *map(e.ints, ends))


@translates(Pad)
def pad(e: Exporter, node: Apply) -> str:
    """Pad."""
    pads = [*(p[0] for p in node.op.pads), *(p[1] for p in node.op.pads)]
    return e.add("Pad", e.name(node.inputs[0]), e.ints(pads), e.constant(0, node.inputs[0].dtype))


@translates(i.Gather)
def gather(e: Exporter, node: Apply) -> str:
    """Gather along the first axis."""
    return e.add("Gather", *map(e.name, node.inputs), axis=0)


@translates(ArgSort)
def argsort(e: Exporter, node: Apply) -> str:
    """The places of all elements, as TopK gives them; of equal ones it takes the first first."""
    x = node.inputs[0]
    count = e.add("Gather", lengths(e, x), e.ints([x.ndim - 1]))
    _, places = e.add("TopK", e.name(x), count, count=2, axis=-1, largest=int(node.op.descending), sorted=1)
    return e.cast(places, "int32")


@translates(Places)
def places(e: Exporter, node: Apply) -> str:
    """ONNX has a row for each axis."""
    return e.add("Transpose", e.add("NonZero", e.name(node.inputs[0])), perm=[1, 0])


@translates(i.OneHot)
def one_hot(e: Exporter, node: Apply) -> str:
    """A comparison with 0, 1, 2, ...: ONNX's OneHot would take a negative index from the end."""
    x = node.inputs[0]
    wide = e.add("Unsqueeze", e.name(x), e.ints([x.ndim]))
    return e.cast(e.add("Equal", wide, e.constant(np.arange(node.op.classes), x.dtype)), node.op.dtype)
