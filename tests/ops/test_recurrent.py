"""The fused recurrences: against plain loops, against unrolled graphs of plain K functions, against differences."""

from __future__ import annotations

import itertools
from copy import copy
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.backend.recurrent import FUSED_ACTIVATIONS, gru_sequence, lstm_sequence, simple_rnn_sequence
from gpukeras.device import threads
from gpukeras.device.tasks import ready
from gpukeras.ops import recurrent_tasks
from tests.kernels.floats import EPSILON, FLOATS, HALVES

GATES = {"lstm": 4, "gru": 3, "gru_after": 3, "simple": 1}
KINDS = tuple(GATES)
NUMPY = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "tanh": np.tanh,
}
GRAPH = {"linear": lambda x: x, "relu": K.relu, "sigmoid": K.sigmoid, "hard_sigmoid": K.hard_sigmoid, "tanh": K.tanh}
MASKS = {
    "any": lambda rng, n, t: rng.rand(n, t) < 0.6,
    "leading": lambda rng, n, t: np.arange(t)[None] >= rng.randint(0, t, n)[:, None],
    "trailing": lambda rng, n, t: np.arange(t)[None] < rng.randint(1, t + 1, n)[:, None],
    "all": lambda rng, n, t: np.zeros((n, t), bool),
    "none": lambda rng, n, t: np.ones((n, t), bool),
}


class Case:
    """One recurrence with all its inputs, in float64."""

    def __init__(self, kind: str, n: int = 3, t: int = 5, u: int = 4, activation: str = "tanh",
                 recurrent: str = "hard_sigmoid", backwards: bool = False, mask: str = "", drops: int = 0,
                 unroll: bool = False, time_major: bool = False, seed: int = 0):
        rng = np.random.RandomState(seed)
        self.kind, self.activation, self.recurrent = kind, activation, recurrent
        self.backwards, self.unroll, self.time_major, self.drops = backwards, unroll, time_major, drops
        width = GATES[kind] * u
        self.z = rng.uniform(-3, 3, (n, t, width))
        self.states = [rng.uniform(-1, 1, (n, u)) for _ in range(2 if kind == "lstm" else 1)]
        self.kernel = rng.uniform(-1, 1, (u, width)) / np.sqrt(u)
        self.bias = [rng.uniform(-1, 1, width)] if kind == "gru_after" else []
        self.mask = MASKS[mask](rng, n, t) if mask else None
        self.drop = [np.where(rng.rand(n, u) < 0.3, 0.0, 1.4) for _ in range(drops)]

    @property
    def inputs(self) -> list[np.ndarray]:
        """What derivatives are taken by."""
        return [self.z, self.kernel, *self.states, *self.bias]

    def graph(self, z: Any, kernel: Any, *rest: Any, dtype: str = "float64") -> list[Any]:
        """Last output, outputs (samples first), states, by the functions of K."""
        count = len(self.states)
        mask = None if self.mask is None else K.constant(self.mask.T if self.time_major else self.mask, "bool")
        options = dict(activation=self.activation, go_backwards=self.backwards, mask=mask, unroll=self.unroll,
                       recurrent_masks=[K.constant(d, dtype) for d in self.drop], time_major=self.time_major)
        if self.kind != "simple":
            options["recurrent_activation"] = self.recurrent
        if self.kind.startswith("gru"):
            options["reset_after"] = self.kind == "gru_after"
            options["recurrent_bias"] = rest[count] if self.bias else None
        function = {"lstm": lstm_sequence, "simple": simple_rnn_sequence}.get(self.kind, gru_sequence)
        if self.time_major:
            z = K.permute_dimensions(z, (1, 0, 2))
        last, outputs, states = function(z, *rest[:count], kernel, **options)
        if self.time_major:
            outputs = K.permute_dimensions(outputs, (1, 0, 2))
        return [last, outputs, *states]

    def unrolled(self, z: Any, kernel: Any, *rest: Any) -> list[Any]:
        """The same of plain K functions, a step after the other."""

        def where(live: Any, a: Any, b: Any) -> Any:
            return K.switch(K.constant(np.repeat(live, self.kernel.shape[0], 1), "bool"), a, b)

        drop = [K.constant(d, "float64") for d in self.drop]
        return self._loop(z, kernel, rest, K.dot, GRAPH, where, drop, K.stack, K.zeros_like)

    def reference(self, *inputs: Any) -> list[np.ndarray]:
        """The same of NumPy."""
        z, kernel, *rest = inputs or self.inputs
        return self._loop(z, kernel, rest, np.dot, NUMPY, np.where, self.drop, np.stack, np.zeros_like)

    def _loop(self, z, kernel, rest, dot, functions, where, drop, stack, zeros) -> list[Any]:
        count, u, t = len(self.states), self.kernel.shape[0], self.z.shape[1]
        states, bias = list(rest[:count]), list(rest[count:])
        act, rec = functions[self.activation], functions[self.recurrent]

        def columns(a: Any, g: int) -> Any:
            return a[:, g * u:(g + 1) * u]

        outputs = []
        for place in (range(t)[::-1] if self.backwards else range(t)):
            x, h = z[:, place], states[0]
            dropped = [h * d for d in drop] or [h]
            dropped = dropped * GATES[self.kind] if len(dropped) == 1 else dropped
            carried = dropped[0] if self.drops == 1 else h
            product = [dot(d, columns(kernel, g)) for g, d in enumerate(dropped)]
            if self.kind == "simple":
                new = [act(x + product[0])]
            elif self.kind == "lstm":
                pre = [columns(x, g) + product[g] for g in range(4)]
                cell = rec(pre[1]) * states[1] + rec(pre[0]) * act(pre[2])
                new = [rec(pre[3]) * act(cell), cell]
            else:
                if bias:
                    product = [p + bias[0][g * u:(g + 1) * u] for g, p in enumerate(product)]
                update, reset = rec(columns(x, 0) + product[0]), rec(columns(x, 1) + product[1])
                inner = reset * product[2] if bias else dot(reset * dropped[2], columns(kernel, 2))
                new = [update * carried + (1 - update) * act(columns(x, 2) + inner)]
            output = new[0]
            if self.mask is not None:
                live = self.mask[:, place, None]
                before = states[0]
                if self.unroll:
                    before = outputs[-1] if outputs else zeros(states[0])
                output = where(live, output, before)
                new = [where(live, a, b) for a, b in zip(new, states)]
            states = new
            outputs.append(output)
        return [outputs[-1], stack(outputs, 1), *states]


