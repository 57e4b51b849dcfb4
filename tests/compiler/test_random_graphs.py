"""Property: whatever the graph, the compiled program does what the interpreter does, call after call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import debugging, fuse
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from tests.compiler.random_graphs import Builder, Graph, Shadow

SEEDS = range(60)


@pytest.fixture(params=["compiled", "arrays"], autouse=True)
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Elementwise steps as compiled C, and as calls of the array module."""
    if request.param == "arrays":
        monkeypatch.setattr(tasks, "library", lambda family: None)
    elif not tasks.ready("elementwise"):
        pytest.skip(f"no compiled code: {why_not()}")
    return request.param == "compiled"


def compare(graph: Graph, rtol: float) -> None:
    """Three calls of the program against three of the interpreter, from the same values of the variables."""
    f = K.function(graph.inputs, graph.outputs, graph.updates)
    for _ in range(3):
        before = K.batch_get_value(graph.variables)
        with debugging(check_numbers=False):
            expected = f(graph.feeds)
        after = K.batch_get_value(graph.variables)
        K.batch_set_value(list(zip(graph.variables, before)))
        got = f(graph.feeds)
        for x, y in zip(got, expected):
            np.testing.assert_allclose(x, y, rtol, rtol)
        for x, y in zip(K.batch_get_value(graph.variables), after):
            np.testing.assert_allclose(x, y, rtol, rtol)
    Shadow(f.program([a.shape for a in graph.feeds])).check()


@pytest.mark.parametrize("seed", SEEDS)
def test_small_graphs(seed: int) -> None:
    compare(Builder(seed, "float64").build(12), 1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_graphs_with_tiny_tiles(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "TILE", 16)
    monkeypatch.setattr(fuse, "MIN_TILED", 20)
    compare(Builder(1000 + seed, "float64").build(50), 1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_large_graphs_in_float32(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "TILE", 32)
    monkeypatch.setattr(fuse, "MIN_TILED", 32)
    compare(Builder(2000 + seed, "float32").build(120), 2e-3)


def big(dtype: str, rows: int, width: int) -> tuple[list[Any], list[np.ndarray], Any]:
    x, row, column = (
        K.placeholder((None, width), dtype=dtype),
        K.placeholder((width,), dtype=dtype),
        K.placeholder((None, 1), dtype=dtype),
    )
    y = K.tanh(x * row + column) * x + K.exp(-K.square(row - x))
    rng = np.random.RandomState(3)
    feeds = [rng.randn(rows, width).astype(dtype), rng.randn(width).astype(dtype), rng.randn(rows, 1).astype(dtype)]
    return [x, row, column], feeds, y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows, width", [(1000, 100), (3, 40_000), (70_001, 1), (1, 70_000), (16_385, 4)])
def test_real_tiles_with_broadcast_inputs_and_a_ragged_end(dtype: str, rows: int, width: int) -> None:
    inputs, feeds, y = big(dtype, rows, width)
    f = K.function(inputs, [y, K.sum(y, 0)])
    x, row, column = feeds
    expected = np.tanh(x * row + column) * x + np.exp(-np.square(row - x))
    got, total = f(feeds)
    np.testing.assert_allclose(got, expected, 1e-5, 1e-6)
    np.testing.assert_allclose(total, expected.sum(0), 1e-3, 1e-2)
    assert "fused" in f.program([a.shape for a in feeds]).describe()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_real_tiles_of_full_arrays(dtype: str, compiled: bool) -> None:
    x = K.placeholder((None, 100), dtype=dtype)
    a = np.random.RandomState(0).randn(1000, 100).astype(dtype)
    f = K.function([x], [K.tanh(K.exp(-x * x) + x) * x])
    np.testing.assert_allclose(f([a])[0], np.tanh(np.exp(-a * a) + a) * a, 1e-5, 1e-6)
    program = f.program([a.shape])
    assert len(program.plan.steps) == 1  # one fused step, in many tiles, or one kernel on the GPU
    if device.NAME == "numpy":
        assert len(program.calls) == 1 if compiled and dtype == "float32" else len(program.calls) > 10
