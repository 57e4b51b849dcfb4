"""Matrix products that do what comes next on their way out, by cuBLASLt: add a bias, a ReLU, sum up a bias's gradient.

cuBLASLt is called through its C interface, as cuBLAS is in blas.py. The numbers below are those of `cublasLt.h` 12.9;
tests hold them against the header, and against the library, where they find one.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gpukeras.device import blas
from gpukeras.device.choice import NAME, ensure_ready, xp
from gpukeras.device.halves import HALVES

VARIABLE = "GPUKERAS_EPILOGUES"
KINDS = {"bias": 4, "relu": 2 | 4, "gradient": 256}  # CUBLASLT_EPILOGUE_BIAS, _RELU_BIAS, _BGRADA
DTYPES = (*HALVES, "float32")
TOLERANCE = {"float16": 1e-2, "bfloat16": 1e-2, "float32": 1e-5}

DESCRIPTOR = {"transpose_a": 3, "transpose_b": 4, "epilogue": 7, "bias": 8}  # CUBLASLT_MATMUL_DESC_...
PREFERENCE = {"workspace": 1, "reductions": 3, "align_a": 5, "align_b": 6, "align_c": 7, "align_d": 8}  # _PREF_...
IN_COMPUTE_TYPE = 2  # CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE: parts of a sum are kept and added in order
WIDEST = 256  # bytes of alignment that cuBLASLt can tell apart

_int32, _uint32, _uint64, _size, _pointer = (ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_size_t,
                                             ctypes.c_void_p)


class Heuristic(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = [("algorithm", _uint64 * 8), ("workspace", _size), ("state", ctypes.c_int), ("waves", ctypes.c_float),
                ("reserved", ctypes.c_int * 4)]


def enabled() -> bool:
    """Whether the environment asks for them. They are off by default until somebody has measured them on a GPU."""
    value = os.environ.get(VARIABLE, "").strip().lower() or "off"
    if value not in ("on", "off"):
        raise ValueError(f"{VARIABLE} must be 'on' or 'off', got {value!r}")
    return value == "on" and NAME == "cupy"


def serves(kind: str, dtype: str) -> bool:
    """Whether products of this dtype may have this epilogue: asked for, and proven on this GPU."""
    return enabled() and dtype in DTYPES and proven(kind, dtype)


def product(a: Any, b: Any, out: Any, kind: str, vector: Any) -> blas.Call | None:
    """The call that makes out = a b, and with it, for a `kind` of 'bias', + vector; of 'relu', its ReLU too; for
    'gradient', vector = the sums of b's columns. Matrices are (m, k), (k, n), (m, n), the vector has n elements without
    gaps, all are of one dtype. None where cuBLASLt has no algorithm, or can't read a or b as they lie.
    """
    lead_a, lead_b = blas.leading(a), blas.leading(b)
    if lead_a is None or lead_b is None or 0 in (*a.shape, *b.shape):
        return None
    plan = _Plan(a, b, out, kind, vector, lead_a, lead_b)
    return (plan, ()) if plan.found else None


@cache
def proven(kind: str, dtype: str) -> bool:
    """Whether the epilogue computes on this GPU what a plain product and NumPy do, NaN included. What fails is said
    once, and not used in this process."""
    ensure_ready()
    a, b = (_numbers(shape, dtype) for shape in ((24, 32), (32, 16)))
    vector = _numbers((16,), dtype)
    a[3, 5] = np.nan
    expected, sums = _by_numpy(a, b, kind, vector)
    there = xp.asarray(np.zeros((24, 16), dtype))
    given = xp.asarray(vector)
    left = xp.asarray(a) if kind != "gradient" else xp.asarray(np.ascontiguousarray(a.T)).T  # as they come in programs
    try:
        call = product(left, xp.asarray(b), there, kind, given)
        if call is not None:
            call[0]()
            found = xp.asnumpy(there), xp.asnumpy(given)
    except Exception as error:  # a library that can't be loaded, an unknown version, CUDA's errors
        return _without(kind, dtype, str(error) or type(error).__name__)
    if call is None:
        return _without(kind, dtype, "cuBLASLt has no algorithm for it")
    for got, want in zip(found, (expected, sums)):
        if not np.allclose(got.astype("float64"), want, TOLERANCE[dtype], 8 * TOLERANCE[dtype], equal_nan=True):
            return _without(kind, dtype, "it computed other numbers than a plain product")
    return True


def _numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers that every `precision` leaves as they are."""
    return ((np.arange(int(np.prod(shape))) * 37 % 101 - 50) / 64.0).reshape(shape).astype(dtype)


