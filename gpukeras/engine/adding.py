"""What a layer adds to the training of a model beside its output: losses, updates of variables, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import backend as K
from ..graph import weights_read_as
from .node import depends_on, object_list_uid, unique
from .tracing import Trace, in_model, working

if TYPE_CHECKING:
    from ..stateful_metrics import OfMetric

Shelf = dict[str | None, list[Any]]
"""What belongs to a call, by the key of its inputs; by None, what belongs to no call."""


class Adding:
    """The part of `Layer` that keeps losses, updates and metrics, each with the call that it belongs to."""

    def _begin_shelves(self: Any) -> None:
        self._losses: list[Any] = []
        self._updates: list[Any] = []
        self._metric_values: list[Any] = []  # pairs (name, tensor)
        self._per_input_losses: Shelf = {}
        self._per_input_updates: Shelf = {}
        self._per_input_metrics: Shelf = {}
        self._loss_functions: list[tuple[Callable[[], Any], list[Any]]] = []  # each with what it returned, once asked

    def add_loss(self: Any, losses: Any, inputs: Any = None) -> None:
        """Adds scalar tensor(s) to what a model with this layer minimises.

        A loss that depends on the layer's inputs belongs to that call only: name them in `inputs`. Inside `call` that
        is found out without it. Losses of weights belong to no call. A function without arguments, newer Keras's form
        for those, is called when the layer has its weights.
        """
        given = losses if isinstance(losses, list) else [losses]
        functions = [f for f in given if callable(f) and not K.is_tensor(f)]
        if functions and self._inputs_at_work is None:
            self._loss_functions += [(f, []) for f in functions]
            losses = [x for x in given if not (callable(x) and not K.is_tensor(x))]
        elif functions:
            losses = [x() if callable(x) and not K.is_tensor(x) else x for x in given]
        self._losses += _file(self._per_input_losses, losses, self._owner_of(losses, inputs))

    def add_update(self: Any, updates: Any, inputs: Any = None) -> None:
        """Adds update(s) of variables, as K.update makes them, to every training step; `inputs` as in `add_loss`."""
        self._updates += _file(self._per_input_updates, updates, self._owner_of(updates, inputs))

    def add_metric(self: Any, value: Any, name: str | None = None, aggregation: str | None = None,
                   inputs: Any = None) -> None:
        """A tensor whose mean over the samples is logged as `name` (newer Keras's). Said in `call`; of a model also
        before `compile`.

        What a metric object made of tensors, `self.mean(x)` say, has that metric's name and value over the batches.
        `aggregation` is 'mean', or None.
        """
        of = of_metric(value)
        name = name or (of.metric.name if of else None)
        if not K.is_tensor(value) or not name or aggregation not in (None, "mean"):
            raise ValueError(f"add_metric takes a tensor, a name, and aggregation='mean'; got {value!r:.100}, "
                             f"name={name!r}, aggregation={aggregation!r}")
        if of is None and K.ndim(value):
            value = K.mean(value)
        items = [(name, value)]
        self._metric_values += _file(self._per_input_metrics, items, self._owner_of(items, inputs))

    def _owner_of(self: Any, items: Any, inputs: Any) -> Any:
        """The inputs that losses or updates belong to, looked for during `call` if not said."""
        if inputs is None and self._inputs_at_work and (
                in_model() or depends_on(items, self._inputs_at_work)):
            return self._inputs_at_work
        return inputs if inputs is None else self._as_called(inputs)

    def get_losses_for(self: Any, inputs: Any) -> list[Any]:
        """Losses of the call on `inputs`; with None, those of no call."""
        own = self._per_input_losses.get(_key(inputs), [])
        return own if inputs is not None else [*own, *self._losses_of_functions(),
                                               *self._of_held("get_losses_for", None)]

    def get_updates_for(self: Any, inputs: Any) -> list[Any]:
        """Updates of the call on `inputs`; with None, those of no call."""
        own = self._per_input_updates.get(_key(inputs), [])
        return own if inputs is not None else [*own, *self._of_held("get_updates_for", None)]

    def get_metrics_for(self: Any, inputs: Any) -> list[Any]:
        """Pairs (name, tensor) that the call on `inputs` added as metrics; with None, those of no call."""
        own: list[Any] = self._per_input_metrics.get(_key(inputs), [])
        return own if inputs is not None else [*own, *self._of_held("get_metrics_for", None)]

    def _losses_of_functions(self: Any) -> list[Any]:
        """What the functions given to `add_loss` say, which are asked once, when the layer is built."""
        if not self._loss_functions or not self.built:
            return []
        for function, said in self._loss_functions:
            if not said:
                with weights_read_as(None), working(Trace()):
                    said.append(function())
        found = [loss for _, (said,) in self._loss_functions for loss in (said if isinstance(said, list) else [said])]
        return [loss for loss in found if loss is not None]

    @property
    def losses(self: Any) -> list[Any]:
        """All losses added so far, those of layers that this one keeps too."""
        return unique([*self._losses, *self._losses_of_functions(), *self._of_held("losses")])

    @property
    def updates(self: Any) -> list[Any]:
        """All updates added so far."""
        return self._updates


def of_metric(value: Any) -> OfMetric | None:
    """What a tensor has to do with a metric object."""
    return getattr(value, "_of_metric", None)


def by_name(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Added metrics by their names. Of several calls' values under one name it is their mean."""
    found: dict[str, list[Any]] = {}
    for name, value in items:
        found.setdefault(name, []).append(value)
    return {name: values[-1] if len(values) == 1 or of_metric(values[-1]) else sum(values) / len(values)
            for name, values in found.items()}


def of_either_phase(trains: list[Any], tests: list[Any], either: Callable[[Any, Any], Any]) -> list[Any]:
    """The metrics that were added in training and in inference, as `either` chooses; 0 where there is none."""
    a, b = by_name(trains), by_name(tests)
    found = []
    for name in {**a, **b}:
        value: Any = either(a.get(name, 0.0), b.get(name, 0.0))
        kept = [of for of in map(of_metric, (a.get(name), b.get(name))) if of]
        if kept:
            new, other = ({v: u for v, u in of.updates} if of else {} for of in (
                of_metric(a.get(name)), of_metric(b.get(name))))
            value = K.identity(value)
            value._of_metric = kept[0]._replace(updates=[(v, either(new.get(v, v), other.get(v, v)))
                                                         for v in {**new, **other}])
        found.append((name, value))
    return found


def _file(shelf: Shelf, items: Any, inputs: Any) -> list[Any]:
    """Puts the items under the key of `inputs` and returns them as a list."""
    if items is None or (isinstance(items, (list, tuple)) and not items):
        return []
    # An update is a pair (variable, new value): a tuple is one item here, a list several.
    found = items if isinstance(items, list) else [items]
    shelf.setdefault(_key(inputs), []).extend(found)
    return list(found)


def _key(inputs: Any) -> str | None:
    """The key of a call: which tensors went in."""
    return None if inputs is None or (isinstance(inputs, list) and not inputs) else object_list_uid(inputs)
