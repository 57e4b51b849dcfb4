"""Workers that prepare batches while the model trains: threads or processes behind a bounded queue.

A worker's exception ends the stream: `next()` raises WorkerError, a StopIteration (Keras 2.0.9 promises that)
that carries the exception as its cause; it is logged too, because a `for` loop cannot tell it from the normal
end.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import queue
import random
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_log = logging.getLogger("gpukeras.utils")
_POLL = 0.1  # seconds between looks at the stop signal while waiting on a queue


class WorkerError(StopIteration):
    """A worker failed; `__cause__` is its exception."""


class Sequence:
    """Data for `fit_generator` and its kin: batch `i` is `sequence[i]`, and there are `len(sequence)` an
    epoch.

    Several workers may fetch batches at once, each batch once an epoch. `on_epoch_end` may reorder the data.

    >>> class Squares(Sequence):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return index**2
    >>> list(Squares())
    [0, 1, 4]
    """

    def __getitem__(self, index: int) -> Any:
        """Batch `index`: (inputs, targets) or (inputs, targets, sample_weights)."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method __getitem__(self, index) that returns a batch."
        )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method __len__(self): the batches in an epoch."
        )

    def __iter__(self) -> Iterator[Any]:
        """One epoch, in order."""
        return (self[index] for index in range(len(self)))

    def on_epoch_end(self) -> None:
        """Called between epochs, when no worker is reading; does nothing unless overridden."""
        return None


def get_index(ds: Any, i: int) -> Any:
    """`ds[i]`, as a function."""
    return ds[i]


class _Stream:
    """What `get()` returns: an iterator (a generator could not raise a StopIteration of its own)."""

    def __init__(self, take: Callable[[], Any]):
        self._take = take

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> Any:
        while (item := self._take()) is None:  # None means: nothing to train on, ask again
            continue
        return item


