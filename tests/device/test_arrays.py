"""The operations that NumPy and CuPy spell differently do the same."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import device


@pytest.mark.parametrize("kind", device.REDUCTIONS)
@pytest.mark.parametrize("axes, keepdims", [((0,), False), ((1, 2), True), ((0, 1, 2), False)])
def test_reductions_write_where_they_are_told(kind, axes, keepdims):
    x = np.random.RandomState(1).randint(0, 2, (2, 3, 4)) > 0 if kind in ("any", "all") else (
        np.arange(24, 0, -1, dtype="float32").reshape(2, 3, 4) / 8)
    expected = getattr(np, kind)(x, axes, keepdims=keepdims)
    out = device.asarray(np.zeros(expected.shape, x.dtype))
    device.REDUCTIONS[kind](device.asarray(x), axes, None, out, keepdims)
    np.testing.assert_allclose(device.to_host(out), expected, 1e-5)


@pytest.mark.parametrize("kind", device.SCANS)
def test_scans_write_where_they_are_told(kind):
    x = np.arange(1, 13, dtype="float64").reshape(3, 4)
    out = device.asarray(np.zeros_like(x))
    device.SCANS[kind](device.asarray(x), 1, None, out)
    np.testing.assert_allclose(device.to_host(out), getattr(np, f"cum{kind}")(x, 1))


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_take_writes_where_it_is_told(axis):
    x, indices = np.arange(12.0).reshape(3, 4), np.array([[2, 0], [1, 1]], "int32")
    expected = x.take(indices, axis)
    out = device.asarray(np.zeros_like(expected))
    device.take(device.asarray(x), device.asarray(indices), axis, out)
    np.testing.assert_array_equal(device.to_host(out), expected)
