"""Compiled random numbers: the bits are those that NumPy's generator gives, from the same place on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras import device
from gpukeras.graph import Spec
from gpukeras.ops.random import Random
from tests.kernels.run_tasks import compiled, run_by

pytestmark = pytest.mark.skipif(device.NAME != "numpy", reason="on a GPU kernels draw")
DTYPES = {"keep": ["bool"], "uniform": ["float32", "float64"], "normal": ["float32", "float64"]}


def numpy_fill(op, out):
    for function, arguments in op.calls([], [out], []):
        function(*arguments)
    return out


def task_fill(op, out):
    spec = Spec(out.shape, out.dtype.name)
    assert op.takes_tasks([], [spec])
    run_by(1, op.tasks([], [out], []))
    return out


@compiled
@given(st.sampled_from(sorted(DTYPES)), st.integers(0, 2**40), st.floats(1e-6, 1), st.booleans(),
       st.lists(st.integers(1, 70), max_size=3))
def test_the_same_bits_with_and_without_compiled_code(kind, seed, level, double, shape):
    dtype = DTYPES[kind][double and kind != "keep"]
    ops = [Random(kind, tuple(shape), dtype, seed, level) for _ in range(3)]
    for turn in range(4):  # one compiled, one plain, one in turns
        made = [task_fill(ops[0], np.empty(shape, dtype)), numpy_fill(ops[1], np.empty(shape, dtype)),
                (task_fill, numpy_fill)[turn % 2](ops[2], np.empty(shape, dtype))]
        for other in made[1:]:
            np.testing.assert_array_equal(made[0], other)
        assert ops[0].position.tolist() == ops[1].position.tolist() == ops[2].position.tolist()


@compiled
def test_a_stream_goes_on_from_where_it_is_put():
    op = Random("keep", (100, 100), "bool", 7, 0.3)
    out = np.empty((100, 100), bool)
    bound = op.tasks([], [out], [])

    def run():
        run_by(1, bound)
    run()
    place = op.position
    run()
    want = out.copy()
    run()
    assert (out != want).any()
    op.position = place
    run()
    np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("level", [1e-7, 1e-3, 0.01, 0.25, 0.5, 0.99, 0.9999])
def test_the_share_that_is_kept(level):
    out = numpy_fill(Random("keep", (1000, 1000), "bool", 3, level), np.empty((1000, 1000), bool))
    assert out.mean() == pytest.approx(1 - level, abs=5 * np.sqrt(level * (1 - level)) / 1000 + 1e-9)


def test_none_or_all_are_kept():
    everything = Random("keep", (50,), "bool", 3, 0.0)
    assert numpy_fill(everything, np.empty(50, bool)).all()
    assert not everything.takes_tasks([], [Spec((50,), "bool")])
    assert not numpy_fill(Random("keep", (50,), "bool", 3, 1.0), np.empty(50, bool)).any()
