"""Groups: neighbouring steps that go from sample to sample, done a few samples at a time.

A value that only steps of its group read never exists as a whole. It lives in the memory of the thread that works on
the samples, where it is still in cache when the next step reads it. This is for compiled tasks on the CPU: see
`kernels/tasks.c` for how they are run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from typing import Protocol

import numpy as np

from ..device.tasks import Task, block_of
from ..graph import REDUCE, ROW, Placeholder, ViewOp
from .arena import ALIGNMENT, Arena
from .bodies import Probes, uses_tasks
from .ir import Step, Value, bytes_of, root
from .pieces import Piece

CACHE = 384 << 10  # bytes that the values of a few samples may take: a part of a core's second-level cache
LITTLE = 4 << 10  # bytes that all samples' values may take to have places as others: a task is told of a thread's own
SHARED = 256 << 10  # bytes of weights that a step may read for every few samples
MUCH = 256 << 10  # bytes by which what a sum reads is more than the sum, if it had better be made soon


class Values(Protocol):
    """Some values."""

    def __contains__(self, v: Value) -> bool: ...


class Group:
    """Steps that are done together, `chunk` of the `units` at a time. A unit is a sample or, of a single sample, a
    stretch of each output: so many `numbers`, by its shape. `places` says where a thread keeps what it passes from one
    of them to another: an offset in its memory. Of `carriers` its steps read nothing but the units at hand."""

    def __init__(self, steps: Sequence[Step], views: Sequence[Step], made: Probes, units: int, carriers: Values,
                 numbers: dict[tuple[int, ...], int] | None = None):
        self.steps, self.views, self.units, self.numbers = list(steps), list(views), units, numbers or {}
        self.carriers = carriers
        self.block = block_of([task for step in steps for task in made[step]])
        self.chunk: int | None = None  # None: as is best for a task by itself
        self.places: dict[Value, int] = {}
        self.room = 0  # bytes of the places

    def joins(self, task: Task) -> bool:
        """Whether a task of a step is done by units, and not before."""
        return task.stretch > 0 if self.numbers else task.samples

    def bytes_of_unit(self, v: Value) -> int:
        """What there is of a value in a unit."""
        return self.numbers[v.shape] * np.dtype(v.dtype).itemsize if self.numbers else bytes_of(v) // v.shape[0]

    def scale(self, step: Step, task: Task) -> int:
        """How many units of a step's task make one of the group's."""
        return self.numbers[step.outs[0].shape] // task.stretch if self.numbers else 1


def batch_size(steps: Sequence[Step]) -> int:
    """The number of samples: what most of the arrays that are fed have on their first axis; 0 if nothing is fed."""
    fed = {v for step in steps for v in step.reads() if isinstance(v.leaf, Placeholder) and v.shape}
    found = Counter(v.shape[0] for v in fed).most_common(1)
    return found[0][0] if found else 0


class Carriers:
    """Which values have the samples on their first axis."""

    def __init__(self, samples: int):
        self.samples = samples
        self._found: set[Value] = set()

    def __contains__(self, v: Value) -> bool:
        fed = v.leaf is not None and isinstance(v.leaf, Placeholder) and v.shape[:1] == (self.samples,)
        return fed or v in self._found

    def kind(self, step: Step) -> str | None:
        """How the step treats samples; None if none come in."""
        carries = [v in self and not v.shape_only for v in step.ins]
        return step.op.batch(carries, [v.spec for v in step.ins]) if any(carries) else None

    def goes_by_samples(self, step: Step) -> bool:
        """Whether the step's row i needs rows i only; notes its outputs, in any case."""
        kind = self.kind(step)
        outs = [v for v in step.outs if v.shape[:1] == (self.samples,)]
        if kind or step.op.generates:
            self._found.update(outs)
        return kind == ROW and (len(outs) == len(step.outs) or isinstance(step.op, Piece))

    def weights(self, step: Step) -> int:
        """Bytes of the inputs that are the same for all samples."""
        return sum(bytes_of(v) for v in step.reads() if v not in self)


def find(steps: Sequence[Step], fixed: Container[Value]) -> tuple[list[Step], list[Group]]:
    """The steps in an order in which those of a group stand together, and the groups. The outputs of `fixed` have a
    place that is not to be touched."""
    samples = batch_size(steps)
    if samples < 2:
        return list(steps), []
    carriers = Carriers(samples)
    rows = {step: carriers.goes_by_samples(step) for step in steps}
    runs, made = Runs(fixed), Probes()
    for step in _soon(steps, carriers):
        able = rows[step] and (isinstance(step.op, ViewOp) or _may_join(step, made, samples, carriers, fixed))
        runs.take(step, able)
    runs.close()
    groups = []
    for found in runs.found:
        working = [s for s in found if not isinstance(s.op, ViewOp)]
        if len(working) > 1:
            groups.append(Group(working, [s for s in found if isinstance(s.op, ViewOp)], made, samples, carriers))
    return runs.order, groups


