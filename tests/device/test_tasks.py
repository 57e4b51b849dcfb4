"""Runs of compiled tasks: how they are dealt to threads, what they do when one fails, and what survives a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from gpukeras import device
from gpukeras.device import tasks, threads
from gpukeras.device.native import why_not

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("rows"),
                                reason=f"no compiled code: {why_not()}")
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=[1, 2, 5], autouse=True)
def many(request, monkeypatch):
    """So many threads, for work of any size."""
    monkeypatch.setattr(threads, "count", lambda: request.param)
    monkeypatch.setattr(tasks, "WORTH", 0)
    monkeypatch.setattr(tasks, "CHUNK", 1)


def taking(data, order, batch, start=None):
    """A task that gathers rows."""
    start = np.zeros(1, np.int64) if start is None else start
    return tasks.Task("rows", "take_rows", (data, order, start, batch, batch.nbytes // len(batch)), len(batch), 1e6)


def chain(*made, explain=None, **more):
    def nothing():
        raise AssertionError("no task fails here")
    return tasks.Chain(made, [explain or nothing] * len(made), **more)


def test_tasks_run_in_their_order():
    data, order = np.random.rand(1000, 7), np.random.RandomState(0).permutation(1000)
    first, second = np.empty_like(data), np.empty_like(data)
    run = tasks.Run([chain(taking(data, order, first)), chain(taking(first, order, second))])
    for _ in range(50):
        first.fill(0)
        second.fill(0)
        run()
        np.testing.assert_array_equal(second, data[order][order])


def test_a_chain_passes_rows_on_in_memory_of_the_thread():
    data, out = np.random.rand(1000, 300), np.empty((1000, 300))
    private = tasks.Private(2 * 8 * 300)
    between = private.array(0, data.shape, "float64")
    start = np.zeros(1, np.int64)
    made = [taking(data, 0, between, start), taking(between, 0, out, start)]
    tasks.Run([chain(*made, chunk=2, private=private)])()
    np.testing.assert_array_equal(out, data)
    assert not between.any()  # a stand-in: it was never written


def test_chunks_part_no_block(monkeypatch):
    """What a block of units makes is one result: no two threads may have a share in it."""
    monkeypatch.setattr(tasks, "CHUNKS", 5)
    data, out = np.random.rand(60, 3), np.empty((60, 3))
    for blocks, together in (((1,), 1), ((4,), 4), ((4, 6), 12)):
        made = [taking(data, 0, out)._replace(block=block) for block in blocks]
        assert tasks.block_of(made) == together
        for chunk in (None, together, 2 * together):
            assert chain(*made, chunk=chunk).chunk % together == 0


def test_a_round_begins_when_the_last_is_done():
    """Each takes the rows that the one before has made."""
    data = np.zeros((1000, 3))
    data[:10] = np.random.rand(10, 3)
    order = np.arange(1000) - 10
    order[:10] += 10
    for units in (10, 5, 1):
        made = data.copy()
        task = taking(made, order, made)._replace(units=units, rounds=1000 // units)
        for _ in range(20):
            made[10:] = 0
            tasks.Run([chain(task), chain(task)])()
            np.testing.assert_array_equal(made, np.tile(data[:10], (100, 1)))


def test_a_loop_moves_its_place_on():
    data, place = np.arange(60.0).reshape(30, 2), np.zeros(1, np.int64)
    batch, seen = np.empty((4, 2)), np.empty((4, 2))
    loop = tasks.Run([chain(taking(data, 0, batch, place)), chain(taking(batch, 0, seen))], place, 4)
    place[0] = 2
    loop(3)
    assert place[0] == 14
    np.testing.assert_array_equal(seen, data[10:14])


def test_the_first_task_that_fails_is_explained_and_nothing_comes_after_it():
    table, found = np.random.rand(10, 3).astype("float32"), np.zeros((500, 3), "float32")
    rows = np.zeros(500, np.int32)
    rows[[3, 400]] = 10
    from gpukeras.ops.indexing import Gather
    (gather,) = Gather().tasks([table, rows], [found], [])
    after = np.zeros((10, 3), "float32")

    def explain():
        raise IndexError("that one")
    run = tasks.Run([chain(taking(table, 0, np.empty_like(table))), chain(gather, explain=explain),
                     chain(taking(table, 0, after))])
    for _ in range(3):
        with pytest.raises(IndexError, match="that one"):
            run()
        assert not after.any()
    rows[:] = 9
    run()
    np.testing.assert_array_equal(found, table[rows])
    np.testing.assert_array_equal(after, table)


def test_several_threads_may_run_at_once():
    data = np.random.rand(2000, 50)
    order = np.random.RandomState(0).permutation(2000)
    wrong = []

    def work():
        batch = np.empty_like(data)
        run = tasks.Run([chain(taking(data, order, batch))])
        for _ in range(100):
            batch.fill(0)
            run()
            if not np.array_equal(batch, data[order]):
                wrong.append(1)
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not wrong and not any(worker.is_alive() for worker in workers)


FORK = """
import os, sys, warnings
import numpy as np
warnings.simplefilter("ignore", DeprecationWarning)  # a process with threads forks: that is the point
from gpukeras.device import tasks, threads
tasks.WORTH, tasks.CHUNK = 0, 1
threads.count = lambda: 4
data, batch = np.random.rand(5000, 20), np.empty((5000, 20))
task = tasks.Task("rows", "take_rows", (data, 0, np.zeros(1, np.int64), batch, 160), 5000, 1e6)
run = tasks.Run([tasks.Chain([task], [None])])
for _ in range(20):
    run()
child = os.fork()
if child == 0:
    for _ in range(20):
        batch.fill(0)
        run()
        assert np.array_equal(batch, data)
    os._exit(7)
for _ in range(20):
    run()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_makes_its_own_threads():
    done = subprocess.run([sys.executable, "-c", FORK], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
                          capture_output=True, text=True)
    assert done.stdout.strip() == "7", done.stderr
