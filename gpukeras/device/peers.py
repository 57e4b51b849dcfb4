"""What ends a job when one of its ranks fails: an exception that nobody catches, an exit with an error, or a death.

MPI's launchers end a job whose process was killed, without a word of which rank it was: a process of our own says so
(watcher.py). And they wait for ever for a process that ended in order while the others still expect it: a thread of
each rank sees that on a board in shared memory, where the ranks of a machine note how they end.
"""

from __future__ import annotations

import atexit
import mmap
import os
import platform
import select
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE = 1.0  # seconds that a rank may wait for one that has left before the job ends
STALL = 60.0  # seconds of waiting of which there is something to say
RUNNING, LEFT, FAILED = 0, 1, 2


class _Board:
    """A byte for each rank of this machine in memory that they share: whether it runs, left in order, or failed."""

    def __init__(self, comm: Any):
        from mpi4py import MPI

        near = comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.place, count = near.Get_rank(), near.Get_size()
        handle, path = tempfile.mkstemp(prefix="gpukeras-job-") if self.place == 0 else (-1, "")
        if self.place == 0:
            os.ftruncate(handle, count)
        path = near.bcast(path)
        if self.place:
            handle = os.open(path, os.O_RDWR)
        self._bytes, self._handle = mmap.mmap(handle, count), handle
        self.members: list[tuple[int, int]] = near.allgather((comm.Get_rank(), os.getpid()))
        if self.place == 0:
            os.unlink(path)
        near.Free()

    def start_watcher(self, size: int) -> None:
        """Starts the process that says which rank was killed. The launcher, which ends ranks, does not know it."""
        ranks = [str(n) for member in self.members for n in member]
        subprocess.Popen([sys.executable, "-I", "-S", str(Path(__file__).with_name("watcher.py")), str(size),
                          platform.node(), *ranks], stdin=self._handle, stdout=subprocess.DEVNULL,
                          start_new_session=True)

    def tell(self, state: int) -> None:
        """What has become of this rank."""
        self._bytes[self.place] = state

    def state(self, place: int) -> int:
        """What has become of another."""
        return self._bytes[place]


def watch(job: Any) -> None:
    """Lets this rank end the job when it fails, and notice when a neighbour is gone."""
    name = f"rank {job.rank} of {job.size}"
    board = _Board(job.ranks.comm) if os.name == "posix" else None
    previous = sys.excepthook

    def fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if board is not None:
            board.tell(FAILED)
        from_first = getattr(error, "raised_by_rank", job.rank)
        if from_first != job.rank:  # that rank says so, and ends the job
            time.sleep(PATIENCE)
        else:
            previous(kind, error, trace)
            say(f"{name} (on {platform.node()}) failed, which ends the job: {_brief(kind, error)}")
        end(job, 1)
    sys.excepthook = fail
    if board is not None:
        atexit.register(_leave, job, board)  # runs before MPI's own, which waits for the others
        if board.place == 0 and hasattr(os, "pidfd_open"):
            board.start_watcher(job.size)
        threading.Thread(target=_look, args=(job, board), name="gpukeras watch", daemon=True).start()


def _leave(job: Any, board: _Board) -> None:
    if job.process == os.getpid():
        board.tell(LEFT)


def _look(job: Any, board: _Board) -> None:
    """What the watching thread does: it ends the job when a rank of this machine is gone, or has left while this one
    waits for it, and says so when this one waits for very long."""
    poll = select.poll()
    for place, (_, process) in enumerate(board.members):
        if place != board.place and hasattr(os, "pidfd_open"):
            with suppress(OSError):  # a system that has no such thing
                poll.register(os.pidfd_open(process), select.POLLIN)
    since, before, told = time.monotonic(), job.ranks.count, False
    while True:
        gone = poll.poll(1000 * PATIENCE / 4)
        states = [board.state(place) for place in range(len(board.members))]
        if gone and RUNNING in states and FAILED not in states and LEFT not in states:
            time.sleep(PATIENCE)  # the launcher ends the job, after the watcher has said which rank is gone
            os._exit(1)
        if job.ranks.count != before or not before % 2:
            since, before = time.monotonic(), job.ranks.count
            if gone:
                time.sleep(PATIENCE / 4)
            continue
        waited = time.monotonic() - since
        left = [str(rank) for (rank, _), state in zip(board.members, states) if state == LEFT]
        if left and waited > PATIENCE:
            say(f"rank {', '.join(left)} of {job.size} has ended its program while rank {job.rank} still waits for it. "
                "The job ends.")
            os._exit(1)  # the launcher ends the others
        if waited > STALL and not told:
            told = True
            say(f"rank {job.rank} of {job.size} has waited for the others for {waited:.0f} seconds. If some do now "
                "what others don't (predict on one rank only, say), write it within `with "
                "gpukeras.distribute.alone():`.")


def say(message: str) -> None:
    """A line on stderr, in one piece and at once: other ranks write there too."""
    os.write(2, f"gpukeras: {message}\n".encode())


def _brief(kind: type[BaseException], error: BaseException) -> str:
    return "".join(traceback.format_exception_only(kind, error)).strip()


def end(job: Any, status: int) -> None:
    """Ends all processes of the job at once."""
    for stream in (sys.stdout, sys.stderr):
        flush: Callable[[], None] | None = getattr(stream, "flush", None)
        if flush is not None:
            flush()
    job.ranks.comm.Abort(status)
    os._exit(status)
