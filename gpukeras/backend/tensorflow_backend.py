"""The backend, under the module path that programs for Keras on TensorFlow name, with the private names they use."""

from __future__ import annotations

from typing import Any

from gpukeras import backend as _backend
from gpukeras import device as _device
from gpukeras.backend import *  # noqa: F403

__all__ = list(_backend.__all__)


def _get_available_gpus() -> list[str]:
    """The GPU that this process computes on, as TensorFlow names it; an empty list on the CPU."""
    return ["/device:GPU:0"] if _device.NAME == "cupy" else []


def _to_tensor(x: Any, dtype: Any) -> Any:
    """A number, an array or a tensor as a tensor of that type."""
    return _backend.cast(x, dtype) if _backend.is_tensor(x) else _backend.constant(x, dtype)


def _preprocess_conv2d_input(x: Any, data_format: str) -> tuple[Any, str]:
    """Images as TensorFlow convolves them, and the name of their layout: channels last but on a GPU."""
    return _as_convolved(x, data_format, "HW")


def _preprocess_conv3d_input(x: Any, data_format: str) -> tuple[Any, str]:
    """The same for volumes."""
    return _as_convolved(x, data_format, "DHW")


def _as_convolved(x: Any, data_format: str, axes: str) -> tuple[Any, str]:
    if _backend.dtype(x) == "float64":
        x = _backend.cast(x, "float32")
    if data_format == "channels_first":
        if _get_available_gpus():
            return x, f"NC{axes}"
        x = _backend.permute_dimensions(x, (0, *range(2, 2 + len(axes)), 1))
    return x, f"N{axes}C"


def _preprocess_padding(padding: str) -> str:
    """TensorFlow's name of 'same' or 'valid'; ValueError for another padding."""
    if padding not in ("same", "valid"):
        raise ValueError(f"padding must be 'same' or 'valid', got {padding!r}")
    return padding.upper()


def __getattr__(name: str) -> object:
    return getattr(_backend, name)
