"""Runs a piece of Python in a process of its own, on an imagined machine with or without an NVIDIA GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "stub"

_FAKE_DRIVER = """
import ctypes
_real = ctypes.CDLL
class _Driver:
    def cuDriverGetVersion(self, p): p._obj.value = {version}; return 0
    def cuInit(self, flags): return {status}
    def cuDeviceGetCount(self, p): p._obj.value = {devices}; return 0
def _load(name, *rest, **named):
    if name in ("libcuda.so.1", "nvcuda.dll"):
        if {missing}: raise OSError(name + ": cannot open shared object file")
        return _Driver()
    return _real(name, *rest, **named)
ctypes.CDLL = _load
"""


def run(
    code, *, backend="auto", driver=True, devices=1, version=12040, status=0, cupy=True, fails="", **environ
):
    """The finished process: `driver`, `devices`, `version`, `status` are the driver's answers; `cupy` puts
    the stub on the path, `fails` names what does not work in it."""
    fake = _FAKE_DRIVER.format(missing=not driver, devices=devices, version=version, status=status)
    path = [str(ROOT), *([str(STUB)] if cupy else [])]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("GPUKERAS", "CUDA"))
    }
    environment |= {
        "PYTHONPATH": os.pathsep.join(path),
        "GPUKERAS_BACKEND": backend,
        "STUB_FAILS": fails,
        **environ,
    }
    command = [sys.executable, "-W", "error", "-c", fake + code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def output(code, **machine):
    """What the code printed; it must not fail."""
    done = run(code, **machine)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def last_line_of_error(code, **machine):
    """The exception's line; the code must fail."""
    done = run(code, **machine)
    assert done.returncode != 0, done.stdout
    return done.stderr.strip().splitlines()[-1]