def _by_numpy(a: np.ndarray, b: np.ndarray, kind: str, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is due: the product, and the vector afterwards."""
    product, exact = a.astype("float64") @ b.astype("float64"), vector.astype("float64")
    if kind == "gradient":
        return product, b.astype("float64").sum(axis=0)
    return np.maximum(product + exact, 0) if kind == "relu" else product + exact, exact


def _without(kind: str, dtype: str, why: str) -> bool:
    warnings.warn(f"{VARIABLE}=on: products of {dtype} with the epilogue '{kind}' are not used ({why}).",
                  RuntimeWarning, stacklevel=2)
    return False


class _Matrix(NamedTuple):
    """An operand as cuBLASLt reads it, by columns."""

    rows: int
    columns: int
    lead: int


class _Plan:
    """A product with everything decided beforehand; calling it launches. cuBLASLt stores matrices by columns, so it is
    asked for out' = b' a', whose left operand is b and whose rows are out's columns."""

    def __init__(self, a: Any, b: Any, out: Any, kind: str, vector: Any, lead_a: tuple[int, int],
                 lead_b: tuple[int, int]):
        (m, k), n = a.shape, out.shape[1]
        name = out.dtype.name
        self._kept = (a, b, out, vector)
        self._made: list[tuple[str, Any]] = []  # descriptors, and what destroys them
        self._scalars = ctypes.c_float(1.0), ctypes.c_float(0.0)
        operation = self._create("MatmulDesc", blas.compute_type(name), blas.DATA["float32"])
        for attribute, value in (("transpose_a", _int32(lead_b[0])), ("transpose_b", _int32(lead_a[0])),
                                 ("epilogue", _uint32(KINDS[kind])), ("bias", _pointer(vector.data.ptr))):
            _set("MatmulDesc", operation, DESCRIPTOR[attribute], value)
        left = self._layout(name, _Matrix(k, n, lead_b[1]) if lead_b[0] else _Matrix(n, k, lead_b[1]))
        right = self._layout(name, _Matrix(m, k, lead_a[1]) if lead_a[0] else _Matrix(k, m, lead_a[1]))
        whole = self._layout(name, _Matrix(n, m, n))
        self._parts = operation, left, right, whole
        self._algorithm = Heuristic()
        self.found = self._choose(min(_alignment(out), _alignment(vector)))

    def _create(self, kind: str, *arguments: Any) -> Any:
        made = _pointer()
        _call(f"cublasLt{kind}Create", ctypes.byref(made), *arguments)
        self._made.append((f"cublasLt{kind}Destroy", made))
        return made

    def _layout(self, dtype: str, matrix: _Matrix) -> Any:
        return self._create("MatrixLayout", blas.DATA[dtype], _uint64(matrix.rows), _uint64(matrix.columns),
                            ctypes.c_int64(matrix.lead))

    def _choose(self, alignment: int) -> bool:
        """Asks for an algorithm. Weights lie anywhere in the flat vector, so it has to know how little they are
        aligned; `alignment` is that of what is written."""
        a, b = self._kept[:2]
        preference = self._create("MatmulPreference")
        for attribute, value in (("workspace", _uint64(blas.WORKSPACE)), ("reductions", _uint32(IN_COMPUTE_TYPE)),
                                 ("align_a", _uint32(_alignment(b))), ("align_b", _uint32(_alignment(a))),
                                 ("align_c", _uint32(alignment)), ("align_d", _uint32(alignment))):
            _set("MatmulPreference", preference, PREFERENCE[attribute], value)
        operation, left, right, whole = self._parts
        count = ctypes.c_int(0)
        status = library().cublasLtMatmulAlgoGetHeuristic(_handle(), operation, left, right, whole, whole, preference,
                                                          1, ctypes.byref(self._algorithm), ctypes.byref(count))
        return status == 0 and count.value > 0 and self._algorithm.state == 0

    def __call__(self) -> None:
        a, b, out, _ = self._kept
        operation, left, right, whole = self._parts
        one, zero = self._scalars
        to, workspace = _pointer(out.data.ptr), blas.workspace()
        _call("cublasLtMatmul", _handle(), operation, ctypes.byref(one), _pointer(b.data.ptr), left,
              _pointer(a.data.ptr), right, ctypes.byref(zero), to, whole, to, whole,
              ctypes.byref(self._algorithm), _pointer(workspace.data.ptr), _size(blas.WORKSPACE),
              _pointer(xp.cuda.get_current_stream().ptr))

    def __del__(self) -> None:
        for destroy, made in self._made:
            getattr(library(), destroy)(made)


def _alignment(x: Any) -> int:
    """The largest power of two, up to WIDEST, that divides the address."""
    address = int(x.data.ptr)
    return min(address & -address, WIDEST) if address else WIDEST


def _set(kind: str, made: Any, attribute: int, value: Any) -> None:
    _call(f"cublasLt{kind}SetAttribute", made, attribute, ctypes.byref(value), _size(ctypes.sizeof(value)))


def _call(name: str, *arguments: Any) -> None:
    blas.check(getattr(library(), name)(*arguments), name)


@cache
def library() -> Any:
    """The cuBLASLt of the cuBLAS that CuPy works with, which has loaded it."""
    return blas.load("cublasLt")


@cache
def _handle() -> Any:
    """One for the process: it has no state but the library's own."""
    made = _pointer()
    _call("cublasLtCreate", ctypes.byref(made))
    return made
