"""CUDA sources of the project (`kernels/`): finding, reading and compiling them, each once and only when
needed.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any

from gpukeras.device.choice import NAME, ensure_ready, xp

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([\w.]+)"[^\n]*$', re.MULTILINE)
OPTIONS = ("-std=c++17",)


def kernel_folder() -> Any:
    """The folder of kernel sources, as an importlib.resources path.

    A wheel carries it inside the package as `gpukeras/_kernels`; in a checkout it stands beside the package.
    Both are also found inside a zip file. Raises FileNotFoundError if the installation lost it.
    """
    from importlib.resources import files

    package: Any = files("gpukeras")
    for folder in (package / "_kernels", package.parent / "kernels"):
        if (folder / "softmax_crossentropy.cu").is_file():
            return folder
    raise FileNotFoundError(
        f"No kernel sources in {package / '_kernels'} or beside the package: reinstall gpukeras."
    )


def kernel_families() -> list[str]:
    """Names of the kernel families, sorted: one `.cu` file each.

    >>> "softmax_crossentropy" in kernel_families()
    True
    """
    return sorted(entry.name[:-3] for entry in kernel_folder().iterdir() if entry.name.endswith(".cu"))


@cache
def kernel_source(family: str) -> str:
    """Text of `kernels/<family>.cu`, or of a file that is named in full, with its `#include "..."` files put in
    their place, each once.

    The compiler then needs no folder to look in, which is what makes a zip file work. ValueError for an
    unknown family.

    >>> "softmax" in kernel_source("softmax_crossentropy")
    True
    """
    if "." in family:
        return _with_includes(family, set())
    if family not in kernel_families():
        raise ValueError(
            f"There is no kernel family {family!r}; kernels/ has {', '.join(kernel_families())}."
        )
    return _with_includes(f"{family}.cu", set())


def _text(file_name: str) -> str:
    """A file of the folder; opened as it is where the package is no zip file, since those need much to be loaded."""
    package = os.path.dirname(os.path.dirname(__file__))
    for folder in (os.path.join(package, "_kernels"), os.path.join(os.path.dirname(package), "kernels")):
        if os.path.isfile(os.path.join(folder, file_name)):
            with open(os.path.join(folder, file_name), encoding="utf-8") as file:
                return file.read()
    text: str = (kernel_folder() / file_name).read_text(encoding="utf-8")
    return text


def _with_includes(file_name: str, seen: set[str]) -> str:
    """The file's text, includes expanded; #line keeps the compiler's messages true to the files."""
    seen.add(file_name)
    text = _text(file_name).replace("#pragma once", "")
    def expand(match: re.Match[str]) -> str:
        if match[1] in seen:
            return ""
        line = text.count("\n", 0, match.start()) + 2
        return f'{_with_includes(match[1], seen)}\n#line {line} "{file_name}"'

    return f'#line 1 "{file_name}"\n' + _INCLUDE.sub(expand, text)


@cache
def raw_kernel(family: str, name: str, defines: tuple[str, ...] = ()) -> Any:
    """The `extern "C"` function `name` of `kernels/<family>.cu`, compiled on first use with `-D<define>`
    each.

    The caller launches it as `kernel(grid, block, args)`. RuntimeError on the NumPy backend, which has no
    kernels.
    """
    return _module(family, defines).get_function(name)


@cache
def _module(family: str, defines: tuple[str, ...]) -> Any:
    _need_cupy(f"raw_kernel({family!r})")
    return xp.RawModule(
        code=kernel_source(family), options=OPTIONS + tuple(f"-D{define}" for define in defines)
    )


@cache
def elementwise_kernel(in_params: str, out_params: str, body: str, name: str, preamble: str = "") -> Any:
    """`cupy.ElementwiseKernel` of the same arguments, made once for equal ones. RuntimeError on NumPy."""
    _need_cupy(f"elementwise_kernel({name!r})")
    more = {"preamble": preamble} if preamble else {}
    return xp.ElementwiseKernel(in_params, out_params, body, name, **more)


def _need_cupy(what: str) -> None:
    if NAME != "cupy":
        raise RuntimeError(f"{what} runs on a GPU only, and this process computes with NumPy.")
    ensure_ready()
