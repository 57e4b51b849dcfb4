"""Steps that are done a few samples at a time, against the interpreter, which does everything at once."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import debugging, groups
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from gpukeras.ops import reduce_tasks
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
            rounding = 1e-6 * np.max(np.abs(y), initial=0)  # of sums of numbers that are as large as the largest here
            np.testing.assert_allclose(x, y, 2e-3, max(2e-4, rounding))
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


def trained(kind):
    """A network with batch normalization: placeholders, the loss, and its derivatives by the weights."""
    x = K.placeholder((None, *((32, 4) if kind == "line" else (8, 8, 3))))
    kernels = [K.variable(np.random.RandomState(i).normal(0, 0.3, shape)) for i, shape in enumerate(
        ((3, 4, 32), (3, 32, 32)) if kind == "line" else ((3, 3, 3, 20), (3, 3, 20, 20)))]
    scales = [K.variable(np.linspace(0.5, 2, K.int_shape(k)[-1])) for k in (*kernels, *kernels)]
    y, convolve = x, K.conv1d if kind == "line" else K.conv2d
    for i, kernel in enumerate(kernels):
        y = K.bias_add(convolve(y, kernel, padding="same"), scales[2 * i])
        axes = list(range(K.ndim(y) - 1))
        normalized, *_ = K.normalize_batch_in_training(y, scales[2 * i], scales[2 * i + 1], axes)
        y = K.relu(normalized) + (y if i else 0)
    variables = [*kernels, *scales]
    return [x], K.mean(K.square(y)), variables


@pytest.mark.parametrize("kind, samples", [("image", SAMPLES), ("image", 32), ("line", 16)])
def test_sums_over_the_batch_are_made_in_groups(kind, samples, monkeypatch):
    """Statistics, kernels' and biases' gradients: sums of samples with the group's other steps, joined after it."""
    monkeypatch.setattr(reduce_tasks, "SHARED", 1)
    monkeypatch.setattr(reduce_tasks, "SAMPLE", 1)
    inputs, loss, variables = trained(kind)
    feeds = [np.random.RandomState(9).rand(samples, *K.int_shape(inputs[0])[1:]).astype("float32")]
    program = compare(inputs, [loss, *K.gradients(loss, variables)], [], variables, feeds)
    grouped = {s.op.name for s in program.plan.groups}
    assert {"batch_normalize_statistics", "batch_normalize_normalize", "batch_normalize_gradient_gradient_sums",
            "sum_float_columns", "convolution_kernel_gradient_kernel_gradient"} <= grouped
    assert not any("join" in name or "add_blocks" in name for name in grouped)
    for group in program.plan.groups.values():
        kernels = any("kernel_gradient" in s.op.name for s in group.steps)
        assert group.chunk is None or group.chunk % (2 if kernels and samples == 32 else 1) == 0


def test_bits_depend_neither_on_chunks_nor_on_threads(monkeypatch):
    inputs, loss, variables = trained("image")
    feeds = [np.random.RandomState(9).rand(32, 8, 8, 3).astype("float32")]
    outputs = [loss, *K.gradients(loss, variables)]
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(device.threads, "count", lambda threads=threads: threads)
        for held, chunks in ((1, 16), (40_000, 16), (384 << 10, 3)):
            monkeypatch.setattr(groups, "CACHE", held)
            monkeypatch.setattr(tasks, "CHUNKS", chunks)
            found.append(K.function(inputs, outputs)(feeds))
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)


def test_sums_are_made_while_what_they_read_is_at_hand():
    """The derivative of the last kernel is made before that of the first one's input is."""
    x = y = K.placeholder((None, 40, 40, 8))
    kernels = [K.variable(STATE.normal(0, 0.2, (3, 3, 8, 8))) for _ in range(3)]
    for kernel in kernels:
        y = K.tanh(K.conv2d(y, kernel))
    program = K.function([x], K.gradients(K.sum(y), kernels)).program([(SAMPLES, 40, 40, 8)])
    names = [s.op.name for s in program.plan.steps]
    last = len(names) - 1 - names[::-1].index("convolution_input_gradient")
    assert any("kernel_gradient" in name for name in names[:last])


def test_a_group_is_not_parted_by_what_nobody_in_it_needs():
    x = K.placeholder((None, 6))
    a = K.tanh(K.dot(x, K.constant(STATE.rand(6, 5))))
    loss = K.sum(K.square(a))  # of the group, and needed by nobody in it
    b = K.sigmoid(K.dot(a, K.constant(STATE.rand(5, 4))))
    program = compare([x], [loss, b], [], [], [STATE.rand(SAMPLES, 6).astype("float32")])
    (group,) = set(program.plan.groups.values())
    assert not group.places  # for so little it is not worth it


def test_a_refused_label_is_explained_where_the_group_has_pieces():
    """What the label's step reads is remade, by a piece too."""
    x, labels = K.placeholder((None, 40, 40, 3)), K.placeholder((None, 1), dtype="int32")
    scale = K.constant(np.ones(3, "float32"))
    normalized, *_ = K.normalize_batch_in_training(x, scale, scale, [0, 1, 2])
    loss = K.sparse_categorical_crossentropy(labels, K.softmax(K.sum(K.tanh(normalized), axis=[1, 2])))
    f = K.function([x, labels], [loss])
    data, right = STATE.rand(SAMPLES, 40, 40, 3).astype("float32"), STATE.randint(0, 3, (SAMPLES, 1))
    f([data, right])
    grouped = {s.op.name for s in f.program([data.shape, right.shape]).plan.groups}
    assert "batch_normalize_normalize" in grouped and any("crossentropy" in name for name in grouped)
    with pytest.raises(IndexError, match="label"):
        f([data, right + 3])
