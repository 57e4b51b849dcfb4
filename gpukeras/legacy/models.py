"""What Keras 2.0.9 asks of a Sequential that begins with Keras 1's Merge."""

from __future__ import annotations

from typing import Any

from .layers import Merge as Merge

__all__ = ["Merge", "legacy_sequential_layers", "needs_legacy_support"]


def needs_legacy_support(model: Any) -> bool:
    """Whether the first layer of a Sequential is a Merge.

    >>> from gpukeras.layers import Dense
    >>> from gpukeras.models import Sequential
    >>> needs_legacy_support(Sequential([Dense(2, input_shape=(3,))]))
    False
    """
    return isinstance(model.layers[0], Merge)


def legacy_sequential_layers(model: Any) -> list[Any]:
    """The layers of a Sequential, each once; those of the branches stand in the place of a Merge at its beginning."""
    layers = list(model.layers)
    if layers and needs_legacy_support(model):
        branches = layers.pop(0).layers
        layers = [*(layer for branch in branches for layer in getattr(branch, "layers", [branch])), *layers]
    return list(dict.fromkeys(layers))
