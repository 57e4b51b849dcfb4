"""What bfloat16 needs: what is missing is said before anything computes."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gpukeras import device
from gpukeras.device import halves
from gpukeras.engine import policy
from tests.kernels.floats import needs_bfloat16


def cupy(types: list[str], cuda: tuple[int, int], version: str = "14.2.0") -> Any:
    """What is asked of CuPy."""
    return SimpleNamespace(__version__=version, add=SimpleNamespace(types=types),
                           cuda=SimpleNamespace(nvrtc=SimpleNamespace(getVersion=lambda: cuda)))


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ml_dtypes")
    monkeypatch.setattr(halves, "NAME", "cupy")
    monkeypatch.setattr(halves, "ensure_ready", lambda: None)


def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ValueError, match=r"bfloat16: .*Install ml_dtypes .*gpukeras\[bfloat16\].*'mixed_float16'"):
        device.require_bfloat16()


@needs_bfloat16
def test_it_is_there() -> None:
    device.require_bfloat16()
    there = device.asarray(np.arange(5).astype("bfloat16"))
    assert there.dtype.name == "bfloat16" and device.to_host(there).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cuda", [(12, 2), (12, 9), (13, 0)], ids=str)
def test_a_cupy_that_has_it(on_a_gpu: None, monkeypatch: pytest.MonkeyPatch, cuda: tuple[int, int]) -> None:
    monkeypatch.setattr(halves, "xp", cupy(["ee->e", "EE->E", "ff->f"], cuda))
    assert policy.usable("mixed_bfloat16").compute_dtype == "bfloat16"


def test_an_older_cupy(on_a_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "xp", cupy(["ee->e", "ff->f"], (12, 9), "13.6.0"))
    with pytest.raises(ValueError, match=rf"CuPy 14 or newer.*CuPy 13\.6\.0 and NumPy {np.__version__}.*mixed_float16"):
        device.require_bfloat16()


def test_an_older_cuda(on_a_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "xp", cupy(["EE->E"], (12, 1)))
    with pytest.raises(ValueError, match=r"CUDA 12\.2 or newer.*compiles with CUDA 12\.1.*mixed_float16"):
        device.require_bfloat16()
