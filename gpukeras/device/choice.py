"""The choice of this process (made when this module is first imported) and the check of its first use."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.device.select import GO_ON_WITHOUT, BackendUnavailable, probe_driver, select

_choice = select()
xp: Any = _choice.xp
NAME: str = _choice.name
REASON: str = _choice.reason
_ready = NAME == "numpy"


def ensure_ready() -> None:
    """Once a process, before the first use of CuPy: run one kernel and one matrix product.

    A visible GPU does not prove that the CUDA libraries are installed. Raises BackendUnavailable, which names
    the library that is missing and the line that installs it.
    """
    global _ready
    if _ready:
        return
    install = f"pip install 'gpukeras[{probe_driver().extra}]'"
    try:
        ones = xp.ones((16, 16), np.float32)
        twice = xp.ElementwiseKernel("T x", "T y", "y = x + x", "gpukeras_probe")(ones)
    except Exception as error:  # compiler, header, driver and memory errors have nothing else in common
        raise BackendUnavailable(
            _explain("compile and run a kernel (NVRTC and CUDA headers)", error, install)
        ) from error
    try:
        product = float(xp.dot(ones, twice)[0, 0])
    except Exception as error:  # the same holds for cuBLAS
        raise BackendUnavailable(_explain("multiply matrices (cuBLAS)", error, install)) from error
    if product != 32.0:
        raise BackendUnavailable(
            f"The GPU computed a wrong matrix product: {product} where 32 was due. {GO_ON_WITHOUT}"
        )
    _ready = True


def _explain(what: str, error: Exception, install: str) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    problem = f"CuPy sees a GPU but cannot {what}: {lines[0].rstrip('.')}."
    return f"{problem} Install CUDA's libraries: {install}. {GO_ON_WITHOUT}"
