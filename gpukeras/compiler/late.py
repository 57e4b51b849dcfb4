"""Ops of which the size follows from data: they are bound when their inputs are there, at each run.

All else of a program has its place beforehand. What has no known shape lies in a `Cell`; in the program a token, an
array of nothing, stands for it and keeps the order of the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import device
from ..graph import Call, Op, Shape, Spec, frozen
from .ir import Value

TOKEN = Spec((0,), "uint8")


class Cell:
    """Where a value of unknown shape lies: `array`, once a run has made it. `guessed`: so is the number of its axes."""

    def __init__(self, spec: Spec, guessed: bool):
        self.spec, self.guessed = Spec(spec.shape, spec.dtype), guessed and not any(spec.shape)
        self.array: Any = None


Place = Spec | Cell
Compute = Callable[[Op, Sequence[Any], Sequence[Spec]], list[Any]]
"""The outputs of an op on arrays; where only a shape is read, the array is None, and the spec has it."""


@frozen
class Late(Op):
    """An op that is bound when it is run. For each of its inputs and outputs there is a Spec, or the Cell that it is
    in."""

    op: Op
    given: tuple[Place, ...]
    made: tuple[Place, ...]
    compute: Compute

    @property
    def name(self) -> str:  # type: ignore[override]
        """The op's."""
        return self.op.name

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """What is known of the outputs; tokens of the rest."""
        return tuple(TOKEN if isinstance(place, Cell) else place for place in self.made)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One call, which does all."""
        return [(self._run, (tuple(ins), tuple(outs)))]

    def _run(self, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        arrays = [place.array if isinstance(place, Cell) else a for place, a in zip(self.given, ins)]
        specs = [Spec(a.shape, a.dtype.name) if isinstance(place, Cell) else place
                 for place, a in zip(self.given, arrays)]
        for place, out, array in zip(self.made, outs, self.compute(self.op, arrays, specs)):
            if not isinstance(place, Cell):
                self._check(array, place.shape)
                device.xp.copyto(out, array)
                continue
            if not place.guessed:
                self._check(array, place.spec.shape)
            place.array = array

    def _check(self, array: Any, expected: Shape) -> None:
        """Raises ValueError for another shape than the program counts on."""
        if len(array.shape) != len(expected) or any(d not in (None, n) for d, n in zip(expected, array.shape)):
            raise ValueError(f"{self.name}: the result has shape {array.shape}, not {tuple(expected)}")


def cell_of(v: Value) -> Cell | None:
    """The cell of a value of unknown shape; None for all others."""
    if v.step is None or not isinstance(v.step.op, Late):
        return None
    place = v.step.op.made[v.step.outs.index(v)]
    return place if isinstance(place, Cell) else None


def place_of(v: Value) -> Place:
    """Where a value lies: its cell, or its spec."""
    return cell_of(v) or Spec(v.shape, v.dtype)


def spec_of(v: Value) -> Spec:
    """What is known of a value, also of one in a cell."""
    cell = cell_of(v)
    return v.spec if cell is None else cell.spec


def is_guess(op: Op, ins: Sequence[Value]) -> bool:
    """Whether the numbers of axes of an op's outputs are a guess."""
    cells = [cell for cell in map(cell_of, ins) if cell is not None]
    return op.unknown or op.elementwise and any(cell.guessed for cell in cells)


def place_all(specs: Sequence[Spec], said: Sequence[Shape], guessed: bool) -> tuple[Place, ...]:
    """Places for outputs of an op. `said` are shapes as the program knows them, by `set_shape` for example."""
    shapes = [tuple(a if b is None else b for a, b in zip(known, s.shape)) if len(known) == len(s.shape) else known
              for s, known in zip(specs, said)]
    merged = [Spec(shape, s.dtype) for s, shape in zip(specs, shapes)]
    return tuple(s if s.known else Cell(s, guessed) for s in merged)


def settled(v: Value, what: str) -> Value:
    """A value of known shape. ValueError where it follows from data."""
    cell = cell_of(v)
    if cell is not None:
        raise ValueError(f"{what} must have a size that follows from shapes, not from data; got shape "
                         f"{cell.spec.shape}")
    return v
