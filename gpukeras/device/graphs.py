"""A list of calls as one CUDA graph: recorded once, then launched without Python in between."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from gpukeras.device.blas import prepare
from gpukeras.device.choice import xp
from gpukeras.device.select import driver_library

_NOT_FOUND = 500  # CUDA_ERROR_NOT_FOUND


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
            self._counted = _count_nodes(stream)
            self._graph: Any = stream.end_capture()

    def __call__(self) -> None:
        self._graph.launch()

    def nodes(self) -> int:
        """How many kernels, copies and fills a launch makes, as the driver counts them."""
        status, found = self._counted
        if status:
            raise RuntimeError(f"the driver could not count the graph's nodes: status {status}")
        return found


def _count_nodes(stream: Any) -> tuple[int, int]:
    """The driver's status, and the nodes recorded so far. Of a graph that is made CuPy 13 keeps only what is launched,
    which nobody can ask."""
    driver = ctypes.CDLL(driver_library())
    state, graph, found = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_size_t()
    ask = getattr(driver, "cuStreamGetCaptureInfo_v2", None)
    if ask is None:
        return _NOT_FOUND, 0  # nobody loses a recording for a number
    status = ask(ctypes.c_void_p(stream.ptr), ctypes.byref(state), None, ctypes.byref(graph), None, None)
    return status or driver.cuGraphGetNodes(graph, None, ctypes.byref(found)), found.value


def _give_up(stream: Any) -> None:
    """Ends a capture that failed, so that the device can be used again; CUDA may call the half-made graph invalid."""
    try:
        stream.end_capture()
    except xp.cuda.runtime.CUDARuntimeError:
        pass
