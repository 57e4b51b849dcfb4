"""Steps that are done a few samples at a time, against the interpreter, which does everything at once."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import debugging, groups
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from tests.compiler.random_graphs import Builder, Shadow

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("elementwise"),
                                reason=f"no compiled code: {why_not()}")
SAMPLES = 12
STATE = np.random.RandomState(0)


@pytest.fixture(params=[1, 5000, 384 << 10], autouse=True)
def cache(request, monkeypatch):
    """One sample at a time, a few, and as many as there are."""
    monkeypatch.setattr(groups, "CACHE", request.param)
    monkeypatch.setattr(tasks, "WORTH", 0)
    monkeypatch.setattr(tasks, "CHUNK", 1)
    monkeypatch.setattr(device.threads, "count", lambda: 3)
    return request.param


class Rows:
    """Random graphs whose values have samples on their first axis: layers, reshapes, reductions, losses, and steps that
    need all samples at once."""

    def __init__(self, seed):
        self.rng = np.random.RandomState(seed)
        self.x = K.placeholder((None, 6, 6, 2))
        self.variables = []
        self.values = [self.x]
        for _ in range(14):
            self.values.append(self.make(self.values[self.rng.randint(max(len(self.values) - 4, 0), len(self.values))]))

    def weight(self, *shape):
        self.variables.append(K.variable(self.rng.normal(0, 0.4, shape)))
        return self.variables[-1]

    def make(self, v):
        kind = self.rng.choice("dense function reshape mean softmax join part all random add".split())
        flat = K.reshape(v, (-1, int(np.prod(K.int_shape(v)[1:])))) if K.ndim(v) != 2 else v
        width = K.int_shape(flat)[1]
        if kind == "dense":
            made = K.bias_add(K.dot(flat, self.weight(width, 8)), self.weight(8))
        elif kind == "function":
            made = self.rng.choice([K.relu, K.tanh, K.sigmoid, K.square])(v)
        elif kind == "reshape":
            made = K.reshape(K.dot(flat, self.weight(width, 32)), (-1, 4, 4, 2))
            if self.rng.rand() < 0.8:
                made = K.conv2d(made, self.weight(3, 3, 2, 3), padding="same")
                made = K.pool2d(K.relu(made), (2, 2), strides=(2, 2), pool_mode=self.rng.choice(["max", "avg"]))
        elif kind == "mean":
            made = flat - K.mean(flat, axis=-1, keepdims=True)
        elif kind == "softmax":
            made = K.softmax(flat)
        elif kind == "join":
            other = self.values[self.rng.randint(len(self.values))]
            made = K.concatenate([flat, K.reshape(other, (-1, int(np.prod(K.int_shape(other)[1:]))))])
        elif kind == "part":
            made = K.tanh(flat[:, width // 2:])
        elif kind == "all":
            made = flat - K.max(flat, axis=0)
        elif kind == "random":
            made = flat * K.constant(self.rng.rand(SAMPLES, width) < 0.5) + K.reshape(self.x, (-1, 72))[:, :1]
        else:
            made = flat + K.sum(K.reshape(self.x, (-1, 72)), axis=1, keepdims=True)
        return made


def compare(inputs, outputs, updates, variables, feeds):
    f = K.function(inputs, outputs, updates)
    for _ in range(2):
        before = K.batch_get_value(variables)
        with debugging(check_numbers=False):
            expected = f(feeds)
        after = K.batch_get_value(variables)
        K.batch_set_value(list(zip(variables, before)))
        got = f(feeds)
        for x, y in zip([*got, *K.batch_get_value(variables)], [*expected, *after], strict=True):
            np.testing.assert_allclose(x, y, 2e-3, 2e-4)
    program = f.program([x.shape for x in feeds])
    Shadow(program).check()
    return program


@pytest.mark.parametrize("seed", range(24))
def test_random_rows_and_their_derivatives(seed):
    graph = Rows(seed)
    loss = sum(K.mean(K.square(v)) for v in graph.values[-3:])
    gradients = K.gradients(loss, graph.variables) if graph.variables else []
    updates = [(v, v - 0.01 * g) for v, g in zip(graph.variables, gradients) if g is not None]
    outputs = [loss, *graph.values[-2:]]
    compare([graph.x], outputs, updates, graph.variables, [STATE.rand(SAMPLES, 6, 6, 2).astype("float32")])


def test_what_only_the_group_reads_is_never_whole(cache):
    x = K.placeholder((None, 8, 8, 3))
    kernels = [K.variable(STATE.normal(0, 0.2, shape)) for shape in ((3, 3, 3, 4), (3, 3, 4, 4))]
    y = x
    for kernel in kernels:
        y = K.relu(K.conv2d(y, kernel))
    program = compare([x], [K.pool2d(y, (2, 2), strides=(2, 2))], [], kernels,
                      [STATE.rand(SAMPLES, 8, 8, 3).astype("float32")])
    (group,) = set(program.plan.groups.values())
    assert len(group.steps) == 5 and len(group.places) == 4
    assert program.plan.size < SAMPLES * 6 * 6 * 4 * 4  # less than the first convolution's result
    assert group.chunk == {1: 1, 5000: 4}.get(cache, SAMPLES)
    assert len(program.calls) == 1


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs_of_all_kinds(seed):
    graph = Builder(3000 + seed, "float32").build(60)
    compare(graph.inputs, graph.outputs, graph.updates, graph.variables, graph.feeds)
