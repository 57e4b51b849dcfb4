"""Models for other runtimes: ONNX files."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_FROM = {"ExportError": "exporter", "to_onnx": "onnx_file"}

__all__ = sorted(_FROM)


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"gpukeras.export.{_FROM[name]}"), name)
    raise AttributeError(f"module 'gpukeras.export' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
