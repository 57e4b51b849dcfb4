"""Memory and threads: a fitted step allocates no array, ten thousand predictions leave nothing behind, and several
threads may predict at once."""

from __future__ import annotations

import gc
import threading
import tracemalloc

import numpy as np
import pytest

from gpukeras import device, optimizers
from gpukeras.compiler import Feed
from gpukeras.compiler.function import MOST_PROGRAMS
from gpukeras.engine import epochs
from gpukeras.layers import Dense, Dropout
from gpukeras.models import Sequential

STATE = np.random.RandomState(0)
X, Y = STATE.normal(size=(78, 64)), STATE.randint(0, 40, size=78)
BATCH = 24  # 24 + 24 + 24 + 6: the last is smaller. Products so small are not shared among BLAS threads
SMALL = 2200  # bytes: less than an array of 6 samples of 96 units, more than Python's own bookkeeping


def mlp(optimizer="sgd"):
    np.random.seed(1)
    model = Sequential([
        Dense(96, activation="relu", input_shape=(64,)), Dropout(0.2),
        Dense(96, activation="tanh"), Dropout(0.2),
        Dense(40, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["acc"])
    return model


@pytest.fixture
def steps(monkeypatch):
    """What each step of a loop adds to memory at its height, from the end of the step before to its own end."""
    if device.NAME != "numpy":
        pytest.skip("arrays of the host are looked at")
    heights: list[int] = []
    run = Feed.run

    def traced(self, rows, count, times=1):
        before = traced.base
        run(self, rows, count, times)
        now, peak = tracemalloc.get_traced_memory()
        if before is not None:
            heights.append(peak - before)
        traced.base = now
        tracemalloc.reset_peak()

    traced.base = None
    monkeypatch.setattr(Feed, "run", traced)
    monkeypatch.setattr(epochs, "STRIDE", 0)  # one batch at a time
    size = np.setbufsize(16)  # the buffers inside of NumPy's own iterators are no arrays: make them negligible
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield heights
    tracemalloc.stop()
    gc.enable()
    np.setbufsize(size)


def array_bytes():
    only_arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([only_arrays]).traces)


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_a_fitted_step_allocates_no_array(steps, shuffle, dtype):
    model, x = mlp(), X.astype(dtype)
    model.fit(x, Y, batch_size=BATCH, epochs=3, shuffle=shuffle, verbose=0)
    assert max(steps[:4]) > 50_000  # the programs' own memory: the measure sees arrays
    assert max(steps[4:]) < SMALL
    assert len(steps) == 11


@pytest.mark.parametrize("optimizer", [
    "sgd", optimizers.SGD(0.01, momentum=0.9, nesterov=True, decay=0.01), "rmsprop", "adagrad", "adadelta", "adam",
    optimizers.Adam(amsgrad=True), "adamax", "nadam", optimizers.Adam(clipnorm=1.0), optimizers.SGD(clipvalue=0.5),
], ids=["sgd", "momentum", "rmsprop", "adagrad", "adadelta", "adam", "amsgrad", "adamax", "nadam", "clipnorm",
        "clipvalue"])
def test_no_optimizer_allocates_in_a_step(steps, optimizer):
    model = mlp(optimizer)
    model.fit(X, Y, batch_size=BATCH, epochs=3, sample_weight=np.ones(78), verbose=0)
    assert max(steps[4:]) < SMALL
    held = array_bytes()
    model.fit(X, Y, batch_size=BATCH, epochs=3, sample_weight=np.ones(78), verbose=0)
    assert array_bytes() - held < SMALL  # a second fit leaves nothing either


def test_no_step_of_a_validation_allocates(steps):
    model = mlp()
    model.fit(X, Y, batch_size=BATCH, epochs=3, validation_split=0.5, verbose=0)  # 39 rows: 24 + 15, twice an epoch
    assert len(steps) == 11
    assert max(steps[4::4] + steps[6::4]) < 1.5 * SMALL  # the second batches: the first ones follow other work


@pytest.fixture
def grown():
    """A function that runs some work many times and says by how many bytes a time memory has grown. The stand-in for
    CuPy, on which calls take long, makes a quarter of them."""
    def measure(work, times):
        times = times // 4 if device.xp.__version__.endswith("standin") else times
        for _ in range(20):
            work()
        gc.collect()
        gc.disable()  # nothing may even wait for the collector
        hold = [(i,) * n for n in range(1, 20) for i in range(2100)]  # Python keeps up to 2,000 freed tuples of a size
        del hold
        tracemalloc.start()
        try:
            for _ in range(20):
                work()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(times):
                work()
            return (tracemalloc.get_traced_memory()[0] - before) / times
        finally:
            tracemalloc.stop()
            gc.enable()
    return measure


def test_ten_thousand_predictions_leave_memory_flat(grown):
    model, x = mlp(), X[:3]
    assert grown(lambda: model.predict(x), 10_000) < 10  # not even one object in five times


def test_single_batches_leave_memory_flat(grown):
    model, x, y = mlp("adam"), X[:3], Y[:3]

    def work():
        model.train_on_batch(x, y)
        model.test_on_batch(x, y)
        model.predict_on_batch(x)

    assert grown(work, 1000) < 40


def test_whole_trainings_leave_memory_flat(grown):
    model = mlp()

    def work():
        model.fit(X, Y, batch_size=BATCH, epochs=1, validation_split=0.1, verbose=0)
        model.evaluate(X, Y, verbose=0)

    assert grown(work, 60) < 660


def test_batches_of_many_sizes_hold_a_bounded_number_of_programs():
    model = Sequential([Dense(2, input_shape=(64,))])
    want = model.predict(X)
    for count in [*range(1, 60), 1]:
        np.testing.assert_allclose(model.predict(X[:count], batch_size=100), want[:count], rtol=1e-5, atol=1e-6)
    assert len(model.predict_function._programs) <= MOST_PROGRAMS


# ------------------------------------------------------------------------------------------------------------ threads


def in_threads(work, count=6):
    """Runs `work(i)` in that many threads at once, and raises what they raise."""
    errors, start = [], threading.Barrier(count)

    def run(i):
        try:
            start.wait()
            work(i)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("method", ["predict", "predict_on_batch"])
def test_threads_may_predict_at_once(method):
    model = mlp()
    inputs = [STATE.normal(size=(5 + 3 * i, 64)) for i in range(6)]
    want = [mlp().predict(x) for x in inputs]  # another model, of the same weights

    def work(i):
        for _ in range(40):
            np.testing.assert_array_equal(getattr(model, method)(inputs[i]), want[i])

    in_threads(work)


def test_threads_may_predict_with_batches_of_their_own():
    model = mlp()
    inputs = [STATE.normal(size=(40, 64)) for _ in range(6)]
    want = [mlp().predict(x) for x in inputs]

    def work(i):
        for _ in range(10):
            np.testing.assert_allclose(model.predict(inputs[i], batch_size=7 + i), want[i], rtol=1e-5, atol=1e-6)

    in_threads(work)


def test_a_thread_may_predict_while_another_trains():
    model = mlp(optimizers.SGD(0.0))
    want = model.predict(X)

    def work(i):
        if i == 0:
            model.fit(X, Y, batch_size=BATCH, epochs=10, verbose=0)
        elif i == 1:
            loss = model.evaluate(X, Y, verbose=0)
            for _ in range(10):
                assert model.evaluate(X, Y, verbose=0) == loss
        else:
            for _ in range(20):
                np.testing.assert_array_equal(model.predict(X), want)

    in_threads(work, 4)
