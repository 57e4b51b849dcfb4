"""Names of Keras 1 where Keras 2.0.9 has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..utils.late import late

if not TYPE_CHECKING:
    __getattr__ = late(__name__, {})
