"""Layers, under the module path of Keras 2.2 and later."""

from __future__ import annotations

from .topology import *  # noqa: F403
from .topology import InputSpec as InputSpec
from .topology import Layer as Layer
from .topology import Node as Node
