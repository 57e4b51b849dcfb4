"""The crossentropies.

Layers and losses use the plain ops on probabilities (`Crossentropy`, ...). The fused ones (`SoftmaxCrossentropy`, ...)
are put in their place by the compiler when a crossentropy meets the softmax or sigmoid that made its input: they
work on logits, so nothing is lost to clipping.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import FLOATS, REDUCTIONS, Complaint, take, xp
from ..device.layouts import MOST_AXES, merged, words
from ..device.tasks import Task
from ..graph import Apply, Call, ComposedOp, Op, Spec, Tensor, apply, differentiate, frozen
from .broadcasting import sum_like
from .convert import cast
from .elementwise import greater_equal, less_equal, log, logical_and, mask, maximum, minimum, op
from .indexing import one_hot, out_of_range, range_check
from .reduce import reduce
from .shape import expand_dims
from .softmax import Softmax, by_rows, column_of, log_softmax, log_sum, row_or_mix, task_by_rows


# On probabilities ----------------------------------------------------------------------------------------------
@frozen
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


@frozen
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


@frozen
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


@frozen
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


@frozen
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


@frozen
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
class _OnRows(Op):
    """What these ops share: input number `matrix` has a row for each crossentropy."""

    kernel_types = FLOATS
    c_family = "softmax_crossentropy"
    matrix = 0

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of float32, where there are elements, one target or label for each, and labels that are whole numbers."""
        x, target = ins[self.matrix], ins[-1]
        whole = target.dtype in ("int32", "int64")
        return (x.dtype == ins[0].dtype == "float32" and x.size > 0 and len(x.shape) <= MOST_AXES
                and (target.dtype == "float32" or whole) and target.shape == x.shape[:len(x.shape) - whole])

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return row_or_mix(ins[self.matrix])


class _GradientOnRows(_OnRows):
    """The derivatives for the logits: of (g, p, ...), with the shape of p."""

    matrix = 1
    gapless = (1, 2)

    def infer(self, *ins: Spec) -> Spec:
        """The logits' shape."""
        return Spec(ins[1].shape, ins[1].dtype)


