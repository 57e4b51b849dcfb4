"""Losses and updates that layers add, each filed under the call it belongs to."""

from __future__ import annotations

from typing import Any

from .node import depends_on, object_list_uid
from .tracing import in_model


class Adding:
    """What `Layer` knows of the losses and updates that were added to it."""

    _losses: list[Any]
    _updates: list[Any]
    _per_input_losses: dict[str | None, list[Any]]
    _per_input_updates: dict[str | None, list[Any]]
    _inputs_at_work: list[Any] | None

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds scalar tensor(s) to what a model with this layer minimises.

        A loss that depends on the layer's inputs belongs to that call only: name them in `inputs`. Inside
        `call` that is found out without it. Losses of weights belong to no call.
        """
        self._losses += shelve(self._per_input_losses, losses, self._owner_of(losses, inputs))

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds update(s) of variables, as K.update makes them, to every training step; `inputs` as in
        `add_loss`.
        """
        self._updates += shelve(self._per_input_updates, updates, self._owner_of(updates, inputs))

    def _owner_of(self: Any, items: Any, inputs: Any) -> Any:
        """The inputs that losses or updates belong to, looked for during `call` if not said."""
        if inputs is None and self._inputs_at_work and (
                in_model() or depends_on(items, self._inputs_at_work)):
            return self._inputs_at_work
        return inputs if inputs is None else self._as_called(inputs)

    def get_losses_for(self: Any, inputs: Any) -> list[Any]:
        """Losses of the call on `inputs`; with None, those of no call."""
        own = self._per_input_losses.get(key_of(inputs), [])
        return own if inputs is not None else [*own, *self._of_held("get_losses_for", None)]

    def get_updates_for(self: Any, inputs: Any) -> list[Any]:
        """Updates of the call on `inputs`; with None, those of no call."""
        own = self._per_input_updates.get(key_of(inputs), [])
        return own if inputs is not None else [*own, *self._of_held("get_updates_for", None)]

    @property
    def losses(self) -> list[Any]:
        """All losses added so far."""
        return self._losses

    @property
    def updates(self) -> list[Any]:
        """All updates added so far."""
        return self._updates


def shelve(shelf: dict[str | None, list[Any]], items: Any, inputs: Any) -> list[Any]:
    """Puts the items under the key of `inputs` and returns them as a list."""
    if items is None or (isinstance(items, (list, tuple)) and not items):
        return []
    # An update is a pair (variable, new value): a tuple is one item here, a list several.
    found = items if isinstance(items, list) else [items]
    shelf.setdefault(key_of(inputs), []).extend(found)
    return list(found)


def key_of(inputs: Any) -> str | None:
    """The key of a call: which tensors went in."""
    return None if inputs is None or (isinstance(inputs, list) and not inputs) else object_list_uid(inputs)
