"""NumPy's own OpenBLAS, where NumPy has one: how many threads it takes, and products that add to what is there."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Any

import numpy as np

_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112  # CBLAS_LAYOUT, CBLAS_TRANSPOSE


@cache
def library() -> ctypes.CDLL | None:
    """The library, which is already loaded; a wheel keeps it in a folder beside the package."""
    package = os.path.dirname(np.__file__)
    beside = os.path.join(os.path.dirname(package), "numpy.libs"), os.path.join(package, ".dylibs")
    candidates = [os.path.join(folder, name) for folder in beside if os.path.isdir(folder)
                  for name in os.listdir(folder) if "openblas" in name]
    if not candidates and os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps") as maps:
            loaded = {line.split()[-1] for line in maps}
        candidates = sorted(name for name in loaded if "openblas" in name or "/libblas" in name)
    for path in candidates:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue  # a library of another kind with a similar name
    return None


def function(name: str, result: Any, *arguments: Any) -> Any:
    """OpenBLAS's `openblas_<name>` under whichever prefix and suffix this build gave it; None if there is none."""
    found = _find("openblas_" + name)
    return found and _typed(found[0], result, arguments)


def _find(name: str) -> tuple[Any, bool] | None:
    """The function, and whether its integers have 64 bits."""
    for prefix in ("scipy_", ""):
        for suffix, wide in (("64_", True), ("", False), ("_64", True)):
            found = getattr(library(), prefix + name + suffix, None)
            if found is not None:
                return found, wide
    return None


def _typed(found: Any, result: Any, arguments: tuple[Any, ...]) -> Any:
    found.restype, found.argtypes = result, list(arguments)
    return found


class SingleThread:
    """`with single_thread:` holds OpenBLAS at one thread, for as long as anybody is inside. Several may be, in
    different threads; the last one out restores what was. `known` says whether that is possible here."""

    def __init__(self) -> None:
        self._lock, self._inside, self._before = threading.Lock(), 0, 1

    @property
    def known(self) -> bool:
        """Whether the library, and its function to set the threads, were found."""
        return _threads() is not None

    def __enter__(self) -> None:
        functions = _threads()
        if functions is not None:
            with self._lock:
                self._inside += 1
                if self._inside == 1:
                    self._before = functions[0]()
                    if self._before > 1:
                        functions[1](1)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        functions = _threads()
        if functions is not None:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._before > 1:
                    functions[1](self._before)

    def after_fork(self) -> None:
        """In the child of a fork nobody is inside: the threads that were did not come along."""
        self._lock = threading.Lock()
        functions, inside, self._inside = _threads(), self._inside, 0
        if functions is not None and inside and self._before > 1:
            functions[1](self._before)


@cache
def _threads() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    get = function("get_num_threads", ctypes.c_int)
    set_ = function("set_num_threads", None, ctypes.c_int)
    return (get, set_) if get is not None and set_ is not None else None


single_thread = SingleThread()


@cache
def _gemm(dtype: str) -> tuple[Any, Any, Any] | None:
    """cblas's function for this dtype, with the types of its integers and scalars."""
    letter, scalar = {"float32": ("s", ctypes.c_float), "float64": ("d", ctypes.c_double)}.get(dtype, ("", None))
    found = _find(f"cblas_{letter}gemm") if letter else None
    if found is None:
        return None
    integer, enum, pointer = ctypes.c_int64 if found[1] else ctypes.c_int, ctypes.c_int, ctypes.c_void_p
    _typed(found[0], None, (enum, enum, enum, integer, integer, integer, scalar, pointer, integer, pointer, integer,
                            scalar, pointer, integer))
    return found[0], integer, scalar


def accumulate(a: Any, b: Any, out: Any, beta: float) -> tuple[Any, tuple[Any, ...]] | None:
    """The call that makes out = a b + beta out for matrices of one dtype, `out` contiguous; None where this library
    cannot: other dtypes, other strides, or no OpenBLAS."""
    known, reads = _gemm(out.dtype.name), (_reading(a), _reading(b))
    if known is None or None in reads or not out.flags.c_contiguous or not out.size or not a.size:
        return None
    gemm, integer, scalar = known
    (how_a, lead_a), (how_b, lead_b) = reads  # type: ignore[misc]
    sizes = (*out.shape, a.shape[1], lead_a, lead_b, out.shape[1])
    if max(sizes) >= 2**31:
        return None
    m, n, k, lead_a, lead_b, lead_out = map(integer, sizes)
    at = [x.ctypes.data_as(ctypes.c_void_p) for x in (a, b, out)]  # these keep the arrays alive
    return gemm, (_ROW_MAJOR, how_a, how_b, m, n, k, scalar(1), at[0], lead_a, at[1], lead_b, scalar(beta), at[2],
                  lead_out)


def _reading(x: Any) -> tuple[int, int] | None:
    """How cblas must read a matrix: plain or transposed, and its leading dimension; None if it cannot."""
    (rows, columns), size = x.shape, x.itemsize
    down, along = x.strides
    if along == size and down % size == 0 and down >= columns * size:
        return _PLAIN, down // size
    if down == size and along % size == 0 and along >= rows * size:
        return _TRANSPOSED, along // size
    return None
