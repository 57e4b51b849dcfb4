"""Models as members of other libraries' families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import scikit_learn as scikit_learn


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    def __getattr__(name: str) -> Any:
        """`scikit_learn`, imported when it is asked for."""
        from importlib import import_module

        if name in ("scikit_learn",):
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
