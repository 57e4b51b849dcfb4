"""The CUDA bodies of reductions, scans and searches against their NumPy bodies: any axes, any strides, every dtype."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops.reduce import ArgExtreme, Reduce, Scan
from tests.kernels.floats import EPSILON, HALVES, sums_of
from tests.kernels.run_op import run_kernel_body, run_numpy_body

DEFINES = [
    {},
    *({"KIND": kind} for kind in ("Multiply", "Max", "Min")),
    *({"VALUE": value} for value in ("int", "long long", "bool", "unsigned char", "short")),
    *({"VALUE": value, "KIND": "Max"} for value in ("int", "long long", "bool")),
]
MUTATIONS = [
    ("the tree's barriers are missing", "        __syncthreads();\n    }\n    T result", "    }\n    T result"),
    ("a chunk takes one element of the next", "? first + chunk : length;", "? first + chunk + 1 : length;"),
    ("the table is read the wrong way", "axis = count - 1; axis >= 0; --axis", "axis = 0; axis < count; ++axis"),
    ("the largest is not NaN", "return a > b || a != a ? a : b;", "return a > b ? a : b;"),
    ("the last of equals is found", "b.place < a.place", "b.place > a.place"),
    ("a tile of a scan forgets those before it", "before = combine(before, partial[BLOCK - 1]);", ""),
]

INTEGERS = ("int32", "int64")
LENGTHS = (1, 1, 2, 3, 5, 8, 31, 33, 257)


@st.composite
def shapes(draw, most_axes=5):
    """Up to five axes, of awkward lengths, and not too many elements."""
    shape = draw(st.lists(st.sampled_from(LENGTHS), min_size=1, max_size=most_axes))
    while np.prod(shape) > 20000:
        shape[shape.index(max(shape))] = 2
    return tuple(shape)


def view(x, layout, rng):
    """The same values, or fewer, in an array of the given layout."""
    if layout == "transposed":
        return x.transpose(rng.permutation(x.ndim))
    if layout == "backwards":
        return x[tuple(slice(None, None, rng.choice((-1, 1))) for _ in x.shape)]
    if layout == "gaps":
        return x[tuple(slice(None, None, rng.choice((1, 2))) for _ in x.shape)].swapaxes(0, -1)
    if layout == "broadcast":
        return np.broadcast_to(x[..., None, :], (*x.shape[:-1], 3, x.shape[-1]))
    return x


def some_axes(rank, rng):
    """A few of the axes, at least one."""
    return tuple(sorted(rng.choice(rank, rng.randint(1, rank + 1), replace=False).tolist()))


LAYOUTS = st.sampled_from(("plain", "transposed", "backwards", "gaps", "broadcast"))
SEEDS = st.integers(0, 2**31)


def sum_and_its_size(op, x):
    """What NumPy gets in float64, and the sum of the magnitudes, to which rounding errors are relative."""
    exact = x.astype("float64")
    want, = run_numpy_body(op, exact)
    size, = run_numpy_body(op, abs(exact))
    return want, size


def check_sum(op, x, factor=2):
    """Far better than one after another: NumPy's bound for pairs, with few roundings."""
    got, = run_kernel_body(op, x)
    want, size = sum_and_its_size(op, x)
    assert got.dtype == x.dtype and got.shape == want.shape
    assert (abs(got - want) <= factor * EPSILON[got.dtype.name] * size).all()
    return got


@given(shape=shapes(), layout=LAYOUTS, dtype=st.sampled_from(tuple(EPSILON)), keepdims=st.booleans(), seed=SEEDS)
def test_sums_over_any_axes(shape, layout, dtype, keepdims, seed):
    rng = np.random.RandomState(seed)
    x = view(rng.standard_normal(shape).astype(dtype), layout, rng)
    check_sum(Reduce("sum", some_axes(x.ndim, rng), keepdims), x)


@given(
    kind=st.sampled_from(("max", "min")),
    shape=shapes(),
    layout=LAYOUTS,
    dtype=st.sampled_from((*EPSILON, "int32")),
    special=st.sampled_from(((), (np.nan,), (np.inf,), (-np.inf,))),
    seed=SEEDS,
)
def test_extremes_over_any_axes(kind, shape, layout, dtype, special, seed):
    rng = np.random.RandomState(seed)
    values = (rng.standard_normal(shape) * 20).astype(dtype)
    for number in special if dtype in EPSILON else ():
        values[rng.random_sample(shape) < 0.02] = number
    x = view(values, layout, rng)
    op = Reduce(kind, some_axes(x.ndim, rng), False)
    np.testing.assert_array_equal(run_kernel_body(op, x), run_numpy_body(op, x))


