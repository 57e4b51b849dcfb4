"""Launches of the project's CUDA kernels, bound to their arguments once and called many times."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.device.choice import xp
from gpukeras.device.halves import HALVES
from gpukeras.device.kernels import raw_kernel

FLOATS = (*HALVES, "float32", "float64")
C_NAMES = {"float16": "Half", "bfloat16": "BFloat", "float32": "float", "float64": "double", "bool": "bool",
           "int8": "signed char", "uint8": "unsigned char", "int16": "short", "uint16": "unsigned short",
           "int32": "int", "uint32": "unsigned int", "int64": "long long", "uint64": "unsigned long long"}
BLOCK = 256  # threads a block, unless a kernel asks for another number
MOST_BLOCKS = 4096  # several for each multiprocessor of any GPU; the kernels' loops take the rest
WIDE = 2**30  # elements from which indices are 64 bits wide: a 32-bit one must also hold the step beyond the end

Grid = int | tuple[int, ...]


class Complaint:
    """A place where a kernel notes what it can't raise: 0, or the largest fault seen (an index + 1, or a negative one).

    Passed to `launch` as an argument it is a pointer to a 64-bit integer. Whoever reads results of the program calls
    `check`.
    """

    def __init__(self, text: str):
        self.text = text
        self.array = xp.zeros(1, np.int64)

    def check(self) -> None:
        """Raises IndexError if a kernel complained, and forgets it. Waits for the device."""
        found = int(self.array[0])
        if found:
            self.array.fill(0)
            raise IndexError(f"{self.text}, got {found - 1 if found > 0 else found}")


class Launch:
    """One launch of a kernel, with everything decided; calling it without arguments launches. The kernel is compiled
    at the first call."""

    def __init__(self, family: str, name: str, defines: tuple[str, ...], grid: tuple[int, ...], block: tuple[int, ...],
                 arguments: tuple[Any, ...], shared: int):
        self.family, self.name, self.defines = family, name, defines
        self.grid, self.block, self.shared = grid, block, shared
        self.complaints = [a for a in arguments if isinstance(a, Complaint)]
        self.arguments = tuple(a.array if isinstance(a, Complaint) else a for a in arguments)
        self._kernel: Any = None

    def __call__(self) -> None:
        if self._kernel is None:
            self._kernel = raw_kernel(self.family, self.name, self.defines)
        self._kernel(self.grid, self.block, self.arguments, shared_mem=self.shared)

    def __repr__(self) -> str:
        return f"{self.family}.{self.name}<<<{self.grid}, {self.block}>>>[{' '.join(self.defines)}]"


def launch(family: str, name: str, dtype: Any, grid: Grid, *arguments: Any, block: Grid = BLOCK, shared: int = 0,
           **defines: Any) -> tuple[Launch, tuple[()]]:
    """A call of kernel `name` of `kernels/<family>.cu`, compiled for elements of `dtype`.

    `grid` blocks (up to three dimensions) of `block` threads with `shared` bytes of dynamic shared memory. Arguments
    are arrays, given as pointers, a Complaint, ints (the kernels' `Index`) and floats (their `Sum`). `defines` are
    given to the compiler.
    """
    grid, block = ((n,) if isinstance(n, int) else tuple(n) for n in (grid, block))
    threads = int(np.prod(block))
    wide = any(_span(a) >= WIDE for a in arguments if hasattr(a, "strides"))
    flags = [f"VALUE={C_NAMES[np.dtype(dtype).name]}", f"BLOCK={threads}", *(["INDEX=long long"] if wide else [])]
    flags += [f"{key}={value}" for key, value in sorted(defines.items())]
    whole = np.int64 if wide else np.int32
    real = np.float64 if np.dtype(dtype) == np.float64 else np.float32
    converted = tuple(whole(a) if isinstance(a, int) else real(a) if isinstance(a, float) else a for a in arguments)
    return Launch(family, name, tuple(flags), grid, block, converted, shared), ()


def _span(array: Any) -> int:
    """Elements from the first to the last of an array, which may be a view with gaps."""
    return 1 + sum((n - 1) * abs(step) for n, step in zip(array.shape, array.strides)) // array.itemsize


def blocks(count: int, block: int = BLOCK) -> int:
    """The number of blocks for `count` elements, one a thread; at most MOST_BLOCKS.

    >>> blocks(1), blocks(257), blocks(10**9)
    (1, 2, 4096)
    """
    return max(1, min(-(-count // block), MOST_BLOCKS))
