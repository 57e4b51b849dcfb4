"""What a row of the table of ops says, and the means to run one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpukeras import backend as K
from gpukeras.compiler.ir import Step, needed
from gpukeras.compiler.lower import Lowering
from gpukeras.graph import MIX, REDUCE, ROW, Op, Spec, Tensor, topological

N = 6  # samples
Sampler = Callable[[np.random.RandomState, tuple[int, ...]], np.ndarray]


def real(low: float = -2.0, high: float = 2.0) -> Sampler:
    """Uniform numbers."""
    return lambda rng, shape: rng.uniform(low, high, shape)


def whole(stop: int, start: int = 0, dtype: str = "int32") -> Sampler:
    """Whole numbers from start to before stop."""
    return lambda rng, shape: rng.randint(start, stop, shape).astype(dtype)


def truth() -> Sampler:
    """True or False."""
    return lambda rng, shape: rng.rand(*shape) < 0.6


def distribution() -> Sampler:
    """Rows of positive numbers that sum to 1."""

    def sample(rng: np.random.RandomState, shape: tuple[int, ...]) -> np.ndarray:
        x = rng.uniform(0.2, 1.0, shape)
        return x / x.sum(-1, keepdims=True)

    return sample


@dataclass(frozen=True)
class In:
    """An input: its shape, with 'n' for the samples' axis, and how its values are drawn."""

    shape: tuple[Any, ...]
    sample: Sampler = field(default_factory=real)

    @property
    def carries(self) -> bool:
        """Whether axis 0 is that of the samples."""
        return self.shape[:1] == ("n",)

    def concrete(self) -> tuple[int, ...]:
        """The shape for N samples."""
        return tuple(N if d == "n" else d for d in self.shape)


@dataclass(frozen=True)
class Row:
    """One op (or one way of using it): `build` applies it to tensors, `ins` are its inputs.

    `orders` is how often it can be differentiated: 2 for any number of times, 1 or 0 with `refuses` naming the op
    that then raises NotImplementedError. `constant` ops have the derivative None. `kinks` gives numbers that must
    not be near 0 where derivatives are compared. `batch` is what the op must declare, None for ops that are replaced
    by others before that matters.
    """

    op: str
    build: Callable[..., Any]
    ins: tuple[In, ...]
    batch: str | None = ROW
    kinks: Callable[..., Any] | None = None
    constant: bool = False
    orders: int = 2
    refuses: str = ""
    note: str = ""
    rtol: float = 2e-6

    def __str__(self) -> str:
        return f"{self.op}{'-' + self.note if self.note else ''}"

    def draw(self, seed: int = 0) -> list[np.ndarray]:
        """Inputs in double precision, away from kinks."""
        rng = np.random.RandomState(seed)
        for _ in range(2000):
            values = [np.asarray(i.sample(rng, i.concrete())) for i in self.ins]
            if self.kinks is None or np.abs(self.kinks(*values)).min() > 0.02:
                return values
        raise AssertionError(f"no inputs of {self} keep away from its kinks")

    def placeholders(
        self, values: Sequence[np.ndarray], unknown: str = "samples", dtype: str = "float64"
    ) -> list[Tensor]:
        """A placeholder for each input, with unknown 'samples', 'all' dimensions or 'nothing'."""
        shapes = {
            "nothing": [v.shape for v in values],
            "all": [(None,) * v.ndim for v in values],
            "samples": [tuple(None if d == "n" else d for d in i.shape) for i in self.ins],
        }[unknown]
        return [K.placeholder(s, dtype=dtype if v.dtype.kind == "f" else v.dtype.name) for s, v in zip(shapes, values)]

    def outputs(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """What `build` makes."""
        made = self.build(*tensors)
        return list(made) if isinstance(made, (list, tuple)) else [made]


def key(op: Op) -> str:
    """The name under which the table has an op: that of the elementwise row, or of the class."""
    return op.name if type(op).__name__ == "Elementwise" else type(op).__name__


def uses(row: Row, outputs: Sequence[Tensor]) -> Op:
    """The op that the row is about, from the graph that it built."""
    found = [node.op for node in topological(outputs) if key(node.op) == row.op]
    assert found, f"row {row} does not use {row.op}"
    return found[-1]


def lowered(row: Row, values: Sequence[np.ndarray]) -> list[tuple[Step, list[bool]]]:
    """The row's op as unoptimised steps with concrete shapes, and which inputs of a step carry samples (those made
    of the samples' axis, as far as lengths of 6 tell)."""
    tensors = row.placeholders(values)
    feeds = {t: Spec(v.shape, t.dtype) for t, v in zip(tensors, values)}
    lowering = Lowering(feeds, optimize=False)
    steps = needed([lowering.value(t) for t in row.outputs(tensors)])
    return [(s, [v.shape[:1] == (N,) for v in s.ins]) for s in steps if key(s.op) == row.op]


__all__ = ["MIX", "N", "REDUCE", "ROW", "In", "Row", "distribution", "key", "lowered", "real", "truth", "uses", "whole"]
