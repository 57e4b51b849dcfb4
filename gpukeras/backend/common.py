"""The settings that all backends share, under the module path of Keras."""

from __future__ import annotations

from typing import Any

from .settings import (
    cast_to_floatx,
    epsilon,
    floatx,
    image_data_format,
    image_dim_ordering,
    normalize_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    set_image_dim_ordering,
)

__all__ = ["cast_to_floatx", "epsilon", "floatx", "image_data_format", "image_dim_ordering", "normalize_data_format",
           "set_epsilon", "set_floatx", "set_image_data_format", "set_image_dim_ordering"]
_SETTINGS = {"_EPSILON": epsilon, "_FLOATX": floatx, "_IMAGE_DATA_FORMAT": image_data_format}


def __getattr__(name: str) -> Any:
    """The settings as Keras 2.0.9 keeps them: losses that were copied out of it read `_EPSILON`."""
    if name in _SETTINGS:
        return _SETTINGS[name]()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
