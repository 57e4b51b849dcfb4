"""Memory of the chosen device: raw storage, and arrays moved between host and device."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.device.choice import NAME, ensure_ready, xp

OUT_OF_MEMORY: Any = MemoryError if NAME == "numpy" else (MemoryError, xp.cuda.memory.OutOfMemoryError)
ALIGNMENT = 64  # bytes: one cache line, and the widest vector register


def allocate(nbytes: int) -> Any:
    """Uninitialised storage of `nbytes` bytes on the device: 1-D, uint8, its start aligned to 64 bytes.

    Raises ValueError for a negative size and MemoryError, with the sizes involved, where it does not fit.

    >>> storage = allocate(1000)
    >>> storage.shape, str(storage.dtype)
    ((1000,), 'uint8')
    """
    if nbytes < 0:
        raise ValueError(f"allocate: nbytes must not be negative, but is {nbytes}.")
    if NAME == "numpy":
        raw = np.empty(nbytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + nbytes]
    ensure_ready()
    try:
        return xp.empty(nbytes, np.uint8)  # CuPy's pool hands out multiples of 512 bytes
    except OUT_OF_MEMORY:
        free_unused()
    try:
        return xp.empty(nbytes, np.uint8)
    except OUT_OF_MEMORY as error:
        free, total = xp.cuda.runtime.memGetInfo()
        raise MemoryError(
            f"The GPU has no room for {nbytes / 2**20:,.1f} MiB: {free / 2**20:,.0f} of {total / 2**20:,.0f} "
            "MiB are free. A smaller batch_size needs less; so does ending other programs on this GPU."
        ) from error


def free_unused() -> None:
    """Gives memory that CuPy keeps for later use back to the GPU."""
    if NAME == "cupy":
        xp.get_default_memory_pool().free_all_blocks()


def asarray(host_array: Any) -> Any:
    """`host_array` as a device array: itself where it already is one, a copy where the device has memory of
    its own.
    """
    if NAME == "numpy":
        return np.asarray(host_array)
    ensure_ready()
    return xp.asarray(host_array)


def to_host(array: Any) -> np.ndarray:
    """`array` as a NumPy array: itself on the NumPy backend, otherwise a copy that waits for the device."""
    return np.asarray(array) if NAME == "numpy" else xp.asnumpy(array)


def own_value(array: Any) -> Any:
    """What a program gets of `array`: a copy on the host, or NumPy's number if it has no axes."""
    copy = np.array(to_host(array))
    return copy if copy.ndim else copy[()]


def is_device_array(x: Any) -> bool:
    """Whether `x` is an array of the chosen device's library."""
    return isinstance(x, xp.ndarray)


def synchronize() -> None:
    """Wait until the device has done all work given to it so far. The NumPy backend never owes any."""
    if NAME == "cupy":
        xp.cuda.get_current_stream().synchronize()
