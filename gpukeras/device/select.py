"""Chooses the array library once, when `gpukeras.device` is imported.

`GPUKERAS_BACKEND` is `auto` (the default), `numpy` or `cupy`. `auto` asks the NVIDIA driver first and imports
CuPy only if the driver shows a GPU, because `import cupy` costs half a second and succeeds without one.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy

from gpukeras.device.job import seat

VARIABLE = "GPUKERAS_BACKEND"
CHOICES = ("auto", "numpy", "cupy")
GO_ON_WITHOUT = f"To go on without a GPU, unset {VARIABLE} or set {VARIABLE}=numpy."


class BackendUnavailable(ImportError):
    """The asked-for backend cannot work on this machine; the message says what to install."""


class Driver(NamedTuple):
    """What the NVIDIA driver answered: `devices` GPUs, its CUDA `version` (12040 is 12.4), or why none."""

    devices: int
    version: int
    problem: str

    @property
    def extra(self) -> str:
        """The extra of this package whose CuPy fits the driver."""
        return "cuda13" if self.version >= 13000 else "cuda12"


class Choice(NamedTuple):
    """The chosen array module, its name and a sentence saying why it was chosen."""

    xp: ModuleType
    name: str
    reason: str


def driver_library() -> str | None:
    """File name of the CUDA driver library on this operating system; None where NVIDIA has no driver."""
    if sys.platform == "win32":
        return "nvcuda.dll"
    return None if sys.platform == "darwin" else "libcuda.so.1"


def probe_driver() -> Driver:
    """Ask the driver itself, through ctypes, how many GPUs it shows to this process."""
    library = driver_library()
    if library is None:
        return Driver(0, 0, "macOS has no NVIDIA driver")
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        return Driver(0, 0, f"no NVIDIA driver is visible ({library} does not load)")
    version, devices = ctypes.c_int(0), ctypes.c_int(0)
    cuda.cuDriverGetVersion(ctypes.byref(version))
    status = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(devices))
    if status or devices.value < 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hint = "" if visible is None else f"; CUDA_VISIBLE_DEVICES is {visible!r}"
        what = (
            f"the NVIDIA driver answers with error {status}" if status else "the NVIDIA driver shows no GPU"
        )
        return Driver(0, version.value, what + hint)
    return Driver(devices.value, version.value, "")


def own_gpu(environ: Mapping[str, str], devices: int) -> str | None:
    """What CUDA_VISIBLE_DEVICES is to be for a rank of a job, one GPU of those on its machine; None to leave it as it
    is, as in a process that was started alone. `devices` is how many GPUs there are if the variable does not say.

    Raises BackendUnavailable where the machine has fewer GPUs, but more than one, than the job has ranks on it.
    """
    place = seat()
    setting = environ.get("CUDA_VISIBLE_DEVICES")
    visible = list(map(str, range(devices))) if setting is None else [d for d in setting.split(",") if d.strip()]
    if place.local_size < 2 or len(visible) < 2:
        return None
    if place.local_size > len(visible):
        raise BackendUnavailable(f"the job has {place.local_size} ranks on this machine, which has {len(visible)} GPUs "
                                 f"(CUDA_VISIBLE_DEVICES={','.join(visible)}): start as many ranks as GPUs, or set "
                                 f"{VARIABLE}=numpy.")
    return visible[place.local_rank]


def _gpus_of_system() -> int:
    """How many GPUs Linux shows, without asking CUDA, which would settle which ones this process sees."""
    return len([name for name in os.listdir("/dev") if re.match("nvidia[0-9]", name)]) if os.path.isdir("/dev") else 0


def read_setting(environ: Mapping[str, str]) -> str:
    """The value of GPUKERAS_BACKEND, checked."""
    setting = environ.get(VARIABLE, "").strip().lower() or "auto"
    if setting not in CHOICES:
        raise ValueError(f"{VARIABLE} is {environ[VARIABLE]!r}; it must be one of {', '.join(CHOICES)}.")
    return setting


def usable_cupy(driver: Driver, load: Callable[[], Any]) -> Any:
    """CuPy, imported and seen to reach a GPU. BackendUnavailable names what is missing, and the cure."""
    install = f"pip install 'gpukeras[{driver.extra}]'"
    try:
        cupy = load()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cupy":
            raise BackendUnavailable(
                f"CuPy is installed but lacks {error.name}. Reinstall it: {install}"
            ) from error
        raise BackendUnavailable(f"CuPy is not installed. Install it: {install}") from error
    except Exception as error:  # a broken CuPy installation raises whatever its loader met
        raise BackendUnavailable(f"CuPy does not import ({error}). Reinstall it: {install}") from error
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:  # CUDARuntimeError exists only once CuPy is imported
        raise BackendUnavailable(
            f"CuPy {cupy.__version__} cannot reach the GPU ({error}). Usually the driver is older than the "
            "CUDA version that CuPy was built for: update the driver, or install the CuPy that fits it: "
            f"{install}"
        ) from error
    if count < 1:
        raise BackendUnavailable(f"CuPy {cupy.__version__} sees no GPU. Install the one that fits: {install}")
    return cupy


def select(
    environ: Mapping[str, str] = os.environ,
    probe: Callable[[], Driver] | None = None,
    load: Callable[[], Any] | None = None,
) -> Choice:
    """Choose NumPy or CuPy. `probe` and `load` stand for the driver and for `import cupy` in tests.

    Raises ValueError for an unknown setting, BackendUnavailable if CuPy was asked for and cannot work.
    """
    setting = read_setting(environ)
    if setting == "numpy":
        return Choice(numpy, "numpy", f"{VARIABLE}=numpy asks for NumPy.")
    own = own_gpu(environ, _gpus_of_system()) if environ is os.environ else None
    if own is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = own
    driver = (probe or probe_driver)()
    if not driver.devices:
        if setting == "auto":
            return Choice(numpy, "numpy", f"NumPy, because {driver.problem}.")
        raise BackendUnavailable(
            f"{VARIABLE}=cupy asks for a GPU, but {driver.problem}. Install NVIDIA's driver until "
            "`nvidia-smi` lists a GPU (a container needs `--gpus all`), then: "
            f"pip install 'gpukeras[{driver.extra}]'. {GO_ON_WITHOUT}"
        )
    try:
        cupy = usable_cupy(driver, load or _import_cupy)
    except BackendUnavailable as error:
        if setting == "auto":
            return Choice(numpy, "numpy", f"NumPy, although the driver shows a GPU: {error}")
        raise BackendUnavailable(f"{VARIABLE}=cupy cannot be followed: {error} {GO_ON_WITHOUT}") from error
    why = (
        f"{VARIABLE}=cupy asks for it"
        if setting == "cupy"
        else f"the NVIDIA driver shows {driver.devices} GPU(s)"
    )
    return Choice(cupy, "cupy", f"CuPy, because {why}.")


def _import_cupy() -> Any:
    return importlib.import_module("cupy")
