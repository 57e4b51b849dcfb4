"""What ends a job when one of its ranks fails: an exception that nobody catches, an exit with an error, or a death.

MPI's launchers end a job whose process was killed, without a word of which rank it was; and they wait for ever for a
process that ended in order while the others still expect it. So a thread of each rank watches the process of the next
rank on the same machine (Linux tells at once when it is gone), and says on stderr what became of it.
"""

from __future__ import annotations

import atexit
import mmap
import os
import platform
import select
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

PATIENCE = 1.0  # seconds that a rank may wait for one that has left before the job ends
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
        self._bytes = mmap.mmap(handle, count)
        os.close(handle)
        self.members: list[tuple[int, int]] = near.allgather((comm.Get_rank(), os.getpid()))
        if self.place == 0:
            os.unlink(path)
        near.Free()

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
        if len(board.members) > 1 and hasattr(os, "pidfd_open"):
            following = (board.place + 1) % len(board.members)
            _watch_process(job, board, following)


def _leave(job: Any, board: _Board) -> None:
    if job.process == os.getpid():
        board.tell(LEFT)


def _watch_process(job: Any, board: _Board, place: int) -> None:
    rank, process = board.members[place]
    try:
        handle = os.pidfd_open(process)  # type: ignore[attr-defined]
    except OSError:  # a kernel or a container that has no such thing
        return
    poll = select.poll()
    poll.register(handle, select.POLLIN)

    def look() -> None:
        poll.poll()
        state = board.state(place)
        if state == FAILED:
            return  # it has said so itself
        if state == LEFT:
            _wait_in_vain(job.ranks)
            why = "has ended its program while others still wait for it"
        else:
            why = "is gone: it was killed, or crashed in native code"
        say(f"rank {rank} of {job.size} (process {process} on {platform.node()}) {why}. The job ends.")
        os._exit(1)  # the launcher ends the others
    threading.Thread(target=look, name="gpukeras watch", daemon=True).start()


def _wait_in_vain(ranks: Any) -> None:
    """Returns when this rank has waited in one and the same call for too long."""
    while True:
        before = ranks.count
        time.sleep(PATIENCE)
        if before % 2 and ranks.count == before:
            return


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
