"""The random numbers of kernels/philox.cuh and random.cu against their twin in gpukeras/ops/philox.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.ops import philox
from gpukeras.ops.random import Random
from tests.kernels.run_op import run_call, run_kernel_body

DEFINES = [{"FUNCTION": f"philox_{kind}"} for kind in ("uniform", "normal", "truncated")]
COUNTS = st.sampled_from([1, 31, 33, 257, 1000])
SEEDS = st.sampled_from([0, 1, 7, 2**31 - 1, 2**31, 2**32 + 5, 10_000_000])
MUTATIONS = [
    ("one round too few", "i < 10", "i < 9"),
    ("a word of the counter in the wrong place", "c2 = high0 ^ c3 ^ k1", "c2 = high0 ^ c2 ^ k1"),
    ("the step is left out", "(place >> 32), c2 = step,", "(place >> 32), c2 = 0,"),
    ("both numbers of a pair outside", "if (b >= -2 && b <= 2) return b;", "return b;"),
]


def kernel_numbers(op: Random, step: int) -> np.ndarray:
    """What the op's launches draw at a step."""
    op.state[:1].fill(step)
    (out,) = run_kernel_body(op)
    for function, arguments in op.finish():
        run_call(function, arguments)
    assert int(op.state[0]) == step + 1
    return out


@given(COUNTS, SEEDS, st.integers(0, 5), st.sampled_from(["float32", "float64"]),
       st.sampled_from(["uniform", "normal", "truncated"]))
def test_numbers_are_those_of_the_twin(count, seed, step, dtype, kind):
    found = kernel_numbers(Random(kind, (count,), dtype, seed), step)
    expected = philox.drawn(kind, count, seed, step, dtype)
    assert found.dtype == expected.dtype == dtype
    if kind == "uniform":
        np.testing.assert_array_equal(found, expected)
    else:  # sine, cosine and logarithm may differ in the last bits
        np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6 if dtype == "float32" else 1e-13)


@given(COUNTS, SEEDS, st.integers(0, 5), st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_masks_are_those_of_the_twin(count, seed, step, level):
    found = kernel_numbers(Random("keep", (count,), "bool", seed, level), step)
    np.testing.assert_array_equal(found, philox.drawn("keep", count, seed, step, level=level))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype):
    n = 200_000
    u, z, t = (philox.drawn(kind, n, 5, 3, dtype) for kind in ("uniform", "normal", "truncated"))
    assert 0 <= u.min() and u.max() < 1
    assert u.mean() == pytest.approx(0.5, abs=0.003) and u.std() == pytest.approx(12**-0.5, abs=0.003)
    assert z.mean() == pytest.approx(0, abs=0.01) and z.std() == pytest.approx(1, abs=0.01)
    assert np.abs(t).max() <= 2 and t.std() == pytest.approx(0.8796, abs=0.01)  # of a normal cut at two deviations
    assert np.isfinite(z).all()
    assert philox.drawn("keep", n, 5, 3, level=0.3).mean() == pytest.approx(0.7, abs=0.005)


def test_steps_seeds_and_places_give_other_numbers():
    base = philox.drawn("uniform", 1000, 5, 0)
    for other in (philox.drawn("uniform", 1000, 6, 0), philox.drawn("uniform", 1000, 5, 1), base[::-1]):
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.1
        assert (base == other).mean() < 0.01
