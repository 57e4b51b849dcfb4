"""Layers that a program's own layer keeps in its attributes: their weights, losses and updates are part of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..graph import Variable
from ..utils.identity import is_built_in
from . import both_phases
from .node import depends_on, unique
from .tracing import Trace, at_work, working


class Holding:
    """What `Layer` knows of layers in its attributes, as in newer Keras. A class of this package says by itself what
    is inside of it, so this is for classes of programs: a layer (or a list, tuple or dict with layers) set as an
    attribute is found."""

    _listing = False
    _elsewhere: frozenset[Any] = frozenset()
    """Weights in the layers kept that count at other layers of a model, as of a layer that is referred to only."""

    def _held(self: Any) -> list[Any]:
        """The layers in the attributes, each once, in the order in which they were set."""
        if self._listing or is_built_in(type(self)):
            return []  # listing: a layer inside of this one keeps it in turn
        found: dict[int, Any] = {}
        for name, value in vars(self).items():
            if not name.endswith("bound_nodes"):
                found.update((id(layer), layer) for layer in layers_in(value) if layer is not self)
        return list(found.values())

    def _holds(self: Any) -> bool:
        """Whether there are layers in the attributes, which hear of `training` even where `call` does not."""
        return bool(self._held())

    def _variables_held(self: Any, trainable: bool) -> list[Any]:
        """The variables in the attributes that were made by TensorFlow's name for it: those are weights there, and
        those of K are not."""
        if is_built_in(type(self)):
            return []
        return [v for v in vars(self).values() if isinstance(v, Variable)
                and getattr(v, "trained_by_owner", None) is trainable]

    def _of_held(self: Any, what: str, *args: Any) -> list[Any]:
        """The items of `what`, an attribute or (with arguments) a method, of all layers held."""
        held = self._held()
        if not held:
            return []
        self._listing = True
        try:
            lists = [getattr(layer, what)(*args) if args else getattr(layer, what) for layer in held]
        finally:
            self._listing = False
        return [item for items in lists for item in items]

    def _weights_held(self, what: str) -> list[Any]:
        """The weights of the layers held, but for those that other layers of a model have; `what` names the kind."""
        return [w for w in self._of_held(what) if w not in self._elsewhere]

    def _call_and_adopt(self: Any, inputs: Any, kwargs: dict[str, Any]) -> Any:
        """The result of `call`; losses and updates of this call that layers inside add become this layer's."""
        own = is_built_in(type(self))
        if not own and both_phases.asks_in_python(self, kwargs):
            return both_phases.in_both(self, self._call_adopting, inputs, kwargs)
        return self._call_adopting(inputs, kwargs)

    def _call_adopting(self: Any, inputs: Any, kwargs: dict[str, Any]) -> Any:
        if not self._held():
            return self._compute(inputs, **kwargs)
        before = {id(item) for what in ("losses", "updates") for item in self._of_held(what)}
        outer, phase = at_work(), kwargs.get("training")
        with working(Trace(phase if phase is not None else outer.phase if outer else None)) as trace:
            result = self._compute(inputs, **kwargs)
        for what, brought, add in (("losses", trace.losses, self.add_loss),
                                   ("updates", trace.updates, self.add_update)):
            here = [item for item in self._of_held(what) if id(item) not in before]  # also of `layer.call(x)`
            new = [item for item in unique([*brought, *here]) if depends_on(item, self._inputs_at_work)]
            if new:
                add(new)
        for name, value in trace.metrics:
            self.add_metric(value, name)
        return result


def count_once(layers: Sequence[Any]) -> None:
    """Leaves each weight to the layer of a model that made it, as Keras 2.0.9 does, where another of its layers only
    refers to that one, as the second of two tied layers does."""
    members = dict.fromkeys(_with_inner(layers))
    keepers = {layer: layer._held() for layer in members if layer._holds()}
    if not keepers:
        return
    made = {w for layer in members for w in (*layer._trainable_weights, *layer._non_trainable_weights)}
    for keeper, held in keepers.items():
        shared = (w for layer in held if layer in members for w in layer.weights)
        keeper._elsewhere |= made.union(shared).intersection(w for layer in held for w in layer.weights)


def _with_inner(layers: Sequence[Any]) -> Iterator[Any]:
    """The layers, and those in networks and wrappers among them."""
    for layer in layers:
        yield layer
        yield from _with_inner([*(getattr(layer, "layers", None) or ()),
                                *(layer._inside() if hasattr(layer, "_inside") else ())])


def layers_in(value: Any) -> Iterator[Any]:
    if isinstance(value, Holding):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from layers_in(item)
    elif isinstance(value, dict):
        for item in _by_key(value):
            yield from layers_in(item)


def _by_key(found: dict[Any, Any]) -> list[Any]:
    """The values in the order of their keys, as newer Keras has them, in whatever order they were set."""
    try:
        return [found[key] for key in sorted(found)]
    except TypeError:  # keys of several kinds
        return list(found.values())
