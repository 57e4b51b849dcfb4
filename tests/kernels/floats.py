"""The floats that kernels are tested with, and what one rounding to them is worth. bfloat16 is NumPy's where ml_dtypes
is installed, and CuPy's from version 14 on."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import device

try:
    device.require_bfloat16()
    np.result_type(np.zeros(1, "bfloat16"), 1.0)  # NumPy 1.23 can't compare it; on a GPU it takes NumPy 2.1.2 anyway
except (ValueError, TypeError):
    HALVES: tuple[str, ...] = ("float16",)
else:
    HALVES = ("float16", "bfloat16")

needs_bfloat16 = pytest.mark.skipif("bfloat16" not in HALVES, reason="no bfloat16 here")
FLOATS = (*HALVES, "float32", "float64")
_SPACING = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
EPSILON = {name: _SPACING[name] for name in FLOATS}  # from 1 to the next number


def tolerances(float16: float, float32: float, float64: float) -> dict[str, float]:
    """Tolerances by name; bfloat16 has three bits less than float16."""
    values = {"float16": float16, "bfloat16": 8 * float16, "float32": float32, "float64": float64}
    return {name: values[name] for name in FLOATS}


def sums_of(dtype: str) -> str:
    """What kernels compute in."""
    return "float32" if dtype in HALVES else dtype
