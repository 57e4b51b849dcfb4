"""The stand-in for CuPy refuses what CuPy and CUDA refuse, so that tests with it can find what a GPU would not do."""

from __future__ import annotations

import gc
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "standin" / "cupy"
spec = importlib.util.spec_from_file_location("standin_cupy", FOLDER / "__init__.py")
cp = sys.modules["standin_cupy"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cp)

ADD = """
extern "C" __global__ void add(const float* x, float* y, int n) {
    if (threadIdx.x < n) y[threadIdx.x] += x[threadIdx.x];
}
"""


@pytest.fixture
def add():
    return cp.RawModule(code=ADD, options=("-std=c++17",)).get_function("add")


@pytest.fixture
def capture():
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        yield stream
        if stream._capture:
            stream._capture = None


def values(n, start=0):
    return cp.asarray(np.arange(start, start + n, dtype=np.float32))


def test_arrays_are_not_numpys():
    x = values(3)
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(x)
    with pytest.raises(TypeError):
        x + np.ones(3, np.float32)
    with pytest.raises(TypeError):
        cp.add(x, x, np.ones(3, np.float32))
    with pytest.raises(TypeError):
        cp.copyto(np.ones(3, np.float32), x)
    with pytest.raises(TypeError):
        x[np.array([0])]


@pytest.mark.parametrize("call", [
    lambda x, out: cp.matmul(x, x, out),  # CuPy 14 takes out by name only
    lambda x, out: cp.min(x, 0, out=out),  # CuPy hands out to CUB as the dtype
    lambda x, out: x.min(0, out),
    lambda x, out: cp.sum(x, 0, out=out),  # whose strides CuPy may change
    lambda x, out: x.astype("float64", False),  # the second place is the memory's order
    lambda x, out: cp.sum(x, 0, initial=0),
    lambda x, out: cp.sum(x, 0, where=x > 1),
    lambda x, out: cp.add(x, x, where=x > 1),
    lambda x, out: cp.maximum.reduce(x),
    lambda x, out: cp.take(x, x.astype("int32"), 0, out, "clip"),
    lambda x, out: cp.argmax(x, 0, dtype="int32"),
    lambda x, out: cp.ElementwiseKernel("T x", "T y", "y = x", "same", options=("-O1",)),
])
def test_arguments_that_cupy_does_not_take(call):
    x, out = values(4).reshape(2, 2), cp.zeros(2, np.float32)
    with pytest.raises((TypeError, AttributeError)):
        call(x, out)


def test_a_graph_is_nothing_to_ask():
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        assert stream.end_capture().graph == 0  # CuPy 13 has destroyed it


def test_raw_kernels_run_and_take_device_arrays_only(add):
    x, y = values(5), values(5, 10)
    add((1,), (32,), (x, y, np.int32(4)))
    assert y.get().tolist() == [10, 12, 14, 16, 14]
    with pytest.raises(TypeError):
        add((1,), (32,), (x, y.get(), np.int32(4)))
    with pytest.raises(AssertionError, match="int64"):  # CuPy passes a Python int in 64 bits
        add((1,), (32,), (x, y, 4))
    with pytest.raises(AssertionError, match="float64"):
        add((1,), (32,), (x.astype("float64"), y, np.int32(4)))
    with pytest.raises(AssertionError, match="past the end"):
        add((1,), (32,), (x, y, np.int32(32)))


def test_a_capture_records_and_a_launch_runs(add):
    x, y, z = values(4), values(4), cp.zeros(4, np.float32)
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        assert stream.is_capturing()
        add((1,), (32,), (x, y, np.int32(4)))
        cp.multiply(y, 2.0, z)
        cp.copyto(x, z)
        z.fill(7)
        temporary = cp.sqrt(z) + 1
        cp.copyto(y, temporary)
        del temporary
        graph = stream.end_capture()
    assert not stream.is_capturing()
    assert y.get().tolist() == [0, 1, 2, 3] and z.get().tolist() == [0] * 4
    graph.launch()
    assert x.get().tolist() == [0, 4, 8, 12] and z.get().tolist() == [7] * 4
    np.testing.assert_allclose(y.get(), np.sqrt(7) + 1, rtol=1e-6)
    graph.launch(stream)
    assert x.get().tolist() == [0, 4, 8, 12]  # another stream: not done yet
    stream.synchronize()
    np.testing.assert_allclose(x.get(), 2 * (np.sqrt(7) + 1 + np.array([0, 4, 8, 12])), rtol=1e-6)


