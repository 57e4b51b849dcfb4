"""Compiled reductions against NumPy: all kinds and types, over any axes of arrays that lie in any way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops import reduce_tasks
from gpukeras.ops.reduce import ArgExtreme, Reduce
from tests.kernels.run_tasks import compiled, run_numpy, run_tasks

pytestmark = compiled
KINDS = [(kind, dtype) for kind in ("sum", "max", "min") for dtype in ("float32", "float64", "int32", "int64")]
KINDS += [("prod", "float32"), ("prod", "float64"), ("any", "bool"), ("all", "bool")]


def numbers(shape, dtype, seed=0):
    rng = np.random.RandomState(seed)
    if dtype == "bool":
        return rng.rand(*shape) < (0.1 if seed % 2 else 0.9)
    return (rng.randint(-9, 9, shape) if dtype.startswith("int") else rng.standard_normal(shape)).astype(dtype)


def laid_out(x, way):
    """The same numbers with their elements in other places."""
    if way == "gaps":
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
        wide[..., 1::2] = x
        return wide[..., 1::2]
    if way == "turned":
        return x.T.copy().T
    if way == "backwards":
        index = (slice(None, None, -1),) * x.ndim
        return x[index].copy()[index]
    return np.broadcast_to(x[:1], x.shape) if way == "repeated" else x


def check(op, x):
    (got,), (want,) = run_tasks(op, x), run_numpy(op, x)
    assert got.shape == want.shape
    if x.dtype.kind == "f":
        np.testing.assert_allclose(got, want, 2e-5, 2e-5)
    else:
        np.testing.assert_array_equal(got, want)


@given(st.data(), st.sampled_from(KINDS), st.lists(st.sampled_from((1, 2, 3, 5, 33, 70)), min_size=1, max_size=4),
       st.sampled_from(("plain", "gaps", "turned", "backwards", "repeated")), st.booleans())
def test_any_axes_and_strides(data, kind, shape, way, keepdims):
    if np.prod(shape) > 40_000:
        shape = shape[:2]
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
    check(Reduce(kind[0], axes, keepdims), laid_out(numbers(tuple(shape), kind[1], len(shape)), way))


@pytest.mark.parametrize("shape, axes", [((300_000,), (0,)), ((128, 784), (0, 1)), ((5000, 32), (0,)),
                                         ((700, 300), (0,)), ((3, 3, 64, 300), (0, 1, 2, 3)),
                                         ((4, 90, 90, 8), (0, 1, 2)),
                                         ((4, 8, 90, 90), (0, 2, 3)), ((2, 9000, 11), (1,)), ((60, 3000), (1,)),
                                         ((2, 70_000), (1,)), ((90_000, 2), (0,))])
def test_long_reductions_are_cut_into_parts_and_sum_better_than_numpy(shape, axes):
    x = numbers(shape, "float32") + 3
    op = Reduce("sum", axes, False)
    (got,), (plain,) = run_tasks(op, x), run_numpy(op, x)
    exact = x.sum(axes, "float64")
    assert np.abs(got - exact).max() <= max(np.abs(plain - exact).max(), np.abs(exact).max() * 1.2e-7)
    check(Reduce("max", axes, True), x)
    check(Reduce("min", axes, False), x.astype("int64"))


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_no_number_comes_through(kind, special, axis):
    for place in range(0, 70, 7):
        x = numbers((70, 70), "float32")
        x[place, 70 - 1 - place] = special
        x[0] = special
        check(Reduce(kind, (axis,), False), x)
        check(Reduce(kind, (0, 1), False), x)


@given(st.data(), st.sampled_from(("max", "min")), st.sampled_from(("float32", "float64", "int32", "int64")),
       st.lists(st.sampled_from((1, 2, 3, 10, 40)), min_size=1, max_size=4),
       st.sampled_from(("plain", "gaps", "turned", "backwards")))
def test_places_of_extremes_with_ties_and_what_is_no_number(data, kind, dtype, shape, way):
    x = np.round(numbers(tuple(shape[:3]), dtype) * 2)
    if dtype.startswith("float"):
        rng = np.random.RandomState(1)
        x[rng.rand(*x.shape) < 0.02] = np.nan
        x[rng.rand(*x.shape) < 0.02] = np.inf
    op = ArgExtreme(kind, data.draw(st.integers(0, x.ndim - 1)))
    x = laid_out(x.astype(dtype), way)
    np.testing.assert_array_equal(run_tasks(op, x)[0], run_numpy(op, x)[0])


def test_what_is_left_to_numpy():
    assert not reduce_tasks.takes("sum", Spec((0, 3), "float32"))
    assert not reduce_tasks.takes("sum", Spec((2, 3), "float16"))
    assert not reduce_tasks.takes("any", Spec((2, 3), "float32"))
