"""Tensors strung together, and taken apart again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..device import same_memory, xp
from ..device.tasks import Task
from ..graph import MIX, ROW, Apply, Call, ExpandedOp, Op, Spec, Tensor, apply, frozen
from . import copies
from .broadcasting import zeros_like
from .convert import unify
from .shape import expand_dims
from .slicing import Index, Slice


@frozen
class Concatenate(Op):
    """Tensors one after the other along an axis. The compiler lets producers write straight into their part."""

    axis: int
    name = "concatenate"
    c_family = copies.FAMILY
    gapless = ()

    def infer(self, *ins: Spec) -> Spec:
        """The common shape, added up along the axis."""
        shape = list(ins[0].shape)
        for s in ins[1:]:
            if len(s.shape) != len(shape):
                raise ValueError("inputs must have the same number of dimensions")
            for a, d in enumerate(s.shape):
                if a == self.axis:
                    continue
                if None not in (d, shape[a]) and d != shape[a]:
                    raise ValueError(f"inputs must have the same shape except along axis {self.axis}")
                shape[a] = d if shape[a] is None else shape[a]
        along = [s.shape[self.axis] for s in ins]
        shape[self.axis] = None if None in along else sum(along)  # type: ignore[arg-type]
        return Spec(tuple(shape), ins[0].dtype)

    def part(self, out: Any, ins: Sequence[Any], i: int) -> Any:
        """The part of the output that input i fills."""
        start = sum(x.shape[self.axis] for x in ins[:i])
        return out[(*[slice(None)] * self.axis, slice(start, start + ins[i].shape[self.axis]))]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A copy of each part that is not in its place already."""
        parts = [(self.part(outs[0], ins, i), x) for i, x in enumerate(ins)]
        return [(xp.copyto, (part, x)) for part, x in parts if not same_memory(part, x)]

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Always, but for very many axes."""
        return copies.takes_copy(*ins)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """A copy of each part that is not in its place already."""
        return [task for i, x in enumerate(ins)
                for task in copies.copy(self.part(outs[0], ins, i), x, samples=self.axis > 0)]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Each part's own."""
        return [apply(ConcatenatePart(self.axis, i), grads[0], *node.inputs) for i in range(len(node.inputs))]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if samples are not strung together."""
        return ROW if self.axis > 0 and all(carries) else MIX


@frozen
class ConcatenatePart(ExpandedOp):
    """The part of a concatenation that belongs to one of its inputs: (whole, *inputs) -> part."""

    axis: int
    part: int
    name = "concatenate_part"

    @property
    def shape_only(self) -> tuple[int, ...]:  # type: ignore[override]
        """Of the inputs only the lengths matter."""
        return tuple(range(1, 10_000))

    def infer(self, *ins: Spec) -> Spec:
        """The shape of that input."""
        return Spec(ins[1 + self.part].shape, ins[0].dtype)

    def _index(self, shapes: Sequence[Any]) -> Index:
        start = sum(s.shape[self.axis] for s in shapes[:self.part])
        return (*[(None, None, None)] * self.axis, (start, start + shapes[self.part].shape[self.axis], None))

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """A slice with constant bounds."""
        return make(Slice(self._index(ins[1:])), ins[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """In its place among zeros: a concatenation with zeros for the others."""
        parts = [grads[0] if i == self.part else zeros_like(t) for i, t in enumerate(node.inputs[1:])]
        return [apply(Concatenate(self.axis), *parts), *[None] * (len(node.inputs) - 1)]


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Tensor:
    """Tensors strung together along an axis."""
    parts = unify(*tensors)
    rank = parts[0].ndim
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for tensors of rank {rank}")
    return parts[0] if len(parts) == 1 else apply(Concatenate(axis % rank), *parts)


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    return concatenate([expand_dims(t, axis) for t in unify(*tensors)], axis)
