"""Runs the project's CUDA kernels on a real GPU, with the interface of `on_cpu.cpu_kernel`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras import device


def gpu_kernel(family: str, name: str, dtype: str, **defines: Any) -> Any:
    """Function `name` of kernels/<family>.cu: called as `kernel(grid, block, *arguments, shared=0)` with NumPy arrays,
    of which it works on copies on the device and copies all back."""

    def call(grid: Any, block: Any, *arguments: Any, shared: int = 0) -> None:
        there = [device.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
        run, _ = device.launch(family, name, dtype, grid, *there, block=block, shared=shared, **defines)
        run()
        for host, copy in zip(arguments, there, strict=True):
            if isinstance(host, np.ndarray):
                host[...] = device.to_host(copy)

    return call
