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

    def cuGraphGetNodes(self, graph, nodes, count):
        from cupy.cuda import nodes_at

        count._obj.value = nodes_at(graph.value)
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
