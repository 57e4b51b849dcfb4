"""Runs the project's CUDA kernels on the CPU: their text is compiled with g++ and cuda_on_cpu.h, and each launch works
on copies of its NumPy arrays in guarded memory.

    cpu_kernel("pooling", "max_forward", "float32", RANK=2)(grid, block, x, y, 5, 7)

A launch runs twice: with each array's end against memory that may not be touched and the threads beginning forwards,
then with its start so and the threads beginning backwards. Both must give the same bits, which are then
copied back. An access outside the arrays, a barrier or warp operation that not all threads reach, a result that
depends on the order of threads, or a launch that a GPU would refuse raises AssertionError.

An array keeps its address modulo 16, as vector loads need it; so up to 15 bytes between its end and that memory can
be touched unpunished, but hold NaN, and a write there is seen too. Arguments that share memory (an output in the place
of an input) share it here too, and what lies between the elements of a strided view is guarded with it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import mmap
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpukeras.device import kernel_source
from tests.kernels.tally import tally

HERE = Path(__file__).parent
COMPILER = os.environ.get("CXX", "g++")
FLAGS = (
    "-std=c++17", "-O2", "-fno-strict-aliasing", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=hidden", "-w",
    "-fsanitize=bounds,alignment,signed-integer-overflow,integer-divide-by-zero", "-fsanitize-undefined-trap-on-error",
)  # fmt: skip
TYPES = {
    "float16": "Half", "bfloat16": "BFloat", "float32": "float", "float64": "double", "bool": "bool",
    "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long", "uint8": "unsigned char",
    "uint16": "unsigned short", "uint32": "unsigned", "uint64": "unsigned long long",
}  # fmt: skip
MUTATION = "GPUKERAS_TEST_MUTATION"  # JSON [family, text, replacement]: set by test_mutations.py
CANARY = 256  # bytes watched beside an array where no page is
PAGE = mmap.PAGESIZE
BESIDE = 64 << 20  # bytes that may not be touched, on either side of an array; they take no memory
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_POINTERS, _SIZES, _NUMBER = ctypes.c_void_p * 64, ctypes.c_uint * 6, ctypes.c_char * 8
_lock = threading.RLock()  # fibers and guarded memory are one for the process


def cpu_kernel(family: str, name: str, dtype: str, **defines: object) -> Any:
    """Function `name` of kernels/<family>.cu for arrays of `dtype`: called as `kernel(grid, block, *arguments,
    shared=0)` with NumPy arrays (changed in place), ints (passed as Index) and floats (passed as Sum).

    BLOCK is defined as the number of threads of a block. `both=False` runs it once only.
    """

    def call(grid: Any, block: Any, *arguments: Any, shared: int = 0, both: bool = True) -> None:
        grid, block = _three(grid), _three(block)
        all_defines = {"VALUE": TYPES[dtype], "BLOCK": block[0] * block[1] * block[2], **defines}
        library(source_of(family), **all_defines).launch(name, grid, block, arguments, shared, both)

    return call


def source_of(family: str) -> str:
    """The family's text, damaged where a test of the tests asks for it."""
    text = kernel_source(family)
    mutation = os.environ.get(MUTATION)
    if mutation:
        damaged, old, new = json.loads(mutation)
        if damaged == family:
            assert old in text, f"kernels/{family}.cu has no text {old!r}"
            return text.replace(old, new)
    return text


@functools.cache
def library(source: str, **defines: object) -> CpuLibrary:
    """The kernels of a source text, compiled once for equal texts and defines."""
    return CpuLibrary(source, {k: v for k, v in defines.items() if v is not None})


@functools.cache
def _compiler_identity() -> str:
    version = subprocess.run([COMPILER, "--version"], check=True, capture_output=True, text=True).stdout
    return version + "".join((HERE / name).read_text() for name in ("cuda_on_cpu.h", "block_on_cpu.h"))


def cache_folder() -> Path:
    """Where compiled kernels are kept from one run of the tests to the next."""
    asked = os.environ.get("GPUKERAS_TEST_CACHE")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(asked) if asked else Path(tempfile.gettempdir()) / f"gpukeras-kernels-{user}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")
_KERNEL = re.compile(r'extern "C" __attribute__\(\(noinline\)\) void\s+(\w+)\s*\(')


