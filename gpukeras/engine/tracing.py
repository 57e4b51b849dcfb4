"""What the calls of layers bring along, losses, updates and metrics, while the `call` of a layer or model around them
runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..graph import OPERATORS
from ..utils.generic_utils import has_arg
from .node import to_list


class Trace:
    """A `call` at work: what the layers bring along that it calls. What they call in turn is theirs to report.

    `phase` is the `training` that layers get which are not told (None: the learning phase). `in_model` says that all
    this happens within the `call` of a model, which may run once for each phase.
    """

    def __init__(self, phase: Any = None, in_model: bool = False):
        self.phase, self.in_model = phase, in_model
        self.losses: list[Any] = []
        self.updates: list[Any] = []
        self.states: list[Any] = []
        self.metrics: list[Any] = []


_at_work: ContextVar[Trace | None] = ContextVar("call at work", default=None)
LAYER: ContextVar[Any] = ContextVar("layer at work", default=None)
"""The innermost layer whose `call` runs now."""
OPERATORS.update(in_call=lambda: LAYER.get() is not None)


def at_work() -> Trace | None:
    """The innermost call that runs now."""
    return _at_work.get()


def in_model() -> bool:
    """Whether the `call` of a model runs now."""
    trace = _at_work.get()
    return trace is not None and trace.in_model


@contextmanager
def working(trace: Trace) -> Iterator[Trace]:
    """Inside, layers that are called report to `trace`."""
    trace.in_model = trace.in_model or in_model()
    token = _at_work.set(trace)
    try:
        yield trace
    finally:
        _at_work.reset(token)


@contextmanager
def called(layer: Any, inputs: Any, kwargs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Around the call of a layer: gives the keywords for it, with the phase in force, and reports what it brought."""
    outer = _at_work.get()
    if outer is None:
        yield kwargs
        return
    phase = kwargs.get("training")
    if phase is None and outer.phase is not None and has_arg(layer.call, "training"):
        kwargs = {**kwargs, "training": outer.phase}
    tensors = to_list(inputs)
    shelves = (outer.losses, layer.get_losses_for), (outer.updates, layer.get_updates_for), (
        outer.metrics, layer.get_metrics_for), (outer.states, lambda at: states_for(layer, at))
    before = {id(item) for _, found in shelves for item in found(tensors)}
    with working(Trace(outer.phase if phase is None else phase)):
        yield kwargs
    for shelf, found in shelves:
        shelf += [item for item in found(tensors) if id(item) not in before]


def states_for(layer: Any, inputs: list[Any]) -> list[Any]:
    """The updates of states, which prediction makes too, that a call on `inputs` brought."""
    if hasattr(layer, "_states_for"):
        return list(layer._states_for(inputs))
    if not layer.stateful:
        return []
    kept = {id(item) for item in getattr(layer, "state_updates", layer.updates)}
    return [item for item in layer.get_updates_for(inputs) if id(item) in kept]
