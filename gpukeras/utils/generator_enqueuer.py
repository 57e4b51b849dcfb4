"""Workers that run a generator while a model trains."""

from __future__ import annotations

import multiprocessing
import pickle
import queue
import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpukeras.utils.enqueuing import SequenceEnqueuer, Stream, check_sizes, ended_by, forking, log_failure, put

_POLL = 0.02  # seconds between looks at what workers said when they ended


class GeneratorEnqueuer(SequenceEnqueuer):
    """Batches of a generator, finite or not, in no promised order when there are several workers.

    Threads take turns at the one generator. Processes each run a copy of it (so every batch comes once a
    worker), and need an operating system that can fork. `seed` is the first process's NumPy seed, one more
    for each next. `queue` has the generator's own items, for programs that take them from there while
    `is_running()`; that ends when a worker fails.

    >>> enqueuer = GeneratorEnqueuer(iter([1, 2, 3]))
    >>> enqueuer.start()
    >>> enqueuer.queue.get(), list(enqueuer.get())
    (1, [2, 3])
    >>> enqueuer.stop()
    """

    def __init__(
        self,
        generator: Any,
        use_multiprocessing: bool = False,
        wait_time: float = 0.05,
        seed: int | None = None,
    ):
        self.wait_time = wait_time
        self.queue: Any = None
        self.seed = seed
        self._generator = generator
        self._use_multiprocessing = use_multiprocessing
        self._threads: list[Any] = []
        self._stop_event: Any = None
        self._ends: Any = None  # for each worker that ended None, or why it failed
        self._reading = threading.Lock()
        self._lock = threading.Lock()
        self._finished = 0
        self._error: Exception | None = None

    def is_running(self) -> bool:
        if self._stop_event is None or not self._stop_event.is_set():
            return self._stop_event is not None
        self._look_at_ends()
        return False

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        check_sizes(workers, max_queue_size)
        self._finished, self._error = 0, None
        if not self._use_multiprocessing:
            self.queue, self._ends = queue.Queue(max_queue_size), queue.SimpleQueue()
            self._stop_event = threading.Event()
            arguments = (self._generator, self.queue, self._ends, self._stop_event, self._lock)
            self._threads = [
                threading.Thread(target=_produce, args=arguments, daemon=True) for _ in range(workers)
            ]
            for thread in self._threads:
                thread.start()
            return
        if "fork" not in multiprocessing.get_all_start_methods():
            raise ValueError(
                "use_multiprocessing=True cannot send a generator to other processes on this system: "
                "make it a gpukeras.utils.Sequence, or say use_multiprocessing=False."
            )
        context: Any = multiprocessing.get_context("fork")
        self.queue, self._ends = context.Queue(max_queue_size), context.SimpleQueue()
        self._stop_event = context.Event()
        for number in range(workers):
            seed = None if self.seed is None else self.seed + number
            arguments = (seed, self._generator, self.queue, self._ends, self._stop_event)
            self._threads.append(context.Process(target=_produce_in_process, args=arguments, daemon=True))
        with forking():
            for process in self._threads:
                process.start()

    def get(self) -> Iterator[Any]:
        return Stream(self._take)

    def _take(self) -> Any:
        while self.queue is not None:
            alive = any(worker.is_alive() for worker in self._threads)
            over = self._look_at_ends()  # before the queue: whatever a worker put before it ended is seen
            try:
                return self.queue.get(timeout=0 if over else _POLL)
            except queue.Empty:
                if over or not alive:
                    break
        else:
            raise StopIteration
        error = self._error
        if not over:
            error = RuntimeError("a worker process ended without saying why (killed, or out of memory?)")
            log_failure(error)
        self.stop()
        if error is None:
            raise StopIteration
        raise ended_by(error) from error

    def _look_at_ends(self) -> bool:
        """Whether all workers ended, or one failed, which is logged once."""
        with self._reading:
            while self._ends is not None and not self._ends.empty():
                error = self._ends.get()
                self._finished += 1
                if error is not None and self._error is None:
                    self._error = error
                    log_failure(error)
        return self._error is not None or self._finished == len(self._threads)

    def stop(self, timeout: float | None = None) -> None:
        if self._stop_event is None:
            return
        self._stop_event.set()
        for worker in self._threads:
            if self._use_multiprocessing:
                worker.terminate()
            worker.join(timeout)
        if self._use_multiprocessing:
            self.queue.close()
            self.queue.cancel_join_thread()
        self._threads, self._stop_event, self.queue, self._ends = [], None, None, None


def _produce(generator: Any, ready: Any, ends: Any, stop: Any, lock: Any) -> None:
    """A worker's life: take from the generator, put into the queue, and say how it ended. If it failed, others stop."""
    try:
        while not stop.is_set():
            with lock:
                item = next(generator, _END)
            if item is _END or not put(ready, item, stop):
                break
        ends.put(None)
    except Exception as error:  # the user's generator may raise anything; the taker gets it
        ends.put(error)
        stop.set()


_END = object()


def _produce_in_process(seed: int | None, generator: Any, ready: Any, ends: Any, stop: Any) -> None:
    """A worker process's life. Forked processes share their parent's random state, so each gets its own."""
    np.random.seed(seed)
    random.seed(seed)
    _produce(generator, _Picklable(ready), _LastWord(ready, ends), stop, threading.Lock())


class _Picklable:
    """A process queue that fails for what cannot be pickled, instead of losing it in its feeder thread."""

    def __init__(self, ready: Any):
        self._ready = ready

    def put(self, item: Any, timeout: float) -> None:
        pickle.dumps(item)
        self._ready.put(item, timeout=timeout)


class _LastWord:
    """How a process ended, said when its batches have left it; of an exception that cannot be pickled, the text."""

    def __init__(self, ready: Any, ends: Any):
        self._ready, self._ends = ready, ends

    def put(self, error: Exception | None) -> None:
        self._ready.close()
        self._ready.join_thread()
        try:
            pickle.loads(pickle.dumps(error))  # an exception with arguments of its own may fail in the other process
        except Exception:  # whatever the exception's own pickling raises
            error = RuntimeError(f"{type(error).__name__}: {error}")
        self._ends.put(error)
