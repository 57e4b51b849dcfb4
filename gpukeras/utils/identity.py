"""What programs are told that this library is, and what of it is theirs."""

from __future__ import annotations

from typing import Any

backend = "gpukeras"
"""What `K.backend()` gives: 'tensorflow' for programs that find this library under Keras's name."""
_PACKAGE = __name__.partition(".")[0]


def is_built_in(found: Any) -> bool:
    """Whether a class or function is this library's, and not a program's own.

    >>> is_built_in(is_built_in), is_built_in(int)
    (True, False)
    """
    return str(getattr(found, "__module__", "")).partition(".")[0] == _PACKAGE