@given(kind=st.sampled_from(("any", "all", "max", "min")), shape=shapes(), layout=LAYOUTS, seed=SEEDS)
def test_truth_values_over_any_axes(kind, shape, layout, seed):
    rng = np.random.RandomState(seed)
    share = 0.02 if kind in ("any", "max") else 0.98
    x = view(rng.random_sample(shape) < share, layout, rng)
    op = Reduce(kind, some_axes(x.ndim, rng), False)
    np.testing.assert_array_equal(run_kernel_body(op, x), run_numpy_body(op, x))


@given(
    kind=st.sampled_from(("sum", "prod")),
    shape=shapes(),
    layout=LAYOUTS,
    dtype=st.sampled_from(INTEGERS),
    seed=SEEDS,
)
def test_integers_over_any_axes_wrap_around(kind, shape, layout, dtype, seed):
    rng = np.random.RandomState(seed)
    x = view(rng.randint(-(2**31), 2**31, shape).astype(dtype) | (kind == "prod"), layout, rng)
    op = Reduce(kind, some_axes(x.ndim, rng), False)
    np.testing.assert_array_equal(run_kernel_body(op, x), run_numpy_body(op, x))


@given(shape=shapes(), layout=LAYOUTS, dtype=st.sampled_from(tuple(EPSILON)), seed=SEEDS)
def test_products_over_any_axes(shape, layout, dtype, seed):
    rng = np.random.RandomState(seed)
    x = view((1 + rng.standard_normal(shape) / np.prod(shape) ** 0.5 / 10).astype(dtype), layout, rng)
    op = Reduce("prod", some_axes(x.ndim, rng), False)
    got, = run_kernel_body(op, x)
    want, = run_numpy_body(op, x.astype("float64"))
    factors = x.size / got.size
    arithmetic = EPSILON[sums_of(dtype)]
    np.testing.assert_allclose(got, want, rtol=EPSILON[dtype] + factors * arithmetic)


LONG = [
    ((150001,), (0,)),
    ((3, 50001), (1,)),
    ((50001, 3), (0,)),
    ((6000, 40), (0,)),  # a bias's gradient
    ((8, 33, 31, 20), (1, 2)),  # global pooling
    ((9, 20, 33, 31), (0, 2, 3)),  # channels first: a bias, or batch statistics
    ((5, 4, 7, 3, 600), (0, 2, 4)),  # alternating: by a table
]


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("shape, axes", LONG, ids=str)
def test_long_sums(shape, axes, dtype):
    x = np.random.RandomState(0).standard_normal(shape).astype(dtype)
    first = check_sum(Reduce("sum", axes, False), x)
    again, = run_kernel_body(Reduce("sum", axes, False), x)
    assert first.tobytes() == again.tobytes()
    check_sum(Reduce("sum", tuple(x.ndim - 1 - a for a in axes), False), x.T)


