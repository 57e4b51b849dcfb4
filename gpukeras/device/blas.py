"""Matrix products. On a GPU through cuBLAS's own C interface, because CuPy refuses its bindings during a capture."""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import Any

import numpy as np

from gpukeras.device import openblas, threads
from gpukeras.device.choice import NAME, xp
from gpukeras.device.precision import precision

Call = tuple[Any, tuple[Any, ...]]

PRODUCT = 0.02  # nanoseconds that a multiplication takes on one core, in a product that is worth dealing to threads
WORKSPACE = 32 << 20  # bytes: what NVIDIA advises for the largest generation; fixed, so that results repeat
DATA = {"float16": 2, "bfloat16": 14, "float32": 0, "float64": 1}  # cudaDataType_t
_COMPUTE = {"float16": 68, "bfloat16": 68, "float32": 68, "float64": 70}  # cublasComputeType_t: 32F, 64F
_FASTER = {"tf32": 77, "float16": 74}  # 32F_FAST_TF32, 32F_FAST_16F
_NORMAL, _TRANSPOSED = 0, 1  # cublasOperation_t
_DEFAULT_ALGORITHM = -1


def gemm(a: Any, b: Any, out: Any, beta: float = 0.0) -> Call:
    """The call that makes out = a b + beta out, for matrices (m, k), (k, n), (m, n) of one dtype; `out` is contiguous,
    a and b may be transposed views."""
    if NAME == "numpy" or out.dtype.name not in DATA:
        if beta == 0:
            return xp.dot, (a, b, out)
        accumulate = openblas.accumulate(a, b, out, beta) if NAME == "numpy" else None
        return accumulate or (_accumulate, (a, b, out, beta))
    return _product(a, b, out, beta)