class CpuLibrary:
    """The compiled kernels of one source; `launch` runs one."""

    def __init__(self, source: str, defines: dict[str, object]):
        flags = [*FLAGS, *(f"-D{name}={value}" for name, value in defines.items())]
        key = hashlib.sha256("\0".join([source, *flags, _compiler_identity()]).encode()).hexdigest()[:32]
        path = cache_folder() / f"{key}.so"
        if not path.exists():
            self._compile(source, flags, path)
        self._library = ctypes.CDLL(str(path))
        self._library.cuda_on_cpu_launch.restype = ctypes.POINTER(_Problem)
        self._library.cuda_on_cpu_names.restype = ctypes.c_char_p
        self._library.cuda_on_cpu_parameters.restype = ctypes.c_char_p
        names = self._library.cuda_on_cpu_names().decode().split()
        self.kernels = {
            name: (i, self._library.cuda_on_cpu_parameters(i).decode().split()) for i, name in enumerate(names)
        }
        self.block = int(str(defines["BLOCK"])) if "BLOCK" in defines else None
        self.index_bytes = 8 if str(defines.get("INDEX")) == "long long" else 4
        self.any_index = "INDEX" not in source  # the text has sizes of its own kinds

    @staticmethod
    def _compile(source: str, flags: Sequence[str], path: Path) -> None:
        source = _DYNAMIC.sub(r"\1* const \2 = static_cast<\1*>(cuda_on_cpu::dynamic_shared);", source)
        # in a namespace without a name nothing is exported, and no name can clash with the C library's
        text = f'#include "{HERE / "cuda_on_cpu.h"}"\nnamespace {{\n{source}\n}}\n'
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            unit, built = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
            unit.write_text(text)
            expanded = _run(COMPILER, "-E", *flags, str(unit))
            names = list(dict.fromkeys(_KERNEL.findall(expanded)))
            halves = "".join(
                f"template <> struct KindOf<{name}> {{ static constexpr char value = '{kind}'; }};\n"
                for name, kind in (("Half", "f"), ("BFloat", "V")) if f" {name};" in expanded
            )
            kernels = [f"cuda_on_cpu::Kernel<decltype({name}), {name}>" for name in names]
            unit.write_text(
                f"{expanded}\nnamespace cuda_on_cpu {{\n{halves}}}\n"
                "#define EXPORT extern \"C\" __attribute__((visibility(\"default\")))\n"
                f'EXPORT const char* cuda_on_cpu_names() {{ return "{" ".join(names)}"; }}\n'
                "EXPORT const char* cuda_on_cpu_parameters(int i) {\n"
                f"    switch (i) {{ {_cases('return %s::parameters();', kernels)} }}\n    return \"\";\n}}\n"
                "EXPORT const void* cuda_on_cpu_launch(int i, void** arguments, const unsigned* sizes, "
                "unsigned long shared, int backwards) {\n"
                "    void (*call)(void**) = nullptr;\n"
                f"    switch (i) {{ {_cases('call = %s::call; break;', kernels)} }}\n"
                "    return cuda_on_cpu::launch(call, arguments, dim3(sizes[0], sizes[1], sizes[2]),\n"
                "                               dim3(sizes[3], sizes[4], sizes[5]), shared, backwards);\n}\n"
            )
            _run(COMPILER, *flags, "-o", str(built), str(unit))
            os.replace(built, path)  # at once, whoever else compiles the same

    def launch(
        self, name: str, grid: Any, block: Any, arguments: Sequence[Any], shared: int = 0, both: bool = True
    ) -> None:
        """Run a kernel; see the module's text for what is checked."""
        assert name in self.kernels, f"there is no kernel {name!r}; the source has {', '.join(self.kernels)}"
        grid, block = _three(grid), _three(block)
        threads = block[0] * block[1] * block[2]
        assert threads <= 1024 and block[2] <= 64, f"{name}: a block of {block} threads"
        assert min(grid + block) >= 1, f"{name}: launched with grid {grid}, block {block}"
        assert grid[0] < 2**31 and max(grid[1:]) < 2**16, f"{name}: a grid of {grid} blocks"
        assert shared <= 48 * 1024, f"{name}: {shared} bytes of shared memory, of 48 KiB that every GPU has"
        if self.block is not None:
            assert threads == self.block, f"{name}: compiled for {self.block} threads, launched with {threads}"
        index, parameters = self.kernels[name]
        assert len(parameters) == len(arguments), f"{name} has {len(parameters)} parameters, given {len(arguments)}"
        values = [self._value(f"{name}, argument {i}", p, a) for i, (p, a) in enumerate(zip(parameters, arguments))]
        arrays = [a for a in arguments if isinstance(a, np.ndarray)]
        tally.launches += 1
        with _lock:
            groups = _groups(arrays)
            before = [ctypes.string_at(low, high - low) for low, high in groups] if both else []
            self._run(name, index, grid, block, shared, values, arguments, groups, False)
            if not both:
                return
            after = [ctypes.string_at(low, high - low) for low, high in groups]
            for (low, _), content in zip(groups, before):
                ctypes.memmove(low, content, len(content))
            self._run(name, index, grid, block, shared, values, arguments, groups, True)
            for (low, high), content in zip(groups, after):
                assert ctypes.string_at(low, high - low) == content, (
                    f"{name}: the result depends on the order in which threads run: a barrier is missing, or two "
                    "threads write the same place"
                )

    def _run(
        self,
        name: str,
        index: int,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        shared: int,
        values: Sequence[Any],
        arguments: Sequence[Any],
        groups: Sequence[tuple[int, int]],
        backwards: bool,
    ) -> None:
        rooms = [Room.hold(low, high, at_start=backwards) for low, high in groups]
        try:
            held, places = list(values), []
            for i, argument in enumerate(arguments):
                if isinstance(argument, np.ndarray):
                    low, high = _extent(argument)
                    room = next(r for r in rooms if r.low <= low and high <= r.high)
                    held[i] = ctypes.c_void_p(argument.ctypes.data + room.shift)
                    places.append((room, i, argument))
            pointers = _POINTERS(*[ctypes.addressof(value) for value in held])
            sizes = _SIZES(*grid, *block)
            found = self._library.cuda_on_cpu_launch(index, pointers, sizes, ctypes.c_ulong(shared), int(backwards))
            if found.contents.kind:
                raise AssertionError(f"{name}: {found.contents.describe(places)}")
            for room in rooms:
                room.check(name, places)
                ctypes.memmove(room.low, room.start, room.high - room.low)
        finally:
            for room in rooms:
                room.release()

    def _value(self, what: str, parameter: str, argument: Any) -> Any:
        kind, size = parameter[-2], int(parameter[-1])
        if isinstance(argument, np.ndarray):
            assert parameter[0] == "p", f"{what}: an array for a number"
            fits = kind == "v" or (argument.dtype.kind == kind and argument.itemsize == size)
            assert fits, f"{what}: the pointer is to {kind}{size}, the array of {argument.dtype}"
            return None
        assert parameter[0] == "s", f"{what}: {type(argument).__name__} for a pointer"
        if isinstance(argument, np.generic):
            fits = (argument.dtype.kind, argument.itemsize) == (kind, size)
            assert fits, f"{what}: {argument.dtype} for {kind}{size}"
        elif isinstance(argument, float):
            assert kind == "f", f"{what}: a float for {kind}{size}"
        else:
            assert isinstance(argument, int) and kind == "i", f"{what}: {type(argument).__name__} for {kind}{size}"
            assert self.any_index or size == self.index_bytes, f"{what}: an integer of {size} bytes that is no Index"
            assert -(2 ** (8 * size - 1)) <= argument < 2 ** (8 * size - 1), f"{what}: {argument} is too large"
        dtype = {"f4": np.float32, "f8": np.float64, "f2": np.float16}.get(kind + str(size), f"{kind}{size}")
        return _NUMBER.from_buffer_copy(np.array(argument, dtype).tobytes().ljust(8, b"\0"))


