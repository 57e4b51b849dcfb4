"""Recurrences as compiled tasks (kernels/recurrent.c): a block of samples is a unit, and goes through all of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..device import threads
from ..device.tasks import Task
from ..graph import Spec, frozen
from .product_tasks import PANEL, ROOM

FEW, MANY = 8, 16  # samples of a unit: products of fewer rows are slow (with AVX2 of 8 too), those of more no faster
COLUMNS = 64  # of the kernel's gradient that are a unit
SLICED = {"simple_forward": 1, "lstm_forward": 1, "gru_forward": 2, "gru_after_forward": 1}
"""Tasks of which there is a form for a single sample, and how often threads meet at a step then."""
MEETING = 16_000  # numbers of a kernel at least that are read between two meetings
PIECE = 256  # rows that are dropped for one product: as in kernels/recurrent.c
PRODUCT, PASS = 0.0105, 0.4  # nanoseconds for a multiplication, and for an element of a gate


class Numbered(NamedTuple):
    """An input (time, samples, features) whose rows are those of a matrix that have these numbers (int32)."""

    rows: Any
    numbers: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Time, samples, features."""
        return (*self.numbers.shape, *self.rows.shape[1:])


@frozen
class Walk:
    """The numbers of a recurrence that its tasks share; mask and drop are arrays or None."""

    time: int
    samples: int
    units: int
    gates: int
    activations: tuple[int, int]
    backwards: bool
    drops: int
    mask: Any
    drop: Any

    @property
    def block(self) -> int:
        """Samples of a unit: as many as possible, if all threads have as many units."""
        count = threads.count()
        units = -(-self.samples // (MANY * count)) * count
        return max(-(-self.samples // units), min(FEW, -(-self.samples // 2)))

    def slices(self, meetings: int) -> int:
        """Into how many slices of its units a step is cut, for threads that meet so often at each step; 1 where they
        share the samples, or where a step is too short."""
        panels, work = self.units // PANEL, self.gates * self.units * self.units
        if not meetings or self.samples > 1 or self.drops or self.units % PANEL or work < MEETING * meetings:
            return 1
        return next(n for n in range(min(threads.count(), panels), panels + 1) if panels % n == 0)

    @property
    def nanoseconds(self) -> float:
        """What the products with the kernel, and what stands between them, take for all steps."""
        return self.time * self.samples * self.gates * self.units * (PRODUCT * self.units + PASS)

    def head(self, packed: Any = 0, numbers: Any = 0) -> tuple[Any, ...]:
        """The words with which those of a task begin."""
        mask = (0, 0, 0) if self.mask is None else (self.mask, *self.mask.strides)
        drop = (0, 0, 0, 0) if self.drop is None else view(self.drop)
        return (self.time, self.samples, self.units, self.gates, self.block, *self.activations, int(self.backwards),
                self.drops, packed, *mask, *drop, numbers)

    def task(self, name: str, packed: Any, *arrays: Any) -> Task:
        """The task that goes through time; for the order of the arrays see Walk in kernels/recurrent.h."""
        numbers = next((a.numbers for a in arrays if isinstance(a, Numbered)), 0)
        views = [word for a in arrays for word in view(a.rows if isinstance(a, Numbered) else a)]
        words = (*self.head(packed, numbers), *views)
        meetings = SLICED.get(name, 0)
        slices = self.slices(meetings)
        if slices > 1:
            return Task("recurrent", f"{name}_slices", (*words, slices), slices, self.nanoseconds,
                        room=4 * self.units * (self.gates + 4), rounds=1 + self.time * meetings)
        return Task("recurrent", name, words, -(-self.samples // self.block), self.nanoseconds,
                    room=4 * self.units * (self.block * (self.gates + 2) + 2))

    def pack(self, kernel: Any, packed: Any, *parts: int, transposed: bool = False) -> Task:
        """The task that packs the kernel: so many gates in each part; with a dropout factor for each, one."""
        sizes = [1] * self.gates if self.drops > 1 else parts
        bounds = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        rows, columns = (s // kernel.itemsize for s in kernel.strides)
        words = (kernel, rows, columns, self.units, int(transposed), packed, *bounds)
        return Task("recurrent", "pack_kernel", words, len(sizes), float(kernel.size))

    def kernel_gradient(self, source: Any, d: Any, out: Any, gate: int, gates: int, ready: bool = False) -> Task:
        """The task for the kernel's gradient, for `gates` gates from `gate` on: the sum of source' d. The source are
        the states, or if `ready` what the kernel was multiplied with, in the order of the input."""
        ready = ready or not (self.backwards or self.drops)
        width = self.gates * self.units
        words = (*self.head(), *view(source), int(ready), d, width, out, width, gate, COLUMNS)
        return Task("recurrent", "kernel_gradient", words, gates * -(-self.units // COLUMNS),
                    self.time * self.samples * gates * self.units * self.units * PRODUCT,
                    room=ROOM + (0 if ready else 4 * PIECE * self.units))


def view(a: Any) -> tuple[Any, int, int, int]:
    """An array (time, samples, features), or with less axes, as words: elements from one to the next along each."""
    strides = [s // a.itemsize for s in a.strides]
    return (a, *[0] * (3 - len(strides)), *strides)


def packed_spec(units: Any, gates: int) -> Spec:
    """Room for a packed kernel, the vectors of whose panels have 16 numbers at most."""
    return Spec((gates * units * (-(-units // 16) * 16),), "float32")


def served(ins: Sequence[Spec]) -> bool:
    """Whether the tasks serve these inputs: float32 throughout, but for a mask, and something to do."""
    return all(s.dtype in ("float32", "bool") and 0 not in s.shape for s in ins)
