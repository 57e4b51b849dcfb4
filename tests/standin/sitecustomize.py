"""Imagines an NVIDIA driver with one device, and cuBLAS, for processes that have this folder on their path."""

import ctypes
from functools import cache

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

    def cuStreamGetCaptureInfo_v2(self, stream, status, number, graph, dependencies, count):
        from cupy.cuda import stream_at

        capture = stream_at(stream.value)._capture
        status._obj.value, graph._obj.value = 1 if capture else 0, id(capture) if capture else None
        return 0

    def cuGraphGetNodes(self, graph, nodes, count):
        from cupy.cuda import get_current_stream

        capture = get_current_stream()._capture
        if capture is None or graph.value != id(capture):
            return 1  # CUDA_ERROR_INVALID_VALUE
        count._obj.value = len(capture.works)
        return 0


@cache
def _library(name):
    from cublas import Cublas
    from cublas_lt import CublasLt

    return {"libcublas.so.12": Cublas, "libcublasLt.so.12": CublasLt}[name]()


def _load(name, *rest, **named):
    if name in ("libcuda.so.1", "nvcuda.dll"):
        return _Driver()
    return _library(name) if name in ("libcublas.so.12", "libcublasLt.so.12") else _real(name, *rest, **named)


ctypes.CDLL = _load
