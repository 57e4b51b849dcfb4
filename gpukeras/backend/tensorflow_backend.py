"""The backend, under the module path that programs for Keras on TensorFlow name."""

from __future__ import annotations

from gpukeras import backend as _backend
from gpukeras.backend import *  # noqa: F403


def __getattr__(name: str) -> object:
    return getattr(_backend, name)
