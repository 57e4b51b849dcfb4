"""Models for other runtimes: ONNX files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpukeras.export.exporter import ExportError as ExportError
    from gpukeras.export.onnx_file import to_onnx as to_onnx

_FROM = {"ExportError": "exporter", "to_onnx": "onnx_file"}

__all__ = sorted(_FROM)


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    def __getattr__(name: str) -> Any:
        if name in _FROM:
            return getattr(import_module(f"gpukeras.export.{_FROM[name]}"), name)
        raise AttributeError(f"module 'gpukeras.export' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
