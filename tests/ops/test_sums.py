"""Sums of a few numbers, which NumPy's body makes as products, are sums all the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gpukeras import device
from gpukeras.ops.reduce import FEW, Reduce

pytestmark = pytest.mark.skipif(device.NAME != "numpy", reason="about NumPy's body")


def summed(x, axes, keepdims):
    op = Reduce("sum", axes, keepdims)
    out = np.full(x.sum(axes, keepdims=keepdims).shape, 7, x.dtype)
    with np.errstate(all="ignore"):
        for function, arguments in op.calls([x], [out], []):
            function(*arguments)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64"])
@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("shape", [(5,), (1,), (4, 3), (1, 3), (4, 1), (2, 3, 4), (0, 3), (3, 0), (70, 60)])
def test_over_any_axes(shape, keepdims, dtype):
    x = np.random.RandomState(0).randint(-9, 9, shape).astype(dtype)
    assert x.size <= FEW or shape == (70, 60)
    for count in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            for y in (x, np.asfortranarray(x), x[::-1]):
                np.testing.assert_array_equal(summed(y, axes, keepdims), y.sum(axes, keepdims=keepdims))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_where_it_is(value):
    x = np.ones((4, 3), "float32")
    x[1, 2] = value
    np.testing.assert_array_equal(summed(x, (0,), False), [4, 4, value])
    np.testing.assert_array_equal(summed(x, (1,), False), [3, value, 3, 3])
