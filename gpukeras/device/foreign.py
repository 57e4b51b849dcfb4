"""Arrays of other libraries, taken over where they lie: DLPack and the CUDA array interface.

No library is named here or imported: what an array can do is asked of the array.
Sources: https://dmlc.github.io/dlpack/latest, https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.device.choice import NAME, REASON, ensure_ready, xp
from gpukeras.device.memory import allocate, is_device_array, to_host

_ON_HOST, _ON_GPU = (1, 3), (2, 13)  # DLPack's numbers: plain and pinned memory of the host; the GPU's, and managed
_REFUSED = (BufferError, RuntimeError, TypeError, ValueError, AttributeError)  # what libraries raise if they can't


def adopt(x: Any) -> Any:
    """An array of another library as NumPy's, or on a GPU as the device's, in the same memory where that can be.

    What lies on the GPU in use stays there; on the NumPy backend it is brought to the host. A tensor that is part of
    an automatic derivative is taken as its value; bfloat16 becomes float32. NumPy's and the device's own arrays, and
    whatever is no array of these protocols (lists, numbers, HDF5 data sets, data frames), are returned as they are.

    Raises ValueError for memory that can't be reached from here.

    >>> class Numbers:
    ...     def __dlpack__(self, **kwargs): return np.arange(3.).__dlpack__(**kwargs)
    ...     def __dlpack_device__(self): return (1, 0)
    >>> adopt(Numbers())
    array([0., 1., 2.])
    """
    if type(x) is np.ndarray and x.dtype.isbuiltin == 1:
        return x  # the way of most calls
    if isinstance(x, np.generic) or _is_own(x):
        return _widened(x)
    if getattr(x, "requires_grad", False) is True and hasattr(x, "detach"):
        x = x.detach()
    if hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__"):
        x = _widened(x)
        if _is_own(x):
            return x
        try:
            kind, number = map(int, x.__dlpack_device__())
        except _REFUSED as error:
            return _fetched(x, f"DLPack does not know where it is: {error}")
        if kind in _ON_GPU:
            return _on_gpu(x, number)
        if kind in _ON_HOST:
            return _on_host(x)
        return _fetched(x, f"it is in memory of DLPack's device type {kind}")
    return _on_gpu(x, None) if hasattr(x, "__cuda_array_interface__") else x


def as_host(x: Any) -> Any:
    """What `adopt` makes of a value, brought to the host if it is an array elsewhere."""
    x = adopt(x)
    return to_host(x) if _is_own(x) else x


def new_array(value: Any, dtype: str) -> Any:
    """A new device array without gaps, with the values of a number or of an array of any kind and place. On the CPU it
    begins where `allocate` lets memory begin: vectors are read in one go from there."""
    value = adopt(value)
    if NAME == "cupy":
        return xp.array(value if is_device_array(value) else np.array(value, dtype), dtype, order="C")
    value = np.asarray(value, dtype)
    made = allocate(value.nbytes).view(dtype).reshape(value.shape)
    made[...] = value
    return made


def _is_own(x: Any) -> bool:
    return isinstance(x, np.ndarray) or is_device_array(x)


def _widened(x: Any) -> Any:
    """The array itself; of two bytes with the exponent of four (bfloat16), and of one byte, as float32."""
    name = str(getattr(x, "dtype", ""))
    if not ("bfloat16" in name or "float8" in name):
        return x
    return x.float() if hasattr(x, "float") else x.astype("float32") if hasattr(x, "astype") else x


def _on_host(x: Any) -> np.ndarray:
    try:
        return np.from_dlpack(x)
    except _REFUSED as error:
        return _fetched(x, f"DLPack refuses it: {error}")


def _on_gpu(x: Any, number: int | None) -> Any:
    if NAME == "numpy":
        return _fetched(x, f"it is on a GPU, and this process computes on the CPU: {REASON}")
    ensure_ready()
    here = int(xp.cuda.runtime.getDevice())
    if number is not None and number != here:
        raise ValueError(f"{_shown(x)}: it is on GPU {number}, and this process computes on GPU {here}. Move it there, "
                         "or choose the GPU with CUDA_VISIBLE_DEVICES")
    if number is None:
        return xp.asarray(x)
    try:
        return xp.from_dlpack(x)
    except _REFUSED:
        if not hasattr(x, "__cuda_array_interface__"):
            raise
    return xp.asarray(x)


def _fetched(x: Any, why: str) -> np.ndarray:
    """The array in memory of the host, by whatever way its library has."""
    way = next((name for name in ("get", "cpu", "copy_to_host") if hasattr(x, name)), None)
    try:
        array = np.asarray(getattr(x, way)() if way else x)
    except _REFUSED as error:
        raise ValueError(f"{_shown(x)} can't be read: {why} ({error})") from error
    if array.dtype.kind == "O":
        raise ValueError(f"{_shown(x)} can't be read: {why}. Bring it to the host first, as a NumPy array")
    return array


def _shown(x: Any) -> str:
    kind = type(x)
    return f"The {kind.__module__}.{kind.__qualname__} of shape {tuple(getattr(x, 'shape', ()))}"
