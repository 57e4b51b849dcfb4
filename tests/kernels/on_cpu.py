"""Compiles a CUDA source with g++ and cuda_on_cpu.h, and calls its kernels on NumPy arrays."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def expand(source: str, folder: Path, defines: dict[str, object]) -> str:
    """The source after the preprocessor, __global__ kept: kernels made by macros are then seen too."""
    text = folder / "source.cu"
    text.write_text(source)
    flags = [f"-D{name}={value}" for name, value in defines.items()]
    command = ["g++", "-E", "-P", "-x", "c++", "-D__launch_bounds__(...)=", *flags, str(text)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def kernels_in(expanded: str) -> dict[str, list[tuple[str, str]]]:
    """Name and [(type, parameter)] of every `extern "C" __global__` function."""
    found = {}
    for match in re.finditer(r'extern "C" __global__ void\s+(\w+)\s*\(([^)]*)\)', expanded):
        parameters = [parameter.strip() for parameter in match[2].replace("\n", " ").split(",")]
        pairs = (re.fullmatch(r"(.*?)\s*(\w+)", parameter) for parameter in parameters)
        found[match[1]] = [(pair[1], pair[2]) for pair in pairs if pair]
    return found


class CpuModule:
    """The kernels of one source: `module.launch(name, grid, *arguments)` runs one, arrays being changed in
    place.
    """

    def __init__(self, source: str, folder: Path, block: int, **defines: object):
        folder.mkdir(parents=True, exist_ok=True)
        self.block = block
        expanded = expand(source, folder, {"BLOCK": block, **defines})
        self.kernels = kernels_in(expanded)
        parts = [f'#include "{HERE / "cuda_on_cpu.h"}"', expanded]
        for name, parameters in self.kernels.items():
            fields = "".join(f"{kind} {field}; " for kind, field in parameters)
            call = ", ".join(f"a->{field}" for _, field in parameters)
            signature = ", ".join(f"{kind} {field}" for kind, field in parameters)
            values = ", ".join(field for _, field in parameters)
            parts.append(
                f"struct {name}_arguments {{ {fields}}};\n"
                f"static void {name}_call(void* p) {{\n"
                f"    auto a = static_cast<{name}_arguments*>(p);\n    {name}({call});\n}}\n"
                f'extern "C" int launch_{name}(unsigned grid, unsigned block, {signature}) {{\n'
                f"    {name}_arguments a{{{values}}};\n"
                f"    return cuda_on_cpu::launch(grid, block, {name}_call, &a);\n}}\n"
            )
        text, library = folder / "on_cpu.cpp", folder / "on_cpu.so"
        text.write_text("\n".join(parts))
        command = [
            "g++",
            "-std=c++17",
            "-O1",
            "-shared",
            "-fPIC",
            "-ffp-contract=off",
            "-o",
            str(library),
            str(text),
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
        self.library = ctypes.CDLL(str(library))

    def launch(self, name: str, grid: int, *arguments: object) -> None:
        """Run a kernel. Arrays must be contiguous; numbers are passed as the kernel's parameter says."""
        values = [
            self._value(kind, argument)
            for (kind, _), argument in zip(self.kernels[name], arguments, strict=True)
        ]
        if self.library[f"launch_{name}"](ctypes.c_uint(grid), ctypes.c_uint(self.block), *values):
            raise AssertionError(f"{name}: a barrier was reached by some threads of a block only")

    @staticmethod
    def _value(kind: str, argument: object) -> object:
        if not isinstance(argument, np.ndarray):
            return ctypes.c_longlong(argument) if kind == "long long" else ctypes.c_int(argument)  # type: ignore[arg-type]
        expected = {"float": "f4", "double": "f8", "int": "i4", "long long": "i8"}[
            kind.replace("const", "").strip(" *")
        ]
        assert argument.dtype == expected and argument.flags.c_contiguous, f"{kind} given {argument.dtype}"
        return argument.ctypes.data_as(ctypes.c_void_p)
