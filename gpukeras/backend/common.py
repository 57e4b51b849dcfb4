"""The settings that all backends share, under the module path of Keras."""

from __future__ import annotations

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
