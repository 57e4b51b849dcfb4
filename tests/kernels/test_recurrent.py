"""The recurrences' CUDA bodies against their NumPy bodies: whole sequences, forward and backward."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.ops.recurrent_gru import GRUSequence, GRUSequenceGradient
from gpukeras.ops.recurrent_gru_after import GRUSequenceResetAfter, GRUSequenceResetAfterGradient
from gpukeras.ops.recurrent_lstm import LSTMSequence, LSTMSequenceGradient
from gpukeras.ops.recurrent_simple import SimpleRNNSequence, SimpleRNNSequenceGradient
from tests.kernels.floats import HALVES, tolerances
from tests.kernels.run_op import run_kernel_body, run_numpy_body

MUTATIONS = [
    ("the forget gate opens for the candidate", "Sum c = y[1] * Sum(old[i]) + y[0] * y[2];",
     "Sum c = y[0] * Sum(old[i]) + y[1] * y[2];"),
    ("the cell's own derivative is forgotten", "dc += g * y[3] * slope<ACTIVATION>(squashed);",
     "dc = g * y[3] * slope<ACTIVATION>(squashed);"),
    ("a skipped step lets no derivative through", "keep[i] = Value(live ? Sum(0) : g);", "keep[i] = Value(Sum(0));"),
    ("a skipped step changes the cell", "cell[i] = live ? Value(c) : old[i];", "cell[i] = Value(c);"),
    ("the mask is read by unit", "#define LIVE mask[i / units]", "#define LIVE mask[i % samples]"),
    ("every gate has the first factor", "(DROPS > 1 ? (gate) : 0)", "0"),
    ("dropout is forgotten on the way back", "* Sum(drop[k * size + i]);\n    return total;", ";\n    return total;"),
    ("the state carried over is never dropped", "CARRY (DROPS == 1 ? FACTOR(0) : Sum(1))", "CARRY Sum(1)"),
    ("the reset gate's derivative is left out of the state's", "+ Sum(inner[i]) * gate * FACTOR(2)", ""),
    ("the candidate's sum is not reset backwards", "k == 2 ? d[2] * reset : d[k]", "d[k]"),
    ("gates lie sample by sample of another width", "(sample * gates + gate) * units", "(sample + gate) * units"),
    ("hard_sigmoid has a slope where it is cut off", "y == 0 || y == 1 ? Sum(0) : Sum(0.2)", "Sum(0.2)"),
    ("what comes from the step's result is forgotten", "(Sum(own[i]) + Sum(keep[i])", "(Sum(keep[i])"),
]
DEFINES = [
    {},
    {"MASKED": 1, "DROPS": 1, "ACTIVATION": 1, "RECURRENT": 2},
    {"MASKED": 1, "DROPS": 3, "ACTIVATION": 0, "RECURRENT": 4},
    {"MASKED": 0, "DROPS": 4, "ACTIVATION": 3, "RECURRENT": 0},
    {"MASKED": 1, "DROPS": 0, "ACTIVATION": 2, "RECURRENT": 1},
]

ALL = 9  # stands for one dropout factor a gate
CONFIGS = [  # dtype, activation, recurrent_activation, masked, factors: each is compiled once
    ("float64", "tanh", "hard_sigmoid", False, 0),
    ("float64", "hard_sigmoid", "sigmoid", True, 1),
    ("float64", "relu", "tanh", True, ALL),
    ("float64", "sigmoid", "linear", False, 1),
    ("float64", "linear", "relu", True, 0),
    ("float32", "tanh", "hard_sigmoid", True, 1),
    ("float32", "tanh", "sigmoid", False, 0),
    *((half, "tanh", "hard_sigmoid", True, 0) for half in HALVES),
]
TOLERANCE = tolerances(1e-2, 1e-5, 1e-12)
FORWARD = {
    "lstm": (LSTMSequence, LSTMSequenceGradient),
    "gru": (GRUSequence, GRUSequenceGradient),
    "gru_after": (GRUSequenceResetAfter, GRUSequenceResetAfterGradient),
    "simple": (SimpleRNNSequence, SimpleRNNSequenceGradient),
}


def check(op, *inputs):
    """Both bodies give the same numbers; the kernels' are returned."""
    got, want = run_kernel_body(op, *inputs), run_numpy_body(op, *inputs)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        tolerance = TOLERANCE[a.dtype.name]
        np.testing.assert_allclose(a, b, tolerance, tolerance * max(1.0, np.abs(b, dtype="float64").max(initial=0)))
    return got


def check_sequence(kind, config, n, t, u, backwards, seed):
    """A sequence there, and the derivatives back."""
    dtype, activation, recurrent, masked, drops = config
    forward, gradient = FORWARD[kind]
    drops = min(drops, forward.gates)
    more = {} if kind == "simple" else {"recurrent_activation": recurrent}
    attributes = dict(activation=activation, go_backwards=backwards, masked=masked, drops=drops, **more)
    rng = np.random.RandomState(seed)

    def draw(*shape):
        return rng.uniform(-1, 1, shape).astype(dtype)

    width = forward.gates * u
    z, kernel, states = draw(t, n, width) * 3, draw(u, width), [draw(n, u) for _ in range(1 + (kind == "lstm"))]
    bias = [draw(width)] if kind == "gru_after" else []
    extras = [rng.rand(t, n) < 0.6] if masked else []
    if drops:
        extras.append((draw(drops, n, u) > -0.4) * np.asarray(1.5, dtype))
    made = check(forward(**attributes), z, (kernel / np.sqrt(u)).astype(dtype), *states, *bias, *extras)
    saved, last = (made[:1], made[1:]) if kind == "simple" else (made[:-len(states)], made[-len(states):])
    wanted = [draw(*saved[-1 if kind == "simple" else 1].shape), *(draw(*a.shape) for a in last)]
    check(gradient(**attributes), *wanted, *saved, kernel, *extras)


@pytest.mark.parametrize("kind", FORWARD)
@given(config=st.sampled_from(CONFIGS), n=st.sampled_from((1, 2, 5)), t=st.integers(1, 4),
       u=st.sampled_from((1, 2, 31, 33, 70)), backwards=st.booleans(), seed=st.integers(0, 2**31))
def test_a_sequence_and_its_derivative(kind, config, n, t, u, backwards, seed):
    check_sequence(kind, config, n, t, u, backwards, seed)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}-{c[3]}-{c[4]}")
@pytest.mark.parametrize("kind", FORWARD)
def test_every_configuration(kind, config):
    for backwards in (False, True):
        check_sequence(kind, config, 5, 3, 70, backwards, 1)


def test_gates_may_take_the_place_of_z():
    rng = np.random.RandomState(0)
    z, kernel = rng.uniform(-2, 2, (3, 2, 132)), rng.uniform(-0.2, 0.2, (33, 132))
    h, c = rng.uniform(-1, 1, (2, 2, 33))
    op = LSTMSequence("tanh")
    there = run_kernel_body(op, z, kernel, h, c, in_place=0)
    for a, b in zip(there, run_numpy_body(op, z, kernel, h, c), strict=True):
        np.testing.assert_allclose(a, b, 1e-12, 1e-12)


def test_no_samples():
    z, kernel, h = np.zeros((2, 0, 3), "float32"), np.zeros((1, 3), "float32"), np.zeros((0, 1), "float32")
    gates, states, last = check(GRUSequence("tanh"), z, kernel, h)
    assert gates.shape == (2, 0, 3) and states.shape == (3, 0, 1) and last.shape == (0, 1)
    for kind, config in product(FORWARD, CONFIGS):
        check_sequence(kind, config, 0, 2, 3, False, 0)