class SequenceEnqueuer(ABC):
    """Base class: `start()` the workers, iterate over `get()`, then `stop()`."""

    @abstractmethod
    def is_running(self) -> bool:
        """Whether workers were started and not stopped."""

    @abstractmethod
    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Start `workers` workers, which keep at most `max_queue_size` batches ready."""

    @abstractmethod
    def stop(self, timeout: float | None = None) -> None:
        """Stop the workers and wait for them, at most `timeout` seconds if given."""

    @abstractmethod
    def get(self) -> Iterator[Any]:
        """Iterator over the batches, leaving out None."""


class OrderedEnqueuer(SequenceEnqueuer):
    """Batches of a `Sequence`, epoch after epoch without end, in order (or shuffled), each exactly once an
    epoch.

    `shuffle` follows NumPy's random state as it is at `start()`. Worker processes seed `np.random` and
    `random` for every batch from that same state, so a run repeats whichever worker takes a batch.

    A sequence whose `on_epoch_end` changes it is sent to the processes again after each epoch; one with the methods
    `epoch_state()` and `set_epoch_state(state)` sends only that state, as ImageDataGenerator's iterators do.
    """

    def __init__(self, sequence: Sequence, use_multiprocessing: bool = False, shuffle: bool = False):
        self.sequence = sequence
        self.use_multiprocessing = use_multiprocessing
        self.shuffle = shuffle
        self.skip = 0  # batches at the start that nobody wants: their places pass, but they are not made
        self.workers = 0
        self.executor: Any = None
        self.queue: queue.Queue[Any] = queue.Queue()
        self.run_thread: threading.Thread | None = None
        self.stop_signal: threading.Event | None = None

    def is_running(self) -> bool:
        return self.stop_signal is not None and not self.stop_signal.is_set()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

        _check_sizes(workers, max_queue_size)
        if not len(self.sequence):
            raise ValueError(
                f"{type(self.sequence).__name__} is empty: its __len__ gives 0 batches an epoch."
            )
        self.workers = workers
        self.queue = queue.Queue(max_queue_size)
        self.stop_signal = stop = threading.Event()
        order = np.random.RandomState(np.random.randint(2**31)) if self.shuffle else None
        if self.use_multiprocessing:
            seed = int(np.random.randint(2**31))
            context = _process_context()
            if hasattr(self.sequence, "epoch_state"):
                self.sequence.epoch_state()  # settled before there are copies of it
            self.executor = ProcessPoolExecutor(workers, context, _keep_sequence, (self.sequence,))
            with _forking():
                self.executor.submit(_ready).result()  # processes start now, not in the middle of training
            submit = self._process_submitter(seed)
        else:
            self.executor = ThreadPoolExecutor(workers)

            def submit(epoch: int, index: int) -> Any:
                return self.executor.submit(get_index, self.sequence, index)

        self.run_thread = threading.Thread(target=self._run, args=(stop, order, submit), daemon=True)
        self.run_thread.start()

    def _process_submitter(self, seed: int) -> Callable[[int, int], Any]:
        """A function that hands an index to the processes, with the data again if it may have changed."""
        changes = type(self.sequence).on_epoch_end is not Sequence.on_epoch_end
        state = getattr(self.sequence, "epoch_state", None)
        pickled: tuple[int, bytes | None] = (0, None)  # epoch 0 was given to the processes when they started

        def submit(epoch: int, index: int) -> Any:
            nonlocal pickled
            if changes and pickled[0] != epoch:
                pickled = (epoch, pickle.dumps(state() if state else self.sequence))
            return self.executor.submit(_process_item, pickled, (seed, epoch, index), index)

        return submit

    def _run(self, stop: threading.Event, order: Any, submit: Callable[[int, int], Any]) -> None:
        """Submit one epoch's batches after another; the queue holds their futures, in order."""
        epoch, skip = 0, self.skip
        try:
            while True:
                indices = np.arange(len(self.sequence))
                if order is not None:
                    order.shuffle(indices)
                pending: list[Any] = []
                skip, passed = max(skip - len(indices), 0), skip
                for index in indices[passed:]:
                    pending = [future for future in pending if not future.done()]
                    pending.append(submit(epoch, int(index)))
                    if not _put(self.queue, pending[-1], stop):
                        return
                for future in pending:  # on_epoch_end must not change data that a worker still reads
                    while not future.done():
                        if stop.wait(0.001):
                            return
                self.sequence.on_epoch_end()
                epoch += 1
        except Exception as error:  # user code or a broken pool: handed to whoever takes the next batch
            _put(self.queue, error, stop)

    def get(self) -> Iterator[Any]:
        return _Stream(self._take)

    def _take(self) -> Any:
        while self.is_running():
            try:
                item = self.queue.get(timeout=_POLL)
            except queue.Empty:
                continue
            try:
                if isinstance(item, Exception):
                    raise item
                return item.result()
            except Exception as error:
                self.stop()
                _fail(error)
        raise StopIteration

    def stop(self, timeout: float | None = None) -> None:
        if self.stop_signal is None or self.run_thread is None:
            return
        self.stop_signal.set()
        self.executor.shutdown(wait=timeout is None, cancel_futures=True)
        self.run_thread.join(timeout)


_worker_sequence: Any = None
_worker_version = 0


def _keep_sequence(sequence: Any) -> None:
    """In a worker process: keep the data, sent once."""
    global _worker_sequence
    _worker_sequence = sequence


def _ready() -> None:
    return None


def _process_item(pickled: tuple[int, bytes | None], seed: tuple[int, int, int], index: int) -> Any:
    """In a worker process: one batch, from the newest copy of the data."""
    global _worker_sequence, _worker_version
    version, content = pickled
    if content is not None and version != _worker_version:
        # bytes that this program itself pickled and sent to its own worker
        news, _worker_version = pickle.loads(content), version
        if hasattr(_worker_sequence, "set_epoch_state"):
            _worker_sequence.set_epoch_state(news)
        else:
            _worker_sequence = news
    np.random.seed(seed)
    random.seed(repr(seed))
    return _worker_sequence[index]


