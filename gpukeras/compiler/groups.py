"""Groups: neighbouring steps that go from sample to sample, done a few samples at a time.

A value that only steps of its group read never exists as a whole. It lives in the memory of the thread that works on
the samples, where it is still in cache when the next step reads it. This is for compiled tasks on the CPU: see
`kernels/tasks.c` for how they are run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence

import numpy as np

from ..graph import ROW, Placeholder, ViewOp, size_of
from .bodies import probe, uses_tasks
from .ir import Step, Value, root

CACHE = 384 << 10  # bytes that the values of a few samples may take: a part of a core's second-level cache
SHARED = 256 << 10  # bytes of weights that a step may read for every few samples


class Group:
    """Steps that are done together, `chunk` of the `samples` at a time. `places` says where a thread keeps what it
    passes from one of them to another: an offset in its memory."""

    def __init__(self, steps: Sequence[Step], views: Sequence[Step], carriers: Carriers):
        self.steps, self.views, self.carriers = list(steps), list(views), carriers
        self.chunk: int | None = None  # None: as is best for a task by itself
        self.places: dict[Value, int] = {}
        self.room = 0  # bytes of the places


def row_bytes(v: Value) -> int:
    """Bytes of a sample."""
    return size_of(v.shape[1:]) * np.dtype(v.dtype).itemsize


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

    def goes_by_samples(self, step: Step) -> bool:
        """Whether the step's row i needs rows i only; notes its outputs, in any case."""
        carries = [v in self and not v.shape_only for v in step.ins]
        outs = [v for v in step.outs if v.shape[:1] == (self.samples,)]
        if any(carries) or step.op.generates:
            self._found.update(outs)
        return any(carries) and len(outs) == len(step.outs) and \
            step.op.batch(carries, [v.spec for v in step.ins]) == ROW

    def weights(self, step: Step) -> int:
        """Bytes of the inputs that are the same for all samples."""
        return sum(v.size * np.dtype(v.dtype).itemsize for v in step.reads() if v not in self)


def find(steps: Sequence[Step], fixed: Container[Value]) -> tuple[list[Step], list[Group]]:
    """The steps in an order in which those of a group stand together, and the groups. The outputs of `fixed` have a
    place that is not to be touched."""
    samples = batch_size(steps)
    if samples < 2:
        return list(steps), []
    carriers = Carriers(samples)
    able: dict[Step, bool] = {}
    for step in steps:
        rows = carriers.goes_by_samples(step)
        able[step] = rows and (isinstance(step.op, ViewOp) or _may_join(step, samples, carriers, fixed))
    order: list[Step] = []
    runs: list[list[Step]] = []
    run: list[Step] = []
    for step in steps:
        if able[step]:
            run.append(step)
            order.append(step)
        elif isinstance(step.op, ViewOp):
            order.append(step)  # nothing is done for it
        elif run and _may_wait_before(run[0], order, step, carriers, fixed):
            first = order.index(run[0])  # it needs nothing of the group, so it need not part it
            order[first:first] = [*_views_of(step, order, first), step]
        else:
            runs.append(run)
            run = []
            order.append(step)
    runs.append(run)
    groups = []
    for found in runs:
        working = [s for s in found if not isinstance(s.op, ViewOp)]
        if len(working) > 1:
            groups.append(Group(working, [s for s in found if isinstance(s.op, ViewOp)], carriers))
    return order, groups


def _may_wait_before(first: Step, order: Sequence[Step], step: Step, carriers: Carriers,
                     fixed: Container[Value]) -> bool:
    """Whether the step can be done before the group begins."""
    if any(v in carriers for v in step.reads()) or any(v in fixed for v in step.outs):
        return False
    inside = set(order[order.index(first):])
    return not any(root(v).step in inside for v in step.reads())


def _views_of(step: Step, order: list[Step], first: int) -> list[Step]:
    """The views through which the step reads, taken out of the order from `first` on."""
    found: list[Step] = []
    for v in step.reads():
        while v.step is not None and isinstance(v.step.op, ViewOp):
            if v.step in order[first:]:
                order.remove(v.step)
                found.insert(0, v.step)
            v = v.step.ins[0]
    return found


def _may_join(step: Step, samples: int, carriers: Carriers, fixed: Container[Value]) -> bool:
    if any(v in fixed for v in step.outs) or not uses_tasks(step) or carriers.weights(step) > SHARED:
        return False
    tasks = probe(step)
    leading = [t for t in tasks if not t.samples]
    return tasks[:len(leading)] == leading and all(t.units == samples for t in tasks[len(leading):]) \
        and len(leading) < len(tasks)


def place(group: Group, readers: dict[Value, list[Step]], kept: Container[Value]) -> None:
    """Decides what a thread keeps for itself, where, and how many samples are done at a time. Values of `kept` are
    wanted by somebody else."""
    inside = {*group.steps, *group.views}
    local = [v for s in group.steps for v in s.outs
             if v not in kept and all(r in inside for r in _all_readers(v, readers, inside))]
    if local:
        group.chunk = min(max(CACHE // _lay_out(group, local, 1), 1), group.carriers.samples)
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
    from .plan import ALIGNMENT, Arena
    members = set(local)
    ends: dict[Value, int] = {}
    for i, step in enumerate(group.steps):
        for v in (*step.reads(), *step.outs):
            if root(v) in members:
                ends[root(v)] = i
    arena, group.places = Arena(), {}

    def size(v: Value) -> int:
        return -(-chunk * row_bytes(v) // ALIGNMENT) * ALIGNMENT or ALIGNMENT

    for i, step in enumerate(group.steps):
        for v in step.outs:
            if v in members:
                group.places[v] = arena.take(size(v))
        for v, end in ends.items():
            if end == i and v in group.places:
                arena.give(group.places[v], size(v))
    return arena.size
