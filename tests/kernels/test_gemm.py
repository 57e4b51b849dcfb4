"""kernels/gemm.h itself, as other families of tasks call it: sums added to what is there, packed matrices, room."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.device.kernels import kernel_source
from gpukeras.device.native import load
from gpukeras.ops import product_tasks
from tests.kernels.run_tasks import compiled
from tests.kernels.test_product_tasks import DEPTHS, LAYOUTS, LENGTHS, check, matrix

pytestmark = compiled
GUARD = 16  # numbers around the result, and behind the room, that may not change

FUNCTIONS = """
TASK Word room_of(Word k) { return gemm_room(k); }
TASK Word size_of(Word k, Word n) { return packed_size(k, n); }
TASK void plain(Word m, Word n, Word k, const float* a, Word a_row, Word a_column, const float* b, Word b_row,
                Word b_column, float* c, Word c_row, int add, char* room) {
    gemm(m, n, k, a, a_row, a_column, b, b_row, b_column, c, c_row, add, room);
}
TASK void packed(Word m, Word n, Word k, const float* a, Word a_row, Word a_column, const float* b, Word b_row,
                 Word b_column, float* c, Word c_row, int add, char* room) {
    pack(b, b_row, b_column, k, n, FLOATS(room));
    gemm_packed(m, n, k, a, a_row, a_column, FLOATS(room), c, c_row, add);
}
"""


@cache
def library():
    made = load(kernel_source("gemm.h") + FUNCTIONS)
    made.room_of.restype = made.size_of.restype = ctypes.c_longlong
    return made


def call(name, a, b, c, add):
    """c = a b or c += a b; nothing is written outside of c and the room."""
    word, pointer = ctypes.c_longlong, ctypes.c_void_p
    (m, n), k = c.shape, a.shape[1]
    size = library().room_of(word(k)) // 4 if name == "plain" else library().size_of(word(k), word(n))
    block = np.full(size + GUARD + 16, np.nan, "float32")
    room = block[-block.ctypes.data % 64 // 4:]
    room[size:] = 7
    arguments = [word(m), word(n), word(k)]
    for x in (a, b):
        arguments += [pointer(x.ctypes.data), *(word(s // 4) for s in x.strides)]
    getattr(library(), name)(*arguments, pointer(c.ctypes.data), word(c.strides[0] // 4), ctypes.c_int(add),
                             pointer(room.ctypes.data))
    assert (room[size:] == 7).all()


@given(m=LENGTHS, n=LENGTHS, k=DEPTHS, left=st.sampled_from(LAYOUTS), right=st.sampled_from(LAYOUTS), add=st.booleans(),
       seed=st.integers(0, 9))
def test_both_ways_give_the_same_bits_within_a_larger_matrix(m, n, k, left, right, add, seed):
    rng = np.random.RandomState(seed)
    a, b = matrix(rng, m, k, left), matrix(rng, k, n, right)
    before = rng.randn(m + 2, n + 2 * GUARD).astype("float32")
    inside = (slice(1, m + 1), slice(GUARD, GUARD + n))
    results = []
    for name in ("plain", "packed"):
        whole = before.copy()
        call(name, a, b, whole[inside], add)
        results.append(whole[inside].copy())
        whole[inside] = before[inside]
        np.testing.assert_array_equal(whole, before)
    np.testing.assert_array_equal(*results)
    if add:
        a = np.hstack([a, before[inside]])
        b = np.vstack([b, np.eye(n, dtype="float32")])
    check(results[0], a, b)


@given(m=LENGTHS, n=LENGTHS, k=DEPTHS, right=st.sampled_from(LAYOUTS), data=st.data())
def test_a_part_has_the_bits_of_the_whole(m, n, k, right, data):
    rng = np.random.RandomState(0)
    a, b, c = matrix(rng, m, k, "rows"), matrix(rng, k, n, right), np.empty((m, n), "float32")
    call("plain", a, b, c, False)
    first, left = data.draw(st.integers(0, m - 1)), data.draw(st.integers(0, n - 1))
    last, right = data.draw(st.integers(first + 1, m)), data.draw(st.integers(left + 1, n))
    part = np.empty((m, n), "float32")[first:last, left:right]
    call("plain", a[first:last], b[:, left:right], part, False)
    np.testing.assert_array_equal(part, c[first:last, left:right])


def test_room_is_what_python_asks_for():
    for k in (0, 1, 100, 319, 320, 321, 511, 512, 513, 10**6):
        assert library().room_of(ctypes.c_longlong(k)) <= product_tasks._room(k) <= product_tasks.ROOM
