"""Sums over GPUs need a library that CuPy can be without."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gpukeras import device


@pytest.mark.skipif(device.NAME != "cupy", reason="about CuPy")
def test_without_the_library_it_is_said_what_to_install(monkeypatch):
    from cupy.cuda import nccl

    from gpukeras.device.nccl import Nccl
    monkeypatch.setattr(nccl, "available", False)
    for name in ("get_unique_id", "NcclCommunicator"):  # CuPy's module is empty then
        monkeypatch.delattr(nccl, name, raising=False)
    with pytest.raises(ImportError, match="pip install nvidia-nccl-cu12"):
        Nccl(SimpleNamespace(rank=0, size=2))
