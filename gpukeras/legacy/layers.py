"""Layers of Keras 1, defined in `layers/legacy.py` and `layers/merge_keras1.py`."""

from ..layers.legacy import Highway, MaxoutDense
from ..layers.merge_keras1 import Merge, merge

__all__ = ["Highway", "MaxoutDense", "Merge", "merge"]
