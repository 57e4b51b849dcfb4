"""Random graphs of everything the compiler rearranges, and a shadow of a program's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpukeras import backend as K
from gpukeras import device
from gpukeras.backend.flat import Flat
from gpukeras.compiler import Program
from gpukeras.compiler.bodies import rooms
from gpukeras.compiler.ir import Value, root
from gpukeras.compiler.plan import takes_over
from gpukeras.graph import Variable, ViewOp, broadcast_shapes

UNARY: list[Callable[..., Any]] = [
    K.tanh,
    K.sigmoid,
    K.relu,
    K.abs,
    K.softsign,
    K.sin,
    K.softplus,
    lambda x: -x,
    lambda x: x * 0.5,
    lambda x: x + 0.25,
    lambda x: K.exp(K.tanh(x)),
    lambda x: K.cast(x > 0, x.dtype),
    lambda x: K.stop_gradient(x),
    lambda x: K.square(K.sin(x)),
    lambda x: K.softmax(K.expand_dims(x)) if x.ndim == 0 else K.softmax(x),
    K.identity,
    lambda x: 1 - x,
]
BINARY: list[Callable[..., Any]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    K.maximum,
    K.minimum,
    lambda a, b: a / (K.square(b) + 1),
    lambda a, b: K.where(a > b, a, b * 0.5),
]
MOST_ELEMENTS = 400


class Graph(NamedTuple):
    """Inputs with a value each, outputs, updates, and all variables."""

    inputs: list[Any]
    feeds: list[np.ndarray]
    outputs: list[Any]
    updates: list[tuple[Any, Any]]
    variables: list[Variable]


class Builder:
    """Grows a graph by random ops on random tensors of a pool."""

    def __init__(self, seed: int, dtype: str):
        self.rng = np.random.RandomState(seed)
        self.dtype = dtype
        self.inputs = [K.placeholder(self._shape(), dtype=dtype) for _ in range(self.rng.randint(1, 4))]
        self.feeds = [self.rng.uniform(-1, 1, p.shape).astype(dtype) for p in self.inputs]
        self.variables = [
            K.variable(self.rng.uniform(-1, 1, self._shape()), dtype) for _ in range(self.rng.randint(2, 7))
        ]
        self.pool: list[Any] = [*self.inputs, *self.variables]
        if self.rng.rand() < 0.5:
            self.pool.append(Flat(self.variables[: self.rng.randint(1, len(self.variables) + 1)]).value)

    def _shape(self) -> tuple[int, ...]:
        return tuple(int(d) for d in self.rng.choice([1, 2, 3, 4, 6], self.rng.randint(0, 4)))

    def pick(self, test: Callable[[Any], bool] = lambda t: True) -> Any:
        """A tensor of the pool, the younger the likelier; None if none passes the test."""
        found = [t for t in self.pool if test(t)]
        return found[int(len(found) * self.rng.rand() ** 0.6)] if found else None

    def build(self, size: int) -> Graph:
        """A graph of about `size` ops."""
        kinds = [
            self.unary,
            self.binary,
            self.unary,
            self.binary,
            self.reduce,
            self.product,
            self.reshape,
            self.transpose,
            self.join,
            self.cut,
            self.reverse,
            self.gather,
            self.repeat,
            self.derivative,
        ]
        while len(self.pool) < size:
            new = kinds[self.rng.randint(len(kinds))]()
            self.pool += [t for t in (new or []) if np.prod(t.shape) <= MOST_ELEMENTS]
        made = self.pool[len(self.inputs) :]
        outputs = [made[i] for i in self.rng.randint(len(made), size=self.rng.randint(1, 5))]
        return Graph(self.inputs, self.feeds, outputs, self.updates(), self.variables)

    def updates(self) -> list[tuple[Any, Any]]:
        """New values for some variables: a tensor that has the shape already, or one brought to it."""
        updates = []
        for v in self.variables:
            choice = self.rng.rand()
            if choice < 0.2:
                continue
            same = self.pick(lambda t, v=v: t.shape == v.shape and t is not v)
            if choice < 0.7 and same is not None:
                updates.append((v, same))
            else:
                updates.append((v, K.tanh(v + K.mean(self.pick()))))
        return updates

    def unary(self) -> list[Any]:
        """f(x)"""
        return [UNARY[self.rng.randint(len(UNARY))](self.pick())]

    def binary(self) -> list[Any]:
        """f(x, y) of shapes that broadcast"""
        a = self.pick()
        b = self.pick(lambda t: _broadcasts(a, t))
        return [BINARY[self.rng.randint(len(BINARY))](*((a, b) if self.rng.rand() < 0.5 else (b, a)))]

    def reduce(self) -> list[Any]:
        """a reduction"""
        x = self.pick()
        axes = [a for a in range(x.ndim) if self.rng.rand() < 0.5] or None
        kind = [K.sum, K.mean, K.max, K.min, K.prod, K.logsumexp][self.rng.randint(6)]
        return [K.tanh(kind(x, axes, keepdims=bool(self.rng.rand() < 0.4)))]

    def product(self) -> list[Any]:
        """a matrix product, one factor perhaps transposed"""
        a = self.pick(lambda t: t.ndim == 2)
        if a is None:
            return []
        b = self.pick(lambda t: t.ndim == 2 and t.shape[0] == a.shape[1])
        c = self.pick(lambda t: t.ndim == 2 and t.shape[1] == a.shape[1])
        return [K.tanh(K.dot(a, b))] if b is not None else [K.dot(a, K.transpose(c)) * 0.2]

    def reshape(self) -> list[Any]:
        """another shape"""
        x = self.pick()
        dims = [d for d in x.shape if d > 1]
        self.rng.shuffle(dims)
        cut = self.rng.randint(0, len(dims) + 1)
        return [K.reshape(x, [int(np.prod(dims[:cut])), *dims[cut:]] if self.rng.rand() < 0.7 else [-1])]

    def transpose(self) -> list[Any]:
        """another order of axes"""
        x = self.pick()
        return [K.permute_dimensions(x, self.rng.permutation(x.ndim))]

    def join(self) -> list[Any]:
        """a concatenation of two or three"""
        a = self.pick(lambda t: t.ndim > 0)
        if a is None:
            return []
        axis = self.rng.randint(a.ndim)
        parts = [a] + [
            self.pick(
                lambda t: (
                    t.ndim == a.ndim and all(p == q for i, (p, q) in enumerate(zip(t.shape, a.shape)) if i != axis)
                )
            )
            for _ in range(self.rng.randint(1, 3))
        ]
        self.rng.shuffle(parts)
        return [K.concatenate(parts, int(axis))]

    def cut(self) -> list[Any]:
        """basic indexing"""
        x = self.pick(lambda t: t.ndim > 0)
        return [] if x is None else [x[tuple(self._entry(d) for d in x.shape[: self.rng.randint(1, x.ndim + 1)])]]

    def _entry(self, d: int) -> Any:
        kind = self.rng.randint(6)
        start = int(self.rng.randint(d))
        return [slice(None), start, start - d, slice(start, None), slice(None, start + 1), slice(None, None, -1)][kind]

    def reverse(self) -> list[Any]:
        """backwards along an axis"""
        x = self.pick(lambda t: t.ndim > 0)
        return [] if x is None else [K.reverse(x, int(self.rng.randint(x.ndim)))]

    def gather(self) -> list[Any]:
        """rows by number"""
        x = self.pick(lambda t: t.ndim > 0)
        return [] if x is None else [K.gather(x, self.rng.randint(0, x.shape[0], self.rng.randint(1, 4)))]

    def repeat(self) -> list[Any]:
        """repeated along an axis"""
        x = self.pick(lambda t: 0 < t.ndim < 3)
        return [] if x is None else [K.repeat_elements(x, 2, int(self.rng.randint(x.ndim)))]

    def derivative(self) -> list[Any]:
        """derivatives of a sum for some variables"""
        loss = K.mean(self.pick())
        return [K.tanh(g) for g in K.gradients(loss, self.variables) if g is not None]


def _broadcasts(a: Any, b: Any) -> bool:
    try:
        return bool(broadcast_shapes(a.shape, b.shape) or True)
    except ValueError:
        return False


class Shadow:
    """Follows a program step by step and remembers whose value every byte holds."""

    def __init__(self, program: Program):
        self._program = program
        self._owner: dict[int, Any] = {}

    def _find_variables(self) -> None:
        plan = self._program.plan
        for v in [*(v for step in plan.steps for v in step.reads()), *plan.outputs, *(v for _, v in plan.copies)]:
            leaf = root(v).leaf
            if isinstance(leaf, Variable):
                self._claim(leaf.array, leaf.storage)

    def check(self) -> None:
        """Raises AssertionError where a step reads bytes that do not hold its input any more; also in a second run,
        without the steps whose results are kept."""
        plan = self._program.plan
        self._follow(plan.steps)
        self._follow([step for step in plan.steps if step not in set(plan.keeping.steps)])

    def _follow(self, steps: Sequence[Any]) -> None:
        plan = self._program.plan
        self._find_variables()
        for step in steps:
            if isinstance(step.op, ViewOp):
                continue
            reads = list(step.reads())
            self._intact(reads, step)
            scratch, needed = plan.scratch[step], rooms(step)
            for offset, room in zip(scratch, needed, strict=True):
                self._claim(self._program._cut(offset, room.shape, room.dtype), (step, "scratch"))
            self._intact(reads, step)
            for out in step.outs:
                array = self._program._array(out)
                for v in reads:
                    if v.const is None and _share(array, self._program._array(v)) and array.size:
                        assert takes_over(step, out, v) or self._is_part(v, out), f"{step.op.name} overwrites its input"
                self._claim(array, out)
            for offset, room in zip(scratch, needed):
                for out in step.outs:
                    assert not _share(
                        self._program._cut(offset, room.shape, room.dtype), self._program._array(out)
                    )
        self._intact([*plan.outputs, *(v for _, v in plan.copies)], None)

    def _intact(self, values: Sequence[Value], step: Any) -> None:
        for v in values:
            source = root(v)
            if source.const is not None or source.leaf is not None and not isinstance(source.leaf, Variable):
                continue
            mine = {source.leaf.storage if source.leaf is not None else source}
            while source in self._program.plan.parts:
                source = self._program.plan.parts[source].whole
                mine.add(source)
            found = set(map(self._owner.get, _addresses(self._program._array(v))))
            assert found <= mine, f"{step and step.op.name} reads memory that holds something else"

    def _is_part(self, v: Value, whole: Value) -> bool:
        parts = self._program.plan.parts
        return root(v) in parts and parts[root(v)].whole is whole

    def _claim(self, array: Any, owner: Any) -> None:
        self._owner.update(dict.fromkeys(_addresses(array), owner))


def _share(a: Any, b: Any) -> bool:
    here, there = _addresses(a), _addresses(b)
    if not here or not there or max(here) < min(there) or max(there) < min(here):
        return False
    return not set(here).isdisjoint(there)


def _addresses(array: Any) -> list[int]:
    """The address of every element's first 4-byte word (or less)."""
    offsets = sum(
        np.arange(n).reshape([-1] + [1] * (array.ndim - i - 1)) * s
        for i, (n, s) in enumerate(zip(array.shape, array.strides))
    )
    firsts = device.address(array) + np.asarray(offsets).reshape(-1, 1)
    return (firsts + np.arange(0, array.itemsize, 4)).ravel().tolist() if array.size else []
