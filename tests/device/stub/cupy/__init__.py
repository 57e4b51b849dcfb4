"""A stand-in for the few CuPy calls that gpukeras.device makes, for machines without a GPU.

As strict as CuPy: its arrays refuse to become NumPy arrays unasked. STUB_FAILS names what shall not work.
"""

import os
from types import SimpleNamespace

import numpy

__version__ = "0.0-stub"
_FAILS = os.environ.get("STUB_FAILS", "")
if _FAILS == "import":
    raise ImportError("libcudart.so.12: cannot open shared object file")
log = []  # names of what was called, for the tests


class ndarray:
    def __init__(self, values):
        self.values = values
        self.dtype, self.shape, self.nbytes = values.dtype, values.shape, values.nbytes

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __getitem__(self, index):
        return ndarray(numpy.asarray(self.values[index]))

    def __float__(self):
        return float(self.values)


class OutOfMemoryError(MemoryError):
    pass


def empty(shape, dtype):
    log.append("empty")
    if _FAILS == "memory" and shape > 1000:
        raise OutOfMemoryError("out of memory allocating")
    return ndarray(numpy.empty(shape, dtype))


def ones(shape, dtype):
    return ndarray(numpy.ones(shape, dtype))


def asarray(values):
    return values if isinstance(values, ndarray) else ndarray(numpy.array(values))


def asnumpy(array):
    return array.values.copy()


def dot(a, b):
    if _FAILS == "gemm":
        raise RuntimeError("libcublas.so.12: cannot open shared object file")
    return ndarray(a.values @ b.values * (0.5 if _FAILS == "wrong" else 1.0))


class ElementwiseKernel:
    def __init__(self, in_params, out_params, body, name):
        if _FAILS == "kernel":
            raise RuntimeError("Failed to find CUDA headers.\nmore lines")
        log.append(f"ElementwiseKernel {name}")
        self.body = body

    def __call__(self, x):
        assert self.body == "y = x + x"
        return ndarray(x.values + x.values)


class RawModule:
    def __init__(self, code, options):
        log.append(f"RawModule {' '.join(options)}")
        self.code = code

    def get_function(self, name):
        log.append(f"get_function {name}")
        assert self.code.startswith("#line 1")
        return (self, name)


def get_default_memory_pool():
    return SimpleNamespace(free_all_blocks=lambda: log.append("free_all_blocks"))


def _count():
    if _FAILS == "count":
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    return 0 if _FAILS == "zero" else 1


cuda = SimpleNamespace(
    Device=lambda: SimpleNamespace(id=0),
    get_current_stream=lambda: SimpleNamespace(synchronize=lambda: log.append("synchronize")),
    memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    runtime=SimpleNamespace(
        getDeviceCount=_count,
        getDeviceProperties=lambda device: {"name": b"Stub GPU"},
        memGetInfo=lambda: (3 * 2**30, 4 * 2**30),
        driverGetVersion=lambda: 12040,
        runtimeGetVersion=lambda: 12060,
    ),
)
