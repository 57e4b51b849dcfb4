"""The few array operations that NumPy and CuPy spell differently."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.device.choice import NAME, xp

# Reductions: (array, axes, None, out, keepdims). Scans: (array, axis, None, out).
if NAME == "numpy":
    REDUCTIONS: dict[str, Any] = {"sum": np.add.reduce, "prod": np.multiply.reduce, "max": np.maximum.reduce,
                                  "min": np.minimum.reduce, "any": np.logical_or.reduce, "all": np.logical_and.reduce}
    SCANS: dict[str, Any] = {"sum": np.add.accumulate, "prod": np.multiply.accumulate}
else:
    def _reduction(name: str) -> Any:
        return lambda x, axes, dtype=None, out=None, keepdims=False: getattr(xp, name)(x, axes, out=out,
                                                                                      keepdims=keepdims)

    def _scan(name: str) -> Any:
        return lambda x, axis, dtype=None, out=None: getattr(xp, name)(x, axis, out=out)

    REDUCTIONS = {name: _reduction(name) for name in ("sum", "prod", "max", "min", "any", "all")}
    SCANS = {"sum": _scan("cumsum"), "prod": _scan("cumprod")}


def take(source: Any, indices: Any, axis: int | None, out: Any) -> None:
    """out = source[indices] along an axis (None: of the flattened source); the indices must be in range."""
    if NAME == "numpy":
        source.take(indices, axis, out, "clip")  # any mode but 'raise' spares NumPy a copy of `out`
    else:
        xp.take(source, indices, axis, out)


def same_memory(a: Any, b: Any) -> bool:
    """Whether two arrays are the same elements in the same layout."""
    return address(a) == address(b) and a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype


def address(a: Any) -> int:
    """Where the first element lies."""
    return a.ctypes.data if isinstance(a, np.ndarray) else a.data.ptr


def scatter_add(table: Any, indices: Any, rows: Any) -> None:
    """table[indices] += rows, in the rows' order. NumPy only: on a GPU kernels/embedding.cu does it."""
    np.add.at(table, indices, rows)


def random_generator(seed: int) -> Any:
    """A generator with its own stream; `.random(None, dtype, out)` and `.standard_normal(None, dtype, out)` fill.
    NumPy only: on a GPU kernels/philox.cuh does it."""
    return np.random.Generator(np.random.SFC64(seed))


def generator_words(generator: Any) -> np.ndarray:
    """Where one of `random_generator`'s streams on the host stands, as six uint64."""
    state = generator.bit_generator.state
    return np.array([*state["state"]["state"].tolist(), state["has_uint32"], state["uinteger"]], np.uint64)


def set_generator_words(generator: Any, words: np.ndarray) -> None:
    """Lets the stream go on from where `generator_words` was asked."""
    state = generator.bit_generator.state
    state["state"]["state"] = np.array(words[:4], np.uint64)
    state["has_uint32"], state["uinteger"] = int(words[4]), int(words[5])
    generator.bit_generator.state = state


def upload(target: Any, value: Any) -> None:
    """Copies a host (or device) array into a device array of the same shape, converting the dtype."""
    if NAME == "numpy":
        np.copyto(target, value, "unsafe")
    else:
        target[...] = xp.asarray(value)
