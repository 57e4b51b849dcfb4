"""The backend, under the module path that programs for Keras on TensorFlow name, with the private names they use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from gpukeras import backend as _backend
from gpukeras import device as _device
from gpukeras.backend import *  # noqa: F403
from gpukeras.backend import settings as _settings
from gpukeras.backend.session import GRAPH as _GRAPH

__all__ = list(_backend.__all__)
_MANUAL_VAR_INIT = False


class _OfGraph(MutableMapping[Any, Any]):
    """A dict of what belongs to a graph, of which there is one; `write` gets what a program puts there, or None."""

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self._read, self._write = read, write

    def __getitem__(self, graph: Any) -> Any:
        return self._read()

    def __setitem__(self, graph: Any, value: Any) -> None:
        self._write(value)

    def __delitem__(self, graph: Any) -> None:
        self._write(None)

    def __iter__(self) -> Iterator[Any]:
        return iter([_GRAPH])

    def __len__(self) -> int:
        return 1

    def clear(self) -> None:
        self._write(None)


def _set_uids(numbers: Any) -> None:
    _settings.uids().clear()
    _settings.uids().update(numbers or {})


_GRAPH_LEARNING_PHASES = _OfGraph(_settings.learning_phase, _settings.set_phase)
_GRAPH_UID_DICTS = _OfGraph(_settings.uids, _set_uids)


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
    if name == "_SESSION":
        return _backend.get_session()
    return getattr(_backend, name)
