"""Layers, the graph they make, and the training loop. Knows the backend's functions, never arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..utils.late import late
from .input_layer import Input, InputLayer
from .input_spec import InputSpec
from .layer import Layer
from .network import get_source_inputs
from .training import Model

__all__ = ["Input", "InputLayer", "InputSpec", "Layer", "Model", "get_source_inputs"]

if not TYPE_CHECKING:  # `keras.engine.topology.Layer`, where a program says no more than `import keras`
    __getattr__ = late(__name__, {})
