"""On a GPU: steps on batch after batch as recorded graphs, without Python in between.

The kernels that gather a batch find its place in the epoch's order on the device, and a graph ends by moving the place
on. So one recording serves every batch, and several steps that follow each other can be one graph: a step of a small
model takes the device less time than the host needs to launch it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import device
from .program import Program
from .rows import Order

STEPS = (64, 16, 4, 1)  # in a graph
CALLS = 2048  # in a graph at most: each is a node with its arguments, which takes memory and has to be set up
REPAID = 64  # times as many steps are made before a longer graph is recorded: that takes the time of some launches each


class GraphLoop:
    """Steps of a program on rows that lie on the device. The program's first run, which compiles its kernels, is made
    plainly, then graphs of one step are launched, and longer ones where so many are asked for at a time, once there
    have been enough steps for a recording not to count among them."""

    def __init__(self, program: Program, pairs: Sequence[tuple[Any, Any]], count: int, order: Order):
        self._program, self._pairs, self._count, self._order = program, list(pairs), count, order
        self._place = device.asarray(np.zeros(1, np.int64))
        self._at: int | None = 0  # what the device has there; None: unknown
        self._made = 0  # steps
        self._sizes = [n for n in STEPS if n == 1 or n * (len(program.calls) + len(pairs)) <= CALLS]
        self._graphs: dict[int, device.Recording] = {}
        self._launches: list[device.Launch] = []  # what the graphs call, which keep no memory alive
        self._rows: Any = None  # the order that they read

    @classmethod
    def made(cls, program: Program, pairs: Sequence[tuple[Any, Any]], count: int, order: Order) -> GraphLoop | None:
        """The loop; None where some data does not lie on the device."""
        if not pairs or not count or not all(device.is_device_array(a) for a, _ in pairs):
            return None
        return cls(program, pairs, count, order)

    def __call__(self, start: int, times: int) -> None:
        """So many steps, the first on the rows from `start` on."""
        rows = self._order.there(len(self._pairs[0][0]))
        if rows is not self._rows:
            self._rows, self._graphs, self._launches = rows, {}, []
        while times:
            self._go_to(start)
            steps = self._steps(times)
            start, times, self._made = start + steps * self._count, times - steps, self._made + steps
            self._at = start

    def _go_to(self, start: int) -> None:
        if self._at != start:
            self._place.fill(start)
        self._at = None  # until what is launched now is launched: an interruption may come between

    def _steps(self, times: int) -> int:
        """Makes some of the steps; their number."""
        if self._program.recordable:
            steps = next(n for n in self._sizes if n <= times and (
                n == 1 or n in self._graphs or self._made >= REPAID * n))
            graph = self._graphs.get(steps) or self._record(steps)
            if graph is not None:
                graph()
                return steps
        _all(self._gather(0))
        self._program.run()
        self._move_on(1)()
        return 1

    def _record(self, steps: int) -> device.Recording | None:
        """A graph of so many steps. What can't be recorded, the program says and remembers; more steps than fit into
        memory are not tried again."""
        if not self._graphs:  # what is launched for the first time is loaded, which a recording does not allow
            _all([*self._gather(0), self._move_on(0)])
        gathers = [self._gather(i * self._count) for i in range(steps)]
        move_on = self._move_on(steps)
        graph = self._program.record([partial(_all, step) for step in gathers], move_on)
        if graph is None:
            self._sizes = [n for n in self._sizes if n < steps] or [1]
        else:
            self._graphs[steps] = graph
            self._launches += [launch for step in gathers for launch in step] + [move_on]
        return graph

    def _gather(self, ahead: int) -> list[device.Launch]:
        """Launches that bring the batch so many rows ahead of the place into the program's inputs."""
        return [gather(buffer, source, self._rows, self._place, ahead) for source, buffer in self._pairs]

    def _move_on(self, steps: int) -> device.Launch:
        return device.launch("rows", "move_on", "float32", 1, self._place, steps * self._count, block=32)[0]


def gather(buffer: Any, source: Any, order: Any, place: Any, ahead: int = 0) -> device.Launch:
    """The launch that fills `buffer` with the rows of `source` that `order` names from `place[0] + ahead` on."""
    count = len(buffer)
    return device.launch("rows", "gather_rows", buffer.dtype, device.blocks(buffer.size), buffer, source, order, place,
                         ahead, count, buffer.size // count, SOURCE=device.C_NAMES[source.dtype.name])[0]


def _all(launches: Sequence[device.Launch]) -> None:
    for launch in launches:
        launch()
