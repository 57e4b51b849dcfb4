"""Products of matrices by compiled tasks, against sums in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from gpukeras.compiler.by_samples import ContractSamples
from gpukeras.compiler.zeros import FinitePieces, ProductWithoutZeros
from gpukeras.device.tasks import WORTH
from gpukeras.ops import product_tasks
from gpukeras.ops.linalg import Contract, MatMul
from tests.kernels.run_tasks import compiled, run_numpy, run_tasks

pytestmark = compiled

LENGTHS = st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 48, 63, 65, 100, 130]))
DEPTHS = st.one_of(st.integers(0, 40), st.sampled_from([319, 320, 321, 512, 513, 1100]))
LAYOUTS = ("rows", "columns", "part", "part of columns", "spread", "backwards", "windows", "windows of columns",
           "repeated")


def matrix(rng, m, n, layout):
    """Numbers with mean 0 as an (m, n) array that lies in memory in the way named."""
    def numbers(*shape):
        return rng.randn(*shape).astype("float32")

    if layout == "rows":
        return numbers(m, n)
    if layout == "columns":
        return numbers(n, m).T
    if layout == "part":
        return numbers(m + 2, n + 5)[1:m + 1, 2:n + 2]
    if layout == "part of columns":
        return numbers(n + 3, m + 7).T[3:m + 3, 1:n + 1]
    if layout == "spread":
        return numbers(2 * m, 3 * n)[::2, ::3]
    if layout == "backwards":
        return numbers(m, n)[::-1, ::-1]
    if layout == "repeated":
        return np.broadcast_to(numbers(1, n), (m, n))
    windows = as_strided(numbers(3 * max(m, n) + max(m, n)), (m, n), (12, 4))
    return windows if layout == "windows" else as_strided(windows, (m, n), (4, 12))


def check(got, a, b):
    """As near as sums of float32 are: some units in the last place of the sum of absolute values."""
    a, b = a.astype(float), b.astype(float)
    wrong = np.abs(got - a @ b) > 2e-6 * (np.abs(a) @ np.abs(b)) + 1e-30
    assert not wrong.any()


@given(m=LENGTHS, n=LENGTHS, k=DEPTHS, left=st.sampled_from(LAYOUTS), right=st.sampled_from(LAYOUTS),
       seed=st.integers(0, 9))
def test_matrices_that_lie_anywhere(m, n, k, left, right, seed):
    rng = np.random.RandomState(seed)
    a, b = matrix(rng, m, k, left), matrix(rng, k, n, right)
    check(run_tasks(MatMul(), a, b)[0], a, b)
    check(run_tasks(Contract(), a.T, b)[0], a, b)


LARGE = {
    "columns": (130, 600, 70), "columns of a transposed one": (70, 200, 400), "rows": (1200, 100, 40),
    "packed rows": (600, 1100, 30), "long and narrow": (3000, 40, 50), "one row": (1, 1000, 300),
    "few rows": (3, 700, 500), "a row of many columns": (1, 130, 3000),
}


@pytest.mark.parametrize("layout", ["rows", "columns", "spread"])
@pytest.mark.parametrize("name", LARGE)
def test_products_that_are_shared(name, layout):
    m, n, k = LARGE[name]
    rng = np.random.RandomState(0)
    a, b = matrix(rng, m, k, "part"), matrix(rng, k, n, layout)
    check(run_tasks(MatMul(), a, b)[0], a, b)
    x, g = matrix(rng, k, m, "rows"), matrix(rng, k, n, layout)
    check(run_tasks(Contract(), x, g)[0], x.T, g)


@pytest.mark.parametrize("m, k", [(1, 5), (7, 16), (40, 64), (5, 700), (600, 83), (300, 1000)])
@pytest.mark.parametrize("layout", ["rows", "columns", "part", "part of columns", "spread"])
def test_a_single_column(m, k, layout):
    rng = np.random.RandomState(0)
    a, b = matrix(rng, m, k, layout), matrix(rng, k, 1, layout)
    check(run_tasks(MatMul(), a, b)[0], a, b)
    check(run_tasks(Contract(), a.T, b)[0], a, b)


def test_large_products_are_cut_so_that_threads_can_share_them():
    for m, n, k in LARGE.values():
        a, b, out = (np.empty(shape, "float32") for shape in ((m, k), (k, n), (m, n)))
        room = [np.empty(s.shape, s.dtype) for s in product_tasks.room(a, b, out)]
        for right in (b, b.copy("F")):
            task = max(product_tasks.product(a, right, out, room), key=lambda task: task.nanoseconds)
            assert task.nanoseconds < WORTH or task.units >= min(product_tasks.BLOCKS, n // 128)


@pytest.mark.parametrize("m, n, k", [(5, 128, 700), (20, 300, 330), (40, 513, 20), (3, 1000, 5), (700, 129, 321)])
def test_a_right_matrix_that_comes_from_the_memory(monkeypatch, m, n, k):
    rng = np.random.RandomState(0)
    a, b = matrix(rng, m, k, "part"), matrix(rng, k, n, "part")
    near = run_tasks(Contract(), a.T, b)[0]
    check(near, a, b)
    monkeypatch.setattr(product_tasks, "FAR", 1)
    assert product_tasks.contraction(a, b, near)[0].words[-1]
    np.testing.assert_array_equal(run_tasks(Contract(), a.T, b)[0], near)


@pytest.mark.parametrize("samples, rows, k, n", [(8, 100, 40, 70), (12, 50, 9, 3), (9, 57, 33, 600), (20, 3, 5, 7)])
@pytest.mark.parametrize("turned", [False, True])
def test_samples_with_rows_that_meet_one_matrix(samples, rows, k, n, turned):
    rng = np.random.RandomState(0)
    a, b = rng.randn(samples, rows, k).astype("float32"), matrix(rng, k, n, "columns" if turned else "rows")
    got = run_tasks(MatMul(), a, b)[0]
    check(got, a, b)
    flat = run_tasks(MatMul(), a.reshape(-1, k), b)[0]
    np.testing.assert_array_equal(got.reshape(-1, n), flat)


@pytest.mark.parametrize("blocks", [1, 4, 12])
def test_sums_over_samples_and_their_rows(blocks):
    rng = np.random.RandomState(0)
    a, g = rng.randn(12, 70, 33).astype("float32"), rng.randn(12, 70, 20).astype("float32")
    check(run_tasks(ContractSamples(blocks), a, g)[0], a.reshape(-1, 33).T, g.reshape(-1, 20))
    want = np.tensordot(a, g, ((0, 1), (0, 1)))
    np.testing.assert_allclose(run_numpy(ContractSamples(blocks), a, g)[0], want, 1e-3, 1e-3)


BATCHES = [((5, 3, 4), (5, 4, 6)), ((5, 3, 4), (4, 6)), ((3, 4), (5, 4, 6)), ((2, 3, 7, 20), (2, 3, 20, 33)),
           ((2, 1, 7, 20), (1, 3, 20, 33)), ((3, 7, 2), (2, 3, 2, 9)), ((1, 1, 40, 50), (1, 1, 50, 60)),
           ((4, 1, 9), (4, 9, 1))]


@pytest.mark.parametrize("left, right", BATCHES)
@pytest.mark.parametrize("swapped", [(), (0,), (1,), (0, 1)])
def test_many_products(left, right, swapped):
    rng = np.random.RandomState(0)
    a, b = ((rng.randn(*shape[:-2], shape[-1], shape[-2]).swapaxes(-1, -2) if i in swapped else rng.randn(*shape))
            .astype("float32", order="K") for i, shape in enumerate((left, right)))
    check(run_tasks(MatMul(), a, b)[0], a, b)


def test_what_is_not_a_number_comes_through_and_stays_in_its_row_and_column():
    rng = np.random.RandomState(0)
    for m, n, k in ((5, 3, 20), (40, 37, 330), (200, 70, 9)):
        a, b = rng.randn(m, k).astype("float32"), rng.randn(k, n).astype("float32")
        a[1, 2], a[2, 3], b[4, n - 1], b[5, 0] = np.nan, np.inf, -np.inf, 0
        with np.errstate(invalid="ignore"):
            want = a @ b
        got = run_tasks(MatMul(), a, b)[0]
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
        np.testing.assert_allclose(got, want, 1e-4, 1e-4)


def test_a_row_has_the_same_bits_in_every_batch():
    rng = np.random.RandomState(0)
    for n, k in ((10, 700), (512, 300), (45, 64), (1, 64), (150, 3072), (300, 784), (1, 3072), (512, 700),
                 (830, 787)):  # all but three in pieces
        a, b = rng.randn(600, k).astype("float32"), rng.randn(k, n).astype("float32")
        whole = run_tasks(MatMul(), a, b)[0]
        for rows in (slice(0, 1), slice(7, 9), slice(3, 40), slice(100, 300)):
            np.testing.assert_array_equal(run_tasks(MatMul(), a[rows], b)[0], whole[rows])


def test_pieces_with_what_is_not_a_number_are_found():
    rng = np.random.RandomState(0)
    for n, k in ((5, 7), (130, 320), (33, 1100), (1, 3072)):
        b = rng.uniform(-3.4e38, 3.4e38, (k, n)).astype("float32")
        b[0, 0] = -0.0
        assert run_tasks(FinitePieces(), b)[0].all() and run_numpy(FinitePieces(), b)[0].all()
        for row, value in ((0, np.nan), (k - 1, -np.inf), (k // 2, np.inf)):
            damaged = b.copy()
            damaged[row, n - 1] = value
            finite = run_tasks(FinitePieces(), damaged)[0]
            assert len(finite) == -(-k // 320) and list(finite).count(False) == 1
            assert finite.argmin() == {0: 0, k - 1: len(finite) - 1}.get(row, finite.argmin())
            assert not run_numpy(FinitePieces(), damaged)[0].any()


@pytest.mark.parametrize("zeros", [0, 0.2, 0.3, 0.8, 1])
def test_a_row_has_the_same_bits_without_its_zeros(zeros):
    rng = np.random.RandomState(0)
    for n, k in ((128, 3000), (512, 784), (700, 256), (1021, 321), (2, 5), (3, 1), (16, 320), (45, 331)):
        a, b = rng.randn(1, k).astype("float32"), rng.randn(k, n).astype("float32")
        a[rng.rand(1, k) < zeros] = 0
        a[0, ::3] *= -1  # some zeros are -0
        damaged = b.copy()
        damaged[k // 2, n // 2], damaged[k - 1, 0] = np.inf, np.nan
        wild = np.where(rng.rand(1, k) < 0.01, np.float32(np.nan), a)
        for left, right in ((a, b), (a, damaged), (wild, b)):
            finite = run_tasks(FinitePieces(), right)[0]
            got = run_tasks(ProductWithoutZeros(), left, right, finite)[0]
            np.testing.assert_array_equal(got, run_tasks(MatMul(), left, right)[0])
