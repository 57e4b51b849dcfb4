"""Imagines an NVIDIA driver with one device, for processes that have this folder on their path."""

import ctypes

_real = ctypes.CDLL


class _Driver:
    def cuDriverGetVersion(self, pointer):
        pointer._obj.value = 12040
        return 0

    def cuInit(self, flags):
        return 0

    def cuDeviceGetCount(self, pointer):
        pointer._obj.value = 1
        return 0


def _load(name, *rest, **named):
    return _Driver() if name in ("libcuda.so.1", "nvcuda.dll") else _real(name, *rest, **named)


ctypes.CDLL = _load
