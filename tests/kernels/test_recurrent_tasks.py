"""The recurrences' compiled tasks against their NumPy bodies in float64: whole sequences, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops.recurrent import ACTIVATIONS
from gpukeras.ops.recurrent_gru import GRUSequence, GRUSequenceGradient
from gpukeras.ops.recurrent_gru_after import GRUSequenceResetAfter, GRUSequenceResetAfterGradient
from gpukeras.ops.recurrent_lstm import LSTMSequence, LSTMSequenceGradient
from gpukeras.ops.recurrent_simple import SimpleRNNSequence, SimpleRNNSequenceGradient
from tests.kernels.run_tasks import compiled, run_by, run_numpy, run_tasks

OPS = {
    "lstm": (LSTMSequence, LSTMSequenceGradient),
    "gru": (GRUSequence, GRUSequenceGradient),
    "gru_after": (GRUSequenceResetAfter, GRUSequenceResetAfterGradient),
    "simple": (SimpleRNNSequence, SimpleRNNSequenceGradient),
}
ALL = 9  # stands for one dropout factor a gate
pytestmark = compiled


def check(op, *inputs):
    """The tasks give the numbers of the NumPy body in float64, as nearly as that body in float32 (where a state grows
    from step to step, so do rounding errors); they are returned."""
    got, single = run_tasks(op, *inputs), run_numpy(op, *inputs)
    want = run_numpy(op, *(x if x.dtype == bool else x.astype("float64") for x in inputs))
    for a, b, c in zip(got, want, single, strict=True):
        np.testing.assert_allclose(a, b, 2e-5, 2e-5 * max(1.0, np.abs(b).max()) + 8 * np.abs(b - c).max())
    return got


def with_gaps(x, way):
    """The same numbers as a view: of an array with another order of axes, or of every second element."""
    if way == "turned":
        return np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)
    if way == "every second":
        return np.repeat(x, 2, -1)[..., ::2]
    return x


def check_sequence(kind, activation="tanh", recurrent="hard_sigmoid", masked=False, drops=0, backwards=False, n=3, t=4,
                   u=5, seed=0, way=""):
    """A sequence there, and the derivatives back. All inputs that may have gaps have them."""
    forward, gradient = OPS[kind]
    drops = min(drops, forward.gates)
    more = {} if kind == "simple" else {"recurrent_activation": recurrent}
    attributes = dict(activation=activation, go_backwards=backwards, masked=masked, drops=drops, **more)
    rng = np.random.RandomState(seed)

    def draw(*shape):
        return rng.uniform(-1, 1, shape).astype("float32")

    width = forward.gates * u
    reach = 0.5 if {activation, recurrent} & {"linear", "relu"} else 3  # so that nothing grows beyond measure
    z, kernel = draw(t, n, width) * np.float32(reach), with_gaps((draw(u, width) / np.sqrt(u)).astype("float32"), way)
    states = [with_gaps(draw(n, u), way) for _ in range(1 + (kind == "lstm"))]
    bias = [draw(width)] if kind == "gru_after" else []
    extras = [with_gaps(rng.rand(t, n) < 0.6, way)] if masked else []
    if drops:
        extras.append(with_gaps(((draw(drops, n, u) > -0.4) * 1.25).astype("float32"), way))
    made = check(forward(**attributes), z, kernel, *states, *bias, *extras)
    saved, last = (made[:1], made[1:]) if kind == "simple" else (made[:-len(states)], made[-len(states):])
    wanted = [with_gaps(draw(*saved[-1 if kind == "simple" else 1].shape), way),
              *(with_gaps(draw(*a.shape), way) for a in last)]
    check(gradient(**attributes), *wanted, *saved, kernel, *extras)


@pytest.mark.parametrize("kind", OPS)
@given(activation=st.sampled_from(ACTIVATIONS), recurrent=st.sampled_from(ACTIVATIONS), masked=st.booleans(),
       drops=st.sampled_from((0, 1, ALL)), backwards=st.booleans(), n=st.sampled_from((1, 2, 5, 33)),
       t=st.sampled_from((1, 2, 4, 7)), u=st.sampled_from((1, 2, 15, 16, 33, 70)), seed=st.integers(0, 2**31),
       way=st.sampled_from(("", "turned", "every second")))
def test_a_sequence_and_its_derivative(kind, **case):
    check_sequence(kind, **case)


@pytest.mark.parametrize("drops", (0, 1, ALL))
@pytest.mark.parametrize("kind", OPS)
def test_more_steps_than_are_multiplied_at_once(kind, drops):
    check_sequence(kind, drops=drops, backwards=True, masked=True, n=17, t=40, u=9)
    check_sequence(kind, drops=drops, n=17, t=40, u=9)


@pytest.mark.parametrize("kind", OPS)
def test_derivatives_that_are_one_number(kind):
    """What nobody has used has the derivative 0, which is one number in memory."""
    rng = np.random.RandomState(0)
    forward, gradient = OPS[kind]
    width = forward.gates * 6
    z, kernel, h = (rng.standard_normal(s).astype("float32") for s in ((3, 2, width), (6, width), (2, 6)))
    more = {"lstm": [h], "gru_after": [np.ones(width, "float32")]}.get(kind, [])
    made = check(forward("tanh"), z, kernel, np.broadcast_to(np.float32(0.5), (2, 6)), *more)
    states = made[0] if kind == "simple" else made[1]
    saved = made[:1] if kind == "simple" else made[:-1 - (kind == "lstm")]
    zeros = [np.broadcast_to(np.float32(0), h.shape)] * (kind == "lstm")
    check(gradient("tanh"), np.broadcast_to(np.float32(0.25), states.shape), h, *zeros, *saved, kernel)


@pytest.mark.parametrize("kind", ("lstm", "gru", "gru_after"))
def test_gates_may_take_the_place_of_z(kind):
    rng = np.random.RandomState(0)
    forward, _ = OPS[kind]
    width = forward.gates * 33
    z, kernel, h = (rng.uniform(-1, 1, s).astype("float32") for s in ((3, 5, width), (33, width), (5, 33)))
    ins = [z, kernel, h, *{"lstm": [h], "gru_after": [z[0, 0]]}.get(kind, [])]
    want = run_numpy(forward("tanh"), *ins)
    op = forward("tanh")
    outs = [z, *(np.empty_like(a) for a in want[1:])]
    room = [np.empty(s.shape, s.dtype) for s in op.tasks_room([Spec(x.shape, "float32") for x in ins], [])]
    ins[3:] = [x.copy() for x in ins[3:]]
    run_by(1, op.tasks(ins, outs, room))
    for a, b in zip(outs, want, strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-5)


def test_what_is_not_a_number_stays_so_and_with_its_sample():
    rng = np.random.RandomState(0)
    for name in ACTIVATIONS:
        z, kernel, h = (rng.uniform(-1, 1, s).astype("float32") for s in ((3, 4, 24), (6, 24), (4, 6)))
        z[1, 2, 13] = np.nan
        made = run_tasks(LSTMSequence(name, recurrent_activation=name), z, kernel, h, h)
        assert np.isnan(made[1][2, 2]).any() and np.isnan(made[1][3, 2]).all()
        assert np.isfinite(made[1][:, [0, 1, 3]]).all()
        back = run_tasks(LSTMSequenceGradient(name, recurrent_activation=name), made[1], h, h, *made[:3], kernel)
        assert np.isnan(back[1][2]).all() and np.isfinite(back[1][[0, 1, 3]]).all()