def placeholders(case: Case) -> list[Any]:
    return [K.placeholder((None, *x.shape[1:]) if i in (0, 2, 3) and x.ndim > 1 else x.shape, dtype="float64")
            for i, x in enumerate(case.inputs)]


def check_values(case: Case) -> None:
    """Outputs against the plain loop, shapes too."""
    tensors = placeholders(case)
    made = case.graph(*tensors)
    for tensor, got, want in zip(made, K.function(tensors, made)(case.inputs), case.reference(), strict=True):
        np.testing.assert_allclose(got, want, 1e-12, 1e-12)
        assert all(a in (None, b) for a, b in zip(tensor.shape, want.shape, strict=True))


def check_derivatives(case: Case) -> None:
    """Against the gradient of the unrolled graph, and differences of the plain loop along a random direction."""
    rng = np.random.RandomState(5)
    weights = [rng.uniform(-1, 1, y.shape) for y in case.reference()]
    tensors = placeholders(case)
    gradients = []
    for build in (case.graph, case.unrolled):
        loss = sum(K.sum(y * K.constant(w, "float64")) for y, w in zip(build(*tensors), weights))
        gradients.append(K.function(tensors, K.gradients(loss, tensors))(case.inputs))
    for got, want in zip(*gradients, strict=True):
        np.testing.assert_allclose(got, want, 1e-9, 1e-11)
    directions = [rng.uniform(-1, 1, x.shape) for x in case.inputs]

    def value(h: float) -> float:
        return sum((y * w).sum() for y, w in zip(case.reference(*(x + h * d for x, d in zip(case.inputs, directions))),
                                                 weights))

    slope = sum((g * d).sum() for g, d in zip(gradients[0], directions))
    assert slope == pytest.approx((value(1e-6) - value(-1e-6)) / 2e-6, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation, recurrent", [
    ("tanh", "hard_sigmoid"), ("tanh", "sigmoid"), ("relu", "hard_sigmoid"), ("linear", "tanh"), ("sigmoid", "sigmoid"),
    ("hard_sigmoid", "linear"), ("relu", "relu")])