@frozen
class SoftmaxCrossentropy(_OnRows):
    """(logits, target) -> sum(target (log sum exp(logits) - logits)) over the last axis."""

    name = "softmax_crossentropy"

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One."""
        return task_by_rows("dense", ins[0], *ins, outs[0])

    def infer(self, *ins: Spec) -> Spec:
        """One number a row."""
        _same_classes(ins)
        return Spec(ins[0].shape[:-1], ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Shifted logits, their exponentials, one number a row."""
        return [ins[0], ins[0], column_of(ins[0])]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The log of the sum less each logit, weighted by the target."""
        return [*log_sum(ins[0], *scratch), (xp.subtract, (scratch[2], scratch[0], scratch[0])),
                (xp.multiply, (scratch[0], ins[1], scratch[0])), (REDUCTIONS["sum"], (scratch[0], -1, None, outs[0]))]

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """Where targets and logits have one shape."""
        return super().takes_kernel(ins) and ins[0].shape == ins[1].shape

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel."""
        return by_rows("dense_forward", ins[0], *ins, outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Of its formula."""
        z, target = node.inputs
        g = expand_dims(grads[0])
        p = apply(Softmax(), z)
        return [g * (p * reduce("sum", target, -1, keepdims=True) - target), -(g * log_softmax(z))]


@frozen
class SoftmaxCrossentropyGradient(_GradientOnRows):
    """(g, p, target) -> g (p sum(target) - target), p being softmax(logits): the derivative for the logits."""

    name = "softmax_crossentropy_gradient"
    in_place = (1,)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One."""
        g, p, target = ins
        return task_by_rows("dense_gradient", p, g, _lines(g), p, target, outs[0])

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One number a row."""
        return [column_of(ins[1])]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Four passes."""
        g, p, target = ins
        out, column = outs[0], scratch[0]
        return [(REDUCTIONS["sum"], (target, -1, None, column, True)), (xp.multiply, (p, column, out)),
                (xp.subtract, (out, target, out)), (xp.multiply, (out, g[..., None], out))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel."""
        return by_rows("dense_backward", ins[1], *ins, outs[0])


@frozen
class SparseSoftmaxCrossentropy(_OnRows):
    """(logits, labels) -> log sum exp(logits) - logits[label]."""

    name = "sparse_softmax_crossentropy"

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One."""
        logits, labels = ins
        return task_by_rows("sparse", logits, logits, labels, labels.itemsize, outs[0])

    def infer(self, *ins: Spec) -> Spec:
        """One number a row."""
        return Spec(ins[0].shape[:-1], ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Shifted logits, their exponentials, one number and one index a row."""
        return [ins[0], ins[0], column_of(ins[0]), Spec(ins[1].shape, "int64")]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The log of the sum less the label's logit."""
        (z, labels), out, (shifted, powers, column, index) = ins, outs[0], scratch
        return [*log_sum(z, shifted, powers, column), *_flat_index(labels, index, z.shape[-1], _labels(self)),
                (take, (shifted.reshape(-1), index, None, out)),
                (xp.subtract, (column[..., 0], out, out))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel; NaN for a label out of range."""
        z, labels = ins
        fault = Complaint(out_of_range(_labels(self), z.shape[-1]))
        return by_rows("sparse_forward", z, z, labels, outs[0], fault, labels=labels.dtype.name)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Of its formula."""
        z, labels = node.inputs
        return [expand_dims(grads[0]) * (apply(Softmax(), z) - _hot(labels, z)), None]


@frozen
class SparseSoftmaxCrossentropyGradient(_GradientOnRows):
    """(g, p, labels) -> g (p - one_hot(label)), p being softmax(logits): the derivative for the logits."""

    name = "sparse_softmax_crossentropy_gradient"
    in_place = (1,)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One."""
        g, p, labels = ins
        return task_by_rows("sparse_gradient", p, g, _lines(g), p, labels, labels.itemsize, outs[0])

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One index and one number a row."""
        return [Spec(ins[2].shape, "int64"), Spec(ins[2].shape, ins[1].dtype)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A copy, 1 less at the labels, scaled."""
        (g, p, labels), out, (index, own) = ins, outs[0], scratch
        flat = out.reshape(-1)
        return [*_flat_index(labels, index, p.shape[-1], _labels(self)), (xp.copyto, (out, p)),
                (take, (flat, index, None, own)), (xp.subtract, (own, xp.asarray(1, own.dtype), own)),
                (flat.put, (index, own, "clip")), (xp.multiply, (out, g[..., None], out))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel; NaN for a label out of range."""
        g, p, labels = ins
        fault = Complaint(out_of_range(_labels(self), p.shape[-1]))
        return by_rows("sparse_backward", p, g, p, labels, outs[0], fault, labels=labels.dtype.name)


def _same_classes(ins: Sequence[Spec]) -> None:
    if None not in (ins[0].shape[-1], ins[1].shape[-1]) and ins[0].shape[-1] != ins[1].shape[-1]:
        raise ValueError(f"predictions {ins[0].shape} and targets {ins[1].shape} differ in their last axis")


def _lines(g: Any) -> Any:
    """How a number for each row lies, for tasks."""
    return words((n, step, step) for n, step in merged(g.shape, g.strides))


def _labels(op: Op) -> str:
    return f"{op.name}: labels"


def _flat_index(labels: Any, index: Any, classes: int, what: str) -> list[Call]:
    """index = row * classes + label, after a range check."""
    starts = xp.arange(labels.size, dtype="int64").reshape(labels.shape) * classes
    return [range_check(labels, classes, what), (xp.add, (labels, starts, index))]


# Builders ------------------------------------------------------------------------------------------------------
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
    return op("sigmoid_crossentropy", z, target)