class GeneratorEnqueuer(SequenceEnqueuer):
    """Batches of a generator, finite or not, in no promised order when there are several workers.

    Threads take turns at the one generator. Processes each run a copy of it (so every batch comes once a
    worker), and need an operating system that can fork. `seed` is the first process's NumPy seed, one more
    for each next.
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
        self._lock = threading.Lock()
        self._finished = 0

    def is_running(self) -> bool:
        return self._stop_event is not None and not self._stop_event.is_set()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        _check_sizes(workers, max_queue_size)
        self._finished = 0
        if not self._use_multiprocessing:
            self.queue, self._stop_event = queue.Queue(max_queue_size), threading.Event()
            arguments = (self._generator, self.queue, self._stop_event, self._lock)
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
        self.queue, self._stop_event = context.Queue(max_queue_size), context.Event()
        for number in range(workers):
            seed = None if self.seed is None else self.seed + number
            arguments = (seed, self._generator, self.queue, self._stop_event)
            self._threads.append(context.Process(target=_produce_in_process, args=arguments, daemon=True))
        with _forking():
            for process in self._threads:
                process.start()

    def get(self) -> Iterator[Any]:
        return _Stream(self._take)

    def _take(self) -> Any:
        while self.is_running() and self._finished < len(self._threads):
            alive = any(worker.is_alive() for worker in self._threads)
            try:
                kind, item = self.queue.get(timeout=_POLL)
            except queue.Empty:
                if not alive:  # looked at before the queue: whatever a worker put before it ended was seen
                    self.stop()
                    _fail(
                        RuntimeError("a worker process ended without saying why (killed, or out of memory?)")
                    )
                continue
            if kind == "batch":
                return item
            if kind == "error":
                self.stop()
                _fail(item)
            self._finished += 1
        raise StopIteration

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
        self._threads, self._stop_event, self.queue = [], None, None


def _produce(generator: Any, ready: Any, stop: Any, lock: Any) -> None:
    """A worker's life: take from the generator, put into the queue, and say how it ended."""
    try:
        while not stop.is_set():
            with lock:
                item = next(generator, _END)
            if item is _END:
                _put(ready, ("end", None), stop)
                return
            if not _put(ready, ("batch", item), stop):
                return
    except Exception as error:  # the user's generator may raise anything; the taker gets it
        _put(ready, ("error", error), stop)


_END = object()


def _produce_in_process(seed: int | None, generator: Any, ready: Any, stop: Any) -> None:
    """A worker process's life. Forked processes share their parent's random state, so each gets its own."""
    np.random.seed(seed)
    random.seed(seed)
    _produce(generator, _Picklable(ready), stop, threading.Lock())


class _Picklable:
    """A process queue that reports what cannot be pickled, instead of losing it in its feeder thread."""

    def __init__(self, ready: Any):
        self._ready = ready

    def put(self, item: Any, timeout: float) -> None:
        kind, value = item
        try:
            pickle.dumps(value)
        except Exception as error:  # whatever the object's own pickling raises
            problem = value if kind == "error" else error
            item = ("error", RuntimeError(f"{type(problem).__name__}: {problem}"))
        self._ready.put(item, timeout=timeout)


def _put(ready: Any, item: Any, stop: Any) -> bool:
    """Put into a bounded queue unless stopped meanwhile; whether it was put."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=_POLL)
            return True
        except queue.Full:
            continue
    return False


def _fail(error: Exception) -> None:
    _log.error("A worker failed while preparing a batch: %s: %s", type(error).__name__, error)
    raise WorkerError(f"a worker failed while preparing a batch: {type(error).__name__}: {error}") from error


def _check_sizes(workers: int, max_queue_size: int) -> None:
    if workers < 1 or max_queue_size < 1:
        raise ValueError(
            f"workers and max_queue_size must be 1 or more, but are {workers} and {max_queue_size}."
        )


def _process_context() -> Any:
    """Forking where the system can, as Keras programs without `if __name__ == "__main__"` need it; else
    spawning.
    """
    return multiprocessing.get_context(
        "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    )


@contextmanager
def _forking() -> Iterator[None]:
    """Workers only prepare NumPy batches: Python 3.12's warning of forking with threads is not for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        yield
