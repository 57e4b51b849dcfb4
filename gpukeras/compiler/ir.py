"""The compiler's own view of a program: values with concrete shapes, and the steps that make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..graph import Op, Spec, Tensor, ViewOp


class Value:
    """An array of a program before it has memory: a leaf (placeholder, variable, constant) or a step's output."""

    __slots__ = ("shape", "dtype", "const", "leaf", "step", "shape_only")

    def __init__(self, spec: Spec, *, leaf: Tensor | None = None, step: Step | None = None, shape_only: bool = False):
        assert spec.known, f"value of unknown shape {spec.shape}"
        self.shape: tuple[int, ...] = spec.shape  # type: ignore[assignment]
        self.dtype = spec.dtype
        self.const = spec.value
        self.leaf = leaf
        self.step = step
        self.shape_only = shape_only

    @property
    def spec(self) -> Spec:
        """Shape, dtype and constant value."""
        return Spec(self.shape, self.dtype, self.const)

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for d in self.shape:
            n *= d
        return n


def bytes_of(v: Value) -> int:
    """Bytes of an array of this shape and dtype."""
    return v.size * np.dtype(v.dtype).itemsize


class Step:
    """One op applied to values. `origin` is the layer that it comes from. `counted` says at run time how many rows are
    to be made, if that need not be all: see counted.py."""

    __slots__ = ("op", "ins", "outs", "origin", "counted")

    def __init__(self, op: Op, ins: Sequence[Value], specs: Sequence[Spec], origin: str | None):
        self.op = op
        self.ins = tuple(ins)
        self.outs = tuple(Value(Spec(s.shape, s.dtype), step=self) for s in specs)
        self.origin = origin
        self.counted: Value | None = None

    def reads(self) -> list[Value]:
        """The inputs that are computed, not only measured."""
        read = [v for v in self.ins if not v.shape_only]
        return read if self.counted is None else [*read, self.counted]


def is_view(v: Value) -> bool:
    """True if the value shares the memory of its step's first input."""
    return v.step is not None and isinstance(v.step.op, ViewOp)


def root(v: Value) -> Value:
    """The value whose memory this one is a view of; itself if it has its own."""
    while is_view(v):
        assert v.step is not None
        v = v.step.ins[0]
    return v


def contiguous(v: Value) -> bool:
    """True if the elements lie in row-major order without gaps."""
    while is_view(v):
        assert v.step is not None and isinstance(v.step.op, ViewOp)
        if not v.step.op.keeps_contiguous and v.size > 1:
            return False
        v = v.step.ins[0]
    return True


def needed(roots: Sequence[Value]) -> list[Step]:
    """The steps that `roots` depend on, inputs before users, in a fixed order."""
    order: list[Step] = []
    seen: set[Step] = set()
    stack: list[tuple[Step, bool]] = [(v.step, False) for v in reversed(roots) if v.step]
    while stack:
        step, ready = stack.pop()
        if ready:
            order.append(step)
        elif step not in seen:
            seen.add(step)
            stack.append((step, True))
            stack.extend((v.step, False) for v in reversed(step.reads()) if v.step and v.step not in seen)
    return order


def replace(steps: Sequence[Step], old_to_new: dict[Value, Value]) -> None:
    """Rewires the inputs of the steps."""
    for step in steps:
        if any(v in old_to_new for v in step.ins):
            step.ins = tuple(old_to_new.get(v, v) for v in step.ins)


def rewrite(steps: Sequence[Step], change: Callable[[Step], dict[Value, Value]]) -> dict[Value, Value]:
    """Goes through the steps in their order: each reads what has taken the places of its inputs, and `change` says what
    takes which of its outputs' places. Returns all of it."""
    new: dict[Value, Value] = {}
    for step in steps:
        replace([step], new)
        new.update(change(step))
    return new


def readers(steps: Sequence[Step]) -> dict[Value, list[Step]]:
    """The steps that read each value, in their order."""
    found: dict[Value, list[Step]] = {}
    for step in steps:
        for v in dict.fromkeys(step.reads()):
            found.setdefault(v, []).append(step)
    return found


def describe(step: Step) -> str:
    """A step for people: op, shapes, layer."""
    shapes = ", ".join(f"{v.dtype}{list(v.shape)}" for v in step.ins)
    outs = ", ".join(f"{v.dtype}{list(v.shape)}" for v in step.outs)
    return f"{step.op.name}({shapes}) -> {outs}" + (f"  [layer '{step.origin}']" if step.origin else "")
