"""Local rewriting: algebra that costs nothing in accuracy, views of views, and the stable crossentropies.

A rule takes (make, op, inputs) and returns a better value or None. Rules are looked up by the class of the op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph import HALVES, Op, Variable, is_float
from ..ops import crossentropy as ce
from ..ops.broadcasting import BroadcastTo
from ..ops.control import Identity, StopGradient
from ..ops.elementwise import Cast, Elementwise
from ..ops.indexing import Gather, ScatterRows
from ..ops.joining import Concatenate
from ..ops.reduce import Reduce
from ..ops.shape import DropAxes, InsertAxes, Reshape, Transpose
from ..ops.slicing import PlaceSlice, Slice
from ..ops.softmax import Softmax, SoftmaxGradient
from .ir import Value

Make = Callable[..., Value]
FEW = 64  # elements of a constant that are looked at one by one


def simplify(make: Any, op: Op, ins: Sequence[Value]) -> Value | None:
    """A better value for `op(*ins)`, or None."""
    rule = RULES.get(type(op))
    return rule(make, op, ins) if rule else None


def _is(v: Value, number: float) -> bool:
    """True if every element is this number, as far as the program's constants tell."""
    if v.step is not None and isinstance(v.step.op, BroadcastTo):
        v = v.step.ins[0]
    return v.const is not None and v.size == 1 and float(v.const.reshape(())) == number


def _repeated(v: Value) -> Any:
    """The number that all elements of a constant are, or of what was spread from one; else None."""
    if v.step is not None and isinstance(v.step.op, BroadcastTo):
        v = v.step.ins[0]
    const = v.const
    if const is None or not 0 < v.size <= FEW or const.tobytes() != const.flat[0].tobytes() * v.size:
        return None
    return const.reshape(-1)[0]


def _repeat(make: Any, number: Any, shape: Any) -> Value:
    return make(BroadcastTo(shape), make.constant(number))


def _elsewhere(make: Make, op: Op, ins: Sequence[Value]) -> Value | None:
    """What moves elements that are all the same about repeats the number in another shape."""
    number = _repeated(ins[0])
    if number is None or ins[0].const is not None:
        return None
    return _repeat(make, number, op.infer(ins[0].spec).shape)  # type: ignore[union-attr]


def _elementwise(make: Make, op: Elementwise, ins: Sequence[Value]) -> Value | None:
    """x + 0, x * 1, x / 1, x ** 1, x ** 2, x ** 0.5, --x, masks that keep all, and broadcasts that an elementwise
    op does by itself."""
    name = op.name
    if name == "mask":
        return ins[1] if _is(ins[0], 1) and ins[0].shape == () else None
    if name == "where" and ins[0].const is not None and ins[0].size == 1:
        return _if_shape(ins[1 if bool(ins[0].const.reshape(())) else 2], _broadcast(ins))
    if len(ins) == 2:
        a, b = ins
        full = _broadcast(ins)
        if name == "add" and _is(a, 0) or name == "multiply" and _is(a, 1):
            return _if_shape(b, full)
        if name in ("add", "subtract") and _is(b, 0) or name in ("multiply", "divide", "power") and _is(b, 1):
            return _if_shape(a, full)
        if name == "power" and _is(b, 2) and b.size <= a.size:
            return make(Elementwise("square"), a)
        if name == "power" and _is(b, 0.5) and b.size <= a.size and is_float(a.dtype):
            return make(Elementwise("sqrt"), a)
        if name == "multiply" and _is(b, -1) and a.shape == full:
            return make(Elementwise("negative"), a)
        if name == "sigmoid_gradient":
            return _sigmoid_gradient(make, ins)
    elif name == "negative" and ins[0].step is not None and ins[0].step.op == op:
        return ins[0].step.ins[0]
    return _drop_broadcasts(make, op, ins)


def _broadcast(ins: Sequence[Value]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*(v.shape for v in ins))
    except ValueError:
        return None


def _if_shape(v: Value, shape: tuple[int, ...] | None) -> Value | None:
    return v if v.shape == shape else None


