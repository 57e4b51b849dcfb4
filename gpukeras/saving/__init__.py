"""Model files: HDF5 in Keras's layout, Keras 3's archives, and weights as safetensors; read as what they are, untrusted
input, and written so that nothing is lost.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_FROM = {"BrokenFileError": "errors", "UnsafeFileError": "errors", "inspect": "inspection", "load_model": "files",
         "load_safetensors": "safetensors_files", "load_weights": "files",
         "preprocess_weights_for_loading": "conversion", "save_model": "files",
         "save_safetensors": "safetensors_files", "save_weights": "files"}

__all__ = sorted(_FROM)


_CUSTOM = ("CustomObjectScope", "custom_object_scope", "deserialize_keras_object", "get_custom_objects",
           "register_keras_serializable", "serialize_keras_object")
"""Names of `utils` that newer Keras has here too."""


def __getattr__(name: str) -> Any:
    if name in _CUSTOM:
        return getattr(import_module("gpukeras.utils"), name)
    if name in _FROM:
        return getattr(import_module(f"gpukeras.saving.{_FROM[name]}"), name)
    raise AttributeError(f"module 'gpukeras.saving' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