@pytest.mark.parametrize(
    "call, error, said",
    [
        (lambda x: cp.dot(x, x), NotImplementedError, "cuBLAS"),
        (lambda x: cp.matmul(x, x), NotImplementedError, "cuBLAS"),
        (lambda x: cp.random.Generator(cp.random.Philox4x3210(1)).random((3,)), NotImplementedError, "cuRAND"),
        (lambda x: x.get(), RuntimeError, "D2H"),
        (lambda x: float(x[0, 0]), RuntimeError, "D2H"),
        (lambda x: bool(x[0, 0] > 1), RuntimeError, "D2H"),
        (lambda x: cp.asnumpy(x), RuntimeError, "D2H"),
        (lambda x: cp.flatnonzero(x), RuntimeError, "D2H"),
        (lambda x: x[x > 1], RuntimeError, "D2H"),
        (lambda x: cp.asarray(np.ones(3)), RuntimeError, "H2D"),
        (lambda x: cp.array([1.0, 2.0]), RuntimeError, "H2D"),
        (lambda x: x.set(np.ones((2, 2), np.float32)), RuntimeError, "H2D"),
    ],
)
def test_what_can_not_be_captured(capture, call, error, said):
    with cp.cuda.Stream.null:
        x = values(4).reshape(2, 2)
    with pytest.raises(error, match=said):
        call(x)
    capture.end_capture()  # refused by CuPy, before CUDA heard of it


@pytest.mark.parametrize("call", [lambda x: cp.cuda.get_current_stream().synchronize(), lambda x: cp.argsort(x)])
def test_what_spoils_a_capture(capture, call):
    with cp.cuda.Stream.null:
        x = values(4)
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="StreamCaptureUnsupported"):
        call(x)
    with pytest.raises(RuntimeError, match="invalidated"):
        capture.is_capturing()
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
        capture.end_capture()


@pytest.mark.parametrize("wait", [lambda event: event.synchronize(), lambda event: event.done])
def test_nobody_waits_for_what_is_recorded(capture, wait):
    event = cp.cuda.Event()
    event.record()
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="CapturedEvent"):
        wait(event)
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
        capture.end_capture()


def test_the_default_stream_can_not_capture():
    with pytest.raises(RuntimeError, match="default"):
        cp.cuda.get_current_stream().begin_capture()


def test_a_graph_does_not_keep_its_arrays():
    def record(pool, *arrays):
        stream = cp.cuda.Stream(non_blocking=True)
        with cp.cuda.using_allocator(pool.malloc), stream:
            stream.begin_capture()
            cp.copyto(arrays[0], cp.sqrt(arrays[0] + 1))
            return stream.end_capture()

    pool, x = cp.cuda.MemoryPool(), values(100)
    graph = record(pool, x)
    graph.launch()
    del x
    gc.collect()
    with pytest.raises(RuntimeError, match="freed"):
        graph.launch()
    x = values(100)
    graph = record(pool, x)
    with cp.cuda.using_allocator(pool.malloc):
        other = cp.empty(100, np.float32)  # gets the memory of a temporary array
    with pytest.raises(RuntimeError, match="freed"):
        graph.launch()
    del other
    graph = record(pool, x)
    graph.launch()
    pool.free_all_blocks()
    with pytest.raises(RuntimeError, match="freed"):
        graph.launch()


def test_work_in_another_stream_is_done_when_somebody_waits():
    stream, x = cp.cuda.Stream(non_blocking=True), cp.zeros(3, np.float32)
    host = np.frombuffer(cp.cuda.alloc_pinned_memory(12), np.float32)
    host[:] = 1
    arrived, never = cp.cuda.Event(disable_timing=True), cp.cuda.Event()
    never.synchronize()
    x.set(host, stream=stream)
    arrived.record(stream)
    assert x.get().tolist() == [0, 0, 0] and not arrived.done
    cp.cuda.get_current_stream().wait_event(arrived)
    assert x.get().tolist() == [1, 1, 1] and arrived.done
    x.set(host, stream=stream)
    host[:] = 2  # too early
    arrived.record(stream)
    arrived.synchronize()
    assert x.get().tolist() == [2, 2, 2]


def test_memory_is_counted_and_can_run_out():
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.empty(1000, np.uint8)
        assert (pool.used_bytes(), pool.free_bytes(), pool.total_bytes()) == (1024, 0, 1024)
        del x
        assert (pool.used_bytes(), pool.free_bytes(), pool.n_free_blocks()) == (0, 1024, 1)
        pool.free_all_blocks()
        assert pool.total_bytes() == 0
    free, _ = cp.cuda.runtime.memGetInfo()
    cp.cuda.memory.set_limit(1 << 20)
    try:
        held = cp.empty(900_000, np.uint8)
        with pytest.raises(cp.cuda.memory.OutOfMemoryError, match="Out of memory allocating 200,192 bytes"):
            cp.empty(200_000, np.uint8)
        del held
        cp.empty(1_000_000, np.uint8)  # blocks that are free are given back first
    finally:
        cp.cuda.memory.set_limit(None)
    assert cp.cuda.runtime.memGetInfo()[0] >= free
