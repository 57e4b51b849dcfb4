"""Feed: every way in which a batch can come to a program gives the same batch."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import Feed
from gpukeras.device import streaming

on_gpu_only = pytest.mark.skipif(device.NAME != "cupy", reason="about memory of a GPU")
RNG = np.random.RandomState(1)


@pytest.fixture(params=["resident", "streamed"] if device.NAME == "cupy" else ["host"])
def place(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the data lies while it is fed."""
    if request.param == "streamed":
        monkeypatch.setattr(streaming, "SHARE", 0.0)
    return str(request.param)


def doubled(shape: tuple[int, ...], dtype: str = "float32") -> Any:
    x = K.placeholder((None, *shape), dtype=dtype)
    return K.function([x], [x + x])


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "bool", "int64", "float16"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 2, 2)])
def test_batches_of_any_data(place: str, shape: tuple[int, ...], dtype: str) -> None:
    data = (RNG.rand(11, *shape) * 9).astype(dtype)
    feed = Feed(doubled(shape), [data])
    order = RNG.permutation(11)
    twice = data.astype("float32") * 2
    for _ in range(2):
        for start, stop in ((0, 4), (4, 8), (8, 11)):
            feed.order(None)
            feed.run(slice(start, stop), stop - start)
            np.testing.assert_array_equal(feed.outputs()[0], twice[start:stop])
            feed.order(order)
            feed.run(slice(start, stop), stop - start)
            np.testing.assert_array_equal(feed.outputs()[0], twice[order[start:stop]])
            feed.run(order[start:stop][::-1], stop - start)
            np.testing.assert_array_equal(feed.outputs()[0], twice[order[start:stop][::-1]])
        order = RNG.permutation(11)


def test_every_batch_of_a_stream_arrives(place: str) -> None:
    """Nothing is read from the outputs before the end: batches must not overtake each other."""
    x, total = K.placeholder((None, 3)), K.variable(np.zeros((5, 3)))
    f = K.function([x], [], [K.update(total, total * 3 + x)])
    data = RNG.randint(0, 3, (60, 3)).astype("float32")
    feed = Feed(f, [data])
    order = RNG.permutation(60)[:50]
    feed.order(order)
    for start in range(0, 50, 5):
        feed.run(slice(start, start + 5), 5)
    expected = np.zeros((5, 3), "float32")
    for start in range(0, 50, 5):
        expected = expected * 3 + data[order[start : start + 5]]
    np.testing.assert_array_equal(K.get_value(total), expected)


def test_data_sets_of_a_file(place: str, tmp_path: Any) -> None:
    data = RNG.rand(11, 3)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        feed = Feed(doubled((3,)), [file.create_dataset("x", data=data)])
        order = RNG.permutation(11)
        feed.run(slice(2, 6), 4)
        np.testing.assert_allclose(feed.outputs()[0], 2 * data[2:6], 1e-6)
        feed.order(order)
        feed.run(slice(2, 6), 4)
        np.testing.assert_allclose(feed.outputs()[0], 2 * data[order[2:6]], 1e-6)


@on_gpu_only
def test_data_moves_once_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    monkeypatch.setattr(device, "asarray", lambda a, real=device.asarray: moved.append(a.nbytes) or real(a))
    feed = Feed(doubled((100,)), [RNG.rand(50, 100)])
    for _ in range(3):
        feed.run(slice(0, 10), 10)
        feed.run(slice(40, 50), 10)
    place, order, data = 8, 50 * 8, 50 * 100 * 4  # as float32
    assert sorted(moved) == [place, order, data]


@on_gpu_only
def test_a_share_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free = device.xp.cuda.runtime.memGetInfo()[0] + device.xp.get_default_memory_pool().free_bytes()
    assert device.has_room_for(free // 8) and not device.has_room_for(free // 2)


@pytest.mark.parametrize("dtype, width", [("float32", 3), ("float16", 3), (">f8", 3), ("float32", 5000)])
def test_many_batches_in_one_run_are_those_of_many(place: str, dtype: str, width: int) -> None:
    """Of types that compiled code takes and others, with rows small enough to be gathered ahead or not."""
    x, y = K.placeholder((None, width)), K.placeholder((None,))
    total = K.variable(np.zeros((4, width)))
    f = K.function([x, y], [], [K.update(total, total * 2 + x * K.expand_dims(y))])
    data, factors = RNG.randint(0, 9, (50, width)).astype(dtype), RNG.randint(1, 4, 50).astype("float32")
    for order in (None, RNG.permutation(50)):
        found = []
        for runs in ([1] * 9, [9], [2, 1, 6]):
            K.set_value(total, np.zeros((4, width)))
            feed = Feed(f, [data, factors])
            feed.order(order)
            start = 3
            for times in runs:
                feed.run(slice(start, start + 4), 4, times)
                start += 4 * times
            found.append(K.get_value(total))
        assert found[0].any()
        np.testing.assert_array_equal(found[1], found[0])
        np.testing.assert_array_equal(found[2], found[0])
