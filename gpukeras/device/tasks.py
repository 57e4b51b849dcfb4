"""Tasks: functions of the C sources in `kernels/`, bound to arrays. A run of them is one call (`kernels/tasks.c`),
which deals what is worth it to threads that wait in C."""

from __future__ import annotations

import ctypes
import math
import mmap
import struct
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from gpukeras.device import threads
from gpukeras.device.changes import Changes, Kept
from gpukeras.device.choice import NAME
from gpukeras.device.kernels import kernel_source
from gpukeras.device.native import compile_together, load

WORTH = 10_000  # nanoseconds of work that are dealt to threads; less is done by the caller
CHUNK = 2_000  # nanoseconds that a chunk takes at least: taking one costs a hundredth
CHUNKS = 16  # of a group at most, so that a thread that was kept from working holds nobody up for long
FOLLOWING = 2_000  # nanoseconds of work that are dealt to threads which have just worked: meeting them takes 200
AWAKE = 10_000  # nanoseconds, as estimated, for which threads surely look for work before they sleep (at most 60,000)


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
    rounds: int = 1  # so often as many units, numbered on, each round when the last is done; such a task stands alone
    stretch: int = 0  # unit i makes the numbers from i * stretch on of every output, this many at most; 0: others
    reads: int = 0  # and of nothing but the numbers from i * reads on of its first input, this many; 0: of any
    counted: Any = None  # an int64: how many of the units there are, which tasks before this one find out


