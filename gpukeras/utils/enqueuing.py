"""What workers that prepare batches have in common: threads or processes behind a bounded queue.

A worker's exception ends the stream: `next()` raises WorkerError, a StopIteration (Keras 2.0.9 promises that)
that carries the exception as its cause; it is logged too, because a `for` loop cannot tell it from the normal
end.
"""

from __future__ import annotations

import logging
import queue
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_log = logging.getLogger("gpukeras.utils")
POLL = 0.1
"""Seconds between looks at the stop signal while waiting on a queue."""


class WorkerError(StopIteration):
    """A worker failed; `__cause__` is its exception."""


class Stream:
    """What `get()` returns: an iterator (a generator could not raise a StopIteration of its own)."""

    def __init__(self, take: Callable[[], Any]):
        self._take = take

    def __iter__(self) -> Stream:
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


def put(ready: Any, item: Any, stop: Any) -> bool:
    """Put into a bounded queue unless stopped meanwhile; whether it was put."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=POLL)
            return True
        except queue.Full:
            continue
    return False


def log_failure(error: Exception) -> None:
    """Says that a worker failed, for loops that cannot tell it from the end."""
    _log.error("A worker failed while preparing a batch: %s: %s", type(error).__name__, error)


def ended_by(error: Exception) -> WorkerError:
    """What ends the stream of a worker that failed with this exception."""
    return WorkerError(f"a worker failed while preparing a batch: {type(error).__name__}: {error}")


def check_sizes(workers: int, max_queue_size: int) -> None:
    """ValueError unless there is a worker at least, and place for a batch."""
    if workers < 1 or max_queue_size < 1:
        raise ValueError(
            f"workers and max_queue_size must be 1 or more, but are {workers} and {max_queue_size}."
        )


@contextmanager
def forking() -> Iterator[None]:
    """Workers only prepare NumPy batches: Python 3.12's warning of forking with threads is not for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        yield
