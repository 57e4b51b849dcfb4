"""Windows as rows of a matrix and back: the CUDA bodies of Patches and FoldPatches against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras import device
from gpukeras.graph import Spec
from gpukeras.ops import convolution_kernels as kernels
from gpukeras.ops.patches import FoldPatches, Patches
from gpukeras.ops.windows import Window
from tests.kernels.convolutions import numbers, three_ops, windows
from tests.kernels.floats import FLOATS, HALVES
from tests.kernels.run_op import run_call, run_kernel_body, run_numpy_body

MUTATIONS = [
    ("a stride is ignored", "position * window.strides[axis] + place", "position + place"),
    ("padding is read", "there && inside(cell[axis], window.space[axis]);", "there && cell[axis] < 99;"),
    ("the padding before is ignored on the way back", "Index way = cell + window.before[axis] - place",
     "Index way = cell - place"),
    ("rows are left out", "row < rows; row += lanes", "row < rows; row += lanes + 1"),
    ("a cell of the window is left out", "Index c = 0; c < window.size[2]", "Index c = 1; c < window.size[2]"),
]  # fmt: skip

DEFINES = [{}]

CASES = dict(
    samples=st.integers(1, 3),
    channels=st.sampled_from((1, 3, 31, 33)),
    dtype=st.sampled_from(FLOATS),
    channels_first=st.booleans(),
    seed=st.integers(0, 2**31),
)


@given(case=windows(paddings=("valid",)), **CASES)
def test_patches(case, samples, channels, dtype, channels_first, seed):
    """A copy: equal bits."""
    window, space = case
    x = numbers(np.random.RandomState(seed), (samples, *space, channels), dtype, channels_first)
    np.testing.assert_array_equal(run_kernel_body(Patches(window), x)[0], run_numpy_body(Patches(window), x)[0])


@given(case=windows(), **CASES)
def test_im2col_pads_with_zeros(case, samples, channels, dtype, channels_first, seed):
    window, space = case
    x = numbers(np.random.RandomState(seed), (samples, *space, channels), dtype, channels_first)
    padded = np.pad(x, [(0, 0), *(window.pads(n, a) for a, n in enumerate(space)), (0, 0)])
    last = 1 if channels_first else -1  # where the channels are in memory
    there = device.xp.moveaxis(device.asarray(np.ascontiguousarray(np.moveaxis(x, -1, last))), last, -1)
    columns = device.asarray(np.full((samples, *window.output_space(space), *window.size, channels), np.nan, dtype))
    for function, arguments in kernels.im2col(window, there, columns):
        run_call(function, arguments)
    strides = [s * n for by in (window.strides, window.dilation) for s, n in zip(padded.strides[1:], by)]
    steps = (padded.strides[0], *strides, padded.strides[-1])
    want = np.lib.stride_tricks.as_strided(padded, columns.shape, steps)
    np.testing.assert_array_equal(device.to_host(columns), want)


@given(case=windows(), **CASES)
def test_fold_patches(case, samples, channels, dtype, channels_first, seed):
    """The same additions in the same order: equal bits, but for halves, which the kernel adds in float32."""
    window, space = case
    like = Spec((samples, *space, channels), dtype)
    patches = numbers(np.random.RandomState(seed), Patches(window).infer(like).shape, dtype)
    (got,) = run_kernel_body(FoldPatches(window), patches, like)
    if dtype not in HALVES:
        np.testing.assert_array_equal(got, run_numpy_body(FoldPatches(window), patches, like)[0])
    else:
        wide = run_numpy_body(FoldPatches(window), patches.astype(np.float32), Spec(like.shape, "float32"))[0]
        np.testing.assert_array_equal(got, wide.astype(dtype))


@pytest.mark.parametrize("channels", [1, 300])
def test_a_row_may_be_longer_than_a_block(channels):
    rng, window = np.random.RandomState(0), Window((2, 2, 2), (1, 1, 1), "valid", (1, 1, 1))
    x = numbers(rng, (1, 2, 2, 3, channels), "float32")
    np.testing.assert_array_equal(run_kernel_body(Patches(window), x)[0], run_numpy_body(Patches(window), x)[0])


def test_few_blocks_do_it_all(monkeypatch):
    """The kernels' loops take what the blocks do not reach."""
    monkeypatch.setattr(kernels, "blocks", lambda count: 1)
    rng, window = np.random.RandomState(0), Window((3, 2), (1, 1), "valid", (1, 1))
    x = numbers(rng, (2, 9, 8, 7), "float32")
    (patches,) = run_kernel_body(Patches(window), x)
    np.testing.assert_array_equal(patches, run_numpy_body(Patches(window), x)[0])
    like = Spec(x.shape, "float32")
    folded, want = (run(FoldPatches(window), patches, like)[0] for run in (run_kernel_body, run_numpy_body))
    np.testing.assert_array_equal(folded, want)


def test_three_axes_run_through_columns():
    window = Window((2, 2, 2), (1, 1, 1), "same", (1, 1, 1))
    rng = np.random.RandomState(0)
    x, kernel, g = (numbers(rng, s, "float32") for s in ((2, 3, 3, 3, 2), (2, 2, 2, 2, 4), (2, 3, 3, 3, 4)))
    for op, inputs in three_ops(window, x, kernel, g):
        specs = [a if isinstance(a, Spec) else Spec(a.shape, a.dtype.name) for a in inputs]
        (room,) = op.workspace(specs, [op.infer(*specs)])
        assert room == Spec((2, 27 * 16), "float32")
