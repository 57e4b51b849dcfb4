"""Layers of Keras 1, defined in `layers/legacy.py`, `layers/merge_keras1.py`, `layers/atrous.py`, `layers/recurrent/`.
"""

from ..layers.atrous import AtrousConvolution1D, AtrousConvolution2D
from ..layers.legacy import Highway, MaxoutDense
from ..layers.merge_keras1 import Merge, merge
from ..layers.recurrent import Recurrent

__all__ = ["AtrousConvolution1D", "AtrousConvolution2D", "Highway", "MaxoutDense", "Merge", "Recurrent", "merge"]