def _drop_broadcasts(make: Make, op: Elementwise, ins: Sequence[Value]) -> Value | None:
    """Takes what a broadcast was made of, where another input has the full shape anyway."""
    if not any(v.step is not None and isinstance(v.step.op, BroadcastTo) for v in ins):
        return None
    full = _broadcast(ins)
    slim = list(ins)
    for i, v in enumerate(ins):
        if v.step is not None and isinstance(v.step.op, BroadcastTo):
            trial = [*slim[:i], v.step.ins[0], *slim[i + 1:]]
            if _broadcast(trial) == full:
                slim = trial
    return make(op, *slim) if slim != list(ins) else None


def _cast(make: Any, op: Cast, ins: Sequence[Value]) -> Value | None:
    """Nothing to do; or one cast of a whole flat vector to 16 bits for those of all weights in it, which are views of
    that: layers in mixed precision read all of them so."""
    if ins[0].dtype == op.dtype:
        return ins[0]
    weight = ins[0].leaf
    if op.dtype not in HALVES or not isinstance(weight, Variable) or weight.storage is weight \
            or weight.storage.ndim != 1:
        return None
    whole = make(op, make.value(weight.storage))
    return make(Reshape(ins[0].shape), make(Slice(((weight.offset, weight.offset + ins[0].size, None),)), whole))


def _reshape(make: Make, op: Reshape, ins: Sequence[Value]) -> Value | None:
    """To constant dimensions; not at all if the shape stays; one reshape for two."""
    target = op.infer(*(v.spec for v in ins)).shape
    if target == ins[0].shape:
        return ins[0]
    source = ins[0]
    moved = _elsewhere(make, Reshape(target), ins[:1])
    if moved is not None:
        return moved
    if source.step is not None and isinstance(source.step.op, (Reshape, InsertAxes, DropAxes)):
        return make(Reshape(target), source.step.ins[0])
    return make(Reshape(target), source) if op.dims != target else None


def _transpose(make: Make, op: Transpose, ins: Sequence[Value]) -> Value | None:
    if op.order == tuple(range(len(op.order))):
        return ins[0]
    if ins[0].step is not None and isinstance(ins[0].step.op, Transpose):
        inner = ins[0].step
        return make(Transpose(tuple(inner.op.order[a] for a in op.order)), inner.ins[0])  # type: ignore[attr-defined]
    return _gather_in_order(make, op, ins[0]) or _elsewhere(make, op, ins)


def _gather_in_order(make: Any, op: Transpose, rows: Value) -> Value | None:
    """Rows that are gathered and then put in another order are gathered in that order."""
    if rows.step is None or not isinstance(rows.step.op, Gather):
        return None
    table, indices = rows.step.ins
    axes = len(indices.shape)
    if op.order[axes:] != tuple(range(axes, len(op.order))):
        return None
    here, make.origin = make.origin, rows.step.origin  # it is still the work of the layer that gathered
    turned = make(rows.step.op, table, make(Transpose(op.order[:axes]), indices))
    make.origin = here
    return turned


def _broadcast_to(make: Make, op: BroadcastTo, ins: Sequence[Value]) -> Value | None:
    target = op.infer(*(v.spec for v in ins)).shape
    if target == ins[0].shape:
        return ins[0]
    if ins[0].size > 1 and _repeated(ins[0]) is not None:
        return _repeat(make, _repeated(ins[0]), target)
    return make(BroadcastTo(target), ins[0]) if op.dims != target or len(ins) > 1 else None


def _reduce(make: Make, op: Reduce, ins: Sequence[Value]) -> Value | None:
    """A sum over axes of length 1 moves nothing; a sum of zeros is zeros."""
    if op.kind == "sum" and ins[0].const is None and _repeated(ins[0]) == 0:
        return _elsewhere(make, op, ins)
    if all(ins[0].shape[a] == 1 for a in op.axes):
        return make(Reshape(op.infer(ins[0].spec).shape), ins[0])
    return None


def _slice(make: Make, op: Slice, ins: Sequence[Value]) -> Value | None:
    """The part of a concatenation that one input fills is that input."""
    target = op.infer(ins[0].spec).shape
    if target == ins[0].shape and all(e == (None, None, None) or e[0] == 0 and e[2] is None for e in op.index
                                      if isinstance(e, tuple)) and all(isinstance(e, tuple) for e in op.index):
        return ins[0]
    source = ins[0].step
    if source is None or not isinstance(source.op, Concatenate) or len(op.index) != source.op.axis + 1:
        return None
    if any(e != (None, None, None) for e in op.index[:-1]) or not isinstance(op.index[-1], tuple):
        return None
    start = 0
    for v in source.ins:
        length = v.shape[source.op.axis]
        if op.index[-1] == (start, start + length, None):
            return v
        start += length
    return None


