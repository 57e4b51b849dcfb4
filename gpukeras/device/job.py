"""The job that this process is part of: several processes that `mpiexec` started, which train together.

A process finds out from its environment, so one that was started alone loads nothing of MPI. Sums over the ranks of a
job go by MPI for arrays on the host, and by NCCL for those on a GPU.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gpukeras.device.waiting import Ranks

_SIZES = (("PMI_SIZE", "PMI_RANK"), ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
          ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"))
_ON_THIS_MACHINE = (("MPI_LOCALNRANKS", "MPI_LOCALRANKID"),
                    ("OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
                    ("MV2_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_RANK"))
"""Where the launchers of MPICH (and Intel's), Open MPI and MVAPICH say how many processes there are, and which this
is."""
MEMBER = "GPUKERAS_JOB_MEMBER"
"""The process that is the rank. Processes that it starts inherit the launcher's variables, and are none."""


WRITING = 30.0  # seconds that a rank waits for a file that rank 0 is to write


class Seat(NamedTuple):
    """A process's place in a job of `size`, and among the `local_size` processes on its machine."""

    rank: int
    size: int
    local_rank: int
    local_size: int


def seat() -> Seat:
    """This process's place; (0, 1, 0, 1) for one that was started alone, or by a rank."""
    if os.environ.get(MEMBER, str(os.getpid())) != str(os.getpid()):
        return Seat(0, 1, 0, 1)
    rank, size = _found(_SIZES)
    local_rank, local_size = _found(_ON_THIS_MACHINE)
    return Seat(rank, size, local_rank, local_size) if size > 1 else Seat(0, 1, 0, 1)


def _found(names: tuple[tuple[str, str], ...]) -> tuple[int, int]:
    for size, rank in names:
        if os.environ.get(size, "").isdecimal() and os.environ.get(rank, "").isdecimal():
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


class Part(NamedTuple):
    """The rows of a batch that this rank computes: `length` of them from `start` on, of `whole` in all."""

    start: int
    length: int
    whole: int


def part_of(whole: int, rank: int, size: int) -> Part:
    """A rank's part of so many rows: parts differ by one row at most, and some are empty if there are few rows.

    >>> [part_of(10, rank, 4) for rank in range(4)][1:3]
    [Part(start=2, length=3, whole=10), Part(start=5, length=2, whole=10)]
    """
    start, stop = whole * rank // size, whole * (rank + 1) // size
    return Part(start, stop - start, whole)


class Work(NamedTuple):
    """What programs are being run on: a part of a batch; and if the parts of a batch come one after the other, the
    random numbers that were drawn for the batch so far, by the op that drew them."""

    part: Part
    draws: dict[Any, Any] | None = None


_work: Work | None = None


def at_work() -> Work | None:
    """What programs are being run on; None for whole batches."""
    return _work


@contextmanager
def computing(part: Part, draws: dict[Any, Any] | None = None) -> Iterator[None]:
    """Inside, programs are run on these rows of a batch."""
    global _work
    before, _work = _work, Work(part, draws)
    try:
        yield
    finally:
        _work = before


class Job:
    """The ranks of a job."""

    def __init__(self, ranks: Ranks, place: Seat):
        self.ranks = ranks
        self.rank, self.size = ranks.rank, ranks.size
        self.local_rank, self.local_size = place.local_rank, place.local_size
        self.process = os.getpid()
        self.changed_alone = False  # a model was trained by one rank alone
        self.in_use = False  # ranks have trained, evaluated or predicted together
        self._alone = 0
        self._nccl: Any = None

    @property
    def together(self) -> bool:
        """Whether the ranks do now what they do together: False inside of `alone`."""
        return not self._alone and self.process == os.getpid()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, this rank computes by itself: nothing that it calls waits for the others."""
        self._alone += 1
        try:
            yield
        finally:
            self._alone -= 1

    # What moves numbers --------------------------------------------------------------------------------------

    def sum(self, array: Any) -> None:
        """Adds an array, without gaps, up over the ranks, in place: afterwards all hold the same bits."""
        if not isinstance(array, np.ndarray):
            self._sum_on_gpu(array)
        elif _is_half(array):
            wide = array.astype(np.float32)
            self.ranks.sum(wide)
            array[...] = wide
        else:
            self.ranks.sum(array)

    def gather(self, mine: Any, counts: Any, everyone: Any) -> None:
        """The rows of all ranks in order of rank: `counts[r]` elements of rank r. Arrays on the host."""
        self.ranks.gather(_known_to_mpi(mine), counts, _known_to_mpi(everyone))

    def sum_in_pairs(self, array: np.ndarray, room: np.ndarray) -> None:
        """Adds an array up over the ranks, whose number is a power of two, in place and in one order: neighbours, then
        pairs of neighbours, and so on. `room` is another such array."""
        mine, other = array.reshape(-1), room.reshape(-1)
        distance = 1
        while distance < self.size:
            self.ranks.swap(_known_to_mpi(mine), _known_to_mpi(other), self.rank ^ distance)
            np.add(mine, other, mine)  # the same on both: a + b is b + a
            distance *= 2

    def gather_alike(self, mine: Any, everyone: Any) -> None:
        """The arrays of all ranks in order of rank, of one shape and dtype."""
        if not isinstance(mine, np.ndarray):
            self.prepare()
            self._nccl.gather(mine, everyone)
        else:
            self.ranks.gather(_known_to_mpi(mine), [mine.size] * self.size, _known_to_mpi(everyone))

    def _sum_on_gpu(self, array: Any) -> None:
        from gpukeras.device.nccl import Nccl

        if self._nccl is None:
            self._nccl = Nccl(self.ranks)
        self._nccl.sum(array)

    def prepare(self) -> None:
        """Connects the GPUs of the job, which must not happen while a graph is recorded."""
        from gpukeras.device.choice import NAME

        if NAME == "cupy" and self._nccl is None:
            from gpukeras.device.nccl import Nccl

            self._nccl = Nccl(self.ranks)

    def tell_written(self, path: str) -> None:
        """Tells the other ranks that rank 0 has written a file."""
        self.ranks.tell(path)

    def was_written(self, path: str) -> bool:
        """Waits until rank 0 has written a file; False if it writes others."""
        return self.ranks.hear(path, WRITING)

    def everyones(self, value: Any) -> list[Any]:
        """What each rank has given, a plain object, in order of rank."""
        found: list[Any] = self.ranks.allgather(value)
        return found

    def first(self, value: Any = None) -> Any:
        """What rank 0 has given."""
        return self.ranks.bcast(value)


def _is_half(array: np.ndarray) -> bool:
    """Whether it is of floats of 16 bits, which MPI has none of. (To NumPy, bfloat16 is of no kind of number.)"""
    return array.itemsize == 2 and array.dtype.kind not in "iu"


def _known_to_mpi(array: np.ndarray) -> np.ndarray:
    """The array as one of a type that MPI can move."""
    return array.view(np.int16) if _is_half(array) else array


_job: Job | None = None


def job() -> Job | None:
    """The job, joined when it is first asked for; None in a process that was started alone.

    Raises ImportError if mpi4py is missing, and RuntimeError if it belongs to another MPI than the launcher.
    """
    global _job
    if _job is not None:
        return _job if _job.process == os.getpid() else None
    place = seat()
    if place.size < 2:
        return None
    _job = _join(place)
    return _job


def joined() -> Any:
    """The job that was joined already, else None: asking never joins one."""
    return _job if _job is not None and _job.process == os.getpid() else None


def _join(place: Seat) -> Job:
    try:
        import mpi4py
    except ImportError as error:
        raise ImportError(f"this is process {place.rank} of {place.size} that an MPI launcher started, and training "
                          "together needs mpi4py: pip install 'gpukeras[distributed]'. To let each process train by "
                          "itself, write compile(..., distribute=False).") from error
    if "mpi4py.MPI" not in sys.modules:
        mpi4py.rc.thread_level = "serialized"
    from mpi4py import MPI

    comm = MPI.COMM_WORLD.Dup()
    if comm.Get_size() != place.size:
        raise RuntimeError(f"the launcher started {place.size} processes, and mpi4py sees {comm.Get_size()}: they "
                           f"belong to different MPIs. mpi4py uses {MPI.Get_library_version().splitlines()[0]}; start "
                           "the job with the mpiexec of that one (that of the wheel `mpich` is beside python).")
    os.environ[MEMBER] = str(os.getpid())
    joined = Job(Ranks(comm, place.local_size), place)
    from gpukeras.device import peers

    peers.watch(joined)
    _check_alike(joined)
    return joined


def _check_alike(joined: Job) -> None:
    """Whether the ranks run the same versions on the same backend; RuntimeError, on all of them, naming what
    differs."""
    import gpukeras
    from gpukeras.device.choice import NAME

    mine = {"gpukeras": gpukeras._own_version, "backend": NAME, "NumPy": np.__version__,
            "Python": ".".join(map(str, sys.version_info[:2]))}
    refuse_differences(joined, "environment", mine)


def refuse_differences(joined: Job, what: str, mine: dict[str, Any]) -> None:
    """Compares what the ranks have, name by name. RuntimeError, on all of them, for the first that differs."""
    everyone = joined.everyones(mine)
    for name, expected in everyone[0].items():
        others = [rank for rank, found in enumerate(everyone) if found.get(name) != expected]
        if others:
            ranks = ", ".join(map(str, others[:8])) + (", ..." if len(others) > 8 else "")
            raise RuntimeError(f"the ranks differ in their {what}: rank 0 has {name} {expected!r}, and rank {ranks} "
                               f"has {everyone[others[0]].get(name)!r}. All ranks must run the same program, with the "
                               "same versions, on the same data.")
