"""Batch normalization: CUDA bodies and NumPy bodies against the definition, features along any axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.ops.normalization import TILE, BatchNormalize, BatchNormalizeGradient, Tiles
from tests.kernels.floats import sums_of, tolerances
from tests.kernels.run_op import run_kernel_body, run_numpy_body

MUTATIONS = [
    ("parts are joined without the distance of their means", "+ apart * apart * count * share", ""),
    ("a mean is not weighed by the number of elements", "mean += apart * share;", "mean += apart / 2;"),
    (
        "the barrier before lines are joined is missing",
        "all[threadIdx.x] = own;\n    __syncthreads();",
        "all[threadIdx.x] = own;",
    ),
    (
        "rows of one feature are taken for those of the next",
        "return (o * features + feature) * inner",
        "return (feature * features + o) * inner",
    ),
    ("a short last chunk counts in full", "Sum mean = total / Sum(count);", "Sum mean = total / Sum(CHUNK);"),
    ("gamma is always read as a vector", "gamma[share.feature * gamma_step]", "gamma[share.feature]"),
    (
        "the derivative leaves out the variance",
        "2 * g_variance[f * variance_step] - scale * r * of_gamma",
        "2 * g_variance[f * variance_step]",
    ),
    ("the derivative leaves out the mean's own", "g_mean[f * mean_step] - scale * of_beta", "-scale * of_beta"),
]

TOLERANCE = tolerances(2e-3, 3e-6, 1e-12)
EPSILON = 1e-3
SHAPES = st.sampled_from(
    [
        ((2, 3), 1),
        ((33, 1), 1),
        ((40, 5), 1),
        ((257, 33), 1),
        ((1, 7), 1),
        ((6, 9, 70), 2),
        ((700, 17), 1),
        ((5000, 3), 1),
    ]
    + [((3, 5, 7, 2), 1), ((4, 3, 9, 9), 1), ((7, 4), 0), ((2, 2, 41, 31), 1), ((1, 3, 70), 1), ((130, 2, 65), 1)]
)
CASES = dict(
    case=SHAPES,
    dtype=st.sampled_from(tuple(TOLERANCE)),
    numbers=st.booleans(),
    mean=st.sampled_from((0, 3, -40)),
    seed=st.integers(0, 2**31),
)


def wide(vector, ndim, axis):
    """A number for each feature, to be broadcast."""
    vector = np.asarray(vector, "float64")
    return vector if vector.ndim == 0 else vector.reshape([-1 if a == axis else 1 for a in range(ndim)])


def definition(x, gamma, beta, axis):
    """Output, mean and variance in double precision."""
    x = x.astype("float64")
    axes = tuple(a for a in range(x.ndim) if a != axis)
    mean, variance = x.mean(axes), x.var(axes)
    away = x - wide(mean, x.ndim, axis)
    y = away / np.sqrt(wide(variance, x.ndim, axis) + EPSILON) * wide(gamma, x.ndim, axis) + wide(beta, x.ndim, axis)
    return y, mean, variance


def definition_of_gradient(g, x, gamma, mean, variance, g_mean, g_variance, axis):
    """The derivatives by x, gamma and beta, from the sums that every textbook has."""
    g, x = g.astype("float64"), x.astype("float64")
    axes = tuple(a for a in range(x.ndim) if a != axis)
    n = x.size // x.shape[axis]
    away = x - wide(mean, x.ndim, axis)
    root = np.sqrt(variance.astype("float64") + EPSILON)
    by_hat = g * wide(gamma, x.ndim, axis)
    by_variance = (by_hat * away).sum(axes) * -0.5 / root**3 + g_variance
    by_mean = -by_hat.sum(axes) / root + g_mean
    dx = (
        by_hat / wide(root, x.ndim, axis)
        + (wide(by_mean, x.ndim, axis) + 2 * away * wide(by_variance, x.ndim, axis)) / n
    )
    return dx, (g * away).sum(axes) / root, g.sum(axes)


def draw(case, dtype, numbers, mean, rng):
    """x, gamma and beta."""
    shape, axis = case
    x = (rng.standard_normal(shape) + mean).astype(dtype)
    count = () if numbers else (shape[axis],)
    precise = sums_of(dtype)
    return x, rng.uniform(0.5, 2, count).astype(precise), rng.standard_normal(count).astype(precise), axis


def close(got, want, dtype, amount=1.0):
    """Equal within the type's rounding, relative to the largest number."""
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, 0, TOLERANCE[dtype] * amount * max(1.0, float(np.abs(b).max(initial=0))))


