"""Models as members of other libraries' families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..utils.late import late

if TYPE_CHECKING:
    from . import scikit_learn as scikit_learn


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late(__name__, {})
