"""Compiled batch normalization and its derivative against their NumPy bodies and against sums in double."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops.normalization import BatchNormalize, BatchNormalizeGradient
from tests.kernels.run_tasks import compiled, run_numpy, run_tasks

pytestmark = compiled
SHAPES = st.one_of(
    st.tuples(st.tuples(st.sampled_from((1, 2, 7, 40)), st.sampled_from((1, 3, 40)),
                        st.sampled_from((1, 3, 16, 33, 300))), st.just(2)),
    st.tuples(st.tuples(st.sampled_from((1, 2, 7, 40)), st.sampled_from((1, 3, 10)), st.sampled_from((2, 16, 70, 300))),
              st.just(1)),
    st.tuples(st.tuples(st.sampled_from((1, 3, 40)), st.sampled_from((1, 5, 200))), st.sampled_from((0, 1))),
    st.just(((700, 3, 3, 20), 3)), st.just(((50, 20, 30, 30), 1)))


def normal(shape, seed, scale=1.0, shift=0.0):
    return np.asarray(np.random.RandomState(seed).standard_normal(shape) * scale + shift, "float32")


@given(SHAPES, st.booleans(), st.sampled_from((0.0, 3.0, 300.0)))
def test_normalization_and_derivative(case, vectors, shift):
    shape, axis = case
    features = (shape[axis],) if vectors else ()
    x = normal(shape, 0, shift=shift)
    gamma, beta, g_mean, g_variance = (normal(features, i, shift=i) for i in range(4))
    op = BatchNormalize(axis, 1e-3)
    y, mean, variance = run_tasks(op, x, gamma, beta)
    others = tuple(a for a in range(x.ndim) if a != axis)
    np.testing.assert_allclose(mean, x.mean(others, "float64"), 1e-6, 1e-6)
    np.testing.assert_allclose(variance, x.astype("float64").var(others), 1e-5, 1e-7 * (1 + shift))
    np.testing.assert_allclose(y, run_numpy(op, x, gamma, beta)[0], 2e-4, 1e-4 * (1 + shift))
    g = normal(shape, 4)
    op = BatchNormalizeGradient(axis, 1e-3)
    ins = (g, x, gamma, mean, variance, g_mean, g_variance)
    for got, want in zip(run_tasks(op, *ins), run_numpy(op, *ins)):
        np.testing.assert_allclose(got, want, 1e-3, 2e-4 * np.abs(want).max() * (1 + shift / 30))


def test_a_large_mean_costs_no_digits():
    x = normal((4000, 24), 0, shift=1e4)
    exact = x.astype("float64")
    y, mean, variance = run_tasks(BatchNormalize(1, 1e-3), x, normal((24,), 1), normal((24,), 2))
    np.testing.assert_allclose(mean, exact.mean(0), 1e-7)
    np.testing.assert_allclose(variance, exact.var(0), 1e-4)
    want = (exact - mean) / np.sqrt(variance.astype("float64") + 1e-3) * normal((24,), 1) + normal((24,), 2)
    np.testing.assert_allclose(y, want, 1e-3, 1e-4)


@pytest.mark.parametrize("axis", [1, 2])
def test_what_is_no_number_spoils_its_feature_only(axis):
    x = normal((30, 20, 20), 0)
    x[(3, 4, 5) if axis == 2 else (3, 5, 4)] = np.nan
    y, mean, variance = run_tasks(BatchNormalize(axis, 1e-3), x, normal((20,), 1), normal((20,), 2))
    assert np.isnan(mean).tolist() == np.isnan(variance).tolist() == [i == 5 for i in range(20)]
    assert np.isnan(np.moveaxis(y, axis, 0)[5]).all() and np.isnan(y).sum() == 600


def test_what_is_left_to_numpy():
    vector = Spec((3,), "float32")
    op = BatchNormalize(1, 1e-3)
    assert op.takes_tasks([Spec((4, 3), "float32"), vector, vector], [])
    assert not op.takes_tasks([Spec((0, 3), "float32"), vector, vector], [])
    assert not op.takes_tasks([Spec((4, 3), "float16"), vector, vector], [])
