"""Softmax over the last axis, and its logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..device import C_NAMES, FLOATS, REDUCTIONS, blocks, launch, xp
from ..device.tasks import Task
from ..graph import MIX, ROW, Apply, Call, Op, Spec, Tensor, apply, differentiate, frozen
from .convert import as_float
from .elementwise import exp
from .reduce import reduce, sum_call
from .shape import transpose

COST = 0.6  # nanoseconds an element, compiled for a CPU
SIDE, NARROW = 16, 32  # rows side by side, and columns of those, as in kernels/softmax_crossentropy.c


class _AlongRows(Op):
    """What these ops share: the output has the shape of the last input, and every row of it is made by itself."""

    kernel_types = FLOATS
    c_family = "softmax_crossentropy"

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of float32, where there are elements."""
        return super().takes_tasks(ins, outs) and ins[-1].size > 0

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One, named as the op."""
        return task_by_rows(self.name, outs[0], *ins, outs[0])

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, named as the op."""
        return by_rows(self.name, outs[0], *ins, outs[0])

    def infer(self, *ins: Spec) -> Spec:
        """The same shape."""
        if not ins[-1].shape:
            raise ValueError(f"{self.name} needs at least one axis")
        return Spec(ins[-1].shape, ins[-1].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One number a row."""
        return [column_of(ins[-1])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if the rows are not the samples' axis."""
        return row_or_mix(ins[-1])


class _RowGradient(_AlongRows):
    """(g, result of an op along rows) -> the derivative by its input, for which there is a formula."""

    def formula(self, g: Tensor, y: Tensor) -> Tensor:
        """The derivative, of plain ops."""
        raise NotImplementedError(f"op {self.name} has no formula")

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """That of its formula."""
        return differentiate(self.formula, node, grads[0])


@frozen
class Softmax(_AlongRows):
    """exp(x) / sum(exp(x)) over the last axis."""

    name = "softmax"
    in_place = (0,)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Shifted by the row's maximum, so that nothing overflows."""
        x, y, column = ins[0], outs[0], scratch[0]
        return [*largest(x, column), (xp.subtract, (x, column, y)), (xp.exp, (y, y)),
                sum_call(y, (-1,), column, True), (xp.divide, (y, column, y))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """y (g - sum(g y))."""
        return [apply(SoftmaxGradient(), grads[0], node.outputs[0])]


@frozen
class SoftmaxGradient(_RowGradient):
    """(g, y) -> y (g - sum(g y)), y being the softmax's output."""

    name = "softmax_gradient"

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A product, its row sums, and the combination."""
        g, y, out, column = ins[0], ins[1], outs[0], scratch[0]
        return [(xp.multiply, (g, y, out)), (REDUCTIONS["sum"], (out, -1, None, column, True)),
                (xp.subtract, (g, column, out)), (xp.multiply, (out, y, out))]

    def formula(self, g: Tensor, y: Tensor) -> Tensor:
        """As above."""
        return y * (g - reduce("sum", g * y, -1, keepdims=True))


@frozen
class LogSoftmax(_AlongRows):
    """log(softmax(x)) over the last axis, finite however large x is."""

    name = "log_softmax"

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The exponentials, one number a row."""
        return [ins[0], column_of(ins[0])]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The shifted input less the log of its exponentials' sum."""
        return [*log_sum(ins[0], outs[0], *scratch), (xp.subtract, (outs[0], scratch[1], outs[0]))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """g - softmax(x) sum(g)."""
        return [apply(LogSoftmaxGradient(), grads[0], node.outputs[0])]


@frozen
class LogSoftmaxGradient(_RowGradient):
    """(g, y) -> g - exp(y) sum(g), y being the log-softmax's output."""

    name = "log_softmax_gradient"

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Exponentials, times the row's sum, from the derivative."""
        g, y, out, column = ins[0], ins[1], outs[0], scratch[0]
        return [(REDUCTIONS["sum"], (g, -1, None, column, True)), (xp.exp, (y, out)),
                (xp.multiply, (out, column, out)), (xp.subtract, (g, out, out))]

    def formula(self, g: Tensor, y: Tensor) -> Tensor:
        """As above."""
        return g - exp(y) * reduce("sum", g, -1, keepdims=True)


def column_of(x: Spec) -> Spec:
    """One number for each row of x."""
    return Spec((*x.shape[:-1], 1), x.dtype)


def by_rows(name: str, matrix: Any, *arguments: Any, labels: str = "int64") -> list[Call]:
    """A launch of a kernel that works on the rows of `matrix`: up to 32 threads a row, or 256 for long rows."""
    columns = matrix.shape[-1]
    if not matrix.size:
        return []
    rows = matrix.size // columns
    lanes = 1 << (columns - 1).bit_length() if columns <= 32 else 32 if columns <= 1024 else 256
    return [launch("softmax_crossentropy", name, matrix.dtype, blocks(rows * lanes), *arguments, rows, columns,
                   lanes, LABEL=C_NAMES[labels])]


def task_by_rows(name: str, matrix: Any, *words: Any) -> list[Task]:
    """A task that works on the rows of `matrix`."""
    columns = matrix.shape[-1]
    rows = matrix.size // columns
    units = matrix.shape[0] if matrix.ndim > 1 else 1
    narrow = columns <= NARROW
    room = 4 * 2 * SIDE * (columns if narrow else columns // SIDE + 1)
    return [Task("softmax_crossentropy", name, (*words, columns, rows // units), units,
                 COST * (matrix.size + 4 * rows), room, samples=matrix.ndim > 1, grain=SIDE if narrow else 1)]


def row_or_mix(x: Spec) -> str:
    """How an op along the last axis treats samples: if that is their axis, it mixes them."""
    return ROW if len(x.shape) > 1 else MIX


def largest(x: Any, column: Any) -> list[Call]:
    """column = the largest number of each row. Of two columns NumPy finds it sooner as that of two lines."""
    if x.shape[-1] == 2 and x.flags.c_contiguous and column.flags.c_contiguous:
        flat = x.reshape(-1)
        return [(partial(xp.maximum, out=column.reshape(-1)), (flat[::2], flat[1::2]))]
    return [(REDUCTIONS["max"], (x, -1, None, column, True))]


def log_sum(z: Any, shifted: Any, powers: Any, column: Any) -> list[Call]:
    """shifted = z - max(z); column = log(sum(exp(shifted)))."""
    return [*largest(z, column), (xp.subtract, (z, column, shifted)),
            (xp.exp, (shifted, powers)), sum_call(powers, (-1,), column, True),
            (xp.log, (column, column))]


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
    return apply(LogSoftmax(), x)
