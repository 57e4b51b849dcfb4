"""Rows of tables by compiled tasks against the NumPy bodies: gathered, added up, summed by index, put back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras import backend as K
from gpukeras.ops.distinct import PutRows, SumDistinct
from gpukeras.ops.indexing import Gather, ScatterRows
from tests.kernels.run_tasks import compiled, run_numpy, run_tasks

pytestmark = compiled
SHAPES = ((), (1,), (7,), (40, 3), (2, 3, 4), (600,))
WAYS = ("", "turned", "every second", "one number")


def arranged(x, way):
    """The same numbers, or with `one number` the first of them everywhere, with gaps in memory."""
    if way == "turned" and x.ndim > 1:
        return np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)
    if way == "every second" and x.ndim:
        return np.repeat(x, 2, -1)[..., ::2]
    return np.broadcast_to(x.reshape(-1)[0], x.shape) if way == "one number" else x


def equal(op, *ins):
    for got, want in zip(run_tasks(op, *ins), run_numpy(op, *ins), strict=True):
        np.testing.assert_array_equal(got, want)


@given(shape=st.sampled_from(SHAPES), row=st.sampled_from(((), (1,), (3,), (16,), (130,), (2, 5))),
       types=st.sampled_from((("float32", "int32"), ("float64", "int64"), ("bool", "int32"))),
       way=st.sampled_from(WAYS), length=st.sampled_from((1, 2, 300, 70000)), seed=st.integers(0, 2**31))
def test_gather(shape, row, way, types, length, seed):
    rng = np.random.RandomState(seed)
    table = (rng.standard_normal((min(length, 300), *row)) * 100).astype(types[0])
    equal(Gather(), table, arranged(np.asarray(rng.randint(0, len(table), shape), types[1]), way))


@given(shape=st.sampled_from(SHAPES), row=st.sampled_from(((), (1,), (3,), (16,), (130,))), way=st.sampled_from(WAYS),
       way_of_rows=st.sampled_from(WAYS), length=st.sampled_from((1, 2, 255, 256, 300, 70000)),
       dtype=st.sampled_from(("int32", "int64")), seed=st.integers(0, 2**31))
def test_rows_are_added_up_in_their_order(shape, row, way, way_of_rows, length, dtype, seed):
    rng = np.random.RandomState(seed)
    rows = arranged(rng.standard_normal((*shape, *row)).astype("float32"), way_of_rows)
    indices = arranged(np.asarray(rng.zipf(1.3, shape) % length, dtype), way)
    if length <= 300:
        equal(ScatterRows(), rows, indices, np.zeros((length, *row), "float32"))
    equal(SumDistinct(length), rows, indices)


@given(row=st.sampled_from(((), (1,), (3,), (2, 40))), dtype=st.sampled_from(("float32", "float64", "bool")),
       count=st.integers(1, 50), length=st.sampled_from((1, 5, 3000)), seed=st.integers(0, 2**31))
def test_put_rows(row, dtype, count, length, seed):
    rng = np.random.RandomState(seed)
    rows, table = ((rng.standard_normal((n, *row)) * 3).astype(dtype) for n in (count, length))
    places = np.sort(rng.randint(0, length, count)).astype("int32")
    equal(PutRows(), rows, places, table)


def test_a_table_changes_in_place():
    table, rows = np.zeros((4, 2), "float32"), np.ones((3, 2), "float32")
    tasks = PutRows().tasks([rows, np.array([1, 1, 3], "int32"), table], [table], [])
    assert [t.name for t in tasks] == ["put_rows"]


@pytest.mark.parametrize("index", (-1, 4, 2**31 - 1, -2**31))
def test_an_index_outside_of_the_table(index):
    table, indices = K.variable(np.zeros((4, 3))), K.placeholder((None,), dtype="int32")
    gathered = K.gather(table, indices)
    for result in (gathered, *K.gradients(gathered, [table])):
        function = K.function([indices], [result])
        with pytest.raises(IndexError, match=r"indices must lie in \[0, 4\)"):
            function([np.array([0, index], "int32")])
        assert np.all(np.isfinite(function([np.array([0, 3], "int32")])[0]))
