"""Random tensors. Every op application has a generator of its own, seeded when the graph is made, so runs repeat
whatever else is computed; weights and seeds themselves come from NumPy's global state (`np.random.seed`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import random_generator, xp
from ..graph import ROW, Apply, Call, Op, Spec, Tensor, apply
from .convert import cast
from .shape import fill_dims, split_dims


class Random(Op):
    """Numbers uniform on [0, 1), normal, or normal within two standard deviations. Not a value type: two random
    ops are never the same, even with equal seeds."""

    stateful = True

    def __init__(self, kind: str, dims: tuple[int | None, ...], dtype: str, seed: int):
        self.kind, self.dims, self.dtype, self.seed = kind, dims, dtype, seed
        self.name = f"random_{kind}"
        self._generator: Any = None

    @property
    def generator(self) -> Any:
        """The op's own stream, made on first use."""
        if self._generator is None:
            self._generator = random_generator(self.seed)
        return self._generator

    def infer(self, *ins: Spec) -> Spec:
        """The asked shape."""
        return Spec(fill_dims(self.dims, ins), self.dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One fill."""
        out = outs[0]
        if self.kind == "uniform":
            return [(self.generator.random, (None, out.dtype, out))]
        if self.kind == "normal":
            return [(self.generator.standard_normal, (None, out.dtype, out))]
        return [(_fill_truncated, (self.generator, out))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None."""
        return [None] * len(node.inputs)

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise: every number is independent."""
        return ROW


def _fill_truncated(generator: Any, out: Any) -> None:
    generator.standard_normal(None, out.dtype, out)
    outside = xp.abs(out) > 2
    while bool(outside.any()):
        out[outside] = generator.standard_normal(int(outside.sum()), out.dtype)
        outside = xp.abs(out) > 2


def draw(kind: str, shape: Any, dtype: str, seed: int | None) -> Tensor:
    """A random tensor; without a seed, one is drawn from NumPy's global state."""
    if seed is None:
        seed = int(np.random.randint(10_000_000))
    dims, dynamic = split_dims(shape)
    drawn = "float32" if dtype == "float16" else dtype  # the generators know no halves
    return cast(apply(Random(kind, dims, drawn, int(seed)), *dynamic), dtype)
