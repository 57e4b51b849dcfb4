"""Layers that hold other layers: their weights, losses and updates are those of the layers inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..engine.layer import Layer


class Holder(Layer):
    """Base of layers with layers inside; a subclass says in `_inside` which, in the order of their weights."""

    _keeps_dtype = True

    def _inside(self) -> list[Layer]:
        raise NotImplementedError(f"{type(self).__name__} does not say what is inside: define _inside(self).")

    def _held(self) -> list[Any]:
        return []  # the layers inside are said otherwise

    def _call_inside(self, layer: Any, inputs: Any, **kwargs: Any) -> Any:
        """The result of an inner layer's `call`; what it adds belongs to this layer's inputs."""
        if not isinstance(layer, Layer):
            return layer.call(inputs, **kwargs)
        before, layer._inputs_at_work = layer._inputs_at_work, self._inputs_at_work
        try:
            with K.origin(layer.name):
                return layer._call_and_adopt(inputs, kwargs)
        finally:
            layer._inputs_at_work = before

    @property  # type: ignore[misc]
    def trainable_weights(self) -> list[Any]:
        """The inner layers' trainable weights and this layer's own; none if it is frozen."""
        if not self.trainable:
            return []
        return [*(w for layer in self._inside() for w in layer.trainable_weights), *super().trainable_weights]

    @property  # type: ignore[misc]
    def non_trainable_weights(self) -> list[Any]:
        """The rest of the weights; all of them, trainable ones first, if this layer is frozen."""
        frozen = [] if self.trainable else [w for layer in self._inside() for w in layer.trainable_weights]
        rest = [w for layer in self._inside() for w in layer.non_trainable_weights]
        return [*frozen, *rest, *super().non_trainable_weights]

    def _weights_by_layer(self) -> list[Any]:
        inner = [w for layer in self._inside()
                 for w in (layer._weights_by_layer() if hasattr(layer, "_weights_by_layer") else layer.weights)]
        return [*inner, *self._trainable_weights, *self._non_trainable_weights]

    def get_weights(self) -> list[Any]:
        """The values of all weights, layer by layer."""
        return K.batch_get_value(self._weights_by_layer())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights from arrays in `get_weights`'s order; ValueError, before any change, if they don't fit."""
        self._assign(self._weights_by_layer(), list(weights))

    @property
    def losses(self) -> list[Any]:
        """Losses of the layers inside, then of this one."""
        return [*(x for layer in self._inside() for x in layer.losses), *super().losses]

    @property
    def updates(self) -> list[Any]:
        """Updates of the layers inside, then of this one."""
        return [*(x for layer in self._inside() for x in layer.updates), *self._updates]

    def get_losses_for(self, inputs: Any = None) -> list[Any]:
        """Losses of the call on `inputs`, inside and here; with None, those of no call."""
        return [*(x for layer in self._inside() for x in layer.get_losses_for(inputs)),
                *super().get_losses_for(inputs)]

    def get_metrics_for(self, inputs: Any = None) -> list[Any]:
        """Metrics that the call on `inputs` added, inside and here; with None, those of no call."""
        return [*(x for layer in self._inside() for x in layer.get_metrics_for(inputs)),
                *super().get_metrics_for(inputs)]

    def get_updates_for(self, inputs: Any = None) -> list[Any]:
        """Updates of the call on `inputs`, inside and here; with None, those of no call."""
        return [*(x for layer in self._inside() for x in layer.get_updates_for(inputs)),
                *super().get_updates_for(inputs)]
