"""The shim: the only room of the house that knows whether arrays are CuPy's or NumPy's.

`xp` is the array module, `NAME` its name, `REASON` why it was chosen (see `select`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpukeras.device.arrays import (
    REDUCTIONS,
    SCANS,
    address,
    random_generator,
    same_memory,
    scatter_add,
    take,
    upload,
)
from gpukeras.device.choice import NAME, REASON, ensure_ready, xp
from gpukeras.device.kernels import (
    elementwise_kernel,
    kernel_families,
    kernel_folder,
    kernel_source,
    raw_kernel,
)
from gpukeras.device.memory import allocate, asarray, is_device_array, synchronize, to_host
from gpukeras.device.select import BackendUnavailable

if TYPE_CHECKING:
    from gpukeras.device.report import Config

__all__ = [
    "NAME",
    "REASON",
    "REDUCTIONS",
    "SCANS",
    "BackendUnavailable",
    "address",
    "allocate",
    "asarray",
    "config",
    "elementwise_kernel",
    "ensure_ready",
    "is_device_array",
    "kernel_families",
    "kernel_folder",
    "kernel_source",
    "random_generator",
    "raw_kernel",
    "same_memory",
    "scatter_add",
    "synchronize",
    "take",
    "to_host",
    "upload",
    "xp",
]


def config() -> Config:
    """Backend and why, device, memory, versions, BLAS, threads: a dict that prints as a table."""
    from gpukeras.device.report import report

    return report()