@pytest.mark.parametrize("run", [run_kernel_body, run_numpy_body])
@given(**CASES)
def test_normalize(run, case, dtype, numbers, mean, seed):
    x, gamma, beta, axis = draw(case, dtype, numbers, mean, np.random.RandomState(seed))
    y, m, v = run(BatchNormalize(axis, EPSILON), x, gamma, beta)
    assert y.dtype == dtype and m.dtype == v.dtype == sums_of(dtype)
    want = definition(x, gamma, beta, axis)
    close([y], want[:1], dtype, 1 + abs(mean))  # a mean of 40 takes 5 of the bits of x
    close([m, v], want[1:], sums_of(dtype))


@pytest.mark.parametrize("run", [run_kernel_body, run_numpy_body])
@given(**CASES)
def test_gradient(run, case, dtype, numbers, mean, seed):
    rng = np.random.RandomState(seed)
    x, gamma, beta, axis = draw(case, dtype, numbers, mean, rng)
    g = rng.standard_normal(x.shape).astype(dtype)
    precise = sums_of(dtype)
    m, v = (a.astype(precise) for a in definition(x, gamma, beta, axis)[1:])
    g_mean, g_variance = rng.standard_normal((2, x.shape[axis])).astype(precise)
    inputs = (g, x, gamma, m, v, g_mean, g_variance)
    got = run(BatchNormalizeGradient(axis, EPSILON), *inputs)
    assert [a.dtype for a in got] == [dtype, precise, precise]
    close(got, definition_of_gradient(*inputs, axis), dtype, 20 * (1 + abs(mean)))


@pytest.mark.parametrize("run", [run_kernel_body, run_numpy_body])
@pytest.mark.parametrize("shape, axis", [((20000, 3), 1), ((30, 2, 400), 1), ((300, 70), 1), ((2, 3, 3000), 1)])
def test_a_mean_much_larger_than_the_deviation(run, shape, axis):
    """What is lost is the rounding of the mean, eps mean / deviation. The sum of squares less the square of the sum
    would lose the square of that."""
    rng = np.random.RandomState(0)
    x = (rng.standard_normal(shape) + 2048).astype("float32")
    x[:1] = 0  # no good guess of the mean
    ones, zeros = np.ones(shape[axis], "float32"), np.zeros(shape[axis], "float32")
    got, want = run(BatchNormalize(axis, EPSILON), x, ones, zeros), definition(x, ones, zeros, axis)
    np.testing.assert_allclose(got[1], want[1], 4e-7)
    np.testing.assert_allclose(got[2], want[2], 5e-6)
    np.testing.assert_allclose(got[0], want[0], 0, 1e-3)
    x = (rng.standard_normal(shape) * 0.25 + 2048).astype("float32")
    got, want = run(BatchNormalize(axis, EPSILON), x, ones, zeros), definition(x, ones, zeros, axis)
    np.testing.assert_allclose(got[2], want[2], 2**-24 * 2048 / 0.25)


def test_constant_derivatives_of_mean_and_variance_may_be_views():
    rng = np.random.RandomState(0)
    x, g = rng.standard_normal((2, 9, 4))
    gamma = rng.uniform(1, 2, 8)[::2]
    m, v = x.mean(0), x.var(0)
    nothing, some = np.broadcast_to(np.float64(0), (4,)), np.arange(4.0)[::-1]
    inputs = (g, x, gamma, m, v, nothing, some)
    got = run_kernel_body(BatchNormalizeGradient(1, EPSILON), *inputs)
    close(got, definition_of_gradient(*inputs, 1), "float64")


@pytest.mark.parametrize("run", [run_kernel_body, run_numpy_body])
def test_no_samples_and_no_features(run):
    for shape in ((0, 3), (4, 0), (0, 3, 2)):
        vector = np.ones(shape[1])
        outs = run(BatchNormalize(1, EPSILON), np.ones(shape), vector, vector)
        assert [a.shape for a in outs] == [shape, shape[1:2], shape[1:2]]
        np.testing.assert_array_equal(outs[1:], np.zeros((2, shape[1])))


@pytest.mark.parametrize(
    "shape, axis",
    [((128, 512), 1), ((86528, 32), 1), ((7, 100000), 1), ((128, 32, 676), 1), ((1, 1, 10**6), 1), ((999, 3, 5), 1)],
)
def test_tiles_cover_the_array_once(shape, axis):
    tiles = Tiles(shape, axis)
    spans = sorted((p.start, p.start + p.shape[0] * p.shape[1]) for p in tiles.parts)
    assert spans[0][0] == 0 and spans[-1][1] == np.prod(shape)
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:]))
    assert sum(tiles.weights) * tiles.inner == np.prod(shape) // shape[axis]
    assert tiles.largest <= max(TILE, max(p.shape[1] for p in tiles.parts))
