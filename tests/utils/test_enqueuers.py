"""Workers that feed batches: threads and processes."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest

from gpukeras.utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence
from gpukeras.utils.data_utils import SequenceEnqueuer, WorkerError, get_index

can_fork = "fork" in multiprocessing.get_all_start_methods()
ways = pytest.mark.parametrize(
    "processes",
    [False, pytest.param(True, marks=pytest.mark.skipif(not can_fork, reason="this system cannot fork"))],
    ids=["threads", "processes"],
)


class Numbers(Sequence):
    """Batch i of epoch e is [e * 100 + i]."""

    def __init__(self, length=20):
        self.length, self.epoch = length, 0

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        time.sleep(0.001 * (index % 3))  # workers overtake each other
        return np.array([self.epoch * 100 + index])

    def on_epoch_end(self):
        self.epoch += 1


class Faulty(Numbers):
    def __getitem__(self, index):
        if index == 3:
            raise KeyError("batch three")
        return super().__getitem__(index)


class Random(Numbers):
    def __getitem__(self, index):
        return np.random.standard_normal(2)


class Killed(Numbers):
    def __getitem__(self, index):
        os._exit(9)


def take(enqueuer, count, workers=3, size=5):
    """The first `count` batches, stopping the enqueuer afterwards."""
    enqueuer.start(workers, size)
    try:
        return [int(np.ravel(batch)[0]) for batch in itertools.islice(enqueuer.get(), count)]
    finally:
        enqueuer.stop()
        assert not enqueuer.is_running()


@ways
def test_a_sequence_comes_in_order_and_epochs_see_on_epoch_end(processes):
    taken = take(OrderedEnqueuer(Numbers(), use_multiprocessing=processes), 50)
    assert taken == [*range(20), *range(100, 120), *range(200, 210)]


@ways
def test_shuffling_follows_numpys_seed_and_keeps_every_batch(processes):
    def run():
        np.random.seed(5)
        return take(OrderedEnqueuer(Numbers(), processes, shuffle=True), 40)

    first = run()
    assert first == run()
    assert sorted(first[:20]) == list(range(20)) and first[:20] != list(range(20))
    assert sorted(first[20:]) == list(range(100, 120)) and [n - 100 for n in first[20:]] != first[:20]


@pytest.mark.skipif(not can_fork, reason="this system cannot fork")
def test_random_batches_from_processes_repeat_and_differ_from_each_other():
    def run(workers):
        np.random.seed(5)
        enqueuer = OrderedEnqueuer(Random(), use_multiprocessing=True)
        enqueuer.start(workers, 5)
        batches = list(itertools.islice(enqueuer.get(), 30))
        enqueuer.stop()
        return np.array(batches)

    first = run(3)
    np.testing.assert_array_equal(first, run(2))
    assert len(np.unique(first)) == first.size


@ways
def test_a_failing_batch_ends_the_stream_with_its_exception(processes, caplog):
    enqueuer = OrderedEnqueuer(Faulty(), use_multiprocessing=processes)
    enqueuer.start(2, 4)
    stream = enqueuer.get()
    assert [int(next(stream)[0]) for _ in range(3)] == [0, 1, 2]
    with caplog.at_level(logging.ERROR), pytest.raises(StopIteration) as ended:
        next(stream)
    assert isinstance(ended.value, WorkerError) and isinstance(ended.value.__cause__, KeyError)
    assert "batch three" in caplog.text and not enqueuer.is_running()


@pytest.mark.skipif(not can_fork, reason="this system cannot fork")
def test_a_killed_process_is_noticed():
    enqueuer = OrderedEnqueuer(Killed(), use_multiprocessing=True)
    enqueuer.start(2, 4)
    with pytest.raises(WorkerError) as ended:
        next(enqueuer.get())
    assert "terminated abruptly" in str(ended.value.__cause__)


def test_on_epoch_end_that_fails_is_not_lost():
    class Bad(Numbers):
        def on_epoch_end(self):
            raise ZeroDivisionError("end of epoch")

    enqueuer = OrderedEnqueuer(Bad(2))
    enqueuer.start()
    stream = enqueuer.get()
    assert [int(next(stream)[0]), int(next(stream)[0])] == [0, 1]
    with pytest.raises(WorkerError) as ended:
        next(stream)
    assert isinstance(ended.value.__cause__, ZeroDivisionError)


def test_on_epoch_end_waits_for_readers():
    class Slow(Numbers):
        reading = 0

        def __getitem__(self, index):
            self.reading += 1
            time.sleep(0.02)
            self.reading -= 1
            return np.array([self.epoch])

        def on_epoch_end(self):
            assert self.reading == 0
            super().on_epoch_end()

    assert take(OrderedEnqueuer(Slow(4)), 8, workers=4) == [0] * 4 + [1] * 4


@ways
def test_a_finite_generator_ends(processes):
    taken = take(GeneratorEnqueuer((np.array([i]) for i in range(30)), processes), None, workers=2)
    assert sorted(taken) == sorted([*range(30)] * (2 if processes else 1))


@ways
def test_none_is_left_out(processes):
    items = [None, np.array([1]), None, np.array([2])]
    assert take(GeneratorEnqueuer(iter(items), processes), None, workers=1) == [1, 2]


@ways
def test_a_failing_generator_ends_the_stream_with_its_exception(processes):
    def batches():
        yield np.array([7])
        raise KeyError("no more")

    enqueuer = GeneratorEnqueuer(batches(), processes)
    enqueuer.start(1, 4)
    stream = enqueuer.get()
    assert int(next(stream)[0]) == 7
    with pytest.raises(WorkerError) as ended:
        next(stream)
    assert "no more" in str(ended.value.__cause__)


@ways
def test_the_queue_has_the_generators_own_items(processes):
    """For loops of a program's own, as in Keras 2.0.9's fit_generator; they end when a worker fails."""
    def batches():
        yield np.array([1]), np.array([2])
        yield np.array([3]), np.array([4])
        time.sleep(0.1)
        raise KeyError("no more")

    enqueuer = GeneratorEnqueuer(batches(), processes)
    enqueuer.start(1, 4)
    taken = []
    while enqueuer.is_running():
        if not enqueuer.queue.empty():
            x, y = enqueuer.queue.get()
            taken.append((int(x[0]), int(y[0])))
        else:
            time.sleep(0.001)
    assert taken == [(1, 2), (3, 4)]
    with pytest.raises(WorkerError, match="no more"):
        next(enqueuer.get())


def test_a_worker_that_fails_is_logged_once(caplog):
    enqueuer = GeneratorEnqueuer(1 // i for i in range(1))
    enqueuer.start()
    while enqueuer.is_running():
        time.sleep(0.001)
    with pytest.raises(WorkerError):
        next(enqueuer.get())
    assert len(caplog.records) == 1 and "division" in caplog.text


@pytest.mark.skipif(not can_fork, reason="this system cannot fork")
def test_processes_have_their_own_random_numbers_and_leave_ours_alone():
    def draws():
        while True:
            yield np.random.standard_normal(3)

    def run():
        enqueuer = GeneratorEnqueuer(draws(), True, seed=3)
        enqueuer.start(2, 4)
        batches = list(itertools.islice(enqueuer.get(), 6))
        enqueuer.stop()
        return np.array(batches)

    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    batches = run()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert len(np.unique(batches)) == batches.size
    both = {tuple(np.random.RandomState(seed).standard_normal(3)) for seed in (3, 4)}
    assert both & {tuple(batch) for batch in batches}


@pytest.mark.skipif(not can_fork, reason="this system cannot fork")
def test_a_killed_generator_process_is_noticed():
    enqueuer = GeneratorEnqueuer((os._exit(9) for _ in range(3)), True)
    enqueuer.start(1, 4)
    with pytest.raises(WorkerError) as ended:
        next(enqueuer.get())
    assert "without saying why" in str(ended.value.__cause__)


@pytest.mark.skipif(not can_fork, reason="this system cannot fork")
def test_a_batch_that_cannot_be_pickled_is_named():
    enqueuer = GeneratorEnqueuer(iter([threading.Lock()]), True)
    enqueuer.start(1, 4)
    with pytest.raises(WorkerError) as ended:
        next(enqueuer.get())
    assert "pickle" in str(ended.value.__cause__)


def test_without_fork_a_generator_is_refused_and_a_sequence_spawns(monkeypatch):
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(ValueError, match=r"make it a gpukeras\.utils\.Sequence"):
        GeneratorEnqueuer(iter([]), use_multiprocessing=True).start()
    assert take(OrderedEnqueuer(Plain(), use_multiprocessing=True), 6, workers=1) == [0, 1, 2, 0, 1, 2]


class Plain(Sequence):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.array([index])


def test_stopping_early_and_twice():
    enqueuer = OrderedEnqueuer(Numbers())
    enqueuer.stop()
    enqueuer.start(2, 1)
    stream = enqueuer.get()
    next(stream)
    enqueuer.stop()
    enqueuer.stop()
    with pytest.raises(StopIteration):
        next(stream)
    generator = GeneratorEnqueuer(itertools.repeat(np.zeros(1)))
    generator.stop()
    generator.start(2, 1)
    generator.stop()
    assert not generator.is_running()


def test_bounded():
    made = []

    def batches():
        for i in itertools.count():
            made.append(i)
            yield np.array([i])

    enqueuer = GeneratorEnqueuer(batches())
    enqueuer.start(1, 3)
    next(enqueuer.get())
    time.sleep(0.2)
    enqueuer.stop()
    assert len(made) <= 6


@pytest.mark.parametrize("workers, size", [(0, 1), (1, 0), (-1, 10)])
def test_sizes_are_checked(workers, size):
    for enqueuer in (OrderedEnqueuer(Numbers()), GeneratorEnqueuer(iter([]))):
        with pytest.raises(ValueError, match="must be 1 or more"):
            enqueuer.start(workers, size)


def test_a_sequence_without_batches_or_methods():
    with pytest.raises(ValueError, match="Numbers is empty"):
        OrderedEnqueuer(Numbers(0)).start()
    with pytest.raises(NotImplementedError, match="needs a method __len__"):
        len(Sequence())
    with pytest.raises(NotImplementedError, match="needs a method __getitem__"):
        Sequence()[0]


def test_a_sequence_can_be_iterated():
    assert [int(batch[0]) for batch in Numbers(3)] == [0, 1, 2]
    assert get_index([5, 6], 1) == 6


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        SequenceEnqueuer()
