"""NVIDIA's runtime compiler, which CuPy compiles with too: it builds for any GPU where there is none."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import NamedTuple

from tests.kernels.on_cpu import cache_folder

TARGETS = (70, 75, 80, 86, 89, 90, 100, 120)  # compute capabilities of the GPUs that are supported


class Job(NamedTuple):
    """Something to build: a text, and the compiler's options."""

    text: str
    target: int
    options: tuple[str, ...]


class Built(NamedTuple):
    """The functions in a binary, and the compiler's messages: none for success."""

    functions: tuple[str, ...]
    messages: str


def library_path() -> Path | None:
    """The compiler's library, from its wheel."""
    for package in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            spec = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for path in sorted(Path(folder).glob("lib/libnvrtc.so.*")):
                return path
    return None


class Nvrtc:
    """The calls of NVRTC's C interface that a compile check needs."""

    def __init__(self, path: Path):
        self.library = ctypes.CDLL(str(path))
        self.identity = f"{path.name} {path.stat().st_size}"
        number = ctypes.c_int()
        self.library.nvrtcGetNumSupportedArchs(ctypes.byref(number))
        targets = (ctypes.c_int * number.value)()
        self.library.nvrtcGetSupportedArchs(targets)
        self.targets = list(targets)

    def build(self, job: Job) -> Built:
        """A binary for one target; what was built before without messages is remembered, from run to run."""
        key = hashlib.sha256("\0".join([self.identity, job.text, str(job.target), *job.options]).encode()).hexdigest()
        note = cache_folder() / f"nvrtc-{key[:32]}"
        if note.exists():
            return Built(tuple(note.read_text().split()), "")
        built = self._build(job)
        if not built.messages:
            note.write_text(" ".join(built.functions))
        return built

    def _build(self, job: Job) -> Built:
        program = ctypes.c_void_p()
        text = ctypes.c_char_p(job.text.encode())
        assert self.library.nvrtcCreateProgram(ctypes.byref(program), text, b"kernel.cu", 0, None, None) == 0
        options = [option.encode() for option in ("-std=c++17", f"-arch=sm_{job.target}", *job.options)]
        status = self.library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = self._bytes(program, "ProgramLog").rstrip(b"\0").decode()
        lines = [line for line in log.splitlines() if "Architectures prior to" not in line]
        binary = self._bytes(program, "CUBIN") if status == 0 else b""
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        names = sorted({name.decode() for name in re.findall(rb"\0\.text\.(\w+)", binary)})
        return Built(tuple(names), "\n".join(lines) or (f"error {status} without a message" if status else ""))

    def build_all(self, jobs: Iterable[Job]) -> list[Built]:
        """All of them, on all cores: ctypes lets other threads go on meanwhile."""
        with ThreadPoolExecutor(cpu_count() or 1) as threads:
            return list(threads.map(self.build, jobs))

    def _bytes(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(self.library, f"nvrtcGet{what}")(program, buffer)
        return buffer.raw
