"""The CUDA expressions of the elementwise ops, and fused kernels of a training step, compute what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras.device import NAME, Launch, tasks
from gpukeras.ops.elementwise import TABLE
from gpukeras.ops.random import Random
from tests.kernels.floats import tolerances
from tests.kernels.generated import Fused, Member, elementwise_text, every_op, training_fusions
from tests.kernels.on_cpu import library
from tests.kernels.run_op import run_call

pytestmark = pytest.mark.skipif(NAME != "numpy", reason="on a GPU the programs themselves run generated kernels")
TOLERANCE = tolerances(4e-3, 2e-5, 1e-12)
SIZE = 300


def run(fused, ins, out_types):
    """The outputs of the generated kernel."""
    text = elementwise_text(fused, [a.dtype.name for a in ins], out_types)
    outs = [np.empty(SIZE, t) for t in out_types]
    states = [op.state for op in fused.generators()]
    library(text, BLOCK=128).launch("fused", 2, 128, (*ins, *states, *outs, SIZE))
    return outs


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("low, high", [(-3, 3), (0.1, 0.9)])
def test_every_elementwise_op(dtype, low, high):
    rng = np.random.RandomState(0)
    ins = [(np.round(rng.uniform(low, high, SIZE) * 64) / 64).astype(dtype) for _ in range(2)]
    ins[0][::7] = ins[1][::7]  # equal numbers, for comparisons
    ins += [rng.rand(SIZE) < 0.5, rng.rand(SIZE) < 0.5]
    fused, _, out_types = every_op(dtype)
    wrong = []
    with np.errstate(all="ignore"):
        for member, got, t in zip(fused.members, run(fused, ins, out_types), out_types):
            want = np.empty(SIZE, t)
            for function, arguments in member.op.calls([ins[a] for a in member.args], [want], []):
                function(*arguments)
            close = np.isclose(got, want, TOLERANCE[dtype], TOLERANCE[dtype], equal_nan=True)
            if not close.all():
                wrong.append((member.op.name, got[~close][:3], want[~close][:3]))
    assert not wrong
    assert len(out_types) == len(TABLE)


def by_numpy(fused, ins, out_types):
    """The outputs by NumPy's bodies."""
    outs = [np.empty(SIZE, t) for t in out_types]
    scratch = [np.empty(s.shape, s.dtype) for s in fused.scratch(ins, outs)]
    with np.errstate(all="ignore"):
        for function, arguments in fused.calls(ins, outs, scratch):
            function(*arguments)
    return outs


def test_fused_steps_of_training(monkeypatch):
    """Within what rounding the inputs otherwise would change: differences of nearly equal numbers have few digits."""
    monkeypatch.setattr(tasks, "library", lambda family: None)  # NumPy's bodies are what kernels are measured against
    rng = np.random.RandomState(1)
    tried = 0
    for fused, in_types, out_types in training_fusions():
        ins = [rng.uniform(0.2, 0.9, SIZE).astype(t) if t != "bool" else rng.rand(SIZE) < 0.5 for t in in_types]
        nudged = [np.nextafter(x, x.dtype.type(1)) if x.dtype.kind == "f" else x for x in ins]
        for got, *others in zip(run(fused, ins, out_types), by_numpy(fused, ins, out_types),
                                by_numpy(fused, nudged, out_types)):
            np.testing.assert_array_equal(np.isnan(got), np.isnan(others[0]))
            got, want, moved = (np.nan_to_num(x).astype("float64") for x in (got, *others))
            assert (np.abs(got - want) <= 3e-5 * np.abs(want) + 1e-6 + 4 * np.abs(moved - want)).all()
        tried += 1
    assert tried > 10


@pytest.mark.parametrize("kind", ["uniform", "normal", "truncated"])
def test_random_numbers_inside_a_fused_kernel(kind):
    """Those that the kernel of the op itself draws."""
    op = Random(kind, (SIZE,), "float32", seed=2**31 + 5)
    op.state[:1].fill(3)
    alone = np.empty(SIZE, "float32")
    for function, arguments in op.launches([], [alone], []):
        assert isinstance(function, Launch)
        run_call(function, arguments)
    fused = Fused([Member(op, (), "float32")], 0, [0])
    np.testing.assert_array_equal(run(fused, [], ["float32"])[0], alone)
