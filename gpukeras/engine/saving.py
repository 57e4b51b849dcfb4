"""save_model, load_model, under the module path of Keras 2.2 and later."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """What `gpukeras.models` calls so."""
    if name.startswith("__"):
        raise AttributeError(name)
    found = import_module("gpukeras.models")
    return getattr(found, name)
