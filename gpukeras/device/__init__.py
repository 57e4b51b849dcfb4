"""The shim: the only room of the house that knows whether arrays are CuPy's or NumPy's.

`xp` is the array module, `NAME` its name, `REASON` why it was chosen (see `select`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpukeras.device.arrays import (
    REDUCTIONS,
    SCANS,
    address,
    fill_address,
    generator_address,
    generator_state,
    generator_words,
    random_generator,
    raw_bits,
    same_memory,
    scatter_add,
    set_generator_words,
    take,
    upload,
)
from gpukeras.device.blas import gemm, products
from gpukeras.device.choice import NAME, REASON, ensure_ready, xp
from gpukeras.device.foreign import adopt, as_host, new_array
from gpukeras.device.graphs import Recording
from gpukeras.device.halves import HALVES, require_bfloat16
from gpukeras.device.kernels import (
    elementwise_kernel,
    kernel_families,
    kernel_folder,
    kernel_source,
    raw_kernel,
)
from gpukeras.device.launch import C_NAMES, FLOATS, Complaint, Launch, blocks, launch
from gpukeras.device.memory import (
    OUT_OF_MEMORY,
    allocate,
    asarray,
    free_unused,
    is_device_array,
    own_value,
    synchronize,
    to_host,
)
from gpukeras.device.precision import compute_capability, precision, set_precision
from gpukeras.device.select import BackendUnavailable
from gpukeras.device.streaming import Flight, Streamer, has_room_for
from gpukeras.utils.late import late

if TYPE_CHECKING:
    from gpukeras.device.epilogues import GELU_COLUMNS as GELU_COLUMNS
    from gpukeras.device.epilogues import product as product_with_epilogue
    from gpukeras.device.epilogues import serves as serves_epilogue
    from gpukeras.device.epilogues import words_for as words_for
    from gpukeras.device.report import Config

__all__ = [
    "C_NAMES",
    "FLOATS",
    "GELU_COLUMNS",
    "HALVES",
    "NAME",
    "OUT_OF_MEMORY",
    "REASON",
    "REDUCTIONS",
    "SCANS",
    "BackendUnavailable",
    "Complaint",
    "Flight",
    "Launch",
    "Recording",
    "Streamer",
    "address",
    "adopt",
    "allocate",
    "as_host",
    "asarray",
    "blocks",
    "compute_capability",
    "config",
    "elementwise_kernel",
    "ensure_ready",
    "fill_address",
    "free_unused",
    "gemm",
    "generator_address",
    "generator_state",
    "generator_words",
    "has_room_for",
    "is_device_array",
    "kernel_families",
    "kernel_folder",
    "kernel_source",
    "launch",
    "new_array",
    "own_value",
    "precision",
    "product_with_epilogue",
    "products",
    "random_generator",
    "raw_bits",
    "raw_kernel",
    "require_bfloat16",
    "same_memory",
    "scatter_add",
    "set_generator_words",
    "serves_epilogue",
    "set_precision",
    "synchronize",
    "take",
    "to_host",
    "upload",
    "words_for",
    "xp",
]


def config() -> Config:
    """Backend and why, device, memory, versions, BLAS, threads: a dict that prints as a table."""
    from gpukeras.device.report import report

    return report()


_FROM = {"GELU_COLUMNS": "device.epilogues", "product_with_epilogue": "device.epilogues:product",
         "serves_epilogue": "device.epilogues:serves", "words_for": "device.epilogues"}

if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late(__name__, _FROM)


def __dir__() -> list[str]:
    return [*globals(), *_FROM]