@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize("shape, axes", LONG, ids=str)
def test_long_extremes(shape, axes, kind):
    x = np.random.RandomState(0).standard_normal(shape).astype("float32")
    x.reshape(-1)[x.size // 3] = np.nan
    op = Reduce(kind, axes, True)
    np.testing.assert_array_equal(run_kernel_body(op, x), run_numpy_body(op, x))


def test_blocks_that_work_on_several_tiles(monkeypatch):
    monkeypatch.setattr("gpukeras.ops.reduce.blocks", lambda count: 3)
    rng = np.random.RandomState(0)
    for shape, axis in ((20, 700), 1), ((700, 500), 0), ((2000, 5), 1):
        x = rng.standard_normal(shape).astype("float32")
        check_sum(Reduce("sum", (axis,), False), x)
        check_scan(Scan("sum", axis), x)
        op = ArgExtreme("max", axis)
        np.testing.assert_array_equal(run_kernel_body(op, x), run_numpy_body(op, x))


@pytest.mark.parametrize("shape, axes, launches, along", [
    ((128, 10), (1,), ["reduce"], 1),
    ((128, 10), (0,), ["reduce"], 0),
    ((6000, 40), (0,), ["reduce_part", "reduce_rest"], 0),
    ((8, 33, 31, 20), (1, 2), ["reduce_part", "reduce_rest"], 0),
    ((9, 20, 33, 31), (0, 2, 3), ["reduce_part", "reduce_rest"], 1),
    ((5, 4, 7, 3, 6), (0, 2, 4), ["reduce_table"], 1),
    ((1000, 1), (1,), ["reduce"], 0),
], ids=str)  # fmt: skip
def test_neighbouring_threads_read_neighbouring_elements(shape, axes, launches, along):
    x, op = np.zeros(shape, "float32"), Reduce("sum", axes, False)
    y, = run_numpy_body(op, x)
    room = [np.zeros(s.shape, s.dtype) for s in op.workspace([Spec(x.shape, "float32")], [Spec(y.shape, "float32")])]
    calls = [function for function, _ in op.launches([x], [y], room)]
    assert [call.name for call in calls] == launches
    assert calls[0].arguments[6] == along


@pytest.mark.parametrize("axes", [(0,), (1,)])
def test_rounding_errors_do_not_pile_up(axes):
    """One after another in float32, 300,000 times 0.1 is 1 in 1,000 off."""
    x = np.full((300000, 1) if axes == (0,) else (1, 300000), 0.1, "float32")
    got, = run_kernel_body(Reduce("sum", axes, False), x)
    assert abs(got.item() / (300000 * float(np.float32(0.1))) - 1) < 4e-7


@pytest.mark.parametrize("dtype, size", list(zip(HALVES, (20000, 20096))))
def test_half_adds_up_in_float(dtype, size):
    x = np.ones((3, size), dtype)
    for op, a in (Reduce("sum", (1,), False), x), (Reduce("sum", (0,), False), x.T):
        got, = run_kernel_body(op, a)
        assert (got == size).all()


def test_no_elements():
    none = np.zeros((0, 3), "float32")
    assert run_kernel_body(Reduce("sum", (0,), False), none)[0].tolist() == [0, 0, 0]
    assert run_kernel_body(Reduce("prod", (0,), True), none)[0].tolist() == [[1, 1, 1]]
    for kind, end in (("max", -np.inf), ("min", np.inf)):
        assert run_kernel_body(Reduce(kind, (0,), False), none)[0].tolist() == [end] * 3
        with pytest.raises(ValueError, match=f"arg{kind} over no elements"):
            run_kernel_body(ArgExtreme(kind, 0), none)
    assert run_kernel_body(Reduce("sum", (1,), False), none)[0].shape == (0,)
    assert run_kernel_body(ArgExtreme("max", 1), none)[0].shape == (0,)
    assert run_kernel_body(Scan("sum", 0), none)[0].shape == (0, 3)


def test_any_of_numbers_has_no_kernel():
    assert not Reduce("any", (0,), False).takes_kernel([Spec((2,), "float32")])
    assert Reduce("any", (0,), False).takes_kernel([Spec((2,), "bool")])


@given(
    kind=st.sampled_from(("max", "min")),
    shape=shapes(3),
    dtype=st.sampled_from((*EPSILON, *INTEGERS, "bool")),
    nan=st.sampled_from((0.0, 0.0, 0.05)),
    spread=st.sampled_from((1, 30)),
    seed=SEEDS,
)
def test_place_of_the_extreme_is_the_first_among_equals(kind, shape, dtype, nan, spread, seed):
    rng = np.random.RandomState(seed)
    x = rng.randint(0, 1 + spread, shape).astype(dtype)
    if dtype in EPSILON:
        x[rng.random_sample(shape) < nan] = np.nan
    op = ArgExtreme(kind, rng.randint(len(shape)))
    np.testing.assert_array_equal(run_kernel_body(op, x), run_numpy_body(op, x))


@given(
    kind=st.sampled_from(("sum", "prod")),
    shape=shapes(3),
    dtype=st.sampled_from((*EPSILON, *INTEGERS)),
    exclusive=st.booleans(),
    seed=SEEDS,
)
def test_running_sums_and_products(kind, shape, dtype, exclusive, seed):
    rng = np.random.RandomState(seed)
    op = Scan(kind, rng.randint(len(shape)), exclusive)
    length = shape[op.axis]
    if dtype in INTEGERS:
        x = rng.randint(-(2**31), 2**31, shape).astype(dtype) | 1
        np.testing.assert_array_equal(run_kernel_body(op, x), run_numpy_body(op, x))
        return
    x = rng.standard_normal(shape) if kind == "sum" else 1 + rng.standard_normal(shape) / length
    check_scan(op, x.astype(dtype))


def check_scan(op, x):
    """Within the rounding of each step."""
    got, = run_kernel_body(op, x)
    want, size = sum_and_its_size(op, x)
    dtype = got.dtype.name
    arithmetic = EPSILON[sums_of(dtype)] * x.shape[op.axis]
    assert (abs(got - want) <= (EPSILON[dtype] + arithmetic) * size).all()
    return got


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_long_running_sums(axis, exclusive):
    x = np.random.RandomState(0).standard_normal((3, 1500) if axis else (1500, 3)).astype("float32")
    op = Scan("sum", axis, exclusive)
    assert check_scan(op, x).tobytes() == run_kernel_body(op, x)[0].tobytes()
