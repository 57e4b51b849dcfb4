"""Layers that prepare data, under the module path of TensorFlow 2.3 to 2.5."""

from __future__ import annotations

from ..preprocessing import Normalization as Normalization
from ..preprocessing import Rescaling as Rescaling
