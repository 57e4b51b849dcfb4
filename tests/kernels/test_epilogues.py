"""ReLUs' masks as bits: kernels/epilogues.cu."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.device import asarray, to_host
from gpukeras.device.epilogues import bits_of, words_for
from gpukeras.ops.epilogues import mask_by_bits, relu_and_bits
from tests.kernels.floats import FLOATS
from tests.kernels.run_op import run_call

MUTATIONS = [
    ("zeros are let through", "kept = (Sum)x > 0;", "kept = (Sum)x >= 0;"),
    ("NaN becomes zero", "kept || (Sum)x != (Sum)x ? x", "kept ? x"),
    ("words follow each other without the padding", "bits[(row * padded + column) / 32]", "bits[i / 32]"),
    ("bits are counted from the other end", "column % 32 & 1", "(31 - column % 32) & 1"),
    ("the bias is that of another column", "bias[column]", "bias[columns - 1 - column]"),
]
SHAPES = st.sampled_from([(1, 1), (3, 31), (5, 33), (2, 127), (4, 128), (3, 129), (7, 300)])
DTYPES = st.sampled_from(FLOATS)


def numbers(shape, dtype, seed):
    """Few different ones, so that sums of two are exact, and often 0; one is NaN."""
    found = np.random.RandomState(seed).randint(-3, 4, shape).astype(dtype)
    if found.ndim == 2:
        found[-1, seed % shape[1]] = np.nan
    return found


@given(SHAPES, DTYPES, st.integers(0, 2**31))
def test_relu_with_a_bias_and_its_mask(shape, dtype, seed):
    y, bias = numbers(shape, dtype, seed), numbers(shape[1:], dtype, seed + 1)
    bits = asarray(np.full((shape[0], words_for(shape[1])), 0xAAAAAAAA, "uint32"))
    there = asarray(y.copy())
    run_call(*relu_and_bits(there, asarray(bias), bits))
    want = y.astype("float64") + bias.astype("float64")
    np.testing.assert_array_equal(to_host(there).astype("float64"), np.maximum(want, 0))
    np.testing.assert_array_equal(to_host(bits), bits_of(want > 0))


@given(SHAPES, DTYPES, st.integers(0, 2**31))
def test_masking_by_bits(shape, dtype, seed):
    g, keep = numbers(shape, dtype, seed), np.random.RandomState(seed).rand(*shape) > 0.5
    there, bits = asarray(g.copy()), asarray(bits_of(keep))
    run_call(*mask_by_bits(there, bits))
    np.testing.assert_array_equal(to_host(there).astype("float64"), np.where(keep, g, 0).astype("float64"))
