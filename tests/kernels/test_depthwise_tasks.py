"""The compiled tasks of depthwise convolution against NumPy's bodies in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops.depthwise import Depthwise, DepthwiseInputGradient, DepthwiseKernelGradient
from gpukeras.ops.windows import Window
from tests.kernels.convolutions import TOLERANCE, numbers, windows
from tests.kernels.run_tasks import check_what_is_no_number, compiled, run_numpy, run_tasks

pytestmark = compiled
SQUARE = Window((3, 3), (1, 1), "same", (1, 1))


def exact(op, *inputs):
    return run_numpy(op, *(a.astype(np.float64) for a in inputs))[0]


def check(op, *inputs):
    """The tasks' result, if it is right up to a few roundings of the sums."""
    got = run_tasks(op, *inputs)[0]
    error = np.abs(got - exact(op, *inputs))
    assert (error <= exact(op, *map(np.abs, inputs)) * TOLERANCE["float32"]).all(), op


@given(windows(), st.integers(1, 4), st.sampled_from((1, 3, 8, 16, 20)), st.sampled_from((1, 2, 5)), st.booleans())
@example((SQUARE, (7, 6)), 20, 40, 1, False)  # more samples than blocks
@example((SQUARE, (7, 6)), 20, 20, 2, True)
@example((Window((4, 5), (2, 2), "same", (1, 1)), (8, 9)), 5, 17, 1, False)  # more cells than a tile has rows
@example((Window((1, 1), (2, 2), "same", (1, 1)), (8, 8)), 5, 16, 2, False)  # inputs that no window sees
@example((Window((9, 9), (1, 1), "same", (1, 1)), (12, 11)), 2, 18, 1, False)  # too many borders: padding
@example((Window((3,), (1,), "same", (6,)), (4,)), 3, 16, 1, False)  # cells that see nothing but padding
@example((Window((3,), (1,), "valid", (1,)), (90,)), 2, 800, 1, False)  # several chunks of positions
def test_depthwise(drawn, samples, channels, multiplier, channels_first):
    window, space = drawn
    rng = np.random.default_rng(1)
    x = numbers(rng, (samples, *space, channels), np.float32, channels_first)
    kernel = numbers(rng, (*window.size, channels, multiplier), np.float32)
    g = numbers(rng, (samples, *window.output_space(space), channels * multiplier), np.float32, channels_first)
    check(Depthwise(window), x, kernel)
    check(DepthwiseInputGradient(window), g, kernel, x)
    check(DepthwiseKernelGradient(window), x, np.ascontiguousarray(g), kernel)


@pytest.mark.parametrize("channels, multiplier", [(2, 2), (20, 1), (10, 2)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_comes_through(channels, multiplier, value):
    """Where a window sees it, and nowhere else."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 6, 5, channels), dtype=np.float32)
    kernel = rng.standard_normal((3, 3, channels, multiplier), dtype=np.float32)
    g = rng.standard_normal((3, 6, 5, channels * multiplier), dtype=np.float32)
    x[1, 2, 3, -1] = g[2, 3, 2, 1] = value
    for op, *inputs in ((Depthwise(SQUARE), x, kernel), (DepthwiseInputGradient(SQUARE), g, kernel, x),
                        (DepthwiseKernelGradient(SQUARE), x, g, kernel)):
        check_what_is_no_number(op, *inputs)


def test_what_is_left_to_numpy():
    kernel = Spec((3, 3, 4, 2), "float32")
    for shape, dtype, expected in (((2, 8, 8, 4), "float32", True), ((0, 8, 8, 4), "float32", False),
                                   ((2, 8, 8, 4), "float64", False)):
        op, x = Depthwise(SQUARE), Spec(shape, dtype)
        assert op.takes_tasks([x, kernel], [op.infer(x, kernel)]) is expected
