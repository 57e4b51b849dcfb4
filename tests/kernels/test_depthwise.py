"""Depthwise convolution's CUDA bodies against its NumPy bodies in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops.depthwise import Depthwise, DepthwiseInputGradient, DepthwiseKernelGradient
from gpukeras.ops.windows import Window
from tests.kernels.floats import EPSILON, HALVES
from tests.kernels.run_op import run_kernel_body, run_numpy_body

DEFINES = [{}, {"SIZE": 3, "STRIDE": 1}, {"SIZE": 3, "STRIDE": 2}]
MUTATIONS = [
    ("all filters of a channel use the first", "place * filters + channel * multiplier;", "place * filters + channel;"),
    ("dilation is ignored", "place * window.dilation[axis] - window.before[axis];", "place - window.before[axis];"),
    ("a chunk forgets its first row", "Index row = start; row < stop", "Index row = start + 1; row < stop"),
    ("the kernel's gradient starts late", "(-shift + stride - 1) / stride : 0;", "-shift / stride + 1 : 0;"),
    ("a cell behind the end of the line is read", "inside(cell2, window.space[2]);", "cell2 >= 0;"),
    ("the mirrored kernel is not mirrored", "backwards ? places - 1 - place : place", "place"),
]



@st.composite
def windows(draw):
    """A window in one to three dimensions and a space that it fits into."""
    rank = draw(st.integers(1, 3))
    lists = dict(min_size=rank, max_size=rank)
    size, strides, dilation = (tuple(draw(st.lists(st.integers(1, 3), **lists))) for _ in range(3))
    padding = draw(st.sampled_from(("valid", "same")))
    window = Window(size, strides, padding, dilation)
    least = [window.reach(a) if padding == "valid" else 1 for a in range(rank)]
    return window, tuple(draw(st.integers(n, n + (6 if rank < 3 else 2))) for n in least)


@st.composite
def threes(draw):
    """The windows with kernels of their own."""
    stride = draw(st.sampled_from((1, 1, 2)))
    window = Window((3, 3), (stride, stride), draw(st.sampled_from(("valid", "same"))), (1, 1))
    return window, tuple(draw(st.integers(3, 9)) for _ in range(2))


CASES = dict(
    case=st.one_of(windows(), threes()),
    samples=st.integers(1, 3),
    channels=st.sampled_from((1, 2, 3, 7)),
    multiplier=st.integers(1, 3),
    dtype=st.sampled_from(tuple(EPSILON)),
    channels_first=st.booleans(),
    seed=st.integers(0, 2**31),
)


def draw_inputs(case, samples, channels, multiplier, dtype, channels_first, seed):
    """The window, x, the kernel and an incoming gradient."""
    window, space = case
    rng = np.random.RandomState(seed)
    x = rng.standard_normal((samples, channels, *space)).astype(dtype)
    x = np.moveaxis(x, 1, -1) if channels_first else np.ascontiguousarray(np.moveaxis(x, 1, -1))
    kernel = rng.standard_normal((*window.size, channels, multiplier)).astype(dtype)
    g = rng.standard_normal((samples, *window.output_space(space), channels * multiplier)).astype(dtype)
    return window, x, kernel, g


def check(op, *inputs):
    """Within rounding of what NumPy gets in float64, the size of the summands taken into account."""
    got, = run_kernel_body(op, *inputs)
    want, = run_numpy_body(op, *(a.astype("float64") for a in inputs))
    size, = run_numpy_body(op, *(abs(a.astype("float64")) for a in inputs))
    assert got.dtype == inputs[0].dtype
    assert (abs(got - want) <= 8 * EPSILON[got.dtype.name] * (size + 1e-30)).all()
    return got


def chunks(op, *inputs):
    """The number of partial sums that are kept."""
    *ins, out = (Spec(a.shape, a.dtype.name) for a in (*inputs, inputs[-1]))
    room, = op.workspace(ins, [out])
    return room.shape[0]


@given(**CASES)
def test_forward(**case):
    window, x, kernel, _ = draw_inputs(**case)
    check(Depthwise(window), x, kernel)


@given(**CASES)
def test_gradient_for_the_input(**case):
    window, x, kernel, g = draw_inputs(**case)
    check(DepthwiseInputGradient(window), g, kernel, x)


@given(**CASES)
def test_gradient_for_the_kernel(**case):
    window, x, kernel, g = draw_inputs(**case)
    check(DepthwiseKernelGradient(window), x, g, kernel)


@pytest.mark.parametrize("channels", [1, 100])
def test_many_chunks_and_few_blocks(channels, monkeypatch):
    monkeypatch.setattr("gpukeras.ops.depthwise.blocks", lambda count: 3)
    case = (Window((3, 3), (1, 1), "same", (1, 1)), (19, 17))
    window, x, kernel, g = draw_inputs(case, 5, channels, 1, "float32", False, 0)
    check(Depthwise(window), x, kernel)
    check(DepthwiseInputGradient(window), g, kernel, x)
    op = DepthwiseKernelGradient(window)
    assert chunks(op, x, g, kernel) > 1
    first, again = check(op, x, g, kernel), run_kernel_body(op, x, g, kernel)[0]
    assert first.tobytes() == again.tobytes()


@pytest.mark.parametrize("samples, channels, most", [(120, 400, 119), (1500, 1, 1024)])
def test_more_rows_than_chunks(samples, channels, most):
    case = (Window((3,), (1,), "same", (1,)), (2,))
    window, x, kernel, g = draw_inputs(case, samples, channels, 1, "float32", False, 0)
    op = DepthwiseKernelGradient(window)
    assert 1 < chunks(op, x, g, kernel) <= most
    check(op, x, g, kernel)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_adds_up_in_float(dtype):
    x, g = (np.ones((1, 50, 50, 1), dtype) for _ in range(2))
    kernel = np.zeros((1, 1, 1, 1), dtype)
    got, = run_kernel_body(DepthwiseKernelGradient(Window((1, 1), (1, 1), "valid", (1, 1))), x, g, kernel)
    assert float(got.item()) == np.array(2500, dtype)  # in float16, 2048 + 1 is 2048; in bfloat16, 256 + 1 is 256
