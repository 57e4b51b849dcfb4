"""Groups for a single sample: a convolution and the elementwise steps that follow it are done a few lines of the output
at a time, each thread going on with the places that it has just made.

There is nothing else for threads to share where one row is predicted. The steps of a group make a stretch of numbers
of their outputs after the other. They read arrays that were there before as they like, but of what the group makes only
the stretch at hand: elementwise steps do that, and pooling whose windows are not taller than they move. So a
convolution begins a new group where it reads the last.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from math import gcd

from .bodies import Probes, uses_tasks
from .groups import Group, Runs
from .ir import Step, Value, root

Shape = tuple[int, ...]
UNITS = 6  # that pooling must leave of a group, for threads to share


def find_places(steps: Sequence[Step], fixed: Container[Value]) -> tuple[list[Step], list[Group]]:
    """The steps in an order in which those of a group stand together, and the groups: see `groups.find`."""
    runs, made = Runs(fixed), Probes()
    for step in steps:
        able = bool(runs.members or not step.op.elementwise) and _may_join(step, made, fixed)
        if able and not _fits(step, runs.members, made):
            able = not step.op.elementwise  # with which no group begins
            if able:
                runs.close()
        runs.take(step, able)
    runs.close()
    return runs.order, [_group(found, made) for found in runs.found if len(found) > 1]


def _may_join(step: Step, made: Probes, fixed: Container[Value]) -> bool:
    """Whether the step's last task makes stretches of its outputs, and what comes before it depends on no places."""
    if any(v in fixed for v in step.outs) or len({v.shape for v in step.outs}) != 1 or not uses_tasks(step):
        return False
    *before, last = made[step]
    return last.stretch > 0 and not any(task.stretch for task in before)


def _fits(step: Step, members: Sequence[Step], made: Probes) -> bool:
    """Whether the step can be one of these, which are a group so far."""
    inside = _outputs(members)
    if any(root(v) in inside for v in _whole(step, inside, made)):
        return False
    numbers = _numbers([*members, step], made)
    return bool(numbers) and (not _pools(step, inside, made) or _units([*members, step], numbers) >= UNITS)


def _units(steps: Sequence[Step], numbers: dict[Shape, int]) -> int:
    out = steps[0].outs[0]
    return -(-out.size // numbers[out.shape])


def _outputs(steps: Sequence[Step]) -> set[Value]:
    return {v for step in steps for v in step.outs}


def _pools(step: Step, inside: Container[Value], made: Probes) -> bool:
    """Whether the step makes each stretch of one of its input, which is made in its group."""
    return made[step][-1].reads > 0 and step.ins[0] in inside


def _whole(step: Step, inside: Container[Value], made: Probes) -> Iterator[Value]:
    """The inputs of which the step does not only read the numbers at the places that it makes."""
    if _pools(step, inside, made):
        return iter(step.ins[1:])
    return (v for v in step.reads()
            if not step.op.elementwise or v.shape != step.outs[0].shape or root(v) is not v)


def _numbers(steps: Sequence[Step], made: Probes) -> dict[Shape, int]:
    """How many numbers of the outputs of each shape make a unit of these steps; none if no units are common to them."""
    numbers: dict[Shape, int] = {steps[0].outs[0].shape: 1}
    inside: set[Value] = set()
    for step in steps:
        task, shape = made[step][-1], step.outs[0].shape
        pools = _pools(step, inside, made)
        source, least = (step.ins[0].shape, task.reads) if pools else (shape, task.stretch)
        if source not in numbers:
            return {}
        times = least // gcd(least, numbers[source])
        numbers = {shape: count * times for shape, count in numbers.items()}
        makes = numbers[source] // least * task.stretch
        if numbers.setdefault(shape, makes) != makes:
            return {}
        inside.update(step.outs)
    return numbers


class _OwnPlaces:
    """Values of which the steps of a group read nothing but the stretch at hand, so that it may be overwritten."""

    def __init__(self, steps: Sequence[Step], made: Probes):
        inside = _outputs(steps)
        self._whole = {root(v) for step in steps for v in _whole(step, inside, made)}

    def __contains__(self, v: Value) -> bool:
        return v not in self._whole


def _group(steps: Sequence[Step], made: Probes) -> Group:
    numbers = _numbers(steps, made)
    return Group(steps, [], made, _units(steps, numbers), _OwnPlaces(steps, made), numbers)
