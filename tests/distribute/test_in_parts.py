"""Batches computed in parts, one after the other or by several ranks: the same bits, and the numbers of whole
batches."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gpukeras as keras
from gpukeras import backend as K
from gpukeras.device.job import Job, Seat, part_of
from gpukeras.device.tree import Node, RowsInOrder, TreeSum, shape_of
from gpukeras.engine.dealing import PARTS as VARIABLE
from gpukeras.engine.parts import PartedFunction
from gpukeras.layers import (
    LSTM,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    Input,
    MaxPooling2D,
    add,
)
from gpukeras.metric_classes import AUC
from gpukeras.models import Model, Sequential
from tests.distribute.jobs import LAUNCHER, run
from tests.kernels.floats import FLOATS

PROGRAM = Path(__file__).with_name("program.py")
STAND_IN = Path(__file__).parents[1] / "standin"
on_host = pytest.mark.skipif(keras.config()["backend"] != "numpy", reason="a GPU draws other random numbers in parts, "
                             "and its arrays don't go from thread to thread")
needs_mpi = pytest.mark.skipif(LAUNCHER is None, reason="needs mpi4py and mpiexec: gpukeras[distributed]")


# Sums over ranks that stand in for processes -----------------------------------------------------------------------

class Board:
    """What threads that stand for ranks show each other."""

    def __init__(self, rank, shown, barrier):
        self.rank, self.size, self._shown, self._barrier = rank, len(shown), shown, barrier

    def _show(self, array):
        self._shown[self.rank] = array.copy()
        self._barrier.wait()
        found = list(self._shown)
        self._barrier.wait()
        return found

    def swap(self, mine, others, rank):
        others[...] = self._show(mine)[rank]

    def gather(self, mine, counts, everyone):
        found = self._show(mine.reshape(-1))
        assert [a.size for a in found] == list(counts)
        everyone.reshape(-1)[...] = np.concatenate(found)


def by_ranks(size, work):
    """What `work(job)` gives on each of so many ranks."""
    shown, barrier, found = [None] * size, threading.Barrier(size), [None] * size

    def rank(number):
        try:
            found[number] = work(Job(Board(number, shown, barrier), Seat(number, size, number, size)))
        except BaseException:
            barrier.abort()
            raise
    threads = [threading.Thread(target=rank, args=(i,)) for i in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@on_host
@pytest.mark.parametrize("dtype", FLOATS)
def test_mpi_adds_and_moves_no_floats_of_16_bits(dtype):
    given = []

    def double(array):
        given.append(array.dtype.name)
        array *= 2

    def copy(mine, counts, everyone):
        given.append(mine.dtype.name)
        everyone[...] = np.tile(mine, 2)

    job = Job(SimpleNamespace(rank=0, size=2, sum=double, gather=copy), Seat(0, 2, 0, 2))
    x, everyone = np.array([0.5, -3, 7]).astype(dtype), np.zeros(6, dtype)
    job.sum(x)
    job.gather(x, [3, 3], everyone)
    assert everyone.astype("float64").tolist() == [1, -6, 14] * 2 and x.dtype == dtype
    assert given == {"float32": ["float32"] * 2, "float64": ["float64"] * 2}.get(dtype, ["float32", "int16"])


@on_host
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("parts", [1, 2, 3, 4, 6, 8, 11])
def test_a_tree_has_the_same_bits_for_any_number_of_ranks(parts, dtype):
    addends = (np.random.RandomState(parts).randn(parts, 2, 9) * 10.0 ** (np.arange(9) / 3)).astype(dtype)

    def total(job):
        tree = TreeSum()
        stretches = [part_of(parts, rank, job.size) for rank in range(job.size)]
        first, count, _ = stretches[job.rank]
        for i in range(first, first + count) if count else [0]:
            addend = addends[i].copy()
            tree.add(Node(i, 1, addend))
            addend.fill(np.nan)  # it is the caller's again
        tree.exchange(job, stretches)
        return tree.total()
    alone = TreeSum()
    for i in range(parts):
        alone.add(Node(i, 1, addends[i]))
    expected = alone.total()
    if parts == 4:
        np.testing.assert_array_equal(expected, (addends[0] + addends[1]) + (addends[2] + addends[3]))
    tolerance = {"float16": 1, "bfloat16": 8}.get(dtype, 1e-2)
    np.testing.assert_allclose(expected, addends.astype("float64").sum(0), tolerance / 10, tolerance)
    for size in (2, 3, 4, 8):
        for found in by_ranks(size, total):
            np.testing.assert_array_equal(found, expected)


@on_host
def test_a_tree_is_used_again_without_new_memory():
    tree = TreeSum()
    totals = []
    tree.add(Node(0, 1, np.full(3, 5, "float32")))  # a step that failed
    for step in range(3):
        tree.begin()
        for i in range(4):
            tree.add(Node(i, 1, np.full(3, step + i, "float32")))
        totals.append(tree.total())
        assert totals[-1].tolist() == [4 * step + 6] * 3
    assert len({id(t) for t in totals}) <= 2


def test_stretches_of_a_tree():
    assert shape_of(part_of(8, 0, 2)) == [(0, 4)]
    assert shape_of(part_of(8, 1, 3)) == [(2, 2), (4, 1)]
    assert shape_of(part_of(2, 0, 3)) == []


@pytest.mark.parametrize("size", [2, 3, 5])
def test_rows_stand_in_the_order_of_the_parts(size):
    samples, number = 11, 4
    parts = [part_of(samples, i, number) for i in range(number)]
    rows = np.arange(samples * 2 * 3, dtype="float32").reshape(samples * 2, 3)  # two for each sample

    def put_together(job):
        order = RowsInOrder()
        order.begin(parts)
        stretches = [part_of(number, rank, job.size) for rank in range(job.size)]
        for part in parts[stretches[job.rank].start:][:stretches[job.rank].length] or parts[:1]:
            order.add(Node(0, 1, rows[2 * part.start:2 * (part.start + part.length)]))
        order.exchange(job, stretches)
        return order.total()
    for found in by_ranks(size, put_together):
        np.testing.assert_array_equal(found, rows)


# In one process ----------------------------------------------------------------------------------------------------

def data(count=45):
    rng = np.random.RandomState(0)
    return rng.rand(count, 6, 6, 1).astype("float32"), np.eye(3)[rng.randint(0, 3, count)], rng.randint(0, 3, count)


def trained(make, parts, x, y, how="fit", compiled=None, **more):
    """Losses, metrics and weights after a training in so many parts."""
    keras.backend.clear_session()
    np.random.seed(2)
    model = make()
    model.compile(**{"optimizer": "adam", "loss": "categorical_crossentropy", "metrics": ["acc"], **(compiled or {})},
                  parts=parts)
    if how == "fit":
        history = model.fit(x, y, batch_size=13, epochs=2, verbose=0, shuffle=False, **more).history
        found = [history[name] for name in history]
    elif how == "generator":
        history = model.fit_generator(((x[i * 13:][:13], y[i * 13:][:13]) for _ in range(9) for i in range(4)), 4,
                                      epochs=2, verbose=0).history
        found = [history[name] for name in history]
    else:
        found = [model.train_on_batch(x[:n], y[:n]) for n in (13, 2, 1, 3, 13)]
    assert isinstance(model.train_function, PartedFunction) == (parts > 1)
    return found, model.get_weights()


def check_close(a, b, tolerance=2e-5):
    for one, other in ((a[0], b[0]), *zip(a[1], b[1])):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def cnn():
    return Sequential([Conv2D(4, 3, activation="relu", input_shape=(6, 6, 1)), MaxPooling2D(), Dropout(0.3), Flatten(),
                       Dense(3, activation="softmax", kernel_regularizer="l2", activity_regularizer="l2")])


@on_host
@pytest.mark.parametrize("parts", [2, 3, 4, 50])
@pytest.mark.parametrize("how", ["fit", "generator", "train_on_batch"])
def test_parts_make_the_step_of_the_whole_batch(parts, how):
    """Dropout included, which draws the same numbers; with 50 parts each sample is one."""
    x, y, _ = data()
    check_close(trained(cnn, parts, x, y, how), trained(cnn, 1, x, y, how))


@on_host
def test_fit_and_generators_have_the_same_bits():
    x, y, _ = data()
    (_, a), (_, b) = (trained(cnn, 4, x, y, how) for how in ("fit", "generator"))
    assert all(np.array_equal(v, w) for v, w in zip(a, b))
    with K.debugging():
        check_close(trained(cnn, 4, x, y), trained(cnn, 1, x, y))


def words():
    return Sequential([Embedding(1500, 4, mask_zero=True, input_length=5), LSTM(4), Dense(1, activation="sigmoid")])


@on_host
def test_masks_weights_of_samples_tables_and_metrics_with_a_state():
    rng = np.random.RandomState(1)
    x, y = rng.randint(0, 1500, (45, 5)) * (rng.rand(45, 5) > .4), rng.randint(0, 2, 45)
    compiled = {"loss": "binary_crossentropy", "metrics": [AUC()]}
    more = {"sample_weight": rng.randint(0, 3, 45)}
    check_close(trained(words, 4, x, y, compiled=compiled, **more), trained(words, 1, x, y, compiled=compiled, **more))

    def sequence():
        inputs = Input((5,))
        hidden = LSTM(3, return_sequences=True)(Embedding(1500, 4, mask_zero=True)(inputs))
        return Model(inputs, [Dense(1)(hidden), Dense(2)(hidden)])
    y = [rng.rand(45, 5, 1), rng.rand(45, 5, 2)]
    compiled = {"loss": "mse", "metrics": ["mae"], "optimizer": keras.optimizers.SGD(0.1, clipnorm=0.5)}
    check_close(trained(sequence, 3, x, y, compiled=compiled), trained(sequence, 1, x, y, compiled=compiled))

    def table():
        return Sequential([Embedding(1100, 3, input_length=60), Flatten(), Dense(1)])
    many, y = rng.randint(0, 1100, (45, 60)), rng.rand(45, 1)  # a batch uses more rows than pay to be treated as rows
    compiled = {"loss": "mse", "optimizer": "sgd", "metrics": []}
    check_close(trained(table, 4, many, y, compiled=compiled), trained(table, 1, many, y, compiled=compiled))


def normalized(synchronized):
    return lambda: Sequential([Dense(4, input_shape=(3,)), BatchNormalization(synchronized=synchronized),
                               GaussianNoise(0.), Dense(1)])


@pytest.mark.parametrize("synchronized", [False, True])
def test_every_call_of_a_normalization_moves_its_averages(synchronized):
    def siamese(parts):
        layer, inputs = BatchNormalization(momentum=0.8, synchronized=synchronized), [Input((3,)) for _ in range(2)]
        model = Model(inputs, add([layer(x) for x in inputs]))
        model.compile("sgd", "mse", parts=parts)
        return model

    batches, means = [np.random.RandomState(mean).normal(mean, size=(8, 3)) for mean in (2, 20)], []
    for parts in (1, 4):
        model = siamese(parts)
        for _ in range(2):
            model.train_on_batch(batches, np.zeros((8, 3)))
        means.append(model.get_weights()[2])
    a, b = (x.mean(0) for x in batches)
    np.testing.assert_allclose(means, [(0.16 * a + 0.2 * b) * 1.64] * 2, rtol=1e-5)


def test_normalization_takes_a_part_or_all_of_them():
    rng = np.random.RandomState(1)
    x, y = rng.rand(24, 3), rng.rand(24, 1)
    compiled = {"loss": "mse", "metrics": [], "optimizer": "sgd"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = trained(normalized(False), 1, x, y, compiled=compiled)
        check_close(trained(normalized(True), 4, x, y, compiled=compiled), whole)
        check_close(trained(normalized(True), 1, x, y, compiled=compiled), whole)
    by_parts = trained(normalized(False), 4, x, y, compiled=compiled)
    assert abs(np.subtract(by_parts[0], whole[0])).max() > 1e-4


def test_what_has_no_parts_is_computed_whole():
    model = Sequential([LSTM(4, stateful=True, batch_input_shape=(7, 3, 2)), Dense(1)])
    model.compile("sgd", "mse", parts=4)
    with pytest.warns(UserWarning, match="can't be computed in 4 parts: the number of samples of its input"):
        model.fit(np.ones((14, 3, 2)), np.ones((14, 1)), batch_size=7, verbose=0)
    model = Sequential([Dense(2, input_shape=(2,))])
    model.add_loss(K.sqrt(K.mean(K.square(model.output))))
    model.compile("sgd", "mse", parts=2)
    with pytest.warns(UserWarning, match="2 parts: neither a mean nor a sum"):
        model.train_on_batch(np.ones((4, 2)), np.ones((4, 2)))


@pytest.mark.parametrize("loss", [lambda y, p: K.sqrt(K.mean(K.square(y - p))), lambda y, p: K.sum(K.square(y - p))])
def test_a_loss_of_all_samples_is_computed_whole(loss):
    x, y = np.random.RandomState(0).normal(size=(2, 6, 2))
    whole, model = (Sequential([Dense(2, input_shape=(2,))]) for _ in range(2))
    whole.compile("sgd", loss)
    model.compile("sgd", loss, parts=2)
    model.set_weights(whole.get_weights())
    with pytest.warns(UserWarning, match="2 parts: neither a mean nor a sum"):
        assert model.train_on_batch(x, y) == whole.train_on_batch(x, y)
    for a, b in zip(model.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(a, b)


class OwnRule(keras.optimizers.Optimizer):
    """Scales a step by something of the batch that is no gradient."""

    def __init__(self, inputs):
        super().__init__()
        self.inputs, self.lr = inputs, 0.1

    def get_updates(self, loss, params):
        return [K.update(p, p - K.max(self.inputs) * g) for p, g in zip(params, self.get_gradients(loss, params))]


def test_a_step_that_looks_at_samples_itself_is_computed_whole():
    model = Sequential([Dense(1, input_shape=(2,))])
    model.compile(OwnRule(model.inputs[0]), "mse", parts=2)
    with pytest.warns(UserWarning, match="2 parts: a step needs all samples at once, for 'max"):
        model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))


def test_how_many_parts(monkeypatch):
    model = Sequential([Dense(1, input_shape=(2,))])
    x, y = np.ones((4, 2)), np.ones((4, 1))
    for wrong in (0, 2.5, True, "4"):
        with pytest.raises(ValueError, match="parts must be a whole number, 1 or more, or None, got"):
            model.compile("sgd", "mse", parts=wrong)
    monkeypatch.setenv(VARIABLE, "two")
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="GPUKERAS_PARTS must be a whole number, 1 or more, got 'two'"):
        model.train_on_batch(x, y)
    monkeypatch.setenv(VARIABLE, "2")
    model.train_on_batch(x, y)
    assert model.train_function.parts == 2
    model.compile("sgd", "mse", parts=1)
    model.train_on_batch(x, y)
    assert not isinstance(model.train_function, PartedFunction)
    later = Sequential([Dense(1)])  # compiled before its shapes are known
    later.compile("sgd", "mse", parts=3)
    later.train_on_batch(x, y)
    assert later.train_function.parts == 3
    with pytest.raises(ValueError, match="in 2 parts, which is too few for the 4 ranks of this job"):
        PartedFunction(model.train_function, 0, 2, SimpleNamespace(size=4))


# By ranks ----------------------------------------------------------------------------------------------------------

@needs_mpi
@pytest.mark.slow
def test_two_ranks_have_the_bits_of_one_process(tmp_path):
    found = []
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        ended = run(ranks, PROGRAM, folder, GPUKERAS_PARTS="4")
        assert ended.status == 0, ended.errors
        found.append(ended.output)
    assert found[0] == found[1] != ""


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_a_training_goes_on_with_another_number_of_ranks_and_the_same_bits(backend, tmp_path):
    """With "cupy" on a stand-in for CuPy, whose NCCL is MPI."""
    program = PROGRAM.with_name("resumed.py")
    chosen = {"GPUKERAS_PARTS": "4", "GPUKERAS_BACKEND": backend}
    if backend == "cupy":
        chosen["PATH_BEFORE"] = str(STAND_IN)
    alone = run(1, program, tmp_path / "a", 0, **chosen)
    assert alone.status == 0, alone.errors
    assert run(2, program, tmp_path / "b", 11, **chosen).status != 0
    resumed = run(1, program, tmp_path / "b", 0, **chosen)
    assert resumed.output == alone.output and alone.output.startswith(backend), resumed.errors


@needs_mpi
@pytest.mark.slow
def test_ranks_that_differ_in_parts_are_refused(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("""
import numpy as np
from gpukeras import distribute
from gpukeras.layers import Dense
from gpukeras.models import Sequential
model = Sequential([Dense(5, input_shape=(4,))])
model.compile("sgd", "mse", parts=2 + distribute.rank())
model.fit(np.ones((8, 4)), np.ones((8, 5)), verbose=0)
""")
    ended = run(2, program)
    assert ended.status != 0
    assert "the ranks differ in their fit: rank 0 has parts 2, and rank 1 has 3" in ended.errors, ended.errors
