"""A process of its own that says which rank of a job was killed: launchers end the others before they could say so.

Run as a script by the first rank of a machine, with the job's size, the machine's name, and for each rank here its
number and process; standard input is the board (peers.py) on which ranks note how they end. It imports nothing of
gpukeras, and ends when one of the ranks has.
"""

from __future__ import annotations

import os
import select
import sys


def watch(size: str, machine: str, ranks: list[tuple[str, int]]) -> str:
    """Waits for the end of a rank; what there is to say of it."""
    poll = select.poll()
    watched = {}
    for rank, process in ranks:
        try:
            handle = os.pidfd_open(process)
        except OSError:
            return ""  # gone already, in order or with a word of its own
        watched[handle] = rank, process
        poll.register(handle, select.POLLIN)
    while True:
        ended = poll.poll()
        board = os.pread(0, len(ranks), 0)
        if any(board):  # somebody has left in order, or has failed and said so
            return ""
        gone = [watched[handle] for handle, _ in ended]
        told = ", ".join(f"rank {rank} of {size} (process {process} on {machine})" for rank, process in gone)
        # others that are gone already were ended by the launcher, faster than this process was woken
        how = "is gone: it" if len(gone) == 1 else "are gone: one of them"
        return f"gpukeras: {told} {how} was killed, or crashed in native code. The job ends.\n"


if __name__ == "__main__":
    numbers = sys.argv[3:]
    said = watch(sys.argv[1], sys.argv[2], [(r, int(p)) for r, p in zip(numbers[::2], numbers[1::2])])
    if said:
        os.write(2, said.encode())
