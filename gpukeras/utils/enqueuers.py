"""Data by number, and the workers that fetch it in order while a model trains."""

from __future__ import annotations

import multiprocessing
import pickle
import queue
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpukeras.utils.enqueuing import POLL, SequenceEnqueuer, Stream, check_sizes, ended_by, forking, log_failure, put


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

        check_sizes(workers, max_queue_size)
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
            with forking():
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
                    if not put(self.queue, pending[-1], stop):
                        return
                for future in pending:  # on_epoch_end must not change data that a worker still reads
                    while not future.done():
                        if stop.wait(0.001):
                            return
                self.sequence.on_epoch_end()
                epoch += 1
        except Exception as error:  # user code or a broken pool: handed to whoever takes the next batch
            put(self.queue, error, stop)

    def get(self) -> Iterator[Any]:
        return Stream(self._take)

    def _take(self) -> Any:
        while self.is_running():
            try:
                item = self.queue.get(timeout=POLL)
            except queue.Empty:
                continue
            try:
                if isinstance(item, Exception):
                    raise item
                return item.result()
            except Exception as error:
                self.stop()
                log_failure(error)
                raise ended_by(error) from error
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


def _process_context() -> Any:
    """Forking where the system can, as Keras programs without `if __name__ == "__main__"` need it; else
    spawning.
    """
    return multiprocessing.get_context(
        "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    )
