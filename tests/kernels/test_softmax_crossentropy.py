"""Softmax and the crossentropies: CUDA bodies against NumPy bodies, rows of any length, labels in and out of range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.ops import crossentropy as ce
from gpukeras.ops import softmax as sm
from tests.kernels.floats import FLOATS, tolerances
from tests.kernels.run_op import run_kernel_body, run_numpy_body

MUTATIONS = [
    ("the largest logit is not taken off", "sum += exp(Sum(x[j]) - *m);", "sum += exp(Sum(x[j]));"),
    (
        "half of a row's threads are not asked",
        "for (int distance = (int)row.lanes / 2;",
        "for (int distance = (int)row.lanes / 4;",
    ),
    ("a row begins one place late", "start = mine ? number * width : 0;", "start = mine ? number * width + 1 : 0;"),
    ("the last row of a block is left out", "mine = number < rows;", "mine = number < rows - 1;"),
    ("targets are taken to add up to 1", "(Sum(own[j]) * mass - Sum(target[j]))", "(Sum(own[j]) - Sum(target[j]))"),
    ("softmax's derivative lacks the sum", ": Sum(own[j]) * (Sum(g[j]) - sum)", ": Sum(own[j]) * Sum(g[j])"),
    ("labels are not checked", "loss[row.number] = in_range(label, columns, fault) ?", "loss[row.number] = true ?"),
    ("an impossible class makes NaN", "if (weight != 0) sum", "sum"),
]
DEFINES = [{"LABEL": "long long"}, {"LABEL": "int"}]

TOLERANCE = tolerances(2e-3, 2e-6, 1e-13)
CASES = dict(
    rows=st.sampled_from((1, 2, 3, 17, 40)),
    columns=st.sampled_from((1, 2, 3, 5, 10, 31, 32, 33, 100, 257, 1025, 1100)),
    dtype=st.sampled_from(tuple(TOLERANCE)),
    seed=st.integers(0, 2**31),
)


def logits(rows, columns, dtype, rng):
    """Logits of both signs; a few are large."""
    x = rng.standard_normal((rows, columns)) * 4
    x[rng.random_sample(x.shape) < 0.05] += 30
    return x.astype(dtype)


def targets(rows, columns, dtype, rng):
    """Weights that need not add up to 1, some of them 0."""
    t = rng.random_sample((rows, columns))
    return (t * (rng.random_sample(t.shape) < 0.7)).astype(dtype)


def compare(op, *inputs, in_place=None):
    """The kernels' result against that of NumPy in double precision from the same inputs."""
    (got,) = run_kernel_body(op, *inputs, in_place=in_place)
    exact = [a.astype("float64") if a.dtype.name in FLOATS else a for a in inputs]
    (want,) = run_numpy_body(op, *exact)
    kind = next(a.dtype.name for a in inputs if a.dtype.name in FLOATS)
    scale = max(1.0, float(np.abs(want).max(initial=0)))
    assert got.dtype.name == kind
    np.testing.assert_allclose(got, want, TOLERANCE[kind] * 5, TOLERANCE[kind] * scale)


@given(**CASES)
def test_softmax_and_its_derivative(rows, columns, dtype, seed):
    rng = np.random.RandomState(seed)
    x = logits(rows, columns, dtype, rng)
    compare(sm.Softmax(), x, in_place=rng.choice([None, 0]))
    (y,) = run_numpy_body(sm.Softmax(), x)
    compare(sm.SoftmaxGradient(), rng.standard_normal(x.shape).astype(dtype), y)


@given(**CASES)
def test_log_softmax_and_its_derivative(rows, columns, dtype, seed):
    rng = np.random.RandomState(seed)
    x = logits(rows, columns, dtype, rng)
    compare(sm.LogSoftmax(), x)
    (y,) = run_numpy_body(sm.LogSoftmax(), x)
    compare(sm.LogSoftmaxGradient(), rng.standard_normal(x.shape).astype(dtype), y)


@given(**CASES)
def test_dense_targets_that_need_not_add_to_one(rows, columns, dtype, seed):
    rng = np.random.RandomState(seed)
    x, t = logits(rows, columns, dtype, rng), targets(rows, columns, dtype, rng)
    compare(ce.SoftmaxCrossentropy(), x, t)
    (p,) = run_numpy_body(sm.Softmax(), x)
    g = rng.standard_normal(rows).astype(dtype)
    compare(ce.SoftmaxCrossentropyGradient(), g, p, t, in_place=rng.choice([None, 1]))


