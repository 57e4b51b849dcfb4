"""Layers of Keras 1, defined in `layers/legacy.py`."""

from ..layers.legacy import Highway, MaxoutDense

__all__ = ["Highway", "MaxoutDense"]
