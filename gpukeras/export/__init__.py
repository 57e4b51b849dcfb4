"""Models for other runtimes: ONNX files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpukeras.utils.late import late

if TYPE_CHECKING:
    from gpukeras.export.exporter import ExportError as ExportError
    from gpukeras.export.onnx_file import to_onnx as to_onnx

_FROM = {"ExportError": "export.exporter", "to_onnx": "export.onnx_file"}

__all__ = sorted(_FROM)


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late(__name__, _FROM)


def __dir__() -> list[str]:
    return __all__