@given(**CASES)
def test_class_numbers(rows, columns, dtype, seed):
    rng = np.random.RandomState(seed)
    x, labels = logits(rows, columns, dtype, rng), rng.randint(0, columns, rows)
    compare(ce.SparseSoftmaxCrossentropy(), x, labels)
    (p,) = run_numpy_body(sm.Softmax(), x)
    g = rng.standard_normal(rows).astype(dtype)
    compare(ce.SparseSoftmaxCrossentropyGradient(), g, p, labels, in_place=rng.choice([None, 1]))


@pytest.mark.parametrize("label", ["int32", "int64"])
@pytest.mark.parametrize("shape", [(2, 3, 4), (4,), (0, 3)])
def test_leading_axes(shape, label):
    rng = np.random.RandomState(0)
    x, t = rng.standard_normal(shape), rng.random_sample(shape)
    for op in (sm.Softmax(), sm.LogSoftmax()):
        compare(op, x)
    compare(ce.SoftmaxCrossentropy(), x, t)
    if x.ndim > 1:
        labels = rng.randint(0, shape[-1], shape[:-1]).astype(label)
        compare(ce.SparseSoftmaxCrossentropy(), x, labels)
        compare(ce.SparseSoftmaxCrossentropyGradient(), t[..., 0], x, labels)


@pytest.mark.parametrize("columns", [3, 40, 1500])
def test_more_rows_than_blocks_hold_at_a_time(kernel, columns):
    lanes = {3: 4, 40: 32, 1500: 256}[columns]
    rows = 2 * (256 // lanes) * 2 + 1
    x = np.random.RandomState(0).standard_normal((rows, columns))
    y = np.empty_like(x)
    run = kernel("softmax_crossentropy", "softmax", "float64", LABEL="long long")
    run(2, 256, x, y, rows, columns, lanes)
    np.testing.assert_allclose(y, run_numpy_body(sm.Softmax(), x)[0], 1e-13, 1e-16)


def test_huge_logits_stay_finite():
    x, label = np.array([[1e4, -1e4, 0.0]], "float32"), np.array([1])
    (loss,) = run_kernel_body(ce.SparseSoftmaxCrossentropy(), x, label)
    (y,) = run_kernel_body(sm.LogSoftmax(), x)
    assert loss.tolist() == [2e4] and y.tolist() == [[0.0, -2e4, -1e4]]


def test_nan_spreads_over_its_row_only():
    x = np.array([[1.0, np.nan, 2.0], [0.0, 0.0, 0.0]], "float32")
    (y,) = run_kernel_body(sm.Softmax(), x)
    assert np.isnan(y[0]).all() and np.allclose(y[1], 1 / 3)


@pytest.mark.parametrize("columns", [2, 40, 1500])
def test_impossible_logit_with_zero_target_adds_nothing(columns):
    x, target = np.full((1, columns), -np.inf, "float32"), np.zeros((1, columns), "float32")
    x[0, 0], target[0, 0] = 0, 1
    (loss,) = run_kernel_body(ce.SoftmaxCrossentropy(), x, target)
    assert loss.tolist() == [0.0]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("label", ["int32", "int64"])
@pytest.mark.parametrize("wrong, said", [(-1, "got -1"), (3, "got 3"), (2**31 - 1, "got 2147483647")])
def test_class_number_out_of_range_is_a_complaint(dtype, label, wrong, said):
    x, labels = np.zeros((2, 3), dtype), np.array([wrong, 0], label)
    with pytest.raises(IndexError, match=rf"crossentropy: labels: indices must lie in \[0, 3\), {said}"):
        run_kernel_body(ce.SparseSoftmaxCrossentropy(), x, labels)
    with pytest.raises(IndexError, match=rf"gradient: labels: indices must lie in \[0, 3\), {said}"):
        run_kernel_body(ce.SparseSoftmaxCrossentropyGradient(), x[:, 0], x, labels)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_class_number_out_of_range_is_nan(kernel, dtype):
    x, labels, fault = np.zeros((3, 3), dtype), np.array([-1, 0, 7], "int32"), np.zeros(1, "int64")
    loss, dx, g = np.empty(3, dtype), np.empty_like(x), np.ones(3, dtype)
    kernel("softmax_crossentropy", "sparse_forward", dtype, LABEL="int")(1, 256, x, labels, loss, fault, 3, 3, 4)
    kernel("softmax_crossentropy", "sparse_backward", dtype, LABEL="int")(1, 256, g, x, labels, dx, fault, 3, 3, 4)
    assert np.isnan(loss).tolist() == [True, False, True] and np.isnan(dx).all(1).tolist() == [True, False, True]
    assert np.isfinite(dx[1]).all() and fault[0] == -1