def _soon(steps: Sequence[Step], carriers: Carriers) -> list[Step]:
    """The steps in an order in which sums over many numbers of the samples are made as soon as they can be: what they
    read is still at hand then, and need not be kept."""
    places: dict[Step, int] = {}
    for i, step in enumerate(steps):
        before = [places[v.step] for v in step.reads() if v.step is not None]
        saved = sum(map(bytes_of, step.reads())) - sum(map(bytes_of, step.outs))
        sums = carriers.kind(step) == REDUCE and saved >= MUCH
        early = before and (sums or isinstance(step.op, (Piece, ViewOp)))
        places[step] = max(before) if early else i
    return sorted(steps, key=lambda step: places[step])


class Runs:
    """Runs of steps that may be one group, put together from steps in order. What needs nothing of the run at hand is
    done before it; what can't join it, but needs something of it, after it."""

    def __init__(self, fixed: Container[Value]):
        self.order: list[Step] = []
        self.found: list[list[Step]] = []
        self._run: dict[Step, None] = {}
        self._after: dict[Step, None] = {}
        self._fixed = fixed

    def take(self, step: Step, able: bool) -> None:
        """The next step; `able` to join a run, or not."""
        needs = [v.step for v in step.reads() if v.step is not None]
        waits = any(s in self._after for s in needs)
        if able:
            if waits:
                self.close()
            self._run[step] = None
        elif waits or any(s in self._run for s in needs) or self._run and any(v in self._fixed for v in step.outs):
            self._after[step] = None
        else:
            self.order.append(step)

    @property
    def members(self) -> list[Step]:
        """The run at hand."""
        return [*self._run]

    def close(self) -> None:
        """The run is complete."""
        self.order += [*self._run, *self._after]
        self.found.append([*self._run])
        self._run, self._after = {}, {}


def _may_join(step: Step, made: Probes, samples: int, carriers: Carriers, fixed: Container[Value]) -> bool:
    if any(v in fixed for v in step.outs) or not uses_tasks(step) or carriers.weights(step) > SHARED:
        return False
    tasks = made[step]
    leading = [t for t in tasks if not t.samples]
    return tasks[:len(leading)] == leading and all(t.units == samples for t in tasks[len(leading):]) \
        and len(leading) < len(tasks)


def place(group: Group, readers: dict[Value, list[Step]], kept: Container[Value]) -> None:
    """Decides what a thread keeps for itself, where, and how many samples are done at a time. Values of `kept` are
    wanted by somebody else."""
    inside = {*group.steps, *group.views}
    local = [v for s in group.steps for v in s.outs
             if v not in kept and all(r in inside for r in _all_readers(v, readers, inside))]
    if local and _lay_out(group, local, group.units) <= LITTLE:
        group.places = {}
    elif local:
        blocks = max(CACHE // (_lay_out(group, local, 1) * group.block), 1)
        group.chunk = min(blocks * group.block, group.units)
        group.room = _lay_out(group, local, group.chunk)


def _all_readers(v: Value, readers: dict[Value, list[Step]], inside: Container[Step]) -> list[Step]:
    """The steps that read the value or a view of it."""
    found = []
    for step in readers.get(v, []):
        found.append(step)
        if isinstance(step.op, ViewOp) and step in inside:
            found += _all_readers(step.outs[0], readers, inside)
    return found


def _lay_out(group: Group, local: Sequence[Value], chunk: int) -> int:
    members = set(local)
    ends: dict[Value, int] = {}
    for i, step in enumerate(group.steps):
        for v in (*step.reads(), *step.outs):
            if root(v) in members:
                ends[root(v)] = i
    arena, group.places = Arena(), {}

    def size(v: Value) -> int:
        return -(-chunk * group.bytes_of_unit(v) // ALIGNMENT) * ALIGNMENT or ALIGNMENT

    for i, step in enumerate(group.steps):
        for v in step.outs:
            if v in members:
                group.places[v] = arena.take(size(v))
        for v, end in ends.items():
            if end == i and v in group.places:
                arena.give(group.places[v], size(v))
    return arena.size
