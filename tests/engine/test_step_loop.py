"""Many steps in one call of compiled code do what single ones do."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gpukeras import optimizers
from gpukeras.callbacks import Callback
from gpukeras.engine import epochs
from gpukeras.engine.data import make_batches
from gpukeras.engine.epochs import Pace
from gpukeras.layers import Dense
from gpukeras.models import Sequential

X = np.random.RandomState(0).normal(size=(103, 5)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def trained(shuffle, stride, monkeypatch, callbacks=(), x=X, y=Y):
    monkeypatch.setattr(epochs, "STRIDE", stride)
    np.random.seed(3)
    model = Sequential([Dense(7, activation="relu", input_shape=(5,)), Dense(1)])
    model.compile(optimizers.SGD(0.01), "mse", metrics=["mae"])
    history = model.fit(x, y, batch_size=10, epochs=5, shuffle=shuffle, verbose=0, callbacks=list(callbacks))
    return model.get_weights(), history.history, model.evaluate(x, y, batch_size=10, verbose=0)


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_the_same_bits_whatever_the_stride(shuffle, monkeypatch):
    weights, history, score = trained(shuffle, 0.0, monkeypatch)
    for stride in (1e-4, 10.0):
        others, other_history, other_score = trained(shuffle, stride, monkeypatch)
        for a, b in zip(weights, others, strict=True):
            np.testing.assert_array_equal(a, b)
        assert history == other_history and score == other_score


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "int64", "int32", "uint8", "bool", "float16", ">f8"])
def test_data_of_other_types(dtype, shuffle, monkeypatch):
    """Those that compiled code converts, and some that it does not."""
    x = (X * (1 if "f" in dtype else 3) + (4 if dtype == "uint8" else 0)).astype(dtype)
    weights, history, score = trained(shuffle, 10.0, monkeypatch, x=x, y=Y.astype("float64"))
    others, other_history, other_score = trained(shuffle, 10.0, monkeypatch, x=x.astype("float32"), y=Y)
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_array_equal(a, b)
    assert history == other_history and score == other_score


def test_callbacks_see_every_batch(monkeypatch):
    seen = []

    class Watch(Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append((batch, logs["size"]))

    weights, _, _ = trained(True, 10.0, monkeypatch, [Watch()])
    assert seen == 5 * [*((i, 10) for i in range(10)), (10, 3)]
    for a, b in zip(weights, trained(True, 10.0, monkeypatch)[0], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("device, host", [(3e-6, 2e-6), (6e-5, 1e-5), (3e-4, 1e-5), (5e-3, 1e-5), (5e-2, 1e-5)])
def test_a_gpu_never_waits_and_is_never_far_behind(device, host, monkeypatch):
    """The pace with a GPU that takes `device` seconds a step, of which `host` seconds are spent on launching it, on a
    clock of the test's own. As `Feed` does, every run waits until the one before is done."""
    now, busy, ends = 0.0, 0.0, [0.0]
    monkeypatch.setattr(epochs, "time", SimpleNamespace(perf_counter=lambda: now))
    for _, times in Pace(make_batches(5000, 1), alone=False).steps(0):
        for _ in range(times):
            now += host
            assert not busy or now <= busy, "the device has nothing to do"
            busy = max(now, busy) + device
        assert busy - now <= max(5 * epochs.STRIDE, 3 * device)
        now, ends = max(now, ends[-1]), [*ends, busy]


@pytest.mark.parametrize("size, batch", [(0, 4), (3, 4), (8, 4), (41, 4), (40, 1)])
@pytest.mark.parametrize("alone", [True, False])
def test_every_batch_has_its_turn(size, batch, alone, monkeypatch):
    monkeypatch.setattr(epochs, "STRIDE", 10.0)
    batches = make_batches(size, batch)
    done = []
    for i, times in Pace(batches, alone).steps(0):
        assert len({stop - start for start, stop in batches[i:i + times]}) == 1
        assert times == 1 or not alone
        done += range(i, i + times)
    assert done == list(range(len(batches)))
