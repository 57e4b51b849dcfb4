"""Pooling's CUDA bodies against its NumPy bodies: any window, strides of any view, ties, NaN and infinities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.ops.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient, MaxPoolPick
from gpukeras.ops.windows import Window
from tests.kernels.floats import FLOATS, tolerances
from tests.kernels.run_op import run_kernel_body, run_numpy_body

DEFINES = [{}, {"TILE": 2}]
MUTATIONS = [
    ("NaN loses against a number", "if (value > best || value != value)", "if (value > best)"),
    ("padding counts in a mean", "return last < first ? 0 : last - first + 1;", "return window.size[axis];"),
    ("a tie among tiles gives to every equal cell", "if (hit) open = false;", ""),
    ("a tie among overlapping windows gives to every equal cell", "&& cells.at(cell) == y) return", "&& false) return"),
    ("the last window that reaches a cell is left out", "*last = end /", "*last = (end - 1) /"),
    ("padding lies at the end", "window.dilation[axis] - window.before[axis];", "window.dilation[axis];"),
    ("strides of x are ignored", "cell[1] * step[1]", "cell[1] * step[0]"),
]

TOLERANCE = tolerances(2e-3, 0.0, 0.0)  # the order of summation is NumPy's: the same bits
TILE = Window((2, 2), (2, 2), "valid", (1, 1))


@st.composite
def windows(draw):
    """A window in one to three dimensions and a space that it fits into."""
    rank = draw(st.integers(1, 3))
    some = {
        "size": st.integers(1, 4 if rank < 3 else 3),
        "strides": st.integers(1, 4),
        "dilation": st.sampled_from((1, 1, 1, 2)),
    }
    size, strides, dilation = (tuple(draw(st.lists(s, min_size=rank, max_size=rank))) for s in some.values())
    if draw(st.booleans()):
        strides = size  # what pooling layers do unless told otherwise
    padding = draw(st.sampled_from(("valid", "same")))
    window = Window(size, strides, padding, dilation)
    least = [window.reach(a) if padding == "valid" else 1 for a in range(rank)]
    return window, tuple(draw(st.integers(n, n + (6 if rank < 3 else 3))) for n in least)


@st.composite
def tiles(draw):
    """The window with kernels of its own."""
    window = Window((2, 2), (2, 2), draw(st.sampled_from(("valid", "same"))), (1, 1))
    return window, tuple(draw(st.integers(2, 9)) for _ in range(2))


CASES = dict(
    case=st.one_of(windows(), tiles()),
    samples=st.integers(1, 3),
    channels=st.sampled_from((1, 2, 3, 5, 33)),
    dtype=st.sampled_from(FLOATS),
    layout=st.sampled_from(("plain", "channels first", "every second", "backwards")),
    seed=st.integers(0, 2**31),
)


def image(shape, dtype, layout, seed, special=()):
    """Small whole numbers, so that there are ties, in an array of the given layout; some are replaced by `special`."""
    rng = np.random.RandomState(seed)
    values = rng.randint(-2, 3, shape).astype(dtype)
    for number in special:
        values[rng.random_sample(shape) < 0.1] = number
    if layout == "channels first":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(values, -1, 1)), 1, -1)
    if layout == "every second":
        wide = np.zeros((*shape[:-2], 2 * shape[-2], shape[-1]), dtype)
        wide[..., ::2, :] = values
        return wide[..., ::2, :]
    if layout == "backwards":
        return np.ascontiguousarray(values[:, ::-1])[:, ::-1]
    return values


def check(op, *inputs):
    """Both bodies give the same numbers."""
    got, = run_kernel_body(op, *inputs)
    with np.errstate(all="ignore"):  # windows that see no cell
        want, = run_numpy_body(op, *inputs)
    assert got.dtype == want.dtype
    rtol = TOLERANCE[got.dtype.name]
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * 4)
    return got


@given(**CASES, special=st.sampled_from(((), (np.nan,), (-np.inf,), (np.inf, np.nan))))
def test_largest(case, samples, channels, dtype, layout, seed, special):
    window, space = case
    check(MaxPool(window), image((samples, *space, channels), dtype, layout, seed, special))


@given(**CASES)
def test_mean(case, samples, channels, dtype, layout, seed):
    window, space = case
    check(AveragePool(window), image((samples, *space, channels), dtype, layout, seed))


@given(**CASES)
def test_gradient_of_the_mean(case, samples, channels, dtype, layout, seed):
    window, space = case
    g = image((samples, *window.output_space(space), channels), dtype, layout, seed)
    check(AveragePoolGradient(window), g, np.zeros((samples, *space, channels), dtype))


def largest(window, x):
    """What NumPy's body finds; of bfloat16 with NaN it finds it with a warning."""
    with np.errstate(invalid="ignore"):
        y, = run_numpy_body(MaxPool(window), x)
    return y


