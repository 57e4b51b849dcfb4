"""The CTC loss and its derivative: CUDA bodies against NumPy bodies, and lengths and labels that can't be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.ops.ctc import CTCLoss, CTCLossGradient
from tests.kernels.run_op import run_kernel_body, run_numpy_body

MUTATIONS = [
    ("a path may skip the blank between equal labels", "s % 2 && labels[s / 2] != labels[s / 2 - 1] &&", "s % 2 &&"),
    ("a blank among the labels may be skipped to", " && labels[s / 2] != blank)", ")"),
    ("a path must end with a blank", "now[2 * length + 2], now[2 * length + 1],", "now[2 * length + 2], NEVER,"),
    ("steps that do not count are taken", "time = right ? times[sample] : 0;", "time = right ? steps : 0;"),
    ("a step does not wait for the one before", "__syncthreads();\n            const Value* before",
     "const Value* before"),
    ("the step after is not awaited", "__syncthreads();\n            Sum blanks", "Sum blanks"),
    ("equal labels are not added up", "k < length; k = next[k]) sum", "k < j + 1; k = next[k]) sum"),
    ("a path may not end with a label", "s + 2 >= count ? Sum(0)", "s + 1 >= count ? Sum(0)"),
    ("the incoming gradient is left out", "weight = -Sum(g[sample])", "weight = -Sum(1)"),
    ("no path makes NaN", "|| cost == -log(Sum(0))", ""),
    ("labels are not checked", "classes, bad_label) && right", "classes, bad_label) || right"),
    ("the padding of one row is forgotten", "EACH_THREAD(j, 2) rows", "EACH_THREAD(j, 1) rows"),
]
DEFINES = [{"VALUE": "float"}, {"VALUE": "double"}, {"VALUE": "double", "BLOCK": 32}, {"VALUE": "float", "BLOCK": 512}]

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def draw(n, t, c, width, dtype, rng):
    """Log-probabilities, labels (with blanks and equal neighbours among them; garbage where they do not count), times
    and lengths."""
    log_p = rng.standard_normal((n, t, c)) * 2
    log_p -= np.log(np.exp(log_p).sum(-1, keepdims=True))
    labels = np.minimum(rng.randint(0, c, (n, width)), rng.randint(0, c, (n, width)))
    lengths, times = rng.randint(0, width + 1, n), rng.randint(0, t + 1, n)
    times[rng.random_sample(n) < 0.7] = t
    labels[np.arange(width) >= lengths[:, None]] = rng.choice([-1, 0, 10**6])
    return log_p.astype(dtype), *(a.astype("int32") for a in (labels, times, lengths))


def check(log_p, labels, times, lengths, g, both=True):
    """Both bodies, there and back; the loss and the derivative."""
    ins = log_p, labels, times, lengths
    (loss, alphas), (want, saved) = run_kernel_body(CTCLoss(), *ins, both=both), run_numpy_body(CTCLoss(), *ins)
    (d,) = run_kernel_body(CTCLossGradient(), g, want, saved, *ins, both=both)
    (d_want,) = run_numpy_body(CTCLossGradient(), g, want, saved, *ins)
    tolerance = TOLERANCE[loss.dtype.name]
    assert np.isfinite(alphas).all()
    np.testing.assert_allclose(loss, want, tolerance, tolerance)
    for i, (time, length) in enumerate(zip(times, lengths)):
        part = np.s_[: time + 1, i, : 2 * length + 3]
        np.testing.assert_allclose(alphas[part], saved[part], tolerance, tolerance)
    np.testing.assert_allclose(d, d_want, 5 * tolerance, 5 * tolerance)
    return loss, d


@given(n=st.sampled_from((1, 2, 5)), t=st.integers(1, 9), c=st.sampled_from((1, 2, 3, 5, 40)),
       width=st.sampled_from((1, 2, 3, 5, 20)), dtype=st.sampled_from(tuple(TOLERANCE)), seed=st.integers(0, 2**31))
def test_loss_and_derivative(n, t, c, width, dtype, seed):
    rng = np.random.RandomState(seed)
    ins = draw(n, t, c, width, dtype, rng)
    loss, d = check(*ins, rng.standard_normal(n).astype(dtype))
    labels, times, lengths = ins[1:]
    waits = (labels[:, 1:] == labels[:, :-1]) | (labels[:, 1:] == c - 1)  # for a blank between
    needed = lengths + (waits & (np.arange(1, width) < lengths[:, None])).sum(1)
    np.testing.assert_array_equal(np.isinf(loss), needed > times)
    assert np.isfinite(d).all() and not d[np.isinf(loss)].any()


def test_a_blank_among_the_labels():
    labels = np.array(list(product(range(3), repeat=3)), "int32")
    log_p = np.log(np.random.RandomState(3).dirichlet([1, 1, 1], (len(labels), 5)))
    full = np.full(len(labels), 3, "int32")
    loss, _ = check(log_p, labels, full + 1, full, np.ones(len(labels)))
    assert np.isinf(loss).any() and np.isfinite(loss).any()


@pytest.mark.parametrize("width", [5, 40, 300])
def test_blocks_of_each_size(width):
    rng = np.random.RandomState(1)
    log_p, labels, _, _ = draw(2, width + 8, 7, width, "float64", rng)
    labels, lengths = rng.randint(0, 6, labels.shape).astype("int32"), np.array([width // 2, width // 3], "int32")
    loss, _ = check(log_p, labels, np.array([width + 8, width + 3], "int32"), lengths, np.ones(2), both=width < 99)
    assert np.isfinite(loss).all()


def test_more_samples_than_blocks(kernel):
    rng = np.random.RandomState(2)
    ins = draw(5, 6, 4, 3, "float64", rng)
    sizes, faults = (5, 6, 4, 3), [np.zeros(1, "int64") for _ in range(3)]
    loss, alphas, d = np.empty(5), np.empty((7, 5, 9)), np.empty((5, 6, 4))
    kernel("ctc", "ctc_forward", "float64")(2, 32, *ins, loss, alphas, *faults, *sizes)
    room = np.empty((5, 2, 8)), np.empty((5, 7)), np.empty((5, 2, 3), "int32")
    kernel("ctc", "ctc_backward", "float64")(2, 32, np.ones(5), loss, alphas, *ins, d, *room, *sizes)
    want = check(*ins, np.ones(5))
    np.testing.assert_array_equal(loss, want[0])
    np.testing.assert_allclose(d, want[1], 1e-13, 1e-16)


@pytest.mark.parametrize("sizes", [(0, 3, 4, 2), (2, 0, 4, 2), (2, 3, 4, 0)])
def test_nothing_to_do(sizes):
    n, t, c, width = sizes
    log_p, lengths = np.full((n, t, c), np.log(1 / c)), np.zeros(n, "int32")
    loss, _ = check(log_p, np.zeros((n, width), "int32"), np.full(n, t, "int32"), lengths, np.ones(n))
    np.testing.assert_allclose(loss, np.full(n, t * np.log(c)), 1e-12)  # all blanks


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("number, place, wrong, said", [
    (1, (0, 1), 4, r"ctc_loss: labels: indices must lie in \[0, 4\), got"),
    (1, (0, 0), -1, r"ctc_loss: labels: indices must lie in \[0, 4\), got"),
    (2, 1, 4, r"ctc_loss: input lengths: indices must lie in \[0, 4\), got"),
    (3, 1, 3, r"ctc_loss: label lengths: indices must lie in \[0, 3\), got"),
    (3, 0, -2, r"ctc_loss: label lengths: indices must lie in \[0, 3\), got"),
])
def test_what_is_out_of_range_is_a_complaint(dtype, number, place, wrong, said):
    ins = [np.full((2, 3, 4), np.log(0.25), dtype), np.zeros((2, 2), "int32"), np.full(2, 3, "int32"),
           np.full(2, 2, "int32")]
    ins[number][place] = wrong
    for body in (run_kernel_body, run_numpy_body):
        with pytest.raises(IndexError, match=said):
            body(CTCLoss(), *ins)


def test_what_is_out_of_range_is_nan(kernel):
    ins = [np.full((3, 3, 4), np.log(0.25)), np.zeros((3, 2), "int32"), np.full(3, 3, "int32"), np.full(3, 2, "int32")]
    ins[1][0, 1], ins[2][2] = 9, 50
    sizes, faults = (3, 3, 4, 2), [np.zeros(1, "int64") for _ in range(3)]
    loss, alphas, d = np.empty(3), np.empty((4, 3, 7)), np.empty((3, 3, 4))
    kernel("ctc", "ctc_forward", "float64")(3, 32, *ins, loss, alphas, *faults, *sizes)
    room = np.empty((3, 2, 6)), np.empty((3, 5)), np.empty((3, 2, 2), "int32")
    kernel("ctc", "ctc_backward", "float64")(3, 32, np.ones(3), loss, alphas, *ins, d, *room, *sizes)
    assert np.isnan(loss).tolist() == [True, False, True] and np.isnan(d).all((1, 2)).tolist() == [True, False, True]
    assert [int(f[0]) for f in faults] == [10, 51, 0] and np.isfinite(d[1]).all()
