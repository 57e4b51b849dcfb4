"""Tasks: functions of the C sources in `kernels/`, bound to arrays. A run of them is one call (`kernels/tasks.c`),
which deals what is worth it to threads that wait in C."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gpukeras.device import threads
from gpukeras.device.choice import NAME
from gpukeras.device.kernels import kernel_source
from gpukeras.device.native import load

WORTH = 20_000  # nanoseconds of work that are dealt to threads; less is done by the caller
CHUNK = 5_000  # nanoseconds that a chunk takes at least: taking one costs a hundredth
CHUNKS = 16  # of a group at most, so that a thread that was kept from working holds nobody up for long


Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Task(NamedTuple):
    """A bound C function `name` of `kernels/<family>.c`. It does units of its work: with `samples`, unit i is row i of
    its outputs, and of all inputs that vary with the samples, so that tasks that follow each other can be done a few
    samples at a time."""

    family: str
    name: str
    words: tuple[Any, ...]  # arrays, whole numbers, floats
    units: int
    nanoseconds: float  # that all units take on one thread
    room: int = 0  # bytes that a thread needs meanwhile
    samples: bool = False


sources: dict[str, Callable[[], str]] = {}
"""Families whose source is made, not only read."""


@cache
def library(family: str) -> Any:
    """The compiled `kernels/<family>.c`; None where nothing is compiled (see native.py)."""
    if NAME != "numpy":
        return None
    return load(sources[family]() if family in sources else kernel_source(f"{family}.c"))


def ready(family: str) -> bool:
    """Whether tasks of this family can run here."""
    return library("tasks") is not None and library(family) is not None


@cache
def _address(family: str, name: str) -> int:
    found = ctypes.cast(getattr(library(family), name), ctypes.c_void_p).value
    assert found is not None
    return found


def _word(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.ctypes.data)
    if isinstance(value, float):
        return int(struct.unpack("q", struct.pack("d", value))[0])
    return int(value)


class Run:
    """Tasks in order, as one call. Where one meets an index out of range, what comes after it is not done, and its part
    of `explain` has to raise the IndexError."""

    def __init__(self, tasks: Sequence[Task], explain: Sequence[Callable[[], Any]] = ()):
        self._explain = explain
        self._words = [np.array([*map(_word, task.words)], np.int64) for task in tasks]
        self._kept = [x for task in tasks for x in task.words if isinstance(x, np.ndarray)]
        self._groups = np.array([[i, 1, task.units, _chunk(task.units, task.nanoseconds)]
                                 for i, task in enumerate(tasks)], np.int64)
        self._tasks = np.array([[_address(task.family, task.name), words.ctypes.data, len(words), 0, 0]
                                for task, words in zip(tasks, self._words)], np.int64)
        room = max((task.room for task in tasks), default=0)
        shared = any(chunk < units for _, _, units, chunk in self._groups.tolist())
        word, pointer = ctypes.c_longlong, ctypes.c_void_p
        self._function = library("tasks").gpukeras_run
        self._function.restype = ctypes.c_longlong
        self._arguments = (pointer(self._groups.ctypes.data), word(len(tasks)), pointer(self._tasks.ctypes.data),
                           word(room), word(room), word(threads.count() if shared else 1))

    def __call__(self) -> None:
        failed = self._function(*self._arguments)
        if failed:
            if failed < 0:
                raise MemoryError("there is no memory for a thread's own room")
            if self._explain:
                self._explain[failed - 1]()
            raise IndexError("an index is out of range")


Explained = tuple[Task, Callable[[], Any]]


def merged(body: Sequence[Explained | Call]) -> list[Call]:
    """The calls of a body whose tasks, each with what explains its failure, stand among calls."""
    made: list[Call] = []
    waiting: list[Explained] = []
    for item in [*body, None]:
        if item is not None and isinstance(item[0], Task):
            waiting.append(item)
            continue
        if waiting:
            made.append((Run([task for task, _ in waiting], [explain for _, explain in waiting]), ()))
            waiting = []
        if item is not None:
            made.append(item)
    return made


def _chunk(units: int, nanoseconds: float) -> int:
    """How many units make a chunk: all of them where sharing does not pay."""
    if nanoseconds < WORTH or units < 2:
        return max(units, 1)
    chunks = min(CHUNKS, int(nanoseconds // CHUNK), units)
    return -(-units // chunks)