sources: dict[str, Callable[[], str]] = {}
"""Families whose source is made, not only read."""
texts: dict[str, str] = {}
"""Sources of families that a program has for itself, which are not compiled ahead: see `compiler/loops.py`."""


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
    if family in texts:
        return texts[family]
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
    fails. `scales` says how many of a task's own units make one of the chain's; the last of these may have fewer.
    With `kept`, what the chain makes is kept from run to run; `changes` are those of all arrays that the program of the
    chain gives values that others see."""

    kept: Kept | None = None
    changes: Sequence[Changes] = ()

    def __init__(self, tasks: Sequence[Task], explain: Sequence[Callable[[], Any]], chunk: int | None = None,
                 private: Private | None = None, scales: Sequence[int] = ()):
        self.tasks, self.explain, self.private = list(tasks), list(explain), private
        self._scales = list(scales) or [1] * len(tasks)
        self.units = -(-tasks[0].units // self._scales[0])
        self.rounds, self.counted = tasks[0].rounds, tasks[0].counted
        self.nanoseconds = sum(task.nanoseconds for task in tasks)
        self._most = chunk
        self.chunk = self.chunk_for(WORTH, CHUNK)
        self._rows: list[list[int]] | None = None
        self._kept: list[Any] = []

    def chunk_for(self, worth: float, least: float) -> int:
        """How many units make a chunk, of at least so many nanoseconds: all of them where less than what is worth being
        shared."""
        grain = max(-(-task.grain // scale) for task, scale in zip(self.tasks, self._scales))
        shared = _chunk(self.units, self.nanoseconds, grain, worth, least)
        block = block_of(self.tasks)
        shared = -(-shared // block) * block
        return min(self._most or shared, shared)

    def rows(self) -> list[list[int]]:
        """What `kernels/tasks.c` knows of each task; made once, for all runs that the chain is part of."""
        if self._rows is None:
            self._rows = [self._row(task, scale) for task, scale in zip(self.tasks, self._scales)]
        return self._rows

    def _row(self, task: Task, scale: int) -> list[int]:
        private = self.private
        words = np.array([*map(_word, task.words)], np.int64)
        found = [(i, private.move(int(words[i]))) for i, x in enumerate(task.words)
                 if private is not None and isinstance(x, np.ndarray)]
        moves = np.array([(i, *move) for i, move in found if move], np.int64)
        self._kept += [words, moves]
        own = [task.units, scale] if (task.units, scale) != (self.units, 1) else [0, 0]
        return [_address(task.family, task.name), words.ctypes.data, len(words), moves.ctypes.data, len(moves), *own]


def block_of(tasks: Sequence[Task]) -> int:
    """The units that are not to be parted, of tasks that are done together."""
    return math.lcm(*(task.block for task in tasks))


def untouched(shape: Sequence[int | None], dtype: str, least: int = 1 << 16) -> Any:
    """An array that is never touched, and so takes no memory. Those of `least` bytes or more have pages of their own:
    if the C library had to find room for them, it would deal otherwise with what is asked for later."""
    sizes = tuple(n or 0 for n in shape)
    count = math.prod(sizes)
    size = count * np.dtype(dtype).itemsize
    return (np.frombuffer(mmap.mmap(-1, max(size, 1)), dtype, count).reshape(sizes) if size >= least
            else np.empty(sizes, dtype))


class Private:
    """Arrays of which every thread has only the rows that it works on. They are known by their addresses: in a block of
    memory that is never touched, and so takes none."""

    def __init__(self, room: int):
        self.room = room  # bytes that a thread needs for them
        self._ends: list[int] = []
        self._moves: list[tuple[int, int, int]] = []  # first address, place with the thread, bytes of a row
        self._kept: list[Any] = []

    def array(self, place: int, shape: tuple[int, ...], dtype: str, row: int = 0) -> Any:
        """A stand-in for an array whose rows lie from `place` on in a thread's memory. A row is what a unit has of it:
        so many bytes, or an index of the first axis."""
        made = untouched(shape, dtype, 0)
        start, size = int(made.ctypes.data), made.nbytes
        at = bisect(self._ends, start)
        self._ends.insert(at, start + size)
        self._moves.insert(at, (start, place, row or size // shape[0]))
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

    Chains whose results are kept, all of them by one program, come first, and are left out while these hold.

    `place` is a number that tasks may read: it grows by `step` each time."""

    def __init__(self, chains: Sequence[Chain], place: Any = None, step: int = 0):
        self.chains = sorted(chains, key=lambda chain: chain.kept is None)
        keeping = [chain.kept for chain in chains if chain.kept is not None]
        lists = {id(chain.changes): chain.changes for chain in chains}  # most often one
        changes = list(dict.fromkeys(c for found in lists.values() for c in found))
        tasks = [task for chain in chains for task in chain.tasks]
        rows: list[list[int]] = []
        groups: list[list[int]] = []
        # nanoseconds since there was something for all threads; at first there was in the last run, perhaps just now
        idle = 0.0 if any(chain.chunk < chain.units for chain in self.chains) else math.inf
        for chain in self.chains:
            chunk = chain.chunk
            if chunk == chain.units and idle < AWAKE:
                chunk = chain.chunk_for(FOLLOWING, FOLLOWING // 2)
            if not chain.kept:
                idle = 0 if chunk < chain.units else idle + chain.nanoseconds
            counted = 0 if chain.counted is None else _word(chain.counted)
            groups.append([len(rows), len(chain.tasks), chain.units, chunk, chain.rounds, counted])
            rows += chain.rows()
        place = np.zeros(1, np.int64) if place is None else place
        kept = keeping[0].words if keeping else place  # which then nobody reads as such
        arrays = [np.array(groups, np.int64), np.array(rows, np.int64), place, kept,
                  np.array([len(changes), *(c.words.ctypes.data for c in changes)], np.int64)]
        room = -(-max(task.room for task in tasks) // 64) * 64
        private = max((chain.private.room for chain in chains if chain.private), default=0)
        shared = any(chunk < units for _, _, units, chunk, *_ in groups)
        first, listed, at, held, changed = (a.ctypes.data for a in arrays)
        self.words = np.array([first, len(groups), listed, room + private, room, len(keeping), held, changed, at, step,
                               threads.count() if shared else 1], np.int64)
        self._kept = (arrays, keeping, changes)
        self._function, self._program = _function(), ctypes.c_void_p(self.words.ctypes.data)
        self.once = partial(self._function, self._program, ctypes.c_longlong(1))
        """Makes the call once, with as little around it as can be: what it returns is for `explain`, unless it is 0."""

    def __call__(self, times: int = 1) -> None:
        failed = self._function(self._program, times)
        if failed:
            self.explain(failed)

    def explain(self, failed: int) -> None:
        """Raises what the task of this number, counted from 1, met; MemoryError if it is negative."""
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


def _chunk(units: int, nanoseconds: float, grain: int, worth: float, least: float) -> int:
    """How many units make a chunk: all of them where sharing does not pay; else as few as that is worth it, or up to
    twice as many if the threads have more equal parts then."""
    if nanoseconds < worth or units < 2:
        return max(units, 1)
    most = max(min(CHUNKS, int(nanoseconds // least), units), 1)
    grain = min(grain, -(-units // threads.count()))
    sizes = [-(-units // (chunks * grain)) * grain for chunks in range(most, most // 2, -1)]

    def longest(size: int) -> int:
        """The units that some thread has if none is held up."""
        return math.ceil(math.ceil(units / size) / threads.count()) * size

    return min(sizes, key=longest)
