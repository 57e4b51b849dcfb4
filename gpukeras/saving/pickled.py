"""Models in pickles: the bytes of a model file, and the program's own classes in it."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ..utils.identity import is_built_in


def to_bytes(model: Any) -> tuple[bytes, dict[str, Any]]:
    """What `from_bytes` needs. Classes of the program's own layers go by reference, as in every pickle."""
    from .files import save_model

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.h5")
        save_model(model, path)
        with open(path, "rb") as file:
            content = file.read()
    own = [type(layer) for layer in _all_layers(model)]
    return content, {c.__name__: c for c in own if not is_built_in(c)}


def from_bytes(content: bytes, custom_objects: dict[str, Any]) -> Any:
    """A new model with the weights, and the compilation, of the one that was pickled."""
    from .files import load_model

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.h5")
        with open(path, "wb") as file:
            file.write(content)
        return load_model(path, custom_objects=custom_objects)


def _all_layers(model: Any) -> list[Any]:
    found = []
    for layer in getattr(model, "layers", []):
        found += [layer, *_all_layers(layer)]
        if hasattr(layer, "layer"):
            found += [layer.layer, *_all_layers(layer.layer)]
    return found
