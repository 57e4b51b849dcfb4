"""Again: a call of a program that was checked once, and is only made from then on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device import tasks
from .program import Program
from .rows import taking_function, taking_rows

MOST_GIVEN = 1 << 20  # bytes of an array of another dtype than the input's: there is a second one for it


class Again:
    """A program's call with one array of a fixed shape and dtype, all else as it was. For a row or two of a small model
    the usual way, which asks of everything what it is, takes ten times as long as the arithmetic."""

    __slots__ = ("layout", "_given", "_run", "_outputs", "_only")

    def __init__(self, program: Program, run: tasks.Run, given: np.ndarray):
        self.layout = program.layout
        self._given, self._run, self._outputs = given, run, program.outputs
        self._only = self._outputs[0] if len(self._outputs) == 1 else None

    @classmethod
    def made(cls, program: Program, inputs: list[Any]) -> Again | None:
        """The call with arrays like the first input; None where part of it needs Python. The others are in the program
        already: only learning phases may be."""
        x, whole, buffer = inputs[0], program.whole, program.inputs[0]
        if whole is None or buffer is None or any(b is not None for b in program.inputs[1:]):
            return None
        if any(a.ndim == 0 for a in program.outputs):
            return None
        if x.dtype == buffer.dtype:
            return cls(program, whole, buffer)
        if x.nbytes > MOST_GIVEN or not taking_function(x.dtype, buffer.dtype) or not tasks.ready("rows"):
            return None
        given = np.empty(x.shape, x.dtype)
        taking = taking_rows(given, buffer, 0, np.zeros(1, np.int64))
        return cls(program, tasks.Run([taking, *whole.chains]), given)

    def __call__(self, x: np.ndarray) -> Any:
        """The output as an array of the caller's own, or a list of several."""
        self._given[...] = x
        self._run()
        return [a.copy("K") for a in self._outputs] if self._only is None else self._only.copy("K")
