"""bfloat16, which NumPy does not have: the package ml_dtypes brings it."""

from __future__ import annotations

from gpukeras.device.choice import NAME


def require_bfloat16() -> None:
    """Makes 'bfloat16' a dtype of NumPy. ValueError that says what is missing where there is none."""
    if NAME != "numpy":
        raise ValueError("bfloat16: the kernels of this package know float16, float32 and float64, so there is no "
                         "'mixed_bfloat16' on a GPU. Use 'mixed_float16', for which the loss is scaled by itself")
    try:
        import ml_dtypes  # noqa: F401 - registers the dtype by its name
    except ImportError:
        raise ValueError("bfloat16: NumPy has no such dtype by itself. Install ml_dtypes (pip install ml_dtypes, or "
                         "gpukeras[bfloat16]), or use 'mixed_float16'") from None
