"""Softmax over the last axis, and the crossentropies.

Layers and losses use the plain ops (`Softmax`, `Crossentropy`, ...). The fused ones (`SoftmaxCrossentropy`, ...)
are put in their place by the compiler when a crossentropy meets the softmax or sigmoid that made its input: they
work on logits, so nothing is lost to clipping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..device import REDUCTIONS, take, xp
from ..graph import MIX, ROW, Apply, Call, ComposedOp, Op, Spec, Tensor, apply, differentiate
from .broadcasting import sum_like
from .convert import as_float, cast
from .elementwise import exp, greater_equal, less_equal, log, log1p, logical_and, mask, maximum, minimum
from .indexing import check_range, one_hot
from .reduce import logsumexp, reduce
from .shape import expand_dims, transpose


@dataclass(frozen=True)
class Softmax(Op):
    """exp(x) / sum(exp(x)) over the last axis."""

    name = "softmax"
    in_place = (0,)

    def infer(self, *ins: Spec) -> Spec:
        """The same shape."""
        if not ins[0].shape:
            raise ValueError("softmax needs at least one axis")
        return Spec(ins[0].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One number a row."""
        return [_column(ins[0])]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Shifted by the row's maximum, so that nothing overflows."""
        x, y, column = ins[0], outs[0], scratch[0]
        return [(REDUCTIONS["max"], (x, -1, None, column, True)), (xp.subtract, (x, column, y)), (xp.exp, (y, y)),
                (REDUCTIONS["sum"], (y, -1, None, column, True)), (xp.divide, (y, column, y))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """y (g - sum(g y))."""
        return [apply(SoftmaxGradient(), grads[0], node.outputs[0])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if the softmax is not over the samples."""
        return _row_or_mix(ins[0])


@dataclass(frozen=True)
class SoftmaxGradient(Op):
    """(g, y) -> y (g - sum(g y)), y being the softmax's output."""

    name = "softmax_gradient"

    def infer(self, *ins: Spec) -> Spec:
        """The same shape."""
        return Spec(ins[1].shape, ins[1].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One number a row."""
        return [_column(ins[1])]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A product, its row sums, and the combination."""
        g, y, out, column = ins[0], ins[1], outs[0], scratch[0]
        return [(xp.multiply, (g, y, out)), (REDUCTIONS["sum"], (out, -1, None, column, True)),
                (xp.subtract, (g, column, out)), (xp.multiply, (out, y, out))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """That of its formula."""
        return differentiate(lambda g, y: y * (g - reduce("sum", g * y, -1, keepdims=True)), node, grads[0])

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if the softmax is not over the samples."""
        return _row_or_mix(ins[1])


def _column(x: Spec) -> Spec:
    return Spec((*x.shape[:-1], 1), x.dtype)


def _row_or_mix(x: Spec) -> str:
    return ROW if len(x.shape) > 1 else MIX


# On probabilities ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Crossentropy(ComposedOp):
    """(p, target) -> -sum(target log p) over the last axis; p is scaled to sum to 1 and kept within epsilon of
    (0, 1), as Keras does."""

    epsilon: float
    name = "crossentropy"

    def compose(self, *inputs: Tensor) -> Tensor:
        """Scale, clip, log, sum."""
        p, target = inputs
        q = _clip(p / reduce("sum", p, -1, keepdims=True), self.epsilon)
        return -reduce("sum", target * log(q), -1)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By a named op for p, so that the compiler can see it; by the composition for the target."""
        of_target = differentiate(self.compose, node, grads[0])[1]
        return [apply(CrossentropyGradient(self.epsilon), grads[0], *node.inputs), of_target]


@dataclass(frozen=True)
class CrossentropyGradient(ComposedOp):
    """(g, p, target) -> the derivative of Crossentropy with respect to p."""

    epsilon: float
    name = "crossentropy_gradient"

    def compose(self, *inputs: Tensor) -> Tensor:
        """The chain rule through log, clip and scaling."""
        g, p, target = inputs
        total = reduce("sum", p, -1, keepdims=True)
        q = p / total
        dq = mask(-(expand_dims(g) * target) / _clip(q, self.epsilon), _inside(q, self.epsilon))
        return (dq - reduce("sum", dq * q, -1, keepdims=True)) / total


@dataclass(frozen=True)
class SparseCrossentropy(ComposedOp):
    """(p, labels) -> -log p[label], p kept within epsilon of (0, 1) and then scaled to sum to 1."""

    epsilon: float
    name = "sparse_crossentropy"

    def compose(self, *inputs: Tensor) -> Tensor:
        """Clip, then the softmax of the logarithm."""
        p, labels = inputs
        q = _clip(p, self.epsilon)
        own = reduce("sum", q * _hot(labels, p), -1)
        return log(reduce("sum", q, -1)) - log(own)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By a named op, so that the compiler can see it."""
        return [apply(SparseCrossentropyGradient(self.epsilon), grads[0], *node.inputs), None]


@dataclass(frozen=True)
class SparseCrossentropyGradient(ComposedOp):
    """(g, p, labels) -> the derivative of SparseCrossentropy with respect to p."""

    epsilon: float
    name = "sparse_crossentropy_gradient"

    def compose(self, *inputs: Tensor) -> Tensor:
        """The chain rule through the logarithms and the clip."""
        g, p, labels = inputs
        q = _clip(p, self.epsilon)
        dq = 1 / reduce("sum", q, -1, keepdims=True) - _hot(labels, p) / q
        return mask(expand_dims(g) * dq, _inside(p, self.epsilon))


@dataclass(frozen=True)
class BinaryCrossentropy(ComposedOp):
    """(p, target) -> -target log p - (1 - target) log(1 - p), elementwise, through the logit of the clipped p."""

    epsilon: float
    name = "binary_crossentropy"

    def compose(self, *inputs: Tensor) -> Tensor:
        """Clip, logit, and the crossentropy of logits."""
        p, target = inputs
        q = _clip(p, self.epsilon)
        return logits_crossentropy(log(q / (1 - q)), target)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By a named op for p, so that the compiler can see it; by the composition for the target."""
        of_target = differentiate(self.compose, node, grads[0])[1]
        of_p = apply(BinaryCrossentropyGradient(self.epsilon), grads[0], *node.inputs)
        return [sum_like(of_p, node.inputs[0]), of_target]


@dataclass(frozen=True)
class BinaryCrossentropyGradient(ComposedOp):
    """(g, p, target) -> the derivative of BinaryCrossentropy with respect to p."""

    epsilon: float
    name = "binary_crossentropy_gradient"

    def compose(self, *inputs: Tensor) -> Tensor:
        """(q - target) / (q (1 - q)), 0 where p was clipped."""
        g, p, target = inputs
        q = _clip(p, self.epsilon)
        return mask(g * ((q - target) / (q * (1 - q))), _inside(p, self.epsilon))


def _clip(p: Tensor, epsilon: float) -> Tensor:
    return minimum(maximum(p, epsilon), 1 - epsilon)


def _inside(p: Tensor, epsilon: float) -> Tensor:
    return logical_and(greater_equal(p, epsilon), less_equal(p, 1 - epsilon))


def _hot(labels: Tensor, p: Tensor) -> Tensor:
    if p.shape[-1] is None:
        raise ValueError(f"the number of classes must be known, got shape {p.shape}")
    return one_hot(labels, p.shape[-1], p.dtype)


# On logits -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SoftmaxCrossentropy(Op):
    """(logits, target) -> sum(target (log sum exp(logits) - logits)) over the last axis."""

    name = "softmax_crossentropy"

    def infer(self, *ins: Spec) -> Spec:
        """One number a row."""
        _same_classes(ins)
        return Spec(ins[0].shape[:-1], ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Shifted logits, their exponentials, one number a row."""
        return [ins[0], ins[0], _column(ins[0])]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The log of the sum less each logit, weighted by the target."""
        return [*_log_sum(ins[0], *scratch), (xp.subtract, (scratch[2], scratch[0], scratch[0])),
                (xp.multiply, (scratch[0], ins[1], scratch[0])), (REDUCTIONS["sum"], (scratch[0], -1, None, outs[0]))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Of its formula."""
        z, target = node.inputs
        g = expand_dims(grads[0])
        p = apply(Softmax(), z)
        return [g * (p * reduce("sum", target, -1, keepdims=True) - target), -(g * log_softmax(z))]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return _row_or_mix(ins[0])


@dataclass(frozen=True)
class SoftmaxCrossentropyGradient(Op):
    """(g, p, target) -> g (p sum(target) - target), p being softmax(logits): the derivative for the logits."""

    name = "softmax_crossentropy_gradient"
    in_place = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The logits' shape."""
        return Spec(ins[1].shape, ins[1].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One number a row."""
        return [_column(ins[1])]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Four passes."""
        g, p, target = ins
        out, column = outs[0], scratch[0]
        return [(REDUCTIONS["sum"], (target, -1, None, column, True)), (xp.multiply, (p, column, out)),
                (xp.subtract, (out, target, out)), (xp.multiply, (out, g[..., None], out))]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return _row_or_mix(ins[1])


@dataclass(frozen=True)
class SparseSoftmaxCrossentropy(Op):
    """(logits, labels) -> log sum exp(logits) - logits[label]."""

    name = "sparse_softmax_crossentropy"

    def infer(self, *ins: Spec) -> Spec:
        """One number a row."""
        return Spec(ins[0].shape[:-1], ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Shifted logits, their exponentials, one number and one index a row."""
        return [ins[0], ins[0], _column(ins[0]), Spec(ins[1].shape, "int64")]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The log of the sum less the label's logit."""
        (z, labels), out, (shifted, powers, column, index) = ins, outs[0], scratch
        return [*_log_sum(z, shifted, powers, column), *_flat_index(labels, index, z.shape[-1], self.name),
                (take, (shifted.reshape(-1), index, None, out)),
                (xp.subtract, (column[..., 0], out, out))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Of its formula."""
        z, labels = node.inputs
        return [expand_dims(grads[0]) * (apply(Softmax(), z) - _hot(labels, z)), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return _row_or_mix(ins[0])


@dataclass(frozen=True)
class SparseSoftmaxCrossentropyGradient(Op):
    """(g, p, labels) -> g (p - one_hot(label)), p being softmax(logits): the derivative for the logits."""

    name = "sparse_softmax_crossentropy_gradient"
    in_place = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The logits' shape."""
        return Spec(ins[1].shape, ins[1].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One index and one number a row."""
        return [Spec(ins[2].shape, "int64"), Spec(ins[2].shape, ins[1].dtype)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A copy, 1 less at the labels, scaled."""
        (g, p, labels), out, (index, own) = ins, outs[0], scratch
        flat = out.reshape(-1)
        return [*_flat_index(labels, index, p.shape[-1], self.name), (xp.copyto, (out, p)),
                (take, (flat, index, None, own)), (xp.subtract, (own, 1, own)),
                (xp.put, (flat, index, own, "clip")), (xp.multiply, (out, g[..., None], out))]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return _row_or_mix(ins[1])


def _same_classes(ins: Sequence[Spec]) -> None:
    if None not in (ins[0].shape[-1], ins[1].shape[-1]) and ins[0].shape[-1] != ins[1].shape[-1]:
        raise ValueError(f"predictions {ins[0].shape} and targets {ins[1].shape} differ in their last axis")


def _log_sum(z: Any, shifted: Any, powers: Any, column: Any) -> list[Call]:
    """shifted = z - max(z); column = log(sum(exp(shifted)))."""
    return [(REDUCTIONS["max"], (z, -1, None, column, True)), (xp.subtract, (z, column, shifted)),
            (xp.exp, (shifted, powers)), (REDUCTIONS["sum"], (powers, -1, None, column, True)),
            (xp.log, (column, column))]


def _flat_index(labels: Any, index: Any, classes: int, name: str) -> list[Call]:
    """index = row * classes + label, after a range check."""
    starts = xp.arange(labels.size, dtype="int64").reshape(labels.shape) * classes
    return [(check_range, (labels, classes, f"{name}: labels")), (xp.copyto, (index, labels, "unsafe")),
            (xp.add, (index, starts, index))]


# Builders ------------------------------------------------------------------------------------------------------
def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) over an axis."""
    t = as_float(x)
    if not -t.ndim <= axis < t.ndim:
        raise ValueError(f"softmax: axis {axis} is out of range for shape {t.shape}")
    last = t.ndim - 1
    axis %= t.ndim
    if axis == last:
        return apply(Softmax(), t)
    order = tuple(a for a in range(t.ndim) if a != axis) + (axis,)
    back = tuple(order.index(a) for a in range(t.ndim))
    return transpose(apply(Softmax(), transpose(t, order)), back)


def log_softmax(x: Tensor) -> Tensor:
    """log(softmax(x)) over the last axis, without loss."""
    return x - logsumexp(x, -1, keepdims=True)


def crossentropy(target: Tensor, output: Tensor, epsilon: float, from_logits: bool) -> Tensor:
    """Crossentropy of one-hot or soft targets over the last axis."""
    target = cast(target, output.dtype)
    _same_classes((output.spec, target.spec))
    if from_logits:
        return apply(SoftmaxCrossentropy(), output, target)
    return apply(Crossentropy(epsilon), output, target)


def sparse_crossentropy(labels: Tensor, output: Tensor, epsilon: float, from_logits: bool) -> Tensor:
    """Crossentropy of integer labels, whose shape is the output's without its last axis."""
    labels = cast(labels, "int64")
    return apply(SparseSoftmaxCrossentropy() if from_logits else SparseCrossentropy(epsilon), output, labels)


def binary_crossentropy(target: Tensor, output: Tensor, epsilon: float, from_logits: bool) -> Tensor:
    """Elementwise crossentropy of probabilities or logits."""
    target = cast(target, output.dtype)
    return logits_crossentropy(output, target) if from_logits else apply(BinaryCrossentropy(epsilon), output, target)


def logits_crossentropy(z: Tensor, target: Tensor) -> Tensor:
    """-target log sigmoid(z) - (1 - target) log(1 - sigmoid(z)), without overflow."""
    return maximum(z, 0) - z * target + log1p(exp(minimum(-z, z)))  # -|z|, with derivatives that also fit at 0
