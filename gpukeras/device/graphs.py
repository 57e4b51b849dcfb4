"""A list of calls as one CUDA graph: recorded once, then launched without Python in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpukeras.device.blas import prepare
from gpukeras.device.choice import xp


class Recording:
    """What a function launched, as a CUDA graph; calling it launches all of that again, in the current stream.

    A graph keeps no memory alive: whoever made the calls holds the arrays, and the recording the pool from which
    temporary arrays came.
    """

    def __init__(self, function: Callable[[], None]):
        """Records `function`, which must have run before: nothing can be compiled or set up meanwhile.

        What can't be recorded (a call that waits for the device, or looks at a value) raises what CuPy raises.
        """
        prepare()
        self._pool = xp.cuda.MemoryPool()
        stream = xp.cuda.Stream(non_blocking=True)
        with xp.cuda.using_allocator(self._pool.malloc), stream:
            stream.begin_capture()
            try:
                function()
            except BaseException:
                _give_up(stream)
                raise
            self._graph: Any = stream.end_capture()

    def __call__(self) -> None:
        self._graph.launch()


def _give_up(stream: Any) -> None:
    """Ends a capture that failed, so that the device can be used again; CUDA may call the half-made graph invalid."""
    try:
        stream.end_capture()
    except xp.cuda.runtime.CUDARuntimeError:
        pass
