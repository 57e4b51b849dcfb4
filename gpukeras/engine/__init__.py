"""Layers, the graph they make, and the training loop. Knows the backend's functions, never arrays."""

from __future__ import annotations

from .topology import Input, InputLayer, InputSpec, Layer, get_source_inputs
from .training import Model  # after topology: a model is a network

__all__ = ["Input", "InputLayer", "InputSpec", "Layer", "Model", "get_source_inputs"]