def products(a: Any, b: Any, out: Any) -> list[Call]:
    """The calls that make out = a b over the last two axes, the leading ones broadcast: one, unless the leading axes
    of an operand have no common stride."""
    if NAME == "numpy" and out.ndim == 2:
        parts = threads.deal(len(out), PRODUCT * out.size * a.shape[1], least=16)
        if len(parts) == 1:
            return [(np.dot, (a, b, out))]
        # np.dot would copy a part of a transposed matrix first
        return threads.together([[openblas.accumulate(a[p], b, out[p], 0.0) or (np.dot, (a[p], b, out[p]))]
                                 for p in parts])
    if NAME == "numpy" or out.dtype.name not in DATA:
        return [(xp.dot if out.ndim == 2 else matmul, (a, b, out))]
    if out.ndim == 2:
        return [_product(a, b, out, 0.0)]
    lead = out.shape[:-2]
    a, b = (xp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    flat_a, flat_b, flat_out = (_merge_leading(x) for x in (a, b, out))
    if flat_a is not None and flat_b is not None and flat_out is not None:
        return [_product(flat_a, flat_b, flat_out, 0.0)]
    return [call for i in range(lead[0]) for call in products(a[i], b[i], out[i])]


def _accumulate(a: Any, b: Any, out: Any, beta: float) -> None:
    if beta != 1:
        xp.multiply(out, beta, out)
    xp.add(out, xp.dot(a, b), out)


def _matmul(a: Any, b: Any, out: Any) -> None:
    """CuPy 14 takes `out` by name only."""
    xp.matmul(a, b, out=out)


matmul = np.matmul if NAME == "numpy" else _matmul


def _merge_leading(x: Any) -> Any:
    """(..., m, n) as a view (batch, m, n); None if no single stride leads from one matrix to the next."""
    dims = [(n, s) for n, s in zip(x.shape[:-2], x.strides[:-2]) if n != 1]
    count = int(np.prod([n for n, _ in dims], dtype=np.int64))
    for (_, outer), (n, inner) in zip(dims, dims[1:]):
        if outer != n * inner:
            return None
    stride = dims[-1][1] if dims else 0
    return xp.lib.stride_tricks.as_strided(x, (count, *x.shape[-2:]), (stride, *x.strides[-2:]))


def leading(x: Any) -> tuple[int, int] | None:
    """How cuBLAS must read the last two axes of a row-major operand: (operation, leading dimension). None if it
    can't."""
    (rows, columns), size = x.shape[-2:], x.itemsize
    down, along = x.strides[-2:]
    if (along == size or columns == 1) and (down >= columns * size and down % size == 0 or rows == 1):
        return _NORMAL, max(down // size if rows > 1 else columns, columns, 1)
    if (down == size or rows == 1) and (along >= rows * size and along % size == 0 or columns == 1):
        return _TRANSPOSED, max(along // size if columns > 1 else rows, rows, 1)
    return None


def _product(a: Any, b: Any, out: Any, beta: float) -> Call:
    """cublasGemmStridedBatchedEx. cuBLAS stores matrices by columns, so it is asked for out' = b' a'."""
    m, n, k = out.shape[-2], out.shape[-1], a.shape[-1]
    if out.size == 0:
        return _nothing, ()
    if k == 0:
        return (out.fill, (0,)) if beta == 0 else (xp.multiply, (out, beta, out))
    copies = []
    for x in (a, b):
        if leading(x) is None:
            copies.append((xp.empty(x.shape, x.dtype), x))
    if copies:
        fresh = {id(x): copy for copy, x in copies}
        inner = _product(fresh.get(id(a), a), fresh.get(id(b), b), out, beta)
        return _copy_first, (copies, inner)
    name = out.dtype.name
    scalar = ctypes.c_double if name == "float64" else ctypes.c_float
    (op_a, lead_a), (op_b, lead_b) = leading(a), leading(b)  # type: ignore[misc]
    batch = out.shape[0] if out.ndim == 3 else 1
    step_a, step_b, step_out = (x.strides[0] // x.itemsize if x.ndim == 3 else 0 for x in (a, b, out))
    pointer, long = ctypes.c_void_p, ctypes.c_longlong
    arguments = (op_b, op_a, n, m, k, ctypes.byref(scalar(1.0)),
                 pointer(b.data.ptr), DATA[name], lead_b, long(step_b),
                 pointer(a.data.ptr), DATA[name], lead_a, long(step_a), ctypes.byref(scalar(beta)),
                 pointer(out.data.ptr), DATA[name], n, long(step_out), batch, compute_type(name), _DEFAULT_ALGORITHM)
    return _run, (arguments, (a, b, out))


def _nothing() -> None:
    """A product without elements."""


def _copy_first(copies: list[tuple[Any, Any]], call: Call) -> None:
    for copy, source in copies:
        xp.copyto(copy, source)
    function, arguments = call
    function(*arguments)


def _run(arguments: tuple[Any, ...], kept: tuple[Any, ...]) -> None:
    """`kept` holds the arrays whose addresses are among the arguments."""
    handle = _handles.ready()
    check(_library().cublasGemmStridedBatchedEx(handle, *arguments), "cublasGemmStridedBatchedEx")


def compute_type(dtype: str) -> int:
    """What products of a dtype are computed in, as `precision` has it."""
    return _FASTER.get(precision(), _COMPUTE[dtype]) if dtype == "float32" else _COMPUTE[dtype]


def workspace() -> Any:
    """This thread's room for products, WORKSPACE bytes."""
    _handles.ready()
    return _handles.workspace


def check(status: int, what: str) -> None:
    """RuntimeError for a status that is no success."""
    if status:
        raise RuntimeError(f"{what} failed with cuBLAS status {status}")


@cache
def _library() -> Any:
    return load("cublas")


def load(name: str) -> Any:
    """A library of the cuBLAS that CuPy works with: loading it again by name gives the same one."""
    xp.cuda.device.get_cublas_handle()  # makes CuPy load it, from wherever it was installed
    major = xp.cuda.runtime.runtimeGetVersion() // 1000
    names = (f"lib{name}.so.{major}", f"{name}64_{major}.dll")
    for file in names:
        try:
            return ctypes.CDLL(file)
        except OSError:
            continue
    raise RuntimeError(f"CuPy works with a cuBLAS, but none of {', '.join(names)} can be loaded")


class _Handles(threading.local):
    """A cuBLAS handle with its own workspace for each thread."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._stream: int | None = None
        self.workspace: Any = None

    def ready(self) -> Any:
        """The handle, set to the current stream."""
        if self._handle is None:
            self._handle = ctypes.c_void_p()
            check(_library().cublasCreate_v2(ctypes.byref(self._handle)), "cublasCreate")
            self.workspace = xp.empty(WORKSPACE, np.uint8)
        stream = xp.cuda.get_current_stream().ptr
        if stream != self._stream:
            check(_library().cublasSetStream_v2(self._handle, ctypes.c_void_p(stream)), "cublasSetStream")
            # setting the stream also takes the workspace away
            check(_library().cublasSetWorkspace_v2(self._handle, ctypes.c_void_p(self.workspace.data.ptr),
                                                    ctypes.c_size_t(WORKSPACE)), "cublasSetWorkspace")
            self._stream = stream
        return self._handle


_handles = _Handles()


def prepare() -> None:
    """Makes this thread's handle, if products are computed at all: it can't be made during a recording."""
    if _library.cache_info().currsize:
        _handles.ready()
