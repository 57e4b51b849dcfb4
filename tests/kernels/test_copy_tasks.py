"""Compiled copies: values with gaps or axes in another order, concatenations, parts among zeros, and variables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras import backend as K
from gpukeras.device import tasks
from gpukeras.graph import Spec
from gpukeras.ops import copies
from gpukeras.ops.control import Identity
from gpukeras.ops.indexing import OneHot
from gpukeras.ops.joining import Concatenate
from gpukeras.ops.patches import Pad, Patches
from gpukeras.ops.slicing import PlaceSlice, Slice
from gpukeras.ops.windows import Window
from tests.kernels.run_tasks import compiled, run_numpy, run_tasks

pytestmark = compiled
SHAPES = st.lists(st.sampled_from((1, 2, 3, 5, 17, 40)), max_size=4).map(tuple)


def numbers(shape, dtype):
    return np.random.RandomState(len(shape)).randint(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


def laid_out(shape, dtype, draw):
    """An array of this shape that lies in one of many ways."""
    order = draw(st.permutations(range(len(shape))))
    x = numbers([shape[a] for a in order], dtype).transpose(np.argsort(order))
    ends = [draw(st.sampled_from(("plain", "backwards", "gaps", "repeated"))) for _ in shape]
    for axis, way in enumerate(ends):
        x = np.moveaxis(x, axis, 0)
        x = {"plain": x, "backwards": x[::-1], "gaps": np.repeat(x, 2, 0)[::2],
             "repeated": np.broadcast_to(x[:1], x.shape)}[way]
        x = np.moveaxis(x, 0, axis)
    return x


@given(st.data(), SHAPES, st.sampled_from(copies.TYPES))
def test_any_strides_of_every_type(data, shape, dtype):
    x = laid_out(shape, dtype, data.draw)
    np.testing.assert_array_equal(run_tasks(Identity(), x)[0], x)


@given(st.data(), SHAPES.filter(bool), st.sampled_from(("float32", "float64", "int64", "bool")))
def test_concatenation(data, shape, dtype):
    axis = data.draw(st.integers(0, len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=4))
    parts = [laid_out((*shape[:axis], n, *shape[axis + 1:]), dtype, data.draw) for n in lengths]
    np.testing.assert_array_equal(run_tasks(Concatenate(axis), *parts)[0], np.concatenate(parts, axis))


@given(st.data(), SHAPES.filter(bool))
def test_a_part_among_zeros(data, shape):
    index = tuple((data.draw(st.integers(0, n // 2)), None, data.draw(st.integers(1, 2))) if data.draw(st.booleans())
                  else (None, None, None) for n in shape)
    whole = numbers(shape, "float32")
    op, part = PlaceSlice(index), Slice(index).view(whole)
    np.testing.assert_array_equal(run_tasks(op, part, whole)[0], run_numpy(op, part, whole)[0])


@given(st.data(), SHAPES.filter(bool))
def test_zeros_around(data, shape):
    x = laid_out(shape, "float32", data.draw)
    pads = tuple(data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in shape)
    np.testing.assert_array_equal(run_tasks(Pad(pads), x)[0], np.pad(x, pads))


@given(st.data(), st.sampled_from(((2, 9, 3), (1, 7, 8, 2), (3, 5, 5, 1))), st.integers(1, 3), st.integers(1, 2))
def test_windows_as_elements(data, shape, size, stride):
    rank = len(shape) - 2
    op = Patches(Window((size,) * rank, (stride,) * rank, "valid", (1,) * rank))
    x = laid_out(shape, "float32", data.draw)
    np.testing.assert_array_equal(run_tasks(op, x)[0], run_numpy(op, x)[0])


@given(SHAPES, st.integers(1, 40), st.sampled_from(("int32", "int64")))
def test_one_hot_rows(shape, classes, dtype):
    x = np.asarray(np.random.RandomState(classes).randint(-2, classes + 2, shape), dtype)
    op = OneHot(classes, "float32")
    np.testing.assert_array_equal(run_tasks(op, x)[0], run_numpy(op, x)[0])
    assert not OneHot(classes, "int32").takes_tasks([Spec(shape, dtype)], [Spec((*shape, classes), "int32")])


def test_parts_in_their_places_need_no_copy():
    whole = np.zeros((4, 6), "float32")
    assert Concatenate(0).tasks([whole[:1], whole[1:]], [whole], []) == []
    assert Identity().tasks([whole], [whole], []) == []


@pytest.mark.parametrize("shape", [(), (3,), (4, 5)])
def test_variables_that_swap_their_values_do_so_in_one_run(shape):
    a, b = np.random.RandomState(0).rand(2, *shape).astype("float32")
    x, y = K.variable(a), K.variable(b)
    f = K.function([], [], updates=[(x, y), (y, x)])
    f([])
    np.testing.assert_array_equal(K.get_value(x), b)
    np.testing.assert_array_equal(K.get_value(y), a)
    (program,) = f._programs.values()
    assert [type(call) for call, _ in program.calls] == [tasks.Run]


def test_what_is_left_to_numpy():
    assert not Identity().takes_tasks([Spec((2,) * 17, "float32")], [])
    assert not Identity().takes_tasks([Spec((2,), "complex64")], [])
