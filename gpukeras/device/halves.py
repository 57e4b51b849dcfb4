"""The floats of 16 bits. NumPy has float16; bfloat16, float32's range with 8 significant bits, comes with the package
ml_dtypes, and CuPy knows it from there."""

from __future__ import annotations

import numpy as np

from gpukeras.device.choice import NAME, ensure_ready, xp

HALVES = ("float16", "bfloat16")
"""The floats of 16 bits, whose long sums are made in float32."""

CUDA = 12, 2  # CuPy's bfloat16 does not compile with the headers of older ones
_INSTEAD = "Or use 'mixed_float16', for which the loss is scaled by itself"


def require_bfloat16() -> None:
    """Makes 'bfloat16' a dtype of NumPy, and on a GPU of CuPy. ValueError that says what is missing where there is
    none."""
    try:
        import ml_dtypes  # noqa: F401 - registers the dtype by its name
    except ImportError:
        raise ValueError("bfloat16: NumPy has no such dtype by itself. Install ml_dtypes (pip install ml_dtypes, or "
                         f"gpukeras[bfloat16]). {_INSTEAD}") from None
    if NAME == "cupy":
        _require_it_of_cupy()


def _require_it_of_cupy() -> None:
    ensure_ready()
    if not any("E" in types for types in xp.add.types):  # the dtype's letter
        raise ValueError("bfloat16 on a GPU takes CuPy 14 or newer, and NumPy 2.1.2 or newer with ml_dtypes, installed "
                         f"before the process starts; here are CuPy {xp.__version__} and NumPy {np.__version__}. "
                         f"{_INSTEAD}")
    if (found := tuple(xp.cuda.nvrtc.getVersion())) < CUDA:
        raise ValueError(f"bfloat16 on a GPU takes CUDA {'.'.join(map(str, CUDA))} or newer, but CuPy compiles with "
                         f"CUDA {'.'.join(map(str, found))}. {_INSTEAD}")
