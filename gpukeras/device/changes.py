"""When an array was written: what was made of it before holds no longer.

Compiled programs keep what they make of variables alone from run to run (`Kept`), and look before each run whether one
of these may have been written since. So whoever writes a variable says so, before and after: a run of tasks in C
(`kernels/tasks.c`), everybody else by `with variable.storage.changes`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

_stamps = itertools.count(1)


class Changes:
    """Of one array: how many runs of tasks began to write it, how many ended, and a number that is another one each
    time somebody else begins or ends."""

    __slots__ = ("words",)

    def __init__(self) -> None:
        self.words = np.zeros(3, np.int64)

    def __enter__(self) -> None:
        self.words[2] = next(_stamps)  # never one that was there before, whatever threads do meanwhile

    def __exit__(self, *error: Any) -> None:
        self.words[2] = next(_stamps)


class Kept:
    """What a program keeps holds while nothing has been written to these arrays. `words` is what C knows of it: whether
    it holds, how many arrays, and for each where its words are, and what they were."""

    def __init__(self, of: Sequence[Changes]):
        self._of = list(of)
        self.words = np.array([0, len(of), *(word for c in of for word in (c.words.ctypes.data, 0, 0))], np.int64)


class Writing:
    """While something is done within a context, arrays are written."""

    def __init__(self, changes: Sequence[Changes], within: AbstractContextManager[Any]):
        self._changes, self._within = list(changes), within

    def __enter__(self) -> None:
        for changes in self._changes:
            changes.__enter__()
        self._within.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._within.__exit__(*error)
        for changes in self._changes:
            changes.__exit__(*error)
