"""standardize_input_data and its like, under the module path of Keras 2.2 and later."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """What `gpukeras.engine.training` calls so."""
    if name.startswith("__"):
        raise AttributeError(name)
    found = import_module("gpukeras.engine.training")
    return getattr(found, f"_{name}" if hasattr(found, f"_{name}") else name)
