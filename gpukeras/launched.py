"""What `python -m gpukeras` does for a program that an MPI launcher has started several times, before the program's
first line: the processes join into one job, rank 0 alone prints, and random numbers begin alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def together() -> Iterator[None]:
    """Around a program. A process that was started alone runs it as it is."""
    from .device.job import seat

    if seat().size < 2:
        yield
        return
    from . import distribute
    from .device import peers
    from .device.job import job

    found = job()
    assert found is not None
    distribute.common_random_numbers()
    if found.rank:
        sys.stdout = open(os.devnull, "w")
    try:
        yield
    except SystemExit as end:
        if end.code in (None, 0):
            raise
        said = "" if isinstance(end.code, int) else f" ({end.code})"
        peers.say(f"rank {found.rank} of {found.size} has ended its program with an error{said}. The job ends.")
        peers.end(found, end.code if isinstance(end.code, int) else 1)
