"""Matrix products that do what comes next on their way out, by cuBLASLt: add a bias, a ReLU, sum up a bias's gradient,
write or read the mask of a ReLU's derivative, and the same for a GELU.

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
KINDS = {"bias": 4, "relu": 2 | 4, "gradient": 256,  # CUBLASLT_EPILOGUE_BIAS, _RELU_BIAS, _BGRADA
         "relu and mask": 2 | 128 | 4, "masked": 8 | 128 | 16,  # _RELU_AUX_BIAS, _DRELU_BGRAD
         "gelu": 32 | 128 | 4, "gelu gradient": 64 | 128 | 16}  # _GELU_AUX_BIAS, _DGELU_BGRAD
MASKED, GELU = ("relu and mask", "masked"), ("gelu", "gelu gradient")  # those that write or read a matrix besides
DTYPES = (*HALVES, "float32")
TOLERANCE = {"float16": 1e-2, "bfloat16": 1e-2, "float32": 1e-5}

DESCRIPTOR = {"transpose_a": 3, "transpose_b": 4, "epilogue": 7, "bias": 8,  # CUBLASLT_MATMUL_DESC_...
              "aux": 11, "aux_lead": 12}  # _EPILOGUE_AUX_POINTER, _EPILOGUE_AUX_LD
PREFERENCE = {"workspace": 1, "reductions": 3, "align_a": 5, "align_b": 6, "align_c": 7, "align_d": 8}  # _PREF_...
IN_COMPUTE_TYPE = 2  # CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE: parts of a sum are kept and added in order
WIDEST = 256  # bytes of alignment that cuBLASLt can tell apart
MASK_BITS = 128  # a row of a ReLU's mask has a multiple of so many bits
GELU_COLUMNS = 8  # the columns of what GELU is applied to are a multiple of so many

_int32, _uint32, _int64, _uint64 = ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64
_size, _pointer = ctypes.c_size_t, ctypes.c_void_p


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


def words_for(columns: int) -> int:
    """The 32-bit words of a mask's row."""
    return -(-columns // MASK_BITS) * MASK_BITS // 32


def bits_of(keep: np.ndarray) -> np.ndarray:
    """A mask (rows, columns) as cuBLASLt has it, uint32 (rows, words_for(columns)): the lowest bit comes first.

    >>> bits_of(np.array([[True, False, True]]))
    array([[5, 0, 0, 0]], dtype=uint32)
    """
    rows, columns = keep.shape
    whole = np.zeros((rows, 32 * words_for(columns)), bool)
    whole[:, :columns] = keep
    return np.packbits(whole, axis=1, bitorder="little").view("<u4")


def product(a: Any, b: Any, out: Any, kind: str, vector: Any, aux: Any = None) -> blas.Call | None:
    """The call that makes out = a b, and with it, for a `kind` of

    - 'bias': + vector; 'relu': the ReLU of that; 'relu and mask': and `aux` has a bit where it is above 0;
    - 'gradient': vector = the sums of b's columns;
    - 'masked': 0 where `aux` has no bit, and vector = the sums of out's columns;
    - 'gelu': aux = a b + vector, and its GELU by tanh; 'gelu gradient': times the derivative of that at aux, and
      vector = the sums of out's columns.

    Matrices are (m, k), (k, n), (m, n), the vector has n elements without gaps, all are of one dtype; a mask is as
    `bits_of` makes one, for a GELU `aux` is (m, n), without gaps, and n a multiple of GELU_COLUMNS. None where cuBLASLt
    has no algorithm, or can't read a or b as they lie.
    """
    lead_a, lead_b = blas.leading(a), blas.leading(b)
    if lead_a is None or lead_b is None or 0 in (*a.shape, *b.shape):
        return None
    plan = _Plan(a, b, out, kind, vector, aux, lead_a, lead_b)
    return (plan, ()) if plan.found else None


@cache
def proven(kind: str, dtype: str) -> bool:
    """Whether the epilogue computes on this GPU what a plain product and NumPy do, NaN and sums that are 0 included.
    What fails is said once, and not used in this process."""
    ensure_ready()
    a, b = (_numbers(shape, dtype) for shape in ((24, 32), (32, 144)))
    vector = _numbers((144,), dtype)
    a[3, 5], a[7], vector[70:80] = np.nan, 0, 0
    aux = bits_of(np.arange(24 * 144).reshape(24, 144) % 7 > 2) if kind in MASKED else 4 * _numbers((24, 144), dtype)
    expected = _by_numpy(a, b, kind, vector, aux)
    there = xp.asarray(np.zeros((24, 144), dtype))
    given, beside = xp.asarray(vector), xp.asarray(aux)
    left = xp.asarray(a) if kind != "gradient" else xp.asarray(np.ascontiguousarray(a.T)).T  # as they come in programs
    try:
        call = product(left, xp.asarray(b), there, kind, given, beside)
        if call is not None:
            call[0]()
            found = [xp.asnumpy(x) for x in (there, given, beside)]
    except Exception as error:  # a library that can't be loaded, an unknown version, CUDA's errors
        return _without(kind, dtype, str(error) or type(error).__name__)
    if call is None:
        return _without(kind, dtype, "cuBLASLt has no algorithm for it")
    if kind in MASKED:
        found[2], expected[2] = (_columns_of(x, 144) for x in (found[2], expected[2]))
    for got, want in zip(found, expected):
        if not np.allclose(got.astype("float64"), want, TOLERANCE[dtype], 8 * TOLERANCE[dtype], equal_nan=True):
            return _without(kind, dtype, "it computed other numbers than a plain product")
    return True


def _columns_of(bits: np.ndarray, columns: int) -> np.ndarray:
    """A mask again. What lies beyond its columns is nobody's business."""
    return np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")[:, :columns]


def _numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers that every `precision` leaves as they are."""
    return ((np.arange(int(np.prod(shape))) * 37 % 101 - 50) / 64.0).reshape(shape).astype(dtype)


def _by_numpy(a: np.ndarray, b: np.ndarray, kind: str, vector: np.ndarray, aux: np.ndarray) -> list[Any]:
    """What is due: the product, the vector and the auxiliary matrix afterwards."""
    product, exact = a.astype("float64") @ b.astype("float64"), vector.astype("float64")
    if kind == "gradient":
        return [product, b.astype("float64").sum(axis=0), aux]
    if kind in ("masked", "gelu gradient"):
        product = np.where(_columns_of(aux, product.shape[1]), product, 0) if kind == "masked" else (
            product * _gelu(aux.astype("float64"))[1])
        return [product, product.sum(axis=0), aux]
    made = product + exact
    if kind == "gelu":
        return [_gelu(made)[0], exact, made]
    return [made if kind == "bias" else np.maximum(made, 0), exact, bits_of(made > 0) if kind in MASKED else aux]


def _gelu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """GELU by tanh, which is what NVIDIA says of its own, and its derivative."""
    scale = np.sqrt(2 / np.pi)
    t = np.tanh(scale * (x + 0.044715 * x**3))
    return 0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * scale * (1 + 3 * 0.044715 * x * x)


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

    def __init__(self, a: Any, b: Any, out: Any, kind: str, vector: Any, aux: Any, lead_a: tuple[int, int],
                 lead_b: tuple[int, int]):
        (m, k), n = a.shape, out.shape[1]
        name = out.dtype.name
        self._kept = (a, b, out, vector, aux)
        self._made: list[tuple[str, Any]] = []  # descriptors, and what destroys them
        self._scalars = ctypes.c_float(1.0), ctypes.c_float(0.0)
        operation = self._create("MatmulDesc", blas.compute_type(name), blas.DATA["float32"])
        asked = [("transpose_a", _int32(lead_b[0])), ("transpose_b", _int32(lead_a[0])),
                 ("epilogue", _uint32(KINDS[kind])), ("bias", _pointer(vector.data.ptr))]
        if kind in MASKED or kind in GELU:
            asked += [("aux", _pointer(aux.data.ptr)), ("aux_lead", _int64(32 * words_for(n) if kind in MASKED else n))]
        for attribute, value in asked:
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
                            _int64(matrix.lead))

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
        a, b, out = self._kept[:3]
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
