"""Calls of MPI that all ranks make together, with a wait that leaves the core to others.

MPI's own calls wait by polling: a rank that waits then takes the core from one that it waits for, wherever there are
more processes than cores, and for that the system runs it later when it has work itself. Here a rank polls for as long
as a message takes between idle processes, and sleeps between looks after that.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

POLL = 100e-6  # seconds without sleep: a sum of some 10,000 elements is made meanwhile, if nobody is late
TOLD, SWAPPED = 1, 2  # tags of texts, and of arrays that two ranks swap
NAP = 50e-6  # seconds: what Linux adds to any sleep
LETTER = 4096  # bytes of an object that go with its length, in one message


class Ranks:
    """The ranks of a job, by an MPI communicator. `count` is odd while this one waits."""

    def __init__(self, comm: Any, local_size: int):
        from mpi4py import MPI

        self.comm, self.count = comm, 0
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._in_place = MPI.IN_PLACE
        self._sent: list[Any] = []
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._poll = POLL if local_size <= cores else 0.0

    def _wait(self, request: Any) -> None:
        self.count += 1
        try:
            until = time.perf_counter() + self._poll
            while not request.Test():
                if time.perf_counter() > until:
                    time.sleep(NAP)
        finally:
            self.count += 1

    def sum(self, array: np.ndarray) -> None:
        """Adds an array up over the ranks, in place."""
        self._wait(self.comm.Iallreduce(self._in_place, array))

    def swap(self, mine: np.ndarray, others: np.ndarray, rank: int) -> None:
        """Another rank's array for this one's."""
        for request in (self.comm.Irecv(others, rank, SWAPPED), self.comm.Isend(mine, rank, SWAPPED)):
            self._wait(request)

    def gather(self, mine: np.ndarray, counts: Sequence[int], everyone: np.ndarray) -> None:
        """The elements of all ranks, counts[r] of rank r."""
        self._wait(self.comm.Iallgatherv(mine, [everyone, list(counts)]))

    def tell(self, text: str) -> None:
        """Sends the other ranks a text, and waits for nobody."""
        data = text.encode()
        self._sent = [r for r in self._sent if not r.Test()]
        self._sent += [self.comm.Isend(np.frombuffer(data, np.uint8).copy(), rank, TOLD) for rank in range(1,
        self.size)]

    def hear(self, text: str, seconds: float) -> bool:
        """Whether rank 0 has told this text, or does so within that time. What it told before is forgotten."""
        from mpi4py import MPI

        until, status = time.monotonic() + seconds, MPI.Status()
        while time.monotonic() < until:
            if not self.comm.Iprobe(0, TOLD, status):
                time.sleep(NAP)
                continue
            data = np.empty(status.Get_count(MPI.BYTE), np.uint8)
            self.comm.Recv(data, 0, TOLD)
            if data.tobytes().decode() == text:
                return True
        return False

    def bcast(self, value: Any) -> Any:
        """Rank 0's object."""
        letter = np.zeros(LETTER, np.uint8)
        data = _pickled(value) if self.rank == 0 else np.empty(0, np.uint8)
        if self.rank == 0:
            _write(letter, data)
        self._wait(self.comm.Ibcast(letter, 0))
        size = int(letter[:8].view(np.int64)[0])
        if size <= LETTER - 8:
            return value if self.rank == 0 else pickle.loads(letter[8:8 + size].data)
        if self.rank:
            data = np.empty(size, np.uint8)
        self._wait(self.comm.Ibcast(data, 0))
        return value if self.rank == 0 else pickle.loads(data.data)

    def allgather(self, value: Any) -> list[Any]:
        """The objects of all ranks."""
        data = _pickled(value)
        letters = np.zeros((self.size, LETTER), np.uint8)
        letter = np.zeros(LETTER, np.uint8)
        _write(letter, data)
        self._wait(self.comm.Iallgather(letter, letters))
        sizes = letters[:, :8].copy().view(np.int64)[:, 0].tolist()
        if max(sizes) <= LETTER - 8:
            return [pickle.loads(one[8:8 + size].data) for one, size in zip(letters, sizes)]
        everyone = np.empty(sum(sizes), np.uint8)
        self.gather(data, sizes, everyone)
        ends = np.cumsum(sizes).tolist()
        return [pickle.loads(everyone[end - size:end].data) for end, size in zip(ends, sizes)]


def _pickled(value: Any) -> np.ndarray:
    return np.frombuffer(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), np.uint8)


def _write(letter: np.ndarray, data: np.ndarray) -> None:
    letter[:8].view(np.int64)[0] = data.size
    if data.size <= LETTER - 8:
        letter[8:8 + data.size] = data
