"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul
from typing import Any

from ..device import products
from ..device.tasks import Task
from ..graph import MIX, OPERATORS, REDUCE, ROW, Apply, Call, Op, Spec, Tensor, apply, broadcast_shapes, frozen, size_of
from . import product_tasks
from .broadcasting import sum_like
from .convert import unify
from .shape import expand_dims, reshape, shape_of, squeeze, transpose


@frozen
class MatMul(Op):
    """The product of matrices (..., m, k) and (..., k, n); leading axes broadcast. Transposed operands are
    transposed views, which BLAS takes as they are."""

    name = "matmul"
    c_family = product_tasks.FAMILY
    gapless = ()

    def infer(self, *ins: Spec) -> Spec:
        """(..., m, n)."""
        a, b = ins[0].shape, ins[1].shape
        if len(a) < 2 or len(b) < 2:
            raise ValueError(f"expected at least 2 dimensions, got shapes {a} and {b}")
        if None not in (a[-1], b[-2]) and a[-1] != b[-2]:
            raise ValueError(f"the last axis of {a} and the last but one of {b} must have the same length")
        return Spec((*broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One GEMM (per leading index)."""
        return products(ins[0], ins[1], outs[0])

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """For float32, unless there is nothing to compute."""
        return ins[0].dtype == "float32" and size_of(outs[0].shape) > 0

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """For the right matrix, packed, or the sums of pieces."""
        return product_tasks.room(ins[0], ins[1], outs[0])

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One product, or one per leading index."""
        if outs[0].ndim > 2:
            return product_tasks.products(ins[0], ins[1], outs[0], room)
        return product_tasks.product(ins[0], ins[1], outs[0], room)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """g b' and a' g."""
        a, b = node.inputs
        if a.ndim == b.ndim == 2:
            return [matmul(grads[0], transpose(b)), apply(Contract(), a, grads[0])]
        return [sum_like(matmul(grads[0], _swap(b)), a), sum_like(matmul(_swap(a), grads[0]), b)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise: samples as rows of the left factor, or a product per sample."""
        if len(ins[0].shape) == len(ins[1].shape) == 2:
            return ROW if not carries[1] else MIX
        rank = max(len(s.shape) for s in ins)
        fits = all(len(s.shape) == rank if c else len(s.shape) < rank or s.shape[0] == 1 for c, s in zip(carries, ins))
        return ROW if fits and any(carries) else MIX


@frozen
class Contract(Op):
    """a' b for two matrices that have the samples as rows: the kernel gradient of a dense layer."""

    name = "contract_samples"
    c_family = product_tasks.FAMILY
    gapless = ()

    def infer(self, *ins: Spec) -> Spec:
        """(columns of a, columns of b)."""
        a, b = ins[0].shape, ins[1].shape
        if None not in (a[0], b[0]) and a[0] != b[0]:
            raise ValueError(f"{a} and {b} must have the same number of rows")
        return Spec((a[1], b[1]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One GEMM."""
        return products(ins[0].T, ins[1], outs[0])

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """For float32, unless there is nothing to compute."""
        return ins[0].dtype == "float32" and size_of(outs[0].shape) > 0

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One product."""
        return product_tasks.contraction(ins[0].T, ins[1], outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """b g' and a g."""
        a, b = node.inputs
        return [matmul(b, transpose(grads[0])), matmul(a, grads[0])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Reducing: a sum over the rows."""
        return REDUCE if all(carries) else MIX


def _swap(x: Tensor) -> Tensor:
    order = tuple(range(x.ndim))
    return transpose(x, (*order[:-2], order[-1], order[-2]))


def matmul(a: Any, b: Any) -> Tensor:
    """Matrix product over the last two axes."""
    return apply(MatMul(), *unify(a, b))


def dot(x: Any, y: Any) -> Tensor:
    """Keras's dot: the last axis of x with the last but one of y (or its only axis); (2, 3) x (4, 3, 5) gives
    (2, 4, 5)."""
    x, y = unify(x, y)
    if x.ndim < 1 or y.ndim < 1:
        raise ValueError(f"dot needs tensors with axes, got shapes {x.shape} and {y.shape}")
    if x.ndim == 2 and y.ndim == 2:
        return matmul(x, y)
    axis = max(y.ndim - 2, 0)
    if None not in (x.shape[-1], y.shape[axis]) and x.shape[-1] != y.shape[axis]:
        raise ValueError(f"dot: the last axis of {x.shape} and axis {axis} of {y.shape} must have the same length")
    rest = tuple(a for a in range(y.ndim) if a != axis)
    columns = transpose(y, (axis, *rest)) if rest else y
    product = matmul(_as_matrix(x, rows=True), _as_matrix(columns, rows=False))
    return reshape(product, [*_dims(x)[:-1], *(_dims(y)[a] for a in rest)])


def _dims(x: Tensor) -> list[Any]:
    lengths = shape_of(x)
    return [lengths[i] if d is None else d for i, d in enumerate(x.shape)]


def _as_matrix(x: Tensor, rows: bool) -> Tensor:
    if x.ndim == 2:
        return x
    dims = _dims(x)
    if 0 in x.shape:  # what is left can't be told from the number of elements
        return reshape(x, [reduce(mul, dims[:-1]), dims[-1]] if rows else [dims[0], reduce(mul, dims[1:], 1)])
    return reshape(x, [-1, dims[-1]] if rows else [dims[0], -1])


def batch_dot(x: Any, y: Any, axes: Any = None) -> Tensor:
    """For each sample, the sum over axis `axes[0]` of x and `axes[1]` of y; the result has at least rank 2.

    Of tensors with four axes or more the last two are matrices and all before them number the samples, as in Keras on
    TensorFlow 1: (n, c, i, j) and (n, c, j, k) give (n, c, i, k). So does an x with one axis less, as rows: (n, c, j)
    and (n, c, j, k) give (n, c, k). Where the axes before are others, or another one is summed over, the first axis
    alone numbers the samples, as in newer Keras; see `dot_of_samples`.
    """
    x, y = unify(x, y)
    if axes is None:
        axes = (x.ndim - 1, max(y.ndim - 2, 1))
    p, q = (axes, axes) if isinstance(axes, int) else axes
    p, q = p % max(x.ndim, 1), q % max(y.ndim, 1)
    rows = x.ndim == y.ndim - 1 and p == x.ndim - 1
    before = y.ndim - 2
    if y.ndim < 4 or q < before or not (rows or x.ndim == y.ndim and p >= before) or any(
            None not in (a, b) and a != b for a, b in zip(x.shape[:before], y.shape[:before])):
        return dot_of_samples(x, y, (p, q))
    left = expand_dims(x, before) if rows else _swap(x) if p == before else x
    product = matmul(left, y if q == before else _swap(y))
    return squeeze(product, before) if rows else product


def dot_of_samples(x: Any, y: Any, axes: tuple[int, int]) -> Tensor:
    """The sum over axis `axes[0]` of x and `axes[1]` of y where the first axis alone numbers the samples:
    (n, c, i, j) and (n, d, j, k) give (n, c, i, d, k)."""
    x, y = unify(x, y)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"batch_dot needs a batch axis and another, got shapes {x.shape} and {y.shape}")
    p, q = axes
    if None not in (x.shape[p], y.shape[q]) and x.shape[p] != y.shape[q]:
        raise ValueError(f"batch_dot: axis {p} of {x.shape} and axis {q} of {y.shape} must have the same length")
    if p == 0 or q == 0:
        raise ValueError("batch_dot sums over an axis of each sample, not over the batch axis 0")
    rest_x = [a for a in range(1, x.ndim) if a != p]
    rest_y = [a for a in range(1, y.ndim) if a != q]
    dx, dy = _dims(x), _dims(y)
    left = reshape(transpose(x, (0, *rest_x, p)), [dx[0], -1 if rest_x else 1, dx[p]])
    right = reshape(transpose(y, (0, q, *rest_y)), [dy[0], dy[q], -1 if rest_y else 1])
    product = matmul(left, right)
    if not rest_x and not rest_y:
        return squeeze(product, 2)
    return reshape(product, [dx[0] if x.shape[0] is not None else dy[0],
                             *(dx[a] for a in rest_x), *(dy[a] for a in rest_y)])


OPERATORS.update(matmul=matmul)
