"""Data on its way to a GPU: all of it at once where it fits, else batch by batch through pinned memory. And how far the
host may run ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpukeras.device.choice import ensure_ready, xp

FLIGHT = 2  # launches that may be under way on a GPU, each of one step or, of quick ones, as many as take a moment
SHARE = 0.25  # of the free memory that training data may take: the rest is for the program, and for other programs


def has_room_for(nbytes: int) -> bool:
    """Whether so many bytes of data may stay on the GPU."""
    ensure_ready()
    free, _ = xp.cuda.runtime.memGetInfo()
    return nbytes <= SHARE * (free + xp.get_default_memory_pool().free_bytes())


class Streamer:
    """Fills a buffer of a program with batches from the host, twofold buffered: while the GPU computes on one batch,
    the next is gathered into pinned memory and copied in a stream of its own.
    """

    def __init__(self, buffer: Any, dtype: Any):
        self._buffer = buffer
        self._copies = xp.cuda.Stream(non_blocking=True)
        self._lanes = [_Lane(buffer, dtype) for _ in range(2)]

    def load(self, fill: Callable[[np.ndarray], Any]) -> None:
        """`fill` writes a batch into the host array that it is given; work launched afterwards sees it in the buffer.
        """
        self._lanes.reverse()
        lane = self._lanes[0]
        lane.arrived.synchronize()  # the copy of two batches ago has left the pinned memory
        fill(lane.host)
        self._copies.wait_event(lane.consumed)
        lane.there.set(lane.host, stream=self._copies)
        lane.arrived.record(self._copies)
        now = xp.cuda.get_current_stream()
        now.wait_event(lane.arrived)
        xp.copyto(self._buffer, lane.there, "unsafe")
        lane.consumed.record(now)


class _Lane:
    """One of the two ways: pinned memory, its copy on the device, and events that say when each is free again."""

    def __init__(self, buffer: Any, dtype: Any):
        pinned = xp.cuda.alloc_pinned_memory(max(buffer.size * np.dtype(dtype).itemsize, 1))
        self.host = np.frombuffer(pinned, dtype, buffer.size).reshape(buffer.shape)
        self.there = xp.empty(buffer.shape, dtype)
        self.arrived, self.consumed = (xp.cuda.Event(disable_timing=True) for _ in range(2))


class Flight:
    """Work that was launched and may not be done yet. The host runs ahead of the GPU, so that the GPU never waits for
    it, but not without end: what is shown, and an interruption, should be of now."""

    def __init__(self, most: int = FLIGHT):
        self._events = [xp.cuda.Event(disable_timing=True) for _ in range(most)]

    def launched(self) -> None:
        """Some work was launched: waits until what was launched `most` calls ago is done."""
        event = self._events.pop(0)
        self._events.append(event)
        event.record()
        self._events[0].synchronize()  # of one that was never recorded, CUDA says that it is done
