"""Compiled pooling and its gradients against NumPy, over windows of all kinds in one to three dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient, MaxPoolPick
from gpukeras.ops.windows import Window
from tests.kernels.run_tasks import compiled, run_numpy, run_tasks

pytestmark = compiled


@st.composite
def cases(draw):
    rank = draw(st.integers(1, 3))

    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(rank))
    size = sizes(1, 3)
    strides = size if draw(st.booleans()) else sizes(1, 3)
    dilation = draw(st.sampled_from(((1,) * rank, (2,) * rank)))
    window = Window(size, strides, draw(st.sampled_from(("valid", "same"))), dilation)
    space = sizes(1, 7)
    assume(window.padding == "same" or all(n >= window.reach(a) for a, n in enumerate(space)))
    return window, (draw(st.integers(1, 3)), *space, draw(st.sampled_from((1, 2, 5, 16, 33, 70))))


def normal(shape, seed=0, ties=False):
    x = np.random.RandomState(seed).standard_normal(shape).astype("float32")
    return np.round(x) if ties else x


def laid_out(x, way):
    if way == "channels first":
        return np.moveaxis(np.moveaxis(x, -1, 1).copy(), 1, -1)
    return np.concatenate([x, x], 0)[::2] * 1 if way == "plain" else np.repeat(x, 2, 1)[:, ::2]


def check(op, *ins, exact=False):
    got, want = run_tasks(op, *ins)[0], run_numpy(op, *ins)[0]
    (np.testing.assert_array_equal if exact else lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6))(got, want)
    return got


@given(cases(), st.booleans(), st.sampled_from(("plain", "channels first", "gaps")))
def test_pooling_and_gradients(case, ties, way):
    window, shape = case
    x = normal(shape, 0, ties)
    check(MaxPool(window), laid_out(x, way), exact=True)
    y = check(MaxPool(window), x, exact=True)
    check(AveragePool(window), laid_out(x, way))
    g = normal(y.shape, 1)
    check(MaxPoolGradient(window), g, laid_out(x, way), y)
    got = run_tasks(AveragePoolGradient(window), g, x)[0]
    np.testing.assert_allclose(got, run_numpy(AveragePoolGradient(window), g, x)[0], 1e-5, 1e-6)


@pytest.mark.parametrize("strides", [(2, 2), (1, 1)])
def test_what_is_no_number(strides):
    window = Window((2, 2), strides, "same", (1, 1))
    x = normal((2, 7, 7, 20))
    rng = np.random.RandomState(2)
    for special in (np.nan, np.inf, -np.inf):
        x[rng.rand(*x.shape) < 0.1] = special
    y = check(MaxPool(window), x, exact=True)
    check(AveragePool(window), x)
    check(MaxPoolGradient(window), normal(y.shape, 1), x, y)


def test_what_is_left_to_numpy():
    window = Window((2,), (2,), "valid", (1,))
    x, y = Spec((2, 6, 3), "float32"), Spec((2, 3, 3), "float32")
    assert MaxPool(window).takes_tasks([x], [y])
    assert MaxPoolPick(window).c_family is None
    assert not MaxPool(window).takes_tasks([Spec((2, 6, 3), "float64")], [Spec((2, 3, 3), "float64")])
    assert not MaxPool(window).takes_tasks([Spec((0, 6, 3), "float32")], [Spec((0, 3, 3), "float32")])
