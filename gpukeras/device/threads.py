"""Worker threads for NumPy bodies: a step over many samples is dealt to them in equal parts, one part a thread.

How the samples are dealt follows from their number and the number of threads, never from timing: the same program with
the same number of threads gives the same bits. Each part uses one thread of BLAS, whose own threads wait for each other
by spinning and crawl where anything else wants a core.
"""

from __future__ import annotations

import os
import threading
from _thread import allocate_lock
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np

from gpukeras.device.choice import NAME
from gpukeras.device.job import seat
from gpukeras.device.openblas import single_thread

VARIABLE = "GPUKERAS_THREADS"
PART = 150_000  # nanoseconds of work that a part has at least: handing it over and back takes 10,000 to 40,000

SHARED = 1 << 16  # multiplications; a smaller product OpenBLAS makes with one thread in any case

_Call = tuple[Callable[..., Any], tuple[Any, ...]]


@cache
def count() -> int:
    """The number of threads that compute, the caller's counted in: GPUKERAS_THREADS, or as many as this process may
    use cores, which ranks of one job share. ValueError if the variable holds anything but a positive number."""
    setting = os.environ.get(VARIABLE, "").strip()
    if not setting:
        if not hasattr(os, "sched_getaffinity"):
            return max((os.cpu_count() or 1) // seat().local_size, 1)
        cores = os.sched_getaffinity(0)
        # a launcher that binds its processes to cores has shared them out already
        sharing = seat().local_size if cores == os.sched_getaffinity(os.getppid()) else 1
        return max(len(cores) // sharing, 1)
    if not setting.isdecimal() or int(setting) < 1:
        raise ValueError(f"{VARIABLE} is {setting!r}; it must be a number of threads, 1 or more.")
    return int(setting)


def deal(samples: int, nanoseconds: float, least: int = 1) -> list[slice]:
    """The parts of a step over so many samples that takes about so long on one thread, each of `least` samples or
    more: as many as there are threads; fewer where they would not pay; one on a GPU, and where BLAS cannot be held."""
    parts = 1
    if NAME == "numpy" and nanoseconds >= 2 * PART and single_thread.known:
        parts = max(min(count(), samples // least, int(nanoseconds // max(PART, 1))), 1)
    return [slice(samples * i // parts, samples * (i + 1) // parts) for i in range(parts)]


def together(parts: Sequence[Sequence[_Call]]) -> list[_Call]:
    """The calls of all parts, made at the same time: the first part's by the caller, the others' by workers. Parts
    must not write what another part reads or writes."""
    return list(parts[0]) if len(parts) == 1 else [(_run, (parts,))]


def hold(calls: Sequence[_Call]) -> AbstractContextManager[None]:
    """What to make these calls within: BLAS stays at one thread all the while if any of them is dealt to workers, or
    is a product that BLAS would share among threads of its own. For those go on spinning for long after a product, on
    cores that the workers want; and where another program wants a core, they wait for each other for milliseconds."""
    return single_thread if any(function is _run or _shared(function, args) for function, args in calls) \
        else nullcontext()


def _shared(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    return function is np.dot and arguments[2].size * arguments[0].shape[-1] >= SHARED


class _Worker:
    """A thread that makes the calls given to it. A program waits for it in `wait`; interpreters need not."""

    def __init__(self) -> None:
        self._go, self._done = allocate_lock(), allocate_lock()
        self._go.acquire()
        self._done.acquire()
        self._calls: Sequence[_Call] = ()
        self._error: BaseException | None = None
        self._leaving = False
        self._thread = threading.Thread(target=self._work, name="gpukeras worker", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        with np.errstate(all="ignore"):  # what calls meet is the caller's business, and its setting stays in its thread
            while True:
                self._go.acquire()
                try:
                    for function, arguments in self._calls:
                        function(*arguments)
                except BaseException as error:
                    self._error = error
                self._calls = ()
                if self._leaving:
                    return
                self._done.release()

    def start(self, calls: Sequence[_Call]) -> None:
        """Wakes the worker for these calls."""
        self._calls = calls
        self._go.release()

    def wait(self) -> BaseException | None:
        """What the calls raised, once they have ended."""
        self._done.acquire()
        error, self._error = self._error, None
        return error

    def retire(self) -> None:
        """Ends the thread, after the calls it may be making."""
        self._leaving = True
        try:
            self._go.release()
        except RuntimeError:
            pass  # it was on its way to be woken anyway
        self._thread.join()


class _Pool:
    """The workers, made when they are first needed."""

    def __init__(self) -> None:
        self._busy = allocate_lock()
        self._workers: list[_Worker] = []

    def run(self, parts: Sequence[Sequence[_Call]]) -> None:
        """Makes the calls of all parts; raises what the first part that failed raised, after all have ended."""
        with single_thread:
            if self._busy.acquire(blocking=False):
                try:
                    self._share(parts)
                finally:
                    self._busy.release()
            else:  # another thread of the user's has the workers, or a part asks for them
                for calls in parts:
                    _make(calls)

    def _share(self, parts: Sequence[Sequence[_Call]]) -> None:
        try:
            while len(self._workers) < len(parts) - 1:
                self._workers.append(_Worker())
            helpers = self._workers[:len(parts) - 1]
            for worker, calls in zip(helpers, parts[1:]):
                worker.start(calls)
            errors = [_caught(parts[0]), *[worker.wait() for worker in helpers]]
        except BaseException:  # Ctrl-C while waiting: nobody may go on writing into the program's arrays
            self._retire()
            raise
        for error in errors:
            if error is not None:
                raise error

    def _retire(self) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.retire()

    def before_fork(self) -> None:
        """Workers do not survive in the child, so they end before a fork and are made anew; not while they work."""
        if self._busy.acquire(blocking=False):
            try:
                self._retire()
            finally:
                self._busy.release()

    def after_fork(self) -> None:
        """In the child: no workers, and nobody who has them."""
        self._busy, self._workers = allocate_lock(), []
        single_thread.after_fork()


def _make(calls: Sequence[_Call]) -> None:
    for function, arguments in calls:
        function(*arguments)


def _caught(calls: Sequence[_Call]) -> BaseException | None:
    """What the calls raise: the others' parts have to end before it may go further."""
    try:
        _make(calls)
    except BaseException as error:
        return error
    return None


_pool = _Pool()
_run = _pool.run
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pool.before_fork, after_in_child=_pool.after_fork)
