"""Launches the project's kernels on a GPU with the interface of `on_cpu.CpuModule`."""

from __future__ import annotations

import numpy as np

from gpukeras import device


class GpuModule:
    """The kernels of one family, compiled for blocks of `block` threads; arrays are changed in place."""

    def __init__(self, family: str, block: int):
        self.family, self.block = family, block

    def launch(self, name: str, grid: int, *arguments: object) -> None:
        """Run a kernel on copies of the arrays and copy all back. Sizes are `long long` in every kernel."""
        kernel = device.raw_kernel(self.family, name, (f"BLOCK={self.block}",))
        there = [device.asarray(a) if isinstance(a, np.ndarray) else np.int64(a) for a in arguments]  # type: ignore[call-overload]
        kernel((grid,), (self.block,), tuple(there))
        for host, copy in zip(arguments, there, strict=True):
            if isinstance(host, np.ndarray):
                host[...] = device.to_host(copy)