def _gather(make: Make, op: Gather, ins: Sequence[Value]) -> Value | None:
    """One row at a constant place is a part of the table."""
    place = _row(*ins)
    return None if place is None else make(Slice((place,)), ins[0])


def _scatter_rows(make: Make, op: ScatterRows, ins: Sequence[Value]) -> Value | None:
    """One row at a constant place is put there."""
    rows, indices, like = ins
    place = _row(like, indices)
    return None if place is None else make(PlaceSlice((place,)), rows, like)


def _row(table: Value, indices: Value) -> int | None:
    """The place of the one row that is meant, if it is constant and in the table."""
    if indices.const is None or indices.shape:
        return None
    place = int(indices.const)
    return place if 0 <= place < table.shape[0] else None


def _first(make: Make, op: Op, ins: Sequence[Value]) -> Value | None:
    return ins[0]


# Crossentropy of a softmax or a sigmoid: back to the logits ------------------------------------------------------
def _made_by(v: Value, kind: Any) -> bool:
    return v.step is not None and v.step.op == kind


_SIGMOID = Elementwise("sigmoid")


def _crossentropy(make: Make, op: ce.Crossentropy, ins: Sequence[Value]) -> Value | None:
    p, target = ins
    if _made_by(p, Softmax()) and p.shape == target.shape:
        return make(ce.SoftmaxCrossentropy(), p.step.ins[0], target)  # type: ignore[union-attr]
    return None


def _sparse_crossentropy(make: Make, op: ce.SparseCrossentropy, ins: Sequence[Value]) -> Value | None:
    p, labels = ins
    if _made_by(p, Softmax()):
        return make(ce.SparseSoftmaxCrossentropy(), p.step.ins[0], labels)  # type: ignore[union-attr]
    return None


def _binary_crossentropy(make: Make, op: ce.BinaryCrossentropy, ins: Sequence[Value]) -> Value | None:
    """That of the logits, for p = sigmoid(logits)."""
    p, target = ins
    if not _made_by(p, _SIGMOID):
        return None
    return make(Elementwise("sigmoid_crossentropy"), p.step.ins[0], target)  # type: ignore[union-attr]


def _softmax_gradient(make: Make, op: SoftmaxGradient, ins: Sequence[Value]) -> Value | None:
    g, p = ins
    if not _made_by(p, Softmax()) or g.step is None or g.step.ins[1:2] != (p,):
        return None
    outer, target = g.step.ins[0], g.step.ins[-1]
    if isinstance(g.step.op, ce.CrossentropyGradient) and target.shape == p.shape:
        return make(ce.SoftmaxCrossentropyGradient(), outer, p, target)
    if isinstance(g.step.op, ce.SparseCrossentropyGradient):
        return make(ce.SparseSoftmaxCrossentropyGradient(), outer, p, target)
    return None


def _sigmoid_gradient(make: Make, ins: Sequence[Value]) -> Value | None:
    g, p = ins
    if g.step is None or not isinstance(g.step.op, ce.BinaryCrossentropyGradient) or g.step.ins[1] is not p \
            or not _made_by(p, _SIGMOID):
        return None
    outer, _, target = g.step.ins
    return make(Elementwise("multiply"), outer, make(Elementwise("subtract"), p, target))


RULES: dict[type, Any] = {
    Elementwise: _elementwise, Cast: _cast, Reshape: _reshape, Transpose: _transpose, BroadcastTo: _broadcast_to,
    InsertAxes: _elsewhere, DropAxes: _elsewhere, Reduce: _reduce, Slice: _slice,
    Gather: _gather, ScatterRows: _scatter_rows, Identity: _first, StopGradient: _first,
    ce.Crossentropy: _crossentropy, ce.SparseCrossentropy: _sparse_crossentropy,
    ce.BinaryCrossentropy: _binary_crossentropy, SoftmaxGradient: _softmax_gradient,
}
