"""Gathering rows, adding them up where they came from, one-hot rows: CUDA bodies against NumPy bodies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras import device
from gpukeras.graph import Spec
from gpukeras.ops import indexing
from gpukeras.ops.distinct import PutRows, SumDistinct
from gpukeras.ops.indexing import LONG, Gather, OneHot, ScatterRows
from tests.kernels.floats import FLOATS, HALVES, tolerances
from tests.kernels.run_op import run_kernel_body, run_numpy_body

MUTATIONS = [
    (
        "rows are counted in values instead of packs",
        "from[(Index)index * width +",
        "from[(Index)index * width * PACK +",
    ),
    ("indices are not checked", "if (in_range(index, length, fault)) {", "if (true) {"),
    (
        "equal digits change their order",
        "starts[digit * BLOCK + threadIdx.x]++",
        "--starts[digit * BLOCK + threadIdx.x + 1]",
    ),
    (
        "a pass sorts by 3 bits of 4",
        "(keys[i] >> shift) % DIGITS;\n        Index to",
        "(keys[i] >> shift) % 8;\n        Index to",
    ),
    (
        "the sums of a block's threads are off by one thread",
        "int before = sums[thread] - value;",
        "int before = sums[thread];",
    ),
    (
        "a barrier of the running sum is missing",
        "sums[thread] += other;\n        __syncthreads();",
        "sums[thread] += other;",
    ),
    ("tiles do not know how many pairs others have", "gridDim.x == 1 ? 0 :", "true ? 0 :"),
    (
        "the last place of an index is left out",
        "for (Index j = first; j < last; ++j) sum",
        "for (Index j = first; j < last - 1; ++j) sum",
    ),
    ("long stretches are left to nobody", "key >= length || last - first <= LONG", "key >= 0 || last - first <= LONG"),
    (
        "every place of an index gets its sum",
        "key < length && (own == 0 || keys[own - 1] != key)",
        "key < length",
    ),
    ("the last of equal places is put", "own == 0 || places[own - 1] != place", "places[own + 1] != place"),
    ("a long stretch's sum lies at its index", "(distinct ? first : (Index)key) * width", "(Index)key * width"),
    ("a long stretch's lines overlap", "Index from = first + line * each,", "Index from = first + line * (each - 1),"),
]
DEFINES = [
    {"LABEL": "int"},
    {"LABEL": "long long"},
    *({"PACK": pack, "LABEL": "int"} for pack in (1, 2, 4, 8)),
    *({"LABEL": label, "BLOCK": 1024, "VALUE": "float"} for label in ("int", "long long")),
    {"LABEL": "int", "PACK": 4, "VALUE": "int"},
    {"LABEL": "int", "PACK": 8, "VALUE": "bool"},
]
DTYPES = st.sampled_from(FLOATS)
TOLERANCE = tolerances(2e-2, 1e-5, 1e-13)
WIDTHS = st.sampled_from(((), (1,), (2,), (3,), (4,), (8,), (33,), (2, 6), (40,)))
LABELS = st.sampled_from(("int32", "int64"))


@given(
    length=st.integers(1, 20),
    width=WIDTHS,
    shape=st.sampled_from(((1,), (7,), (3, 5))),
    dtype=DTYPES,
    seed=st.integers(0, 2**31),
)
def test_gather(length, width, shape, dtype, seed):
    rng = np.random.RandomState(seed)
    table, indices = rng.standard_normal((length, *width)).astype(dtype), rng.randint(0, length, shape).astype("int32")
    (got,) = run_kernel_body(Gather(), table, indices)
    np.testing.assert_array_equal(got, table[indices])


@pytest.mark.parametrize("dtype, label", [("int32", "int32"), ("bool", "int32"), ("float32", "int64")])
def test_gather_of_other_types(dtype, label):
    table = np.random.RandomState(0).randint(0, 2, (5, 8)).astype(dtype)
    (got,) = run_kernel_body(Gather(), table, np.array([[4, 0], [1, 1]], label))
    np.testing.assert_array_equal(got, table[[[4, 0], [1, 1]]])


def test_gather_from_a_table_at_an_odd_address():
    """A weight in a flat vector need not lie where 16 bytes can be read at once."""
    flat = np.arange(41, dtype="float32")
    table = flat[1:].reshape(10, 4)
    (launch,) = [f for f, _ in Gather().launches([table, np.zeros(2, "int32")], [np.empty((2, 4), "float32")], [])]
    assert "PACK=1" in launch.defines or table.ctypes.data % 16 == 0
    (launch,) = [f for f, _ in Gather().launches([flat[:40].reshape(10, 4), np.zeros(2, "int32")], [flat[:8]], [])]
    assert any(f"PACK={n}" in launch.defines for n in ((4,) if flat.ctypes.data % 16 == 0 else (1, 2)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("wrong", [-2, 5])
def test_index_out_of_range(kernel, wrong, dtype):
    table, indices = np.ones((5, 3), dtype), np.array([0, wrong, 4], "int32")
    with pytest.raises(IndexError, match=rf"gather: indices must lie in \[0, 5\), got {wrong}"):
        run_kernel_body(Gather(), table, indices)
    with pytest.raises(IndexError, match=rf"scatter_rows: indices must lie in \[0, 5\), got {wrong}"):
        run_kernel_body(ScatterRows(), np.ones((3, 3), dtype), indices, Spec((5, 3), dtype))
    out, fault = np.zeros((3, 3), dtype), np.zeros(1, "int64")
    kernel("embedding", "gather", dtype, PACK=1, LABEL="int")(1, 256, table, indices, out, fault, 9, 3, 5)
    assert np.isnan(out).all(1).tolist() == [False, True, False] and fault[0] == (6 if wrong == 5 else -2)


def added(rows, indices, length):
    """The table that rows are added to, one after another, in the type that sums are made in."""
    table = np.zeros((length, *rows.shape[indices.ndim :]), "float64" if rows.dtype == "float64" else "float32")
    np.add.at(table, indices, rows.astype(table.dtype))
    return table.astype(rows.dtype)


@given(
    length=st.sampled_from((1, 2, 15, 16, 17, 300, 5000)),
    width=WIDTHS,
    label=LABELS,
    dtype=DTYPES,
    shape=st.sampled_from(((1,), (7,), (3, 5), (400,), (70, 5))),
    seed=st.integers(0, 2**31),
)
def test_rows_are_added_in_order(length, width, label, dtype, shape, seed):
    rng = np.random.RandomState(seed)
    indices = rng.randint(0, length, shape).astype(label)
    rows = rng.standard_normal((*shape, *width)).astype(dtype)
    (got,) = run_kernel_body(ScatterRows(), rows, indices, Spec((length, *width), dtype))
    want = added(rows, indices, length)
    often = np.bincount(indices.reshape(-1), minlength=length) > LONG
    np.testing.assert_array_equal(got[~often], want[~often])  # to the last bit
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(got[often], want[often], tolerance, tolerance * 10)
    if dtype not in HALVES and device.NAME == "numpy":  # a GPU has the kernel only
        np.testing.assert_array_equal(run_numpy_body(ScatterRows(), rows, indices, Spec(got.shape, dtype))[0], want)


@pytest.mark.parametrize("often", [LONG, LONG + 1, 3 * LONG, 500])
@pytest.mark.parametrize("before", [0, 1, 63, 64, 100])
def test_long_stretches_anywhere(often, before):
    """As padding makes them: one index many times."""
    indices = np.array([0] * before + [1] * often + [2] * 30, "int32")
    indices = np.random.RandomState(0).permutation(indices)
    rows = np.random.RandomState(1).standard_normal((len(indices), 3))
    (got,) = run_kernel_body(ScatterRows(), rows, indices, Spec((4, 3), "float64"))
    np.testing.assert_allclose(got, added(rows, indices, 4), 1e-12, 1e-12)


@pytest.mark.parametrize("count, length", [(2049, 40), (3000, 100000), (20000, 70), (20000, 3)])
def test_many_rows(count, length):
    """More neighbours for each thread, larger blocks, and (beyond 16384) several tiles."""
    rng = np.random.RandomState(0)
    indices, rows = rng.randint(0, length, count).astype("int32"), rng.standard_normal((count, 1)).astype("float64")
    (got,) = run_kernel_body(ScatterRows(), rows, indices, Spec((length, 1), "float64"), both=False)
    np.testing.assert_allclose(got, added(rows, indices, length), 1e-12, 1e-12)


def test_several_tiles_keep_the_order(monkeypatch):
    monkeypatch.setattr(indexing, "ONE_TILE", 100)
    monkeypatch.setattr(indexing, "TILE_ITEMS", 1)
    rng = np.random.RandomState(0)
    for count, length in ((101, 9), (1025, 70), (2500, 300)):
        indices, rows = rng.randint(0, length, count).astype("int64"), rng.standard_normal((count, 2)).astype("float32")
        (got,) = run_kernel_body(ScatterRows(), rows, indices, Spec((length, 2), "float32"))
        often = np.bincount(indices, minlength=length) > LONG
        np.testing.assert_array_equal(got[~often], added(rows, indices, length)[~often])
        np.testing.assert_allclose(got, added(rows, indices, length), 1e-5, 1e-5)


@pytest.mark.parametrize("run", [run_kernel_body, run_numpy_body])
def test_no_rows(run):
    (got,) = run(ScatterRows(), np.zeros((0, 3)), np.zeros(0, "int32"), Spec((4, 3), "float64"))
    np.testing.assert_array_equal(got, np.zeros((4, 3)))


@given(
    shape=st.sampled_from(((1,), (5,), (2, 3))),
    classes=st.sampled_from((1, 2, 10, 33)),
    label=LABELS,
    dtype=DTYPES,
    seed=st.integers(0, 2**31),
)
def test_one_hot(shape, classes, label, dtype, seed):
    indices = np.random.RandomState(seed).randint(-1, classes + 1, shape).astype(label)
    (got,) = run_kernel_body(OneHot(classes, dtype), indices)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, run_numpy_body(OneHot(classes, dtype), indices)[0])


@given(
    length=st.sampled_from((1, 2, 16, 300, 5000)),
    width=WIDTHS,
    label=LABELS,
    dtype=DTYPES,
    shape=st.sampled_from(((1,), (7,), (3, 5), (400,), (70, 5))),
    seed=st.integers(0, 2**31),
)
def test_sums_of_distinct_rows(length, width, label, dtype, shape, seed):
    rng = np.random.RandomState(seed)
    indices = rng.randint(0, length, shape).astype(label)
    rows = rng.standard_normal((*shape, *width)).astype(dtype)
    places, sums = run_kernel_body(SumDistinct(length), rows, indices)
    first = np.r_[True, places[1:] != places[:-1]]
    np.testing.assert_array_equal(places, np.sort(indices, None))
    assert not sums[~first].any()
    want, often = added(rows, indices, length)[places[first]], np.bincount(places)[places[first]] > LONG
    np.testing.assert_array_equal(sums[first][~often], want[~often])  # to the last bit
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(sums[first][often], want[often], tolerance, tolerance * 10)
    if dtype not in HALVES and device.NAME == "numpy":
        got = run_numpy_body(SumDistinct(length), rows, indices)
        np.testing.assert_array_equal(got[0], places)
        np.testing.assert_array_equal(got[1][first], want)
        assert not got[1][~first].any()


@pytest.mark.parametrize("run", [run_kernel_body, run_numpy_body])
@pytest.mark.parametrize("places", [[], [3], [0, 0, 1, 4, 4, 4]])
def test_rows_are_put(run, places):
    rows, table = np.random.RandomState(0).standard_normal((len(places), 2, 3)), np.ones((5, 2, 3))
    (got,) = run(PutRows(), rows, np.array(places, "int32"), table)
    want = table.copy()
    for row, place in reversed(list(zip(rows, places))):
        want[place] = row
    np.testing.assert_array_equal(got, want)


def test_distinct_rows_out_of_range(kernel):
    with pytest.raises(IndexError, match=r"sum_distinct: indices must lie in \[0, 5\), got 7"):
        run_kernel_body(SumDistinct(5), np.ones((3, 2)), np.array([0, 7, 4], "int32"))
    table = np.zeros((3, 2))
    kernel("embedding", "put_rows", "float64", PACK=1, LABEL="int")(
        1, 256, np.ones((2, 2)), np.array([1, 3], "int32"), table, 2, 2, 3
    )
    assert table.tolist() == [[0, 0], [1, 1], [0, 0]]
