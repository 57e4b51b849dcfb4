"""The compiled tasks of the convolutions, those of Winograd's aside, against NumPy's bodies in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops import winograd_tasks
from gpukeras.ops.convolution import Convolution, ConvolutionInputGradient, ConvolutionKernelGradient
from gpukeras.ops.windows import Window
from tests.kernels.convolutions import TOLERANCE, numbers, windows
from tests.kernels.run_tasks import check_what_is_no_number, compiled, run_numpy, run_tasks

pytestmark = compiled
CHANNELS = (1, 3, 16, 20, 32)
FILTERS = (1, 2, 3, 4, 8, 10, 16, 35)


@pytest.fixture(scope="module", autouse=True)
def _plainly():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd_tasks, "enabled", lambda: False)
        yield


def exact(op, *inputs):
    return run_numpy(op, *(a.astype(np.float64) for a in inputs))[0]


def check(op, *inputs):
    """The tasks' result, if it is right up to a few roundings of the sums."""
    got = run_tasks(op, *inputs)[0]
    bound = exact(op, *map(np.abs, inputs)) * TOLERANCE["float32"]
    error = np.abs(got - exact(op, *inputs))
    assert (error <= bound).all(), f"{op}: off by {error.max()}, where {bound.flat[error.argmax()]} is allowed"
    return got


def check_all(window, space, samples, channels, filters, channels_first=False):
    rng = np.random.default_rng(1)
    x = numbers(rng, (samples, *space, channels), np.float32, channels_first)
    kernel = numbers(rng, (*window.size, channels, filters), np.float32)
    g = numbers(rng, (samples, *window.output_space(space), filters), np.float32, channels_first)
    check(Convolution(window), x, kernel)
    check(ConvolutionInputGradient(window), g, kernel, x)
    check(ConvolutionKernelGradient(window), x, np.ascontiguousarray(g), kernel)


SQUARE = Window((3, 3), (1, 1), "same", (1, 1))


@given(windows(), st.integers(1, 4), st.sampled_from(CHANNELS), st.sampled_from(FILTERS), st.booleans())
@example((SQUARE, (7, 6)), 20, 32, 64, False)  # more samples than blocks, panels of both widths
@example((SQUARE, (7, 6)), 32, 3, 35, False)  # blocks of two samples,
@example((SQUARE, (4, 5)), 48, 16, 16, False)  # and of three for few filters
@example((SQUARE, (15, 13)), 3, 64, 70, False)  # several blocks of the kernel's rows
@example((Window((3, 3), (2, 2), "same", (1, 1)), (8, 9)), 5, 16, 2, False)
@example((Window((1, 1), (2, 2), "same", (1, 1)), (8, 8)), 5, 16, 32, False)  # inputs that no window sees
@example((Window((2,), (4,), "valid", (1,)), (11,)), 3, 4, 5, False)
@example((Window((3,), (1,), "valid", (1,)), (300,)), 2, 5, 30, False)  # a line longer than a chunk
@example((Window((9, 9), (1, 1), "same", (1, 1)), (12, 11)), 2, 2, 3, False)  # too many borders: padding
@example((Window((9, 9), (1, 1), "same", (1, 1)), (12, 11)), 2, 16, 3, True)
@example((Window((3,), (1,), "same", (6,)), (4,)), 3, 3, 3, False)  # cells that see nothing but padding
@example((Window((3, 3), (1, 1), "valid", (1, 1)), (60, 40)), 1, 40, 20, False)  # several chunks of positions
@example((Window((2, 2), (1, 1), "valid", (1, 1)), (3, 3)), 2, 300, 900, False)  # few sums of blocks, parts of the rows
def test_convolutions(drawn, samples, channels, filters, channels_first):
    window, space = drawn
    check_all(window, space, samples, channels, filters, channels_first)


@pytest.mark.parametrize("width", [1, 2, 15, 17, 19, 20, 26, 27, 28, 30, 31, 33, 47, 61, 68])
def test_lines_of_all_lengths_for_one_vector_of_filters(width):
    check_all(Window((3, 3), (1, 1), "same", (1, 1)), (4, width), 2, 5, 16)
    check_all(Window((3, 3), (2, 1), "valid", (1, 1)), (width + 3, 4), 2, 3, 17)


def test_views():
    rng = np.random.default_rng(2)
    whole = rng.standard_normal((8, 12, 9, 10), dtype=np.float32)
    kernel = rng.standard_normal((3, 3, 5, 6), dtype=np.float32)
    window = Window((3, 3), (1, 1), "same", (1, 1))
    for x in (whole[::2, 1:-1, 2:, :5], whole[:, ::2, ::-1, 5:], whole[:1, :, :, ::2], whole[:3, 2:3, :, :5]):
        check(Convolution(window), x, kernel)
        y = np.ones((*x.shape[:-1], 6), np.float32)
        check(ConvolutionInputGradient(window), x, kernel.swapaxes(2, 3).copy(), y)
        check(ConvolutionKernelGradient(window), x, y, kernel)


@pytest.mark.parametrize("channels, filters", [(2, 5), (16, 3), (32, 40)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_comes_through(channels, filters, value):
    """Where a window sees it, and nowhere else."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 6, 5, channels), dtype=np.float32)
    kernel = rng.standard_normal((3, 3, channels, filters), dtype=np.float32)
    g = rng.standard_normal((3, 6, 5, filters), dtype=np.float32)
    x[1, 2, 3, -1] = g[2, 5, 0, 1] = value
    for op, *inputs in ((Convolution(SQUARE), x, kernel), (ConvolutionInputGradient(SQUARE), g, kernel, x),
                        (ConvolutionKernelGradient(SQUARE), x, g, kernel)):
        check_what_is_no_number(op, *inputs)


def test_what_is_left_to_numpy():
    x, kernel = Spec((4, 8, 8, 3), "float32"), Spec((3, 3, 3, 5), "float32")

    def takes(x, kernel):
        op = Convolution(SQUARE)
        return op.takes_tasks([x, kernel], [op.infer(x, kernel)])

    assert takes(x, kernel)
    assert not takes(Spec((0, 8, 8, 3), "float32"), kernel)
    assert not takes(Spec((4, 8, 8, 0), "float32"), Spec((3, 3, 0, 5), "float32"))
    assert not takes(Spec(x.shape, "float64"), Spec(kernel.shape, "float64"))
    assert not takes(x, Spec(kernel.shape, "float64"))


def test_numbers_do_not_depend_on_the_batch():
    """A sample's results are the same bits, whatever it is done with."""
    rng = np.random.default_rng(4)
    kernel = rng.standard_normal((3, 3, 16, 24), dtype=np.float32)
    x = rng.standard_normal((7, 13, 12, 16), dtype=np.float32)  # of one sample threads share the places
    whole = run_tasks(Convolution(SQUARE), x, kernel)[0]
    for i in range(len(x)):
        np.testing.assert_array_equal(run_tasks(Convolution(SQUARE), x[i:i + 1], kernel)[0], whole[i:i + 1])
