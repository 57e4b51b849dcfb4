"""Convolutions that finish what they make, against the interpreter and, in bits, against the steps by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import program
from gpukeras.compiler.finish import FinishedConvolution
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from gpukeras.ops import winograd_tasks
from gpukeras.ops.convolution import Convolution
from gpukeras.ops.pooling import MaxPool
from gpukeras.ops.windows import Window
from tests.compiler.test_groups import compare

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("convolution"),
                                reason=f"no compiled code: {why_not()}")


@pytest.fixture(autouse=True)
def worth(monkeypatch):
    """Everything is dealt to threads, in small chunks."""
    monkeypatch.setattr(tasks, "WORTH", 0)
    monkeypatch.setattr(tasks, "CHUNK", 1)
    monkeypatch.setattr(device.threads, "count", lambda: 3)


class Layer:
    """A convolution with its bias and ReLU, and pooling."""

    def __init__(self, shape, filters, size=3, padding="valid", relu=True, pool=None, pool_padding="valid", seed=0):
        self.state = np.random.RandomState(seed)
        self.x, self.shape, rank = K.placeholder((None, *shape)), shape, len(shape) - 1
        self.kernel = K.variable(self.state.normal(0, 0.3, (*(size,) * rank, shape[-1], filters)))
        self.bias = K.variable(self.state.normal(0, 0.5, filters))
        convolve = {1: K.conv1d, 2: K.conv2d, 3: K.conv3d}[rank]
        self.whole = K.bias_add(convolve(self.x, self.kernel, padding=padding), self.bias)
        if relu:
            self.whole = K.relu(self.whole)
        self.y = K.pool2d(self.whole, *pool, padding=pool_padding) if pool else self.whole

    def data(self, samples):
        return self.state.normal(0, 1, (samples, *self.shape)).astype("float32")

    def program(self, samples, *more):
        return compare([self.x], [self.y, *more], [], [self.kernel, self.bias], [self.data(samples)])


def ops(made):
    found = [getattr(step.op, "op", step.op) for step in made.plan.as_written]
    return [op for op in dict.fromkeys(found) if isinstance(op, FinishedConvolution)]


TWO = ((2, 2), (2, 2))
LAYERS = [dict(shape=(28, 28, 1), filters=32), dict(shape=(9, 11, 3), filters=20, padding="same", relu=False),
          dict(shape=(7, 6, 5), filters=3, size=5), dict(shape=(8, 8, 32), filters=4, padding="same"),
          dict(shape=(30, 6), filters=17), dict(shape=(4, 5, 6, 2), filters=33, padding="same"),
          dict(shape=(12, 20, 16), filters=48, size=5), dict(shape=(10, 13, 16), filters=32),
          dict(shape=(11, 9, 20), filters=49, padding="same", relu=False)]
POOLED = [dict(shape=(26, 26, 32), filters=64), dict(shape=(15, 15, 16), filters=16),
          dict(shape=(15, 13, 17), filters=35, pool_padding="same"),
          dict(shape=(9, 14, 32), filters=20, padding="same"),
          dict(shape=(9, 14, 16), filters=16, padding="same", relu=False, pool_padding="same")]


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("layer", LAYERS)
def test_bias_and_relu(layer, samples):
    (op,) = ops(Layer(**layer).program(samples))
    assert op.relu == layer.get("relu", True) and op.pool is None


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("layer", POOLED)
def test_pooling_of_tiles(layer, samples):
    made = Layer(**layer, pool=TWO).program(samples)
    (op,) = ops(made)
    assert op.pool and not any(isinstance(step.op, MaxPool) for step in made.plan.steps)


@pytest.mark.parametrize("layer", [*LAYERS[:3], *LAYERS[6:8], *(dict(layer, pool=TWO) for layer in POOLED)])
def test_bits_are_those_of_the_steps_by_themselves_and_depend_neither_on_threads_nor_on_the_batch(layer, monkeypatch):
    built = Layer(**layer)
    data = built.data(5)
    data[1, 2, 3, 0], data[2, 4, 4, 0], data[2, 1, 0, 0] = np.nan, np.inf, -np.inf
    data[3] = 0
    K.set_value(built.bias, K.get_value(built.bias) * (np.arange(layer["filters"]) % 3))
    want = K.function([built.x], [built.y])([data])[0]
    assert np.isnan(want[1]).any() and not np.isnan(want[0]).any()

    def check():
        np.testing.assert_array_equal(K.function([built.x], [built.y])([data])[0], want)
        for i, row in enumerate(data):
            np.testing.assert_array_equal(K.function([built.x], [built.y])([row[None]])[0], want[i:i + 1])

    for threads in (1, 2, 5):
        monkeypatch.setattr(device.threads, "count", lambda threads=threads: threads)
        check()
    monkeypatch.setattr(program, "finish", lambda roots: roots)
    check()


def test_what_is_read_elsewhere_stays():
    """The sums, what was done to them, and pooling of other kinds."""
    layer = Layer((12, 12, 16), 16, pool=TWO)
    (op,) = ops(layer.program(2, K.sum(layer.whole)))
    assert op.relu and not op.pool
    sums = K.conv2d(layer.x, layer.kernel)
    y = K.relu(K.bias_add(sums, layer.bias))
    for more in ([sums], [K.sum(sums)], [K.square(sums + layer.bias)]):
        assert not ops(compare([layer.x], [y, *more], [], [], [layer.data(2)]))
    for other in (K.bias_add(sums, layer.bias) + 1, sums + sums, sums + layer.state.rand(10, 1, 16),
                  sums + layer.state.rand(10, 10, 16), K.tanh(sums + layer.bias), sums * layer.bias):
        assert not ops(compare([layer.x], [other], [], [], [layer.data(2)]))
    for pool in (((3, 3), (2, 2)), ((2, 2), (1, 1)), ((2, 1), (2, 1))):
        (op,) = ops(Layer((12, 12, 16), 16, pool=pool).program(1))
        assert not op.pool
    (op,) = ops(compare([layer.x], [K.pool2d(layer.whole, *TWO, pool_mode="avg")], [], [], [layer.data(1)]))
    assert not op.pool
    (op,) = ops(Layer((12, 12, 3), 16, pool=TWO).program(1))  # not made in tiles
    assert not op.pool


def test_training_and_prediction_take_the_same_way():
    """What a gradient needs is stored; the numbers are the same."""
    layer = Layer((12, 12, 16), 16, pool=TWO)
    loss = K.sum(K.square(layer.y))
    read = [layer.y, loss, *K.gradients(loss, [layer.kernel, layer.bias])]
    assert not ops(compare([layer.x], read, [], [layer.kernel, layer.bias], [layer.data(3)]))


def test_numpy_body():
    """What runs where there are no tasks."""
    layer = Layer((9, 9, 16), 16, pool=TWO)
    data, kernel, bias = layer.data(2), K.get_value(layer.kernel), K.get_value(layer.bias)
    want = K.function([layer.x], [layer.y])([data])[0]
    plain, pool = Convolution(Window((3, 3), (1, 1), "valid", (1, 1))), MaxPool(Window(*TWO, "valid", (1, 1)))
    for op, shape in ((FinishedConvolution(plain, True, pool), want.shape),
                      (FinishedConvolution(plain, False, None), (2, 7, 7, 16))):
        out = np.empty(shape, "float32")
        room = [np.empty(s.shape, s.dtype) for s in op.scratch([data, kernel, bias], [out])]
        for function, args in op.calls([data, kernel, bias], [out], room):
            function(*args)
        if not op.pool:
            out = np.maximum(out, 0)[:, :6, :6].reshape(2, 3, 2, 3, 2, 16).max((2, 4))
        np.testing.assert_allclose(out, want, atol=1e-5)


def test_without_winograd(monkeypatch):
    monkeypatch.setattr(winograd_tasks, "enabled", lambda: False)
    (op,) = ops(Layer((12, 12, 16), 16, pool=TWO).program(1))
    assert op.relu and not op.pool
