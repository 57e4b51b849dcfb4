"""The settings that all backends share, under the module path of Keras."""

from __future__ import annotations

from typing import Any

from .settings import (
    cast_to_floatx,
    epsilon,
    floatx,
    image_data_format,
    normalize_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)

__all__ = ["cast_to_floatx", "epsilon", "floatx", "image_data_format", "normalize_data_format",
           "set_epsilon", "set_floatx", "set_image_data_format"]


def __getattr__(name: str) -> Any:
    """`_EPSILON`, as Keras 2.0.9 keeps `K.epsilon()`: losses that were copied out of it read it."""
    if name == "_EPSILON":
        return epsilon()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
