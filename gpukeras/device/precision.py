"""How exactly a GPU multiplies float32 matrices. A setting of the process, read when a program is made."""

from __future__ import annotations

import os
from functools import cache

from gpukeras.device.choice import NAME, xp

VARIABLE = "GPUKERAS_PRECISION"
PRECISIONS = ("float32", "tf32", "float16")

_precision: list[str] = []


def precision() -> str:
    """'float32' (the default), or what float32 operands of products and convolutions are rounded to on the way into
    a tensor core: 'tf32' (10 bits of mantissa) or 'float16' (10 bits and a smaller range). Sums are float32 always.
    """
    if not _precision:
        set_precision(os.environ.get(VARIABLE, "").strip().lower() or "float32")
    return _precision[0]


def set_precision(name: str) -> None:
    """Changes `precision` for the programs made from now on; the environment variable GPUKERAS_PRECISION does it for
    a whole process. It has no effect on the NumPy backend, nor on GPUs older than sm_80.

    >>> set_precision("tf32"), precision(), set_precision("float32")
    (None, 'tf32', None)
    """
    if name not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {name!r}")
    _precision[:] = [name]


@cache
def compute_capability() -> int:
    """The GPU's generation, such as 90 for sm_90; 90 also where there is none."""
    return int(xp.cuda.Device().compute_capability) if NAME == "cupy" else 90
