"""What this process computes with: `config()`, printed by `python -m gpukeras info`."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from gpukeras.device import native, openblas, prebuilt, threads
from gpukeras.device.choice import NAME, REASON, xp
from gpukeras.device.kernels import kernel_folder


class Config(dict[str, Any]):
    """A dict that prints as an aligned table."""

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(
            f"{key.replace('_', ' '):<{width}}  {_readable(key, value)}" for key, value in self.items()
        )

    __repr__ = __str__


def _readable(key: str, value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value / 2**30:.1f} GiB" if key.startswith("memory") else str(value)


def report() -> Config:
    """Backend, why it was chosen, device, memory in bytes, versions, BLAS and threads; None where unknown.

    >>> report()["backend"] in ("numpy", "cupy")
    True
    """
    name, total, free = _gpu() if NAME == "cupy" else (_processor(), *host_memory())
    blas, blas_kernel, blas_threads = _blas()
    return Config(
        backend=NAME,
        why=REASON,
        device=name,
        memory_total=total,
        memory_free=free,
        python=platform.python_version(),
        numpy=np.__version__,
        **_cuda_versions(),
        blas=blas,
        blas_kernel=blas_kernel,
        blas_threads=blas_threads,
        threads=threads.count(),
        compiled=_compiled() if NAME == "numpy" else "kernels",
        kernels=str(kernel_folder()),
    )


def _compiled() -> str:
    from gpukeras.device.tasks import library  # late: it compiles
    if library("tasks") is None:
        return f"no: {native.why_not()}. With compiled code, training steps are several times as fast"
    level = prebuilt.carried()
    return f"steps on the CPU, {f'when the package was built, for {level}' if level else 'when they are needed'}"


def _gpu() -> tuple[str, int, int]:
    properties = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)
    free, total = xp.cuda.runtime.memGetInfo()
    return properties["name"].decode(), total, free


def _cuda_versions() -> dict[str, str]:
    if NAME != "cupy":
        return {}
    runtime = xp.cuda.runtime
    return {
        "cupy": xp.__version__,
        "cuda_driver": _dotted(runtime.driverGetVersion()),
        "cuda_runtime": _dotted(runtime.runtimeGetVersion()),
    }


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _processor() -> str:
    """The processor's own name; Linux keeps it in /proc only."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def host_memory() -> tuple[int | None, int | None]:
    """Bytes of memory: all, and what a program could still take. Unknown outside POSIX systems."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None, None
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return total, int(line.split()[1]) * 1024
    return total, None


def _blas() -> tuple[str | None, str | None, int | None]:
    """(library and version, processor family its kernels were written for, threads) of NumPy's BLAS."""
    if openblas.library() is None:
        return _built_with(), None, None
    core = openblas.function("get_corename", ctypes.c_char_p)
    taken = openblas.function("get_num_threads", ctypes.c_int)
    return _built_with(), core().decode() if core else None, taken() if taken else None


def _built_with() -> str | None:
    """Name and version of the BLAS that NumPy was built with, from NumPy's own record."""
    try:
        blas: Any = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    except (TypeError, KeyError):  # NumPy before 1.25 only prints
        return None
    return f"{blas['name']} {blas.get('version', '')}".strip()
