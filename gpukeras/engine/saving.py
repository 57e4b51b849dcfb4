"""save_model, load_model, preprocess_weights_for_loading and its kin, under the module path of Keras 2.2 and later."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """What `gpukeras.models` or `gpukeras.engine.topology` calls so."""
    if name.startswith("__"):
        raise AttributeError(name)
    topology, models = import_module("gpukeras.engine.topology"), import_module("gpukeras.models")
    return getattr(topology if name in topology.__all__ else models, name)
