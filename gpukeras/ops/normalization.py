"""Batch normalization with the batch's own statistics, as one op and its derivative.

The sums over the batch are taken tile by tile in NumPy: each column of a tile is reduced to its mean and its squared
distance from that mean, and these are joined exactly (Chan, Golub and LeVeque, 1979). So one pass over the memory is
enough, and a large mean costs no digits of the variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..device import FLOATS, REDUCTIONS, launch, xp
from ..device.tasks import Task
from ..graph import HALVES, Apply, Call, Op, Spec, Tensor, apply, differentiate, frozen
from .broadcasting import sum_like
from .convert import cast
from .elementwise import sqrt
from .reduce import reduce, sum_dtype
from .shape import InsertAxes, count

TILE = 65536  # elements of a tile: with what is made of it, it stays in the second-level cache
WIDTH = 512  # elements, at least, in a row of a tile, for NumPy's inner loops
SMALL = 4096  # elements up to which there is one tile as it is: fewer calls count for more
BLOCK = 256  # threads a block, on a GPU
PART = 16384  # elements of a part, and
ROWS = 16  # rows of it at least, for compiled tasks
SAMPLE = 1024  # elements of a sample from which on, and
SAMPLES = 256  # samples up to which each is a part
COST = 0.12  # nanoseconds that a pass takes for an element
BLOCKS = 512  # blocks that share the sums: enough to keep the memory of a large GPU busy


@frozen
class BatchNormalize(Op):
    """(x, gamma, beta) -> (y, mean, variance): each feature along `axis` normalized over all other axes, then
    gamma y + beta. Gamma and beta have shape (features,), or () for one number. Mean and (biased) variance have shape
    (features,). All four have the dtype of x, but float32 for those of 16 bits."""

    axis: int
    epsilon: float
    name = "batch_normalize"
    contiguous = (0,)
    packed = (0,)
    kernel_types = FLOATS
    c_family = "normalization"
    gapless = (0,)
    flow = (((0,), (6,)), ((6, 1, 2), (4, 5, 7)), ((0, 4, 7), (3,)))

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of float32, where there are elements."""
        return all(s.dtype == "float32" for s in ins) and ins[0].size > 0

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Mean and squared distances of each part; factor and beta of each feature."""
        p = Parts(ins[0].shape, self.axis)
        return [p.room, Spec((2, p.features), "float32")]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """Statistics of the parts, their union, the result."""
        (x, gamma, beta), (y, mean, variance) = ins, outs
        parts, factors = room
        p = Parts(x.shape, self.axis)
        return [p.task("statistics", x, parts),
                p.join("join_statistics", parts, mean, variance, gamma, _step(gamma), beta, _step(beta), factors,
                       epsilon=self.epsilon),
                p.pass_("normalize", x, y, mean, factors)]

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """The input's shape, and two vectors."""
        x = ins[0]
        if not 0 <= self.axis < len(x.shape):
            raise ValueError(f"there is no axis {self.axis} to normalize")
        features = x.shape[self.axis]
        for s in ins[1:]:
            if s.dtype != _precise(x.dtype):
                raise ValueError(f"gamma and beta must be {_precise(x.dtype)} for {x.dtype}, got {s.dtype}")
            if len(s.shape) > 1 or s.shape and None not in (s.shape[0], features) and s.shape[0] != features:
                raise ValueError(f"gamma and beta need one number for each of {features} features")
        vector = Spec((features,), _precise(x.dtype))
        return Spec(x.shape, x.dtype), vector, vector

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """For each tile its sums; one tile; the factors in the layout of a tile."""
        t = Tiles(ins[0].shape, self.axis)
        return [*_room(t, ins[0].dtype, groups=3, vectors=2, wide=2), *_wide_copies(ins[0], 2)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One pass for the statistics, one for the result."""
        (x, gamma, beta), (y, mean, variance) = ins, outs
        t = Tiles(x.shape, self.axis)
        means, squares, spare, tile, scale, shift, scales, shifts, *copies = scratch
        calls: list[Call] = []
        result = y
        if copies:
            calls.append((xp.copyto, (copies[0], x)))
            x, result = copies
        if t.single:
            (p,) = t.parts
            a, b, m = t.cut(x, p), t.cut(result, p), t.group(mean, p)
            d = tile.reshape(a.shape)
            calls += [(t.sum, (a, t.across, None, m, True)), (xp.multiply, (m, 1 / p.each, m)),
                      (xp.subtract, (a, m, d)), (xp.multiply, (d, d, b)),
                      (t.sum, (b, t.across, None, t.group(variance, p), True)),
                      (xp.multiply, (variance, 1 / p.each, variance)), *_inverse(variance, self.epsilon, scale),
                      (xp.multiply, (scale, gamma, scale)), (xp.multiply, (d, t.wide(scale, p), b)),
                      (xp.add, (b, t.wide(beta, p) if beta.ndim else beta, b))]
            return [*calls, (xp.copyto, (y, result))] if copies else calls
        for p in t.parts:
            a, m, q = t.cut(x, p), t.group(means, p), t.group(squares, p)
            d = tile[:a.size].reshape(a.shape)
            calls += [(t.sum, (a, t.across, None, m, True)), (xp.multiply, (m, 1 / p.each, m)),
                      (xp.subtract, (a, m, d)), (xp.multiply, (d, d, d)), (t.sum, (d, t.across, None, q, True))]
        calls += t.join(means, squares, spare, mean, variance)
        calls += [*_inverse(variance, self.epsilon, scale), (xp.multiply, (scale, gamma, scale)),
                  (xp.multiply, (mean, scale, shift)), (xp.subtract, (beta, shift, shift)),
                  t.spread(scale, scales), t.spread(shift, shifts)]
        for p in t.parts:
            a, b = t.cut(x, p), t.cut(result, p)
            calls += [(xp.multiply, (a, t.wide(scales, p), b)), (xp.add, (b, t.wide(shifts, p), b))]
        return [*calls, (xp.copyto, (y, result))] if copies else calls

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Mean and variance of each part, if the sums are shared by several blocks."""
        return Geometry(ins[0].shape, self.axis).room(outs[1])

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """Statistics of the parts, their union, the result."""
        (x, gamma, beta), (y, mean, variance) = ins, outs
        g = Geometry(x.shape, self.axis)
        first = list(room) or [mean, variance]
        calls = [g.launch("statistics", x, g.parts, x, *first, *g.lengths, g.length)]
        if room:
            calls.append(g.launch("join_statistics", x, 1, *room, mean, variance, *g.lengths, g.length))
        calls.append(g.launch("normalize", x, g.lines, x, gamma, beta, mean, variance, y, *g.lengths, _step(gamma),
                              _step(beta), float(self.epsilon)))
        return calls if g.features else []

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """For x also by way of mean and variance; gamma's and beta's are sums over the batch."""
        x, gamma, beta = node.inputs
        op = BatchNormalizeGradient(self.axis, self.epsilon)
        dx, dgamma, dbeta = apply(op, grads[0], x, gamma, *node.outputs[1:], *grads[1:])
        return [dx, sum_like(dgamma, gamma), sum_like(dbeta, beta)]


@frozen
class BatchNormalizeGradient(Op):
    """(g, x, gamma, mean, variance, g_mean, g_variance) -> (dx, dgamma, dbeta), where g, g_mean and g_variance are the
    derivatives by the outputs of BatchNormalize; dgamma and dbeta have shape (features,)."""

    axis: int
    epsilon: float
    name = "batch_normalize_gradient"
    contiguous = (0, 1)
    packed = (0, 1, 3, 4)
    kernel_types = FLOATS
    c_family = "normalization"
    gapless = (0, 1, 3, 4)
    flow = (((0, 1, 3), (10,)), ((10, 4, 2, 5, 6), (8, 9, 11)), ((0, 1, 3, 11), (7,)))

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of float32, where there are elements."""
        return all(s.dtype == "float32" for s in ins) and ins[1].size > 0

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Two sums of each part; three numbers for each feature."""
        p = Parts(ins[1].shape, self.axis)
        return [p.room, Spec((3, p.features), "float32")]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """Sums of the parts, the sums, the result."""
        g, x, gamma, mean, variance, g_mean, g_variance = ins
        (dx, dgamma, dbeta), (parts, factors) = outs, room
        p = Parts(x.shape, self.axis)
        stepped = [word for vector in (gamma, g_mean, g_variance) for word in (vector, _step(vector))]
        return [p.task("gradient_sums", g, x, mean, parts),
                p.join("join_gradient", parts, variance, *stepped, dgamma, dbeta, factors, epsilon=self.epsilon),
                p.pass_("gradient", g, x, mean, factors, dx)]

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """The input's shape, and two vectors."""
        x = ins[1]
        vector = Spec((x.shape[self.axis],), ins[3].dtype)
        return Spec(x.shape, x.dtype), vector, vector

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """For each tile its sums; one tile; the factors in the layout of a tile."""
        t = Tiles(ins[1].shape, self.axis)
        return [*_room(t, ins[1].dtype, groups=2, vectors=5, wide=3), *_wide_copies(ins[1], 3)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """dx = scale g + slope x + shift. One pass for the sums of g and g (x - mean), one for the result."""
        g, x, gamma, mean, variance, g_mean, g_variance = ins
        dx, dgamma, dbeta = outs
        t = Tiles(x.shape, self.axis)
        sums, products, tile, inverse, total, product, slope, shift, scales, slopes, shifts, *copies = scratch
        calls: list[Call] = []
        result = dx
        if copies:
            calls += [(xp.copyto, (copies[0], g)), (xp.copyto, (copies[1], x))]
            g, x, result = copies
        if t.single:
            sums, products, means, scales, slopes = total, product, mean, inverse, slope
        else:
            means = shifts
            calls.append(t.spread(mean, means))
        for p in t.parts:
            b, a = t.cut(g, p), t.cut(x, p)
            d = tile[:a.size].reshape(a.shape)
            e = t.cut(result, p) if t.single else d  # of a single tile x - mean is kept
            calls += [(t.sum, (b, t.across, None, t.group(sums, p), True)),
                      (xp.subtract, (a, t.wide(means, p), d)), (xp.multiply, (d, b, e)),
                      (t.sum, (e, t.across, None, t.group(products, p), True))]
        if not t.single:
            calls += [t.total(sums, total), t.total(products, product)]
        calls += [*_inverse(variance, self.epsilon, inverse),
                  (xp.multiply, (product, inverse, product)), (xp.copyto, (dgamma, product)),
                  (xp.copyto, (dbeta, total))]
        n = max(t.count, 1)
        scale = inverse
        calls += [(xp.multiply, (product, inverse, slope)), (xp.multiply, (inverse, gamma, scale)),
                  (xp.multiply, (slope, scale, slope)), (xp.multiply, (g_variance, 2, product)),
                  (xp.subtract, (product, slope, slope)), (xp.multiply, (slope, 1 / n, slope)),
                  (xp.multiply, (total, scale, total)), (xp.subtract, (g_mean, total, total)),
                  (xp.multiply, (total, 1 / n, total))]
        if t.single:
            shifts = total
        else:
            calls += [(xp.multiply, (mean, slope, shift)), (xp.subtract, (total, shift, shift)),
                      t.spread(scale, scales), t.spread(slope, slopes), t.spread(shift, shifts)]
        for p in t.parts:
            b, a, out = t.cut(g, p), t.cut(x, p), t.cut(result, p)
            d = tile[:a.size].reshape(a.shape)
            calls += [(xp.multiply, (d if t.single else a, t.wide(slopes, p), d)), (xp.add, (d, t.wide(shifts, p), d)),
                      (xp.multiply, (b, t.wide(scales, p), out)), (xp.add, (out, d, out))]
        return [*calls, (xp.copyto, (dx, result))] if copies else calls

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The sums, and those of each part if several blocks share them."""
        return [ins[3], ins[3], *Geometry(ins[1].shape, self.axis).room(ins[3])]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """Sums of the parts, the sums, the result."""
        g, x, gamma, mean, variance, g_mean, g_variance = ins
        where = Geometry(x.shape, self.axis)
        totals, parts = room[:2], room[2:]
        calls = [where.launch("gradient_sums", x, where.parts, g, x, mean, *(parts or totals), *where.lengths,
                              where.length)]
        if parts:
            calls.append(where.launch("join_sums", x, 1, *parts, *totals, *where.lengths, where.length))
        steps = [_step(a) for a in (gamma, g_mean, g_variance)]
        calls.append(where.launch("gradient", x, where.lines, g, x, gamma, mean, variance, g_mean, g_variance, *totals,
                                  *outs, *where.lengths, *steps, float(self.epsilon)))
        return calls if where.features else []

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """That of the formulas."""
        return differentiate(self.compose, node, *grads)

    def compose(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs made of other ops, mean and variance being inputs."""
        g, x, gamma, mean, variance, g_mean, g_variance = (cast(t, inputs[3].dtype) for t in inputs)
        axes = tuple(a for a in range(x.ndim) if a != self.axis)

        def wide(t: Tensor) -> Tensor:
            return apply(InsertAxes(axes), t) if t.ndim and axes else t
        n = count(x, axes, x.dtype)
        inverse = 1 / sqrt(variance + self.epsilon)
        away = x - wide(mean)
        dbeta = reduce("sum", g, axes) if axes else g
        dgamma = (reduce("sum", g * away, axes) if axes else g * away) * inverse
        scale = gamma * inverse
        dx = g * wide(scale) + wide((g_mean - scale * dbeta) / n) \
            + away * wide((g_variance * 2 - scale * inverse * dgamma) / n)
        return cast(dx, inputs[1].dtype), dgamma, dbeta


def batch_normalize(x: Tensor, gamma: Tensor, beta: Tensor, axis: int, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """x normalized along an axis by its own statistics, times gamma, plus beta; mean and variance, in gamma's dtype,
    which may be float32 for an x of 16 bits."""
    factors = (cast(t, _precise(x.dtype)) for t in (gamma, beta))
    y, mean, variance = apply(BatchNormalize(axis % x.ndim, float(epsilon)), x, *factors)
    return y, cast(mean, gamma.dtype), cast(variance, gamma.dtype)


def _precise(dtype: str) -> str:
    """The dtype to add in."""
    return sum_dtype(dtype)


def _step(vector: Any) -> int:
    """The distance between neighbours, 0 for a single number that serves all."""
    return int(vector.strides[0]) // int(vector.itemsize) if vector.ndim else 0


def _inverse(variance: Any, epsilon: float, out: Any) -> list[Call]:
    """out = 1 / sqrt(variance + epsilon)."""
    return [(xp.add, (variance, epsilon, out)), (xp.sqrt, (out, out)), (xp.reciprocal, (out, out))]


# In NumPy --------------------------------------------------------------------------------------------------------
class Part(NamedTuple):
    """A tile: its place in the array, its rows and columns, how many elements have a common feature in each row or
    column that is reduced, and the places of its sums and of its features' numbers."""

    start: int
    shape: tuple[int, int]
    each: int
    group: int
    wide: int


class Tiles:
    """How the sums over all axes but one are taken. Where the features are the last axis (or nearly so) the sums go
    down the columns of a tile, whose rows are several features' rows side by side; else along its rows."""

    sum = staticmethod(REDUCTIONS["sum"])

    def __init__(self, shape: Sequence[Any], axis: int):
        outer, self.features, inner = (int(np.prod(shape[a:b], dtype=np.int64))
                                       for a, b in ((0, axis), (axis, axis + 1), (axis + 1, None)))
        self.count = outer * inner
        self.across = 0 if inner < 64 else 1
        self.parts: list[Part] = []
        self.weights: list[int] = []
        if self.across == 0:
            self.inner = inner
            self._by_columns(outer, self.features * inner)
        else:
            self.inner = 1
            rows, high = outer * self.features, max(TILE // inner, 1)
            self.wide_shape: tuple[int, ...] = (outer, self.features, 1)
            self.weights = [inner] * outer
            self.parts = [Part(i * inner, (min(high, rows - i), inner), inner, i, i) for i in range(0, rows, high)]
        self.largest = max((p.shape[0] * p.shape[1] for p in self.parts), default=0)
        self.groups = (len(self.weights), self.features, self.inner)
        self.single = len(self.parts) == 1 and self.groups[0] * self.inner == 1

    def _by_columns(self, outer: int, columns: int) -> None:
        beside = max(min(WIDTH // max(columns, 1), outer // 8), 1) if outer * columns > SMALL else 1
        self.wide_shape = (beside, self.features, self.inner)
        at = 0
        while columns and at < outer:
            side = beside if outer - at >= beside else 1
            high = min((outer - at) // side, max(TILE // (side * columns), 1))
            self.parts.append(Part(at * columns, (high, side * columns), high, len(self.weights) * columns, 0))
            self.weights += [high] * side
            at += high * side

    def cut(self, array: Any, p: Part) -> Any:
        """A tile of an array."""
        return array.reshape(-1)[p.start:p.start + p.shape[0] * p.shape[1]].reshape(p.shape)

    def group(self, array: Any, p: Part) -> Any:
        """A tile's sums."""
        kept = p.shape[1 - self.across]
        return array.reshape(-1)[p.group:p.group + kept].reshape((1, kept) if self.across == 0 else (kept, 1))

    def wide(self, array: Any, p: Part) -> Any:
        """The features' numbers in the layout of a tile."""
        kept = p.shape[1 - self.across]
        return array.reshape(-1)[p.wide:p.wide + kept].reshape((1, kept) if self.across == 0 else (kept, 1))

    def spread(self, vector: Any, wide: Any) -> Call:
        """Writes a number for each feature in the layout of tiles."""
        return xp.copyto, (wide, vector.reshape(1, -1, 1))

    def total(self, sums: Any, out: Any) -> Call:
        """Adds up the tiles' sums."""
        return self.sum, (sums, (0, 2), None, out)

    def join(self, means: Any, squares: Any, spare: Any, mean: Any, variance: Any) -> list[Call]:
        """Mean and variance of all from the tiles' means and sums of squares."""
        n = max(self.count, 1)
        weights = xp.asarray(np.array(self.weights, means.dtype).reshape(-1, 1, 1))
        return [(xp.multiply, (means, weights, spare)), self.total(spare, mean), (xp.multiply, (mean, 1 / n, mean)),
                (xp.subtract, (means, mean.reshape(1, -1, 1), means)), (xp.multiply, (means, means, means)),
                (xp.multiply, (means, weights, means)), (xp.add, (means, squares, means)),
                self.total(means, variance), (xp.multiply, (variance, 1 / n, variance))]


def _room(t: Tiles, dtype: str, groups: int, vectors: int, wide: int) -> list[Spec]:
    precise = _precise(dtype)
    return [*[Spec(t.groups, precise)] * groups, Spec((t.largest,), precise),
            *[Spec((t.features,), precise)] * vectors, *[Spec(t.wide_shape, precise)] * wide]


def _wide_copies(x: Spec, number: int) -> list[Spec]:
    """Half precision is computed in a copy of single precision."""
    return [Spec(x.shape, "float32")] * number if x.dtype in HALVES else []


# Compiled for a CPU -----------------------------------------------------------------------------------------------
class Parts:
    """How tasks cut an array: see kernels/normalization.c."""

    def __init__(self, shape: Sequence[Any], axis: int):
        outer, self.features, inner = (int(np.prod(shape[a:b], dtype=np.int64))
                                       for a, b in ((0, axis), (axis, axis + 1), (axis + 1, None)))
        self.shape = (outer, self.features, inner)
        self.size = outer * self.features * inner
        self.each = min(max(PART // (self.features * inner), ROWS if inner == 1 else 1), outer)
        self.samples = shape[0] if axis else 1
        sample = outer // max(self.samples, 1)
        self.by_samples = 1 < self.samples <= SAMPLES and sample * self.features * inner >= SAMPLE \
            and (inner > 1 or sample >= ROWS)
        if self.by_samples:
            self.each = sample
        self.parts = -(-outer // self.each)
        self.room = Spec((self.parts, 2, self.features), "float64")

    def task(self, name: str, *words: Any) -> Task:
        """A task whose units are parts."""
        return Task("normalization", name, (*words, *self.shape, self.each), self.parts, COST * self.size,
                    samples=self.by_samples)

    def join(self, name: str, *words: Any, epsilon: float) -> Task:
        """A task whose units are features."""
        return Task("normalization", name, (*words, *self.shape, self.each, float(epsilon)), self.features,
                    (2 * self.parts + 10) * self.features)

    def pass_(self, name: str, *words: Any) -> Task:
        """A task whose units are samples, if these are not the features."""
        return Task("normalization", name, (*words, *self.shape, self.shape[0] // self.samples), self.samples,
                    COST * self.size, samples=self.samples > 1)


# On a GPU --------------------------------------------------------------------------------------------------------
class Geometry:
    """How blocks share an array: see kernels/normalization.cu."""

    def __init__(self, shape: Sequence[Any], axis: int):
        outer, self.features, inner = (int(np.prod(shape[a:b], dtype=np.int64))
                                       for a, b in ((0, axis), (axis, axis + 1), (axis + 1, None)))
        n = outer * inner
        self.columns = min(1 << max(self.features - 1, 0).bit_length(), 32) if inner == 1 else 1
        self.across = -(-max(self.features, 1) // self.columns)
        rows = BLOCK // self.columns
        most = max(BLOCKS // self.across, 1)
        self.length = max(-(-n // most), 8 * rows)
        self.parts = max(-(-n // self.length), 1)
        self.lines = max(min(-(-n // (4 * rows)), max(8 * BLOCKS // self.across, 1)), 1)
        self.lengths = (self.features, self.columns, inner, n)

    def room(self, vector: Spec) -> list[Spec]:
        """Two numbers for each part and feature, if there are several parts."""
        return [Spec((self.parts, self.features), vector.dtype)] * 2 if self.parts > 1 else []

    def launch(self, name: str, x: Any, lines: int, *arguments: Any) -> Call:
        """A launch of one of the kernels."""
        return launch("normalization", name, x.dtype, (self.across, lines), *arguments, block=BLOCK)