def test_activations(kind, activation, recurrent):
    for options in ({}, {"backwards": True}):
        case = Case(kind, activation=activation, recurrent=recurrent, **options)
        check_values(case)
        check_derivatives(case)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_masks(kind, mask):
    for backwards, unroll in itertools.product((False, True), repeat=2):
        case = Case(kind, mask=mask, backwards=backwards, unroll=unroll)
        check_values(case)
        if backwards == unroll:
            check_derivatives(case)


@pytest.mark.parametrize("mask", ["", "any"])
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_dropout(kind, mask):
    for drops, backwards in itertools.product({1, GATES[kind]}, (False, True)):
        case = Case(kind, drops=drops, mask=mask, backwards=backwards)
        check_values(case)
        check_derivatives(case)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n, t, u", [(1, 1, 1), (1, 4, 31), (4, 1, 33), (33, 3, 2), (2, 6, 1)])
def test_sizes(kind, n, t, u):
    for options in ({}, {"mask": "any", "drops": GATES[kind], "time_major": True}):
        case = Case(kind, n, t, u, **options)
        check_values(case)
        check_derivatives(case)


@pytest.mark.parametrize("kind", KINDS)
def test_time_major(kind):
    for unroll in (False, True):
        case = Case(kind, time_major=True, mask="any", unroll=unroll)
        check_values(case)
        check_derivatives(case)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_the_samples_on_threads(kind, monkeypatch):
    parts = [slice(0, 2), slice(2, 7), slice(7, 9)]
    monkeypatch.setattr(threads, "deal", lambda samples, *_, **__: parts if samples == 9 else [slice(0, samples)])
    for options in ({}, {"mask": "any", "drops": 1}, {"drops": GATES[kind], "backwards": True}):
        case = Case(kind, n=9, **options)
        check_values(case)
        check_derivatives(case)


@pytest.mark.skipif(not ready("recurrent"), reason="no compiled code")
@pytest.mark.parametrize("kind", KINDS)
def test_a_single_sample_has_the_bits_of_the_batch(kind, monkeypatch):
    """Threads share its steps by slices of the units, where there are enough of these; of 352 units the products are
    added up in pieces, and three gates have a panel less than is made at a time."""
    monkeypatch.setattr(recurrent_tasks, "MEETING", 0)
    all_options: tuple[dict[str, Any], ...] = ({}, {"mask": "any"}, {"backwards": True}, {"activation": "linear"})
    for options, u in [*itertools.product(all_options, (96, 64)), ({}, 352)]:
        case = Case(kind, n=3, t=4, u=u, **options)
        of_batch = _forward(case, slice(None))
        for count in (1, 2, 3, 5):
            monkeypatch.setattr(threads, "count", lambda count=count: count)
            for sample in range(3):
                for alone, batch in zip(_forward(case, slice(sample, sample + 1)), of_batch, strict=True):
                    np.testing.assert_array_equal(alone[0], batch[sample])


