"""Layers of newer Keras that were called experimental there."""

from __future__ import annotations

from . import preprocessing as preprocessing
