"""Random windows and arrays for the tests of convolution.cu and im2col.cu, and the comparison with NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops.convolution import Convolution, ConvolutionInputGradient, ConvolutionKernelGradient
from gpukeras.ops.windows import Window
from tests.kernels.floats import tolerances
from tests.kernels.run_op import run_kernel_body, run_numpy_body

# Largest error of a result, relative to the same sum with all terms positive: a few roundings of the sums, and for
# 16 bits one of the result.
TOLERANCE = tolerances(6e-4, 2e-6, 1e-14)


@st.composite
def windows(draw, ranks=(1, 2, 3), paddings=("valid", "same"), dilations=(1, 2, 3)):
    """A window and a space that it fits into."""
    rank = draw(st.sampled_from(ranks))
    lists = dict(min_size=rank, max_size=rank)
    size, strides = (tuple(draw(st.lists(st.integers(1, 4 - rank // 3), **lists))) for _ in range(2))
    dilation = tuple(draw(st.lists(st.sampled_from(dilations), **lists)))
    padding = draw(st.sampled_from(paddings))
    window = Window(size, strides, padding, dilation)
    least = [window.reach(a) if padding == "valid" else 1 for a in range(rank)]
    return window, tuple(draw(st.integers(n, n + (19, 7, 2)[rank - 1])) for n in least)


def numbers(rng, shape, dtype, channels_first=False):
    """Normal numbers; as a view of an array with the channels before space, if so asked."""
    if channels_first:
        return np.moveaxis(rng.standard_normal((shape[0], shape[-1], *shape[1:-1])).astype(dtype), 1, -1)
    return rng.standard_normal(shape).astype(dtype)


def three_ops(window, x, kernel, g):
    """The three convolutions, each with its inputs."""
    return [
        (Convolution(window), [x, kernel]),
        (ConvolutionInputGradient(window), [g, kernel, Spec(x.shape, x.dtype.name)]),
        (ConvolutionKernelGradient(window), [x, g, Spec(kernel.shape, x.dtype.name)]),
    ]


def exact(op, inputs, change=lambda a: a):
    """The NumPy body in float64."""
    wide = [Spec(a.shape, "float64") if isinstance(a, Spec) else change(a.astype(np.float64)) for a in inputs]
    (want,) = run_numpy_body(op, *wide)
    return want


def check(op, inputs, tolerance=None, change=lambda a: a):
    """The CUDA body against NumPy's on the inputs after `change`; returns what the kernels computed."""
    (got,) = run_kernel_body(op, *inputs)
    bound = exact(op, inputs, np.abs) * (tolerance or TOLERANCE[inputs[0].dtype.name])
    if inputs[0].dtype == np.float16:
        bound += 2.0**-24  # numbers below 6e-5 lose digits
    error = np.abs(got - exact(op, inputs, change))
    assert (error <= bound).all(), f"{op}: off by {error.max()}, where {bound.flat[error.argmax()]} is allowed"
    return got