def _forward(case: Case, samples: slice) -> list[np.ndarray]:
    """Of some of the samples, in float32: last output, outputs (samples first) and states."""
    z, kernel, *states = (x.astype("float32") for x in case.inputs)
    count = len(case.states)
    inputs = [np.ascontiguousarray(z[samples].transpose(1, 0, 2)), kernel, *(s[samples] for s in states[:count]),
              *states[count:]]
    part = copy(case)
    part.time_major, part.mask = True, None if case.mask is None else case.mask[samples]
    tensors = [K.placeholder(x.shape) for x in inputs]
    by_sample = K.permute_dimensions(tensors[0], (1, 0, 2))
    return K.function(tensors, part.graph(by_sample, *tensors[1:], dtype="float32"))(inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_interpreter_gives_the_same(kind):
    case = Case(kind, mask="any", drops=GATES[kind])
    tensors = placeholders(case)
    f = K.function(tensors, case.graph(*tensors))
    with K.debugging():
        interpreted = f(case.inputs)
    for got, want in zip(interpreted, f(case.inputs)):
        np.testing.assert_allclose(got, want, 1e-12, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_runs_repeat(kind):
    """Also when a GPU has recorded them."""
    case = Case(kind, n=5, mask="any")
    tensors = placeholders(case)
    made = case.graph(*tensors)
    f = K.function(tensors, [*made, *K.gradients(sum(map(K.sum, made)), tensors)])
    first = f(case.inputs)
    for _ in range(3):
        for a, b in zip(f(case.inputs), first, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), *((half, 10 * EPSILON[half]) for half in HALVES)])
@pytest.mark.parametrize("kind", KINDS)
def test_lower_precision(kind, dtype, tolerance):
    case = Case(kind, mask="any", drops=1)
    tensors = [K.placeholder(x.shape, dtype=dtype) for x in case.inputs]
    made = case.graph(*tensors, dtype=dtype)
    loss = sum(map(K.sum, made))
    got = K.function(tensors, [*made, *K.gradients(loss, tensors)])(case.inputs)
    exact = placeholders(case)
    loss = sum(map(K.sum, case.graph(*exact)))
    want = [*case.reference(), *K.function(exact, K.gradients(loss, exact))(case.inputs)]
    for a, b in zip(got, want, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, 10 * tolerance, tolerance * np.abs(b).max())


@pytest.mark.parametrize("kind", KINDS)
def test_a_saturated_gate_has_no_derivative(kind):
    """hard_sigmoid is 0 or 1 from -2.5 and 2.5 on, exactly."""
    for dtype in FLOATS:
        case = Case(kind, t=1, activation="hard_sigmoid")
        z = K.placeholder(case.z.shape, dtype=dtype)
        rest = [K.constant(np.zeros_like(x), dtype) for x in case.inputs[1:]]
        grad = K.gradients(K.sum(case.graph(z, *rest, dtype=dtype)[0]), [z])[0]
        for far in (2.75, -2.75, 1e4, -1e4):
            assert not K.function([z], [grad])([np.full_like(case.z, far)])[0].any()


def test_what_is_refused():
    z, h, kernel = K.placeholder((None, 5, 12)), K.placeholder((None, 3)), K.placeholder((3, 12))
    with pytest.raises(ValueError, match="activation must be one of linear, relu"):
        lstm_sequence(z, h, h, kernel, activation="elu")
    with pytest.raises(ValueError, match="expected shape"):
        lstm_sequence(z, h, K.placeholder((None, 4)), kernel)
    with pytest.raises(ValueError, match="expected shape"):
        gru_sequence(z, h, kernel)
    with pytest.raises(ValueError, match="2 dropout factors for 4 gates"):
        lstm_sequence(z, h, h, kernel, recurrent_masks=[h, h])
    with pytest.raises(ValueError, match="needs reset_after"):
        gru_sequence(z[:, :, :9], h, kernel[:, :9], recurrent_bias=K.placeholder((9,)))
    with pytest.raises(ValueError, match="recurrent bias must have shape"):
        gru_sequence(z[:, :, :9], h, kernel[:, :9], recurrent_bias=K.placeholder((3,)), reset_after=True)
    assert set(FUSED_ACTIVATIONS) == set(NUMPY)


def test_reset_after_without_a_bias():
    case = Case("gru_after")
    case.bias[0][:] = 0
    z, kernel, h, _ = case.inputs
    tensors = [K.placeholder(x.shape, dtype="float64") for x in (z, kernel, h)]
    made = gru_sequence(tensors[0], tensors[2], tensors[1], reset_after=True)
    got = K.function(tensors, [made[0], made[1]])([z, kernel, h])
    for a, b in zip(got, case.reference()):
        np.testing.assert_allclose(a, b, 1e-12, 1e-12)
