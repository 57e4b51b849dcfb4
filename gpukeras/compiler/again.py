"""Again: a call of a program that was checked once, and is only made from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import device
from ..device import tasks
from .program import Program
from .rows import taking_function, taking_rows

MOST_GIVEN = 1 << 20  # bytes of an array of another dtype than the input's: there is a second one for it


class Again:
    """A program's call on the CPU with one array of a fixed shape and dtype, all else as it was. For a row or two of a
    small model the usual way, which asks of everything what it is, takes five times as long as the arithmetic."""

    __slots__ = ("layout", "_given", "_run", "_explain", "_outputs", "_only")

    def __init__(self, program: Program, given: np.ndarray, run: Callable[[], int | None],
                 explain: Callable[[int], None]):
        self.layout = program.layout
        self._given, self._run, self._explain, self._outputs = given, run, explain, program.outputs
        self._only = self._outputs[0] if len(self._outputs) == 1 else None

    @classmethod
    def made(cls, program: Program, inputs: list[Any]) -> Again | None:
        """The call with arrays like the first input; None where the usual way is needed. The other inputs are in the
        program already: only learning phases may be."""
        x, buffer = inputs[0], program.inputs[0]
        if device.NAME != "numpy" or buffer is None or any(b is not None for b in program.inputs[1:]):
            return None
        if program.cells or any(a.ndim == 0 for a in program.outputs):
            return None
        if x.dtype != buffer.dtype and x.nbytes > MOST_GIVEN:
            return None
        given = buffer if x.dtype == buffer.dtype else np.empty(x.shape, x.dtype)
        whole = _compiled(program, given, buffer)
        if whole is None:
            return cls(program, given, _plain(program, given, buffer), _explained)
        return cls(program, given, whole.once, whole.explain)

    def __call__(self, x: np.ndarray) -> Any:
        """The output as an array of the caller's own, or a list of several."""
        self._given[...] = x
        failed = self._run()
        if failed:
            self._explain(failed)
        return [a.copy("K") for a in self._outputs] if self._only is None else self._only.copy("K")


def _compiled(program: Program, given: np.ndarray, buffer: np.ndarray) -> tasks.Run | None:
    """The program as one call of compiled code, the conversion of its input included; None where it is not."""
    if program.whole is None or given is buffer:
        return program.whole
    if not taking_function(given.dtype, buffer.dtype) or not tasks.ready("rows"):
        return None
    return tasks.Run([taking_rows(given, buffer, 0, np.zeros(1, np.int64)), *program.whole.chains])


def _explained(failed: int) -> None:
    raise AssertionError("what is not compiled code raises by itself")


def _plain(program: Program, given: np.ndarray, buffer: np.ndarray) -> Callable[[], None]:
    def run() -> None:
        with np.errstate(all="ignore"):
            if given is not buffer:
                np.copyto(buffer, given, "unsafe")
            program.run()
    return run
