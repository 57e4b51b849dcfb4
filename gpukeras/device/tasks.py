"""Tasks: functions of the C sources in `kernels/`, bound to arrays. A run of them is one call (`kernels/tasks.c`),
which deals what is worth it to threads that wait in C."""

from __future__ import annotations

import ctypes
import math
import mmap
import struct
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gpukeras.device import threads
from gpukeras.device.choice import NAME
from gpukeras.device.kernels import kernel_source
from gpukeras.device.native import compile_together, load

WORTH = 10_000  # nanoseconds of work that are dealt to threads; less is done by the caller
CHUNK = 2_000  # nanoseconds that a chunk takes at least: taking one costs a hundredth
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
    grain: int = 1  # a chunk has a multiple of so many units, if it can be
    block: int = 1  # a chunk has a multiple of so many units: what they make is one result
    counted: Any = None  # an int64: how many of the units there are, which tasks before this one find out


sources: dict[str, Callable[[], str]] = {}
"""Families whose source is made, not only read."""


_prepared: set[str] = set()


@cache
def library(family: str) -> Any:
    """The compiled `kernels/<family>.c`; None where nothing is compiled (see native.py)."""
    return load(_source(family)) if NAME == "numpy" else None


def prepare(families: Iterable[str]) -> None:
    """Has these families compiled at the same time where they are not yet: one after the other, as they are asked for,
    it would take a small model's first step five seconds."""
    new = {"tasks", *families} - _prepared
    if new and NAME == "numpy":
        _prepared.update(new)
        compile_together(sorted(map(_source, new), key=len, reverse=True), threads.count())  # the longest first


@cache
def _source(family: str) -> str:
    return sources[family]() if family in sources else kernel_source(f"{family}.c")


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


class Chain:
    """Tasks over the same units that are done one after the other, `chunk` units at most at a time; what a `Private`
    array holds between them stays with the thread. `explain` has for each task what raises the IndexError if it
    fails."""

    def __init__(self, tasks: Sequence[Task], explain: Sequence[Callable[[], Any]], chunk: int | None = None,
                 private: Private | None = None):
        self.tasks, self.explain, self.private = list(tasks), list(explain), private
        self.units, self.counted = tasks[0].units, tasks[0].counted
        shared = _chunk(self.units, sum(task.nanoseconds for task in tasks), max(task.grain for task in tasks))
        block = block_of(tasks)
        shared = -(-shared // block) * block
        self.chunk = min(chunk or shared, shared)
        self._rows: list[list[int]] | None = None
        self._kept: list[Any] = []

    def rows(self) -> list[list[int]]:
        """What `kernels/tasks.c` knows of each task; made once, for all runs that the chain is part of."""
        if self._rows is None:
            self._rows = [self._row(task) for task in self.tasks]
        return self._rows

    def _row(self, task: Task) -> list[int]:
        private = self.private
        words = np.array([*map(_word, task.words)], np.int64)
        found = [(i, private.move(int(words[i]))) for i, x in enumerate(task.words)
                 if private is not None and isinstance(x, np.ndarray)]
        moves = np.array([(i, *move) for i, move in found if move], np.int64)
        self._kept += [words, moves]
        return [_address(task.family, task.name), words.ctypes.data, len(words), moves.ctypes.data, len(moves)]


def block_of(tasks: Sequence[Task]) -> int:
    """The units that are not to be parted, of tasks that are done together."""
    return math.lcm(*(task.block for task in tasks))


class Private:
    """Arrays of which every thread has only the rows that it works on. They are known by their addresses: in a block of
    memory that is never touched, and so takes none."""

    def __init__(self, room: int):
        self.room = room  # bytes that a thread needs for them
        self._ends: list[int] = []
        self._moves: list[tuple[int, int, int]] = []  # first address, place with the thread, bytes of a row
        self._kept: list[Any] = []

    def array(self, place: int, shape: tuple[int, ...], dtype: str) -> Any:
        """A stand-in for an array whose rows lie from `place` on in a thread's memory."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        made = np.frombuffer(mmap.mmap(-1, max(size, 1)), dtype, math.prod(shape)).reshape(shape)
        start = int(made.ctypes.data)
        at = bisect(self._ends, start)
        self._ends.insert(at, start + size)
        self._moves.insert(at, (start, place, size // shape[0]))
        self._kept.append(made)
        return made

    def move(self, address: int) -> tuple[int, int] | None:
        """Of an address within one of the arrays: the place with the thread, and the bytes of a row."""
        at = bisect(self._ends, address)
        if at == len(self._ends) or address < self._moves[at][0]:
            return None
        start, place, row = self._moves[at]
        return place + address - start, row


class Run:
    """Chains of tasks in order, as one call: once, or again and again without Python between. Where a task meets an
    index out of range, what comes after it is not done, and the IndexError of its explanation is raised.

    `place` is a number that tasks may read: it grows by `step` each time."""

    def __init__(self, chains: Sequence[Chain], place: Any = None, step: int = 0):
        self.chains = list(chains)
        tasks = [task for chain in chains for task in chain.tasks]
        rows: list[list[int]] = []
        groups: list[list[int]] = []
        for chain in chains:
            counted = 0 if chain.counted is None else _word(chain.counted)
            groups.append([len(rows), len(chain.tasks), chain.units, chain.chunk, counted])
            rows += chain.rows()
        place = np.zeros(1, np.int64) if place is None else place
        arrays = [np.array(groups, np.int64), np.array(rows, np.int64), place]
        room = -(-max(task.room for task in tasks) // 64) * 64
        private = max((chain.private.room for chain in chains if chain.private), default=0)
        shared = any(chain.chunk < chain.units for chain in chains)
        first, listed, at = (a.ctypes.data for a in arrays)
        self.words = np.array([first, len(groups), listed, room + private, room, at, step,
                               threads.count() if shared else 1], np.int64)
        self._kept = arrays
        self._function, self._program = _function(), int(self.words.ctypes.data)

    def __call__(self, times: int = 1) -> None:
        failed = self._function(self._program, times)
        if failed:
            self._explain(failed)

    def _explain(self, failed: int) -> None:
        if failed < 0:
            raise MemoryError("there is no memory for what a thread keeps for itself")
        with np.errstate(all="ignore"):
            [explain for chain in self.chains for explain in chain.explain][failed - 1]()


@cache
def _function() -> Any:
    """What makes a run, of the address of its words and the number of times."""
    found = library("tasks").gpukeras_run
    found.argtypes, found.restype = (ctypes.c_void_p, ctypes.c_longlong), ctypes.c_longlong
    return found


def merged(body: Sequence[Chain | Call]) -> list[Call]:
    """The calls of a body in which chains of tasks stand among calls: a run for those that follow each other."""
    made: list[Call] = []
    waiting: list[Chain] = []
    for item in [*body, None]:
        if isinstance(item, Chain):
            waiting.append(item)
            continue
        if waiting:
            made.append((Run(waiting), ()))
            waiting = []
        if item is not None:
            made.append(item)
    return made


def _chunk(units: int, nanoseconds: float, grain: int) -> int:
    """How many units make a chunk: all of them where sharing does not pay."""
    if nanoseconds < WORTH or units < 2:
        return max(units, 1)
    chunks = max(min(CHUNKS, int(nanoseconds // CHUNK), units), 1)
    return -(-units // (chunks * grain)) * grain
