"""Batches gathered on the device: kernels/rows.cu."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.device import C_NAMES, asarray, blocks, launch, to_host
from tests.kernels.run_op import run_call

DEFINES = [{"SOURCE": "unsigned char"}, {"SOURCE": "double"}]
MUTATIONS = [
    ("the batch's place in the order is ignored", "order[start + i / width]", "order[i / width]"),
    ("rows lie apart by one too few", "* width + i % width]", "* (width - 1) + i % width]"),
]


@given(
    st.sampled_from([(1, 1), (31, 3), (33, 257), (50, 28)]),
    st.sampled_from(["uint8", "int64", "float16", "float32", "float64", "bool"]),
    st.sampled_from(["float32", "float64", "int32"]),
    st.integers(0, 2**31),
)
def test_rows_of_a_batch_in_the_epochs_order(shape, source, dtype, seed):
    rng = np.random.RandomState(seed)
    data = (rng.rand(*shape) * 100).astype(source)
    order = rng.permutation(shape[0])
    start = int(rng.randint(shape[0]))
    count = int(rng.randint(1, shape[0] - start + 1))
    out = asarray(np.full((count, shape[1]), 99, dtype))
    call = launch("rows", "gather_rows", dtype, blocks(out.size), out, asarray(data), asarray(order), start, count,
                  shape[1], SOURCE=C_NAMES[source])
    run_call(*call)
    np.testing.assert_array_equal(to_host(out), data[order[start : start + count]].astype(dtype))