class CompileError(Exception):
    """A kernel's text is no C++."""


def _cases(statement: str, values: Iterable[str]) -> str:
    return " ".join(f"case {i}: {statement % value}" for i, value in enumerate(values))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CompileError(f"{command[0]} failed:\n{done.stderr}")
    return done.stdout


def _three(size: Any) -> tuple[int, int, int]:
    x, y, z = (size, 1, 1) if isinstance(size, (int, np.integer)) else (*size, 1, 1)[:3]
    return int(x), int(y), int(z)


class _Problem(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int), ("line", ctypes.c_int), ("block", ctypes.c_uint * 3), ("thread", ctypes.c_uint * 3),
        ("address", ctypes.c_void_p), ("text", ctypes.c_char * 200),
    ]  # fmt: skip

    def describe(self, places: Sequence[Any]) -> str:
        where = f"block {tuple(self.block)}, thread {tuple(self.thread)}"
        line = f" (line {self.line})" if self.line else ""
        text = self.text.decode() + line
        if self.kind == 3:
            text += next((f": {said}" for room, i, a in places if (said := room.beside(self.address, i, a))), "")
        return f"{text}, in {where}"


def _groups(arrays: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Stretches of memory, first and last address, that hold the arrays: one for arrays that share some."""
    groups: list[tuple[int, int]] = []
    for low, high in sorted(_extent(a) for a in arrays):
        if groups and low < groups[-1][1]:
            groups[-1] = (groups[-1][0], max(groups[-1][1], high))
        elif not groups or (low, high) != groups[-1]:
            groups.append((low, high))
    return groups


def _extent(a: np.ndarray) -> tuple[int, int]:
    low = high = a.ctypes.data
    if a.size == 0:
        return low, low
    for n, stride in zip(a.shape, a.strides):
        if stride > 0:
            high += (n - 1) * stride
        else:
            low += (n - 1) * stride
    return low, high + a.itemsize


class Room:
    """Memory between stretches that may not be touched, holding a copy of the bytes `low` to `high`."""

    _free: dict[int, list[Room]] = {}
    low: int
    high: int
    start: int
    shift: int  # from an address of the original to that of the copy

    def __init__(self, pages: int):
        self.pages = pages
        base = _libc.mmap(None, pages * PAGE + 2 * BESIDE, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        self.first, self.last = base + BESIDE, base + BESIDE + pages * PAGE
        usable = mmap.PROT_READ | mmap.PROT_WRITE
        if base == ctypes.c_void_p(-1).value or _libc.mprotect(self.first, pages * PAGE, usable):
            raise OSError(ctypes.get_errno(), "no guarded memory")

    @classmethod
    def hold(cls, low: int, high: int, at_start: bool) -> Room:
        """A room with the copy flush against its first or its last byte, as near as address modulo 16 allows."""
        pages = 1
        while pages * PAGE < high - low + 16 + CANARY:
            pages *= 2
        free = cls._free.setdefault(pages, [])
        room = free.pop() if free else cls(pages)
        room.low, room.high = low, high
        if at_start:
            room.start = room.first + (low - room.first) % 16
        else:
            start = room.last - (high - low)
            room.start = start - (start - low) % 16
        room.shift = room.start - low
        end = room.start + high - low
        for begin, stop in room._canaries():
            ctypes.memset(begin, 0xFF, stop - begin)
        ctypes.memmove(room.start, low, end - room.start)
        return room

    def _canaries(self) -> list[tuple[int, int]]:
        end = self.start + self.high - self.low
        return [(max(self.first, self.start - CANARY), self.start), (end, min(self.last, end + CANARY))]

    def check(self, name: str, places: Sequence[Any]) -> None:
        """AssertionError if something was written beside the copy."""
        for side, (begin, stop) in zip(("before the start", "past the end"), self._canaries()):
            if ctypes.string_at(begin, stop - begin).strip(b"\xff"):
                which = " or ".join(f"argument {i} ({a.dtype}{list(a.shape)})" for room, i, a in places if room is self)
                raise AssertionError(f"{name}: writes {side} of {which}")

    def beside(self, address: int | None, i: int, a: np.ndarray) -> str:
        """Where `address` lies, if it is near this room."""
        end = self.start + self.high - self.low
        what = f"argument {i} ({a.dtype}{list(a.shape)})"
        if address is None or not self.first - BESIDE <= address < self.last + BESIDE:
            return ""
        return (
            f"{self.start - address} bytes before the start of {what}"
            if address < self.start
            else f"{address - end} bytes past the end of {what}"
        )

    def release(self) -> None:
        """Give the room to the next launch."""
        self._free[self.pages].append(self)
