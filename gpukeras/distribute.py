"""Programs that several processes run together, started by `mpiexec -n 4 python -m gpukeras run program.py`: models are
trained on all of them, each batch shared out. An unchanged program needs nothing of this module.

>>> from gpukeras import distribute
>>> distribute.rank(), distribute.size()
(0, 1)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from .device.job import job, seat

__all__ = ["rank", "size", "local_rank", "is_first", "alone", "broadcast", "broadcast_weights", "gather",
           "common_random_numbers", "barrier"]


def rank() -> int:
    """The number of this process in its job, from 0; 0 for one that was started alone."""
    found = job()
    return 0 if found is None else found.rank


def size() -> int:
    """How many processes the job has; 1 for one that was started alone."""
    found = job()
    return 1 if found is None else found.size


def local_rank() -> int:
    """The number of this process among those on its machine."""
    return seat().local_rank


def is_first() -> bool:
    """Whether this is rank 0, which shows things and writes files."""
    return rank() == 0


@contextmanager
def alone() -> Iterator[None]:
    """Inside, models compute in this process by itself. What is done by one rank only, such as `if is_first():
    model.evaluate(x, y)`, must stand inside: otherwise it waits for the others for ever."""
    found = job()
    with nullcontext() if found is None else found.alone():
        yield


def broadcast(value: Any = None) -> Any:
    """Rank 0's value, on all ranks: anything that can be pickled."""
    found = job()
    return value if found is None else found.first(value)


def gather(value: Any) -> list[Any]:
    """The values of all ranks in order, on all ranks: anything that can be pickled."""
    found = job()
    return [value] if found is None else found.everyones(value)


def barrier() -> None:
    """Waits until all ranks have come here."""
    gather(None)


def broadcast_weights(model: Any) -> None:
    """Gives a model on all ranks the weights that it has on rank 0. `fit` and `train_on_batch` do so themselves."""
    if job() is not None:
        model.set_weights(broadcast(model.get_weights() if is_first() else None))


def common_random_numbers() -> None:
    """NumPy's and Python's global random numbers go on alike on all ranks, as those of rank 0. `fit` does so itself."""
    from .callbacks import training_state

    if job() is not None:
        training_state.set_random_numbers(broadcast(training_state.random_numbers() if is_first() else None))
