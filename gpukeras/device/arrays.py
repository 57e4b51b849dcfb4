"""The few array operations that NumPy and CuPy spell differently."""

from __future__ import annotations

import ctypes
from functools import cache
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
        """Without `out`: CuPy 13 and 14 hand a minimum's to CUB as the dtype, and change the strides of others' where x
        lies in Fortran's order."""
        return lambda x, axes, dtype=None, out=None, keepdims=False: xp.copyto(
            out, getattr(xp, name)(x, axes, keepdims=keepdims))

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


def raw_bits(generator: Any, pieces: int, size: int) -> np.ndarray:
    """So many next pieces of `size` bytes of one of these streams; it goes on with a new 64-bit word."""
    each = 8 // size
    return generator.bit_generator.random_raw(-(-pieces // each)).view(f"uint{8 * size}")[:pieces]


def generator_state(generator: Any) -> np.ndarray:
    """The four words of the generator's state, in its own memory, which lives as long as the generator."""
    address = generator.bit_generator.ctypes.state_address
    return np.ctypeslib.as_array((ctypes.c_uint64 * 4).from_address(address))


@cache
def fill_address(kind: str, dtype: str) -> int | None:
    """The address of NumPy's function that fills an array with 'uniform' or 'normal' numbers: the functions that it
    documents for programs in C. None where it has none."""
    from numpy.random import _generator
    name = f"random_standard_{kind}_fill" + ("_f" if dtype == "float32" else "")
    try:
        return ctypes.cast(getattr(ctypes.CDLL(_generator.__file__), name), ctypes.c_void_p).value
    except (AttributeError, OSError):
        return None


def generator_address(generator: Any) -> int:
    """What those functions know the generator by."""
    return int(generator.bit_generator.ctypes.bit_generator.value)


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
