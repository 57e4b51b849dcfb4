"""An optimizer's rule as a loop of its own has the bits of the chain that goes through it operation by operation."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device, optimizers
from gpukeras.compiler import loops
from gpukeras.compiler.fuse import Fused
from gpukeras.device import tasks
from gpukeras.device.native import compiler, why_not
from gpukeras.layers import Dense, Embedding, Flatten
from gpukeras.models import Sequential

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("elementwise") or compiler() is None,
                                reason=f"no compiler: {why_not()}")
STATE = np.random.RandomState(0)
X, Y = STATE.randn(8, 150).astype("float32"), STATE.randn(8, 130).astype("float32")
WORDS = STATE.randint(0, 400, (8, 6))
RULES = {
    "momentum": lambda: optimizers.SGD(lr=0.1, momentum=0.9, decay=0.01),
    "nesterov": lambda: optimizers.SGD(momentum=0.9, nesterov=True),
    "rmsprop": optimizers.RMSprop,
    "adagrad": optimizers.Adagrad,
    "adadelta": optimizers.Adadelta,
    "adam": optimizers.Adam,
    "adam with decay": lambda: optimizers.Adam(decay=0.1, clipvalue=0.01),
    "amsgrad": lambda: optimizers.Adam(amsgrad=True, clipnorm=0.1),
    "adamax": optimizers.Adamax,
    "nadam": optimizers.Nadam,
}


@pytest.fixture(autouse=True)
def shared(monkeypatch):
    """Everything is dealt to three threads, in small chunks."""
    monkeypatch.setattr(tasks, "WORTH", 0)
    monkeypatch.setattr(tasks, "CHUNK", 1)
    monkeypatch.setattr(device.threads, "count", lambda: 3)


def dense(rule):
    model = Sequential([Dense(130, input_shape=(150,))])
    model.compile(rule, "mse")
    return model


def words(rule):
    model = Sequential([Embedding(400, 50, input_length=6), Flatten(), Dense(130)])
    model.compile(rule, "mse")
    return model


def trained(build, rule, x, monkeypatch, least):
    """The weights after some steps, and how many loops the step has, where these begin at so many elements."""
    monkeypatch.setattr(loops, "LEAST", least)
    np.random.seed(0)
    model = build(RULES[rule]())
    start = np.random.RandomState(1)
    model.set_weights([start.randn(*w.shape) for w in model.get_weights()])
    for _ in range(3):
        model.train_on_batch(x, Y)
    programs = model.train_function._programs.values()
    found = [s.op for p in programs for s in p.plan.steps if isinstance(s.op, Fused) and s.op.loop]
    weights = model.get_weights() + [K.get_value(w) for w in model.optimizer.weights]
    return weights, len(found)


@pytest.mark.parametrize("build", [dense, words])
@pytest.mark.parametrize("rule", RULES)
def test_the_bits_are_those_of_chains(rule, build, monkeypatch):
    x = X if build is dense else WORDS
    plain, none = trained(build, rule, x, monkeypatch, 1 << 40)
    got, some = trained(build, rule, x, monkeypatch, 1)
    assert none == 0 and some > 0
    for a, b in zip(got, plain, strict=True):
        np.testing.assert_array_equal(a, b)


def update(size=1 << 15):
    """A rule on a variable whose place the result takes, and a second result that is read by it."""
    v, w, g = (K.variable(STATE.randn(size)) for _ in range(3))
    rate = K.variable(0.1)
    new = rate * v + K.square(g)
    return K.function([], [], [(v, new), (w, w - rate * new / (K.sqrt(K.maximum(v, 0.)) + 1e-3))]), v, w, g


def test_what_is_overwritten_is_read_before():
    function, v, w, g = update()
    for index, value in ((5, np.nan), (70, np.inf), (300, -np.inf), (700, 0.0)):
        before = K.get_value(g)
        before[index] = value
        K.set_value(g, before)
    old_v, old_w, old_g = map(K.get_value, (v, w, g))
    function([])
    with np.errstate(all="ignore"):
        new = np.float32(0.1) * old_v + old_g * old_g
        want = old_w - np.float32(0.1) * new / (np.sqrt(np.maximum(old_v, 0)) + np.float32(1e-3))
    np.testing.assert_array_equal(K.get_value(v), new)
    np.testing.assert_array_equal(K.get_value(w), want)


def loops_of(function):
    return [s.op.loop for s in function.program([]).plan.steps if isinstance(s.op, Fused) and s.op.loop]


def test_few_elements_and_few_operations_are_chains():
    large, small = update()[0], update(1000)[0]
    v = K.variable(STATE.randn(1 << 15))
    short = K.function([], [], [(v, v * 0.5)])
    for function in (large, small, short):
        function([])
    assert loops_of(large) and not loops_of(small) and not loops_of(short)


def test_one_rule_is_one_loop_whatever_the_model():
    first, second = update(), update(1 << 16)
    for function, *_ in (first, second):
        function([])
    assert loops_of(first[0]) == loops_of(second[0])


def test_without_a_compiler_chains_serve(monkeypatch):
    monkeypatch.setattr(loops, "compiler", lambda: None)
    function, *_ = update()
    function([])
    assert not loops_of(function)
