"""Batches gathered on the device: kernels/rows.cu."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.device import C_NAMES, asarray, blocks, launch, to_host
from tests.kernels.floats import FLOATS
from tests.kernels.run_op import run_call

DEFINES = [{"SOURCE": "unsigned char"}, {"SOURCE": "double"}]
MUTATIONS = [
    ("the batch's place in the order is ignored", "order + place[0] + ahead", "order + ahead"),
    ("the batches of a graph are all the same", "order + place[0] + ahead", "order + place[0]"),
    ("the place stays", "place[0] += by", "place[0] = by"),
    ("rows lie apart by one too few", "* width + i % width]", "* (width - 1) + i % width]"),
]


@given(
    st.sampled_from([(1, 1), (31, 3), (33, 257), (50, 28)]),
    st.sampled_from(["uint8", "int64", "bool", *FLOATS]),
    st.sampled_from(["int32", *FLOATS]),
    st.integers(0, 2**31),
)
def test_rows_of_a_batch_in_the_epochs_order(shape, source, dtype, seed):
    rng = np.random.RandomState(seed)
    data = (rng.rand(*shape) * 100).astype(source)
    order = rng.permutation(shape[0])
    start = int(rng.randint(shape[0]))
    ahead = int(rng.randint(shape[0] - start))
    count = int(rng.randint(1, shape[0] - start - ahead + 1))
    out = asarray(np.full((count, shape[1]), 99, dtype))
    call = launch("rows", "gather_rows", dtype, blocks(out.size), out, asarray(data), asarray(order),
                  asarray(np.array([start])), ahead, count, shape[1], SOURCE=C_NAMES[source])
    run_call(*call)
    first = start + ahead
    np.testing.assert_array_equal(to_host(out), data[order[first : first + count]].astype(dtype))


@given(st.integers(0, 2**40), st.integers(0, 2**20))
def test_the_place_moves_on(place, by):
    there = asarray(np.array([place]))
    run_call(*launch("rows", "move_on", "float32", 1, there, by, block=32))
    assert to_host(there).tolist() == [place + by]
