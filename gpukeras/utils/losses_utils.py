"""Reduction, under the module path of Keras 2.3."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "Reduction":
        from ..loss_classes import Reduction

        return Reduction
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
