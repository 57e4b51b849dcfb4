"""What is made for distinct words only, by compiled tasks against the NumPy bodies and against the plain ops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.compiler.word_ops import (
    CountedContract,
    CountedProduct,
    Distinct,
    NumberedSequence,
    SpreadRows,
    SumNumbered,
)
from gpukeras.ops.linalg import MatMul
from gpukeras.ops.recurrent_gru import GRUSequence
from gpukeras.ops.recurrent_gru_after import GRUSequenceResetAfter
from gpukeras.ops.recurrent_lstm import LSTMSequence
from gpukeras.ops.recurrent_simple import SimpleRNNSequence
from tests.kernels.run_tasks import compiled, run_numpy, run_tasks

pytestmark = compiled
indices = st.builds(lambda shape, length, dtype, turned, seed: _indices(shape, length, dtype, turned, seed),
                    st.sampled_from(((1,), (7,), (40, 3), (2, 3, 4), (600,))), st.sampled_from((1, 2, 255, 256, 70000)),
                    st.sampled_from(("int32", "int64")), st.booleans(), st.integers(0, 2**31))


def _indices(shape, length, dtype, turned, seed):
    made = (np.random.RandomState(seed).zipf(1.3, shape) % length).astype(dtype)
    return length, made.T if turned else made


def _normal(shape, seed=0):
    return np.random.RandomState(seed).standard_normal(shape).astype("float32")


@given(indices)
def test_distinct(made):
    length, x = made
    got = run_tasks(Distinct(length), x)
    for a, b in zip(got, run_numpy(Distinct(length), x), strict=True):
        np.testing.assert_array_equal(a, b)
    places, numbers, pairs, count = got
    np.testing.assert_array_equal(places[:count[0]], np.unique(x))
    assert (places[count[0]:] == x.max()).all() and len(places) == min(x.size, length)
    np.testing.assert_array_equal(places[numbers], x)
    np.testing.assert_array_equal(numbers.reshape(-1)[pairs[:, 1]], pairs[:, 0])


@given(indices, st.sampled_from((1, 3, 16, 130, 600)))
def test_sums_and_spread_rows(made, width):
    length, x = made
    places, _, pairs, count = run_numpy(Distinct(length), x)
    rows, here = _normal((x.size, width)), int(count[0])
    sums, = run_tasks(SumNumbered(), rows, pairs, places)
    np.testing.assert_array_equal(sums[:here], run_numpy(SumNumbered(), rows, pairs, places)[0][:here])
    if length <= 256:
        like = np.zeros((length, width), "float32")
        spread, = run_tasks(SpreadRows(), sums, places, count, like)
        np.testing.assert_array_equal(spread, run_numpy(SpreadRows(), sums, places, count, like)[0])
        want = np.zeros((length, width))
        np.add.at(want, x.reshape(-1), rows)
        np.testing.assert_allclose(spread, want, 1e-4, 1e-4)


@pytest.mark.parametrize("room, count", [(1, 1), (40, 13), (700, 700), (700, 333), (700, 1)])
@pytest.mark.parametrize("k, n", [(1, 1), (32, 96), (130, 70), (400, 5)])
@pytest.mark.parametrize("turned", [False, True])
def test_products_of_the_rows_that_there_are(room, count, k, n, turned):
    a, b, bias = _normal((room, k)), _normal((n, k), 1).T if turned else _normal((k, n), 1), _normal((n, 2), 2)[:, 0]
    number = np.array([count])
    for zeros in (False, True):
        got, = run_tasks(CountedProduct(zeros), a, b, number, bias)
        want, = run_numpy(CountedProduct(zeros), a, b, number, bias)
        np.testing.assert_allclose(got[:count], want[:count], 1e-3, 1e-3)
        assert not zeros or not got[count:].any()
    plain, = run_tasks(MatMul(), a, b)
    if n > 1:  # a single column is summed otherwise for few rows
        np.testing.assert_array_equal(run_tasks(CountedProduct(True), a, b, number)[0][:count], plain[:count])
        np.testing.assert_array_equal(got[:count], plain[:count] + bias)
    g = _normal((room, n), 3)
    got, want = (run(CountedContract(), a, g, number)[0] for run in (run_tasks, run_numpy))
    np.testing.assert_allclose(got, want, 1e-3, 1e-3)
    ones = np.broadcast_to(np.float32(1), (room, 1))
    np.testing.assert_allclose(run_tasks(CountedContract(), ones, g, number)[0][0], g[:count].sum(0), 1e-3, 1e-3)


UNITS, TIME, SAMPLES = 5, 7, 11
SEQUENCES = {"simple": (SimpleRNNSequence, 1, 1), "lstm": (LSTMSequence, 4, 2), "gru": (GRUSequence, 3, 1),
             "gru-after": (GRUSequenceResetAfter, 3, 1)}


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("drops", [0, 1])
def test_recurrences_of_numbered_rows(kind, backwards, masked, drops):
    op, gates, states = SEQUENCES[kind]
    sequence = op("tanh", backwards, masked, drops)
    rng = np.random.RandomState(0)
    rows, numbers = _normal((9, gates * UNITS)), rng.randint(0, 9, (TIME, SAMPLES)).astype("int32")
    rest = [_normal((UNITS, gates * UNITS), 1), *(_normal((SAMPLES, UNITS), 2 + i) for i in range(states))]
    rest += [_normal((gates * UNITS,), 5)] if kind == "gru-after" else []
    rest += [rng.rand(TIME, SAMPLES) < 0.7] if masked else []
    rest += [(rng.rand(drops, SAMPLES, UNITS) < 0.5).astype("float32")] if drops else []
    got = run_tasks(NumberedSequence(sequence), rows, numbers, *rest)
    for a, b in zip(got, run_tasks(sequence, rows[numbers], *rest), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(got, run_numpy(NumberedSequence(sequence), rows, numbers, *rest), strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 1e-5)
