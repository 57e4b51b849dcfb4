"""Groups for a single sample: a convolution and the elementwise steps that follow it are done a few lines of the output
at a time, each thread going on with the places that it has just made.

There is nothing else for threads to share where one row is predicted. The steps of a group make outputs of one shape, a
stretch of numbers after the other. They read arrays that were there before as they like, but of what the group makes
only the stretch at hand: only elementwise steps do that. So a convolution begins a new group where it reads the last.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from math import lcm

from .bodies import Probes, uses_tasks
from .groups import Group, Runs
from .ir import Step, Value, root


def find_places(steps: Sequence[Step], fixed: Container[Value]) -> tuple[list[Step], list[Group]]:
    """The steps in an order in which those of a group stand together, and the groups: see `groups.find`."""
    runs, made = Runs(fixed), Probes()
    for step in steps:
        fits = _fits(step, runs.members)
        able = (fits or not step.op.elementwise) and _may_join(step, made, fixed)
        if able and not fits:
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


def _fits(step: Step, members: Sequence[Step]) -> bool:
    """Whether the step can be one of these, which are a group so far. None begins with an elementwise step."""
    if not members or not step.outs:
        return not step.op.elementwise
    inside = {v for member in members for v in member.outs}
    return all(member.outs[0].shape == step.outs[0].shape for member in members) \
        and not any(root(v) in inside for v in _whole(step))


def _whole(step: Step) -> Iterator[Value]:
    """The inputs of which the step does not only read the numbers at the places that it makes."""
    return (v for v in step.reads()
            if not step.op.elementwise or v.shape != step.outs[0].shape or root(v) is not v)


class _OwnPlaces:
    """Values of which the steps of a group read nothing but the stretch at hand, so that it may be overwritten."""

    def __init__(self, steps: Sequence[Step]):
        self._whole = {root(v) for step in steps for v in _whole(step)}

    def __contains__(self, v: Value) -> bool:
        return v not in self._whole


def _group(steps: Sequence[Step], made: Probes) -> Group:
    out = steps[0].outs[0]
    stretch = lcm(*(made[step][-1].stretch for step in steps))
    return Group(steps, [], made, -(-out.size // stretch), _OwnPlaces(steps), stretch)
