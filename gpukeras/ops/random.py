"""Random tensors. Every op application has a stream of its own, seeded when the graph is made, so runs repeat whatever
else is computed; weights and seeds themselves come from NumPy's global state (`np.random.seed`).

On a GPU a number is a function of (seed, step, place) (kernels/philox.cuh): it is drawn inside the fused kernels that
read it, and drawn again, not stored, in the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..device import (
    NAME,
    Launch,
    asarray,
    blocks,
    fill_address,
    generator_address,
    generator_state,
    generator_words,
    launch,
    random_generator,
    raw_bits,
    set_generator_words,
    to_host,
    upload,
    xp,
)
from ..device.job import at_work, joined
from ..device.tasks import Task
from ..graph import HALVES, ROW, Apply, Call, Op, Spec, Tensor, apply
from .convert import cast
from .shape import fill_dims, split_dims

TILE = 16384  # elements
COSTS = {"keep": 0.16, "uniform": 1.4, "normal": 7.0}  # nanoseconds a number, compiled for a CPU


class Random(Op):
    """Numbers uniform on [0, 1), normal, normal within two standard deviations ('truncated'), or truth values that
    hold with probability 1 - level ('keep'). Not a value type: two random ops are never the same, even with equal
    seeds."""

    stateful = True
    generates = True
    known_from = 0
    c_family = "random"
    gapless = ()
    _rank_draws_its_own = True  # on a GPU

    def __init__(self, kind: str, dims: tuple[int | None, ...], dtype: str, seed: int, level: float = 0.0):
        self.kind, self.dims, self.dtype, self.seed, self.level = kind, dims, dtype, seed, float(level)
        self.name = f"random_{kind}"

    @cached_property
    def generator(self) -> Any:
        """The op's own stream on the CPU."""
        return random_generator(self.seed)

    @cached_property
    def state(self) -> Any:
        """On the GPU: how many steps the op has drawn for, and its seed; int64 of shape (2,). As data, not as text, so
        that ops of any seed share a kernel."""
        return asarray(np.array([0, self.seed + self._own_stream()]))

    def _own_stream(self) -> int:
        """What a rank adds to a seed on a GPU: other ranks' rows are other samples."""
        job = joined()
        return job.rank * 1_000_003 if job is not None and self._rank_draws_its_own else 0

    def deal_in_parts(self) -> None:
        """From now on parts of a batch draw for themselves on a GPU, whatever rank computes them: see `seek`."""
        position = self.position
        self._rank_draws_its_own = False
        self.position = position

    def seek(self, state: Any, part: int) -> None:
        """On a GPU: what is drawn next is for a part of a batch, by its number, that began with this `state`."""
        self.state[...] = state
        self.state[:1] += part

    @property
    def position(self) -> np.ndarray:
        """Where the stream of this device stands, as whole numbers; may be assigned, and programs go on from there."""
        if NAME == "numpy":
            return generator_words(self.generator)
        return np.array(to_host(self.state)) - np.array([0, self._own_stream()])

    @position.setter
    def position(self, words: np.ndarray) -> None:
        if NAME == "numpy":
            set_generator_words(self.generator, words)
        else:
            upload(self.state, words + np.array([0, self._own_stream()]))

    def infer(self, *ins: Spec) -> Spec:
        """The asked shape."""
        return Spec(fill_dims(self.dims, ins), self.dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One fill."""
        if self._is_dealt:
            return [(self._fill_part, (outs[0],))]
        return self._fills(outs[0])

    @property
    def _is_dealt(self) -> bool:
        """Whether a program may have to do with a part of the numbers: ranks have one if there is one for each sample;
        and parts of a batch that come one after the other share all that is drawn for it."""
        work = at_work()
        return work is not None and work.draws is not None or joined() is not None and self._is_by_sample

    @property
    def _is_by_sample(self) -> bool:
        return bool(self.dims) and self.dims[0] is None

    def _fills(self, out: Any) -> list[Call]:
        if self.kind == "uniform":
            return [(self.generator.random, (None, out.dtype, out))]
        if self.kind == "normal":
            return [(self.generator.standard_normal, (None, out.dtype, out))]
        if self.kind == "truncated":
            return [(_fill_truncated, (self.generator, out))]
        most, size = self._threshold
        return [(_fill_keep, (self.generator, most, size, out.reshape(-1)))] if most >= 0 else [(out.fill, (True,))]

    @property
    def _threshold(self) -> tuple[int, int]:
        """What random bits must be above to keep an element, and in how many bytes: two, where a 65536th is fine
        enough, or four. Below 0: all are kept."""
        size = 2 if 0.01 <= self.level <= 0.99 else 4
        return round(self.level * 256 ** size) - 1, size

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Truth values; others where NumPy has a function for programs in C."""
        if self._is_dealt:
            return False
        if self.kind == "keep":
            return self._threshold[0] >= 0
        return self.kind != "truncated" and fill_address(self.kind, outs[0].dtype) is not None

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One unit: numbers come one after the other, the same as without compiled code."""
        out = outs[0]
        if self.kind == "keep":
            words: tuple[Any, ...] = (generator_state(self.generator), out, out.size, *self._threshold)
        else:
            words = (fill_address(self.kind, out.dtype.name), generator_address(self.generator), out, out.size)
        return [Task("random", "keep" if self.kind == "keep" else "fill", words, 1, COSTS[self.kind] * out.size)]

    def _fill_part(self, out: Any) -> None:
        """What the rows of a part of a batch get of the numbers that the whole batch would get: all ranks' streams stay
        together, and stand where that of one process would."""
        work = at_work()
        if work is None:
            self._fill(out)
            return
        (start, length, count), draws = work
        rows = max(length, 1)
        each = len(out) // rows if self._is_by_sample and len(out) % rows == 0 else 0
        shape = (count * each, *out.shape[1:]) if each else out.shape
        whole = None if draws is None else draws.get((self, shape))
        if whole is None:
            whole = np.empty(shape, out.dtype)
            self._fill(whole)
            if draws is not None:
                draws[self, shape] = whole
        first = min(start, count - 1) * each
        out[...] = whole[first:first + len(out)] if each else whole

    def _fill(self, out: Any) -> None:
        for function, arguments in self._fills(out):
            function(*arguments)

    @property
    def cuda(self) -> str:
        """The number at place i, with {state} for the state."""
        level = f", {self.level!r}f" if self.kind == "keep" else ""
        return f"{self._function()}({{state}}[1], {{state}}[0], i{level})"

    def _function(self) -> str:
        return f"philox_{self.kind}" + ("_double" if self.dtype == "float64" else "")

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """Always: CuPy's own generators can't be recorded."""
        return True

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel."""
        out = outs[0]
        if self.kind == "keep":
            return [launch("random", "fill_keep", "float32", blocks(out.size), out, self.state, out.size, self.level)]
        return [launch("random", "fill", self.dtype, blocks(out.size), out, self.state, out.size,
                       FUNCTION=self._function())]

    def finish(self) -> list[Call]:
        """The next step, on the GPU."""
        step: tuple[Launch, tuple[()]] = launch("random", "advance", "float32", 1, self.state, block=32)
        return [step]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None."""
        return [None] * len(node.inputs)

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise: every number is independent."""
        return ROW


def _fill_keep(generator: Any, most: int, size: int, out: Any) -> None:
    for start in range(0, out.size, TILE):
        part = out[start:start + TILE]
        xp.greater(raw_bits(generator, part.size, size), most, part)


def _fill_truncated(generator: Any, out: Any) -> None:
    generator.standard_normal(None, out.dtype, out)
    outside = xp.abs(out) > 2
    while bool(outside.any()):
        out[outside] = generator.standard_normal(int(outside.sum()), out.dtype)
        outside = xp.abs(out) > 2


def draw(kind: str, shape: Any, dtype: str, seed: int | None, level: float = 0.0) -> Tensor:
    """A random tensor; without a seed, one is drawn from NumPy's global state."""
    if seed is None:
        seed = int(np.random.randint(10_000_000))
    dims, dynamic = split_dims(shape)
    drawn = "float32" if dtype in HALVES else dtype  # the generators know no halves
    return cast(apply(Random(kind, dims, drawn, int(seed), level), *dynamic), dtype)


def keep(shape: Any, level: float, seed: int | None) -> Tensor:
    """Truth values that hold with probability 1 - level."""
    return draw("keep", shape, "bool", seed, level)