@given(**CASES, special=st.sampled_from(((), (np.nan,), (-np.inf,))))
def test_gradient_of_the_largest_goes_to_the_first_of_equals(
    case, samples, channels, dtype, layout, seed, special
):
    window, space = case
    x = image((samples, *space, channels), dtype, layout, seed, special)
    y = largest(window, x)
    g = np.random.RandomState(seed).standard_normal(y.shape).astype(dtype)
    check(MaxPoolGradient(window), g, x, y)


@given(**CASES, special=st.sampled_from(((), (np.nan,), (-np.inf,))))
def test_pick_at_the_first_of_equals(case, samples, channels, dtype, layout, seed, special):
    window, space = case
    x = image((samples, *space, channels), dtype, layout, seed, special)
    y = largest(window, x)
    h = np.random.RandomState(seed).standard_normal(x.shape).astype(dtype)
    check(MaxPoolPick(window), h, x, y)


@pytest.mark.parametrize("window", [TILE, Window((3, 3), (2, 2), "same", (1, 1))], ids=("tiles", "overlapping"))
def test_more_results_than_all_blocks_have_threads(window, monkeypatch):
    monkeypatch.setattr("gpukeras.ops.pooling.blocks", lambda count: 3)
    x = image((2, 12, 13, 70), "float32", "plain", 0)
    y = check(MaxPool(window), x)
    g = np.random.RandomState(1).standard_normal(y.shape).astype("float32")
    first = check(MaxPoolGradient(window), g, x, y)
    again, = run_kernel_body(MaxPoolGradient(window), g, x, y)
    assert first.tobytes() == again.tobytes()
    check(AveragePoolGradient(window), g, x)


def test_an_infinite_gradient_stays_with_its_cell():
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    y = x[:, 1::2, 1::2]
    g = np.full_like(y, np.inf)
    dx, = run_kernel_body(MaxPoolGradient(TILE), g, x, y)
    assert np.isinf(dx[:, 1::2, 1::2]).all() and np.count_nonzero(dx) == 4


def test_no_samples():
    x = np.zeros((0, 4, 4, 3), "float32")
    y, = run_kernel_body(MaxPool(TILE), x)
    assert y.shape == (0, 2, 2, 3)
    dx, = run_kernel_body(MaxPoolGradient(TILE), y, x, y)
    assert dx.shape == x.shape


def test_layers_default_windows_get_kernels_of_their_own():
    x = np.zeros((2, 4, 4, 3), "float32")
    (forward, _), = MaxPool(TILE).launches([x], [x[:, ::2, ::2].copy()], [])
    assert "TILE=2" in forward.defines
    y = np.zeros((2, 2, 1, 3), "float32")
    by_window = MaxPoolGradient(Window((2, 4), (2, 4), "valid", (1, 1)))
    assert by_window.launches([y, x, y], [x.copy()], [])[0][0].name == "max_pool_gradient_tiles"
