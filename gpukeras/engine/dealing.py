"""Training on several ranks: each takes its part of every batch, and one sum over the ranks makes the step that of the
whole batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import callbacks as cb
from ..compiler import Feed
from ..device.job import Job, job, part_of, refuse_differences

PARTS = "GPUKERAS_PARTS"


def job_of(model: Any) -> Job | None:
    """The job whose ranks train this model together; None for a process by itself, or a model that is not to be."""
    if getattr(model, "_distribute", "auto") is False:
        return None
    found = job()
    return found if found is not None and found.together else None


def is_first() -> bool:
    """Whether this process shows things and writes files: rank 0 does, and any process by itself."""
    found = job()
    return found is None or found.rank == 0


def parts_of(model: Any) -> int:
    """In how many parts a model's batches are computed: as `compile` was told, or GPUKERAS_PARTS; 1 as a rule."""
    chosen = getattr(model, "_parts", None)
    if chosen is not None:
        return int(chosen)
    value = os.environ.get(PARTS, "1").strip() or "1"
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"{PARTS} must be a whole number, 1 or more, got {value!r}")
    return int(value)


def may_deal(model: Any) -> bool:
    """Whether steps may be those of several ranks together, or of several parts; `dealt` then says whether they are."""
    found = job_of(model)
    if found is None and getattr(model, "_distribute", "auto") is True and job() is None:
        raise ValueError("compile(distribute=True): this process was started alone. Start the program with mpiexec "
                         "-n 4 python -m gpukeras run program.py")
    return found is not None or parts_of(model) > 1


# What the ranks agree on -----------------------------------------------------------------------------------------

def begin(model: Any, what: str, described: dict[str, Any], arrays: Sequence[Any] = ()) -> None:
    """Before the ranks train, evaluate or predict together: RuntimeError, on all of them, if they were given different
    things; the weights, the optimizer's state and the random numbers of rank 0 become everyone's."""
    found = job_of(model)
    if found is None:
        return
    found.in_use = True
    shapes = [None if a is None else (tuple(a.shape), str(a.dtype)) for a in arrays]
    weights = [tuple(w.shape) for w in model.weights]
    refuse_differences(found, what, {**described, "parts": parts_of(model), "shapes of the data": shapes,
                                     "shapes of the weights": weights})
    if model.train_function is not None:
        agree(model)


def agree(model: Any) -> None:
    """Rank 0's state becomes everyone's, unless it is already."""
    found = job_of(model)
    if found is None:
        return
    from ..callbacks import training_state  # late: only ranks have a use for it

    digests = found.everyones(_digest(model))
    if len(set(digests)) > 1:
        state = (training_state.snapshot(model), training_state.random_numbers()) if found.rank == 0 else None
        state, numbers = found.first(state)
        if found.rank:
            training_state.restore(model, state)
            training_state.set_random_numbers(numbers)


def check_agreement(model: Any) -> None:
    """After an epoch: RuntimeError, on all ranks, if their weights or random numbers have come apart."""
    found = job_of(model)
    if found is None:
        return
    digests = found.everyones(_digest(model))
    apart = [rank for rank, digest in enumerate(digests) if digest != digests[0]]
    if apart:
        raise RuntimeError(f"rank {apart[0]} no longer has the weights, the optimizer's state or the random numbers of "
                           "rank 0: the program has changed them on some ranks only. What changes a model must do so "
                           "on all of them, or in a callback.")


def _digest(model: Any) -> int:
    import zlib

    from ..callbacks import training_state

    found = 0
    state = training_state.snapshot(model)
    for value in state["variables"]:
        found = zlib.crc32(np.ascontiguousarray(value).data, found)
    numbers = training_state.random_numbers()
    generator = dict(numbers["numpy"]["state"])
    found = zlib.crc32(np.asarray(generator.pop("key", 0)).tobytes(), found)
    return zlib.crc32(repr((state["draws"], generator, numbers["python"])).encode(), found)


# Evaluation and prediction: whole batches are dealt, so every number is what one process computes --------------------

def deals_batches(model: Any, count: int, whole: bool = False) -> Job | None:
    """The job, if so many batches are dealt to its ranks. Not if all ranks are to see each batch (`whole`), if a state
    goes from batch to batch, or if there are fewer batches than ranks: then each rank computes all of them."""
    found = job_of(model)
    if found is None:
        return None
    found.in_use = True
    refuse_differences(found, "data", {"the number of batches": count})
    return None if whole or count < found.size or model.stateful or getattr(model, "_live_metrics", None) else found


def evaluate(found: Job, feed: Feed, batches: Sequence[tuple[int, int]], totals: Any, verbose: Any) -> np.ndarray:
    """The sums over all batches of loss and metrics, added up in their order."""
    mine = []
    with feed.function.lock, np.errstate(all="ignore"), cb.progress(batches[-1][1], verbose) as bar:
        for start, stop in batches[found.rank::found.size]:
            feed.run(slice(start, stop), stop - start)
            mine.append([float(v) for v in feed.values()])
            bar.tick(stop)
    sums = np.zeros(len(totals.averaged))
    for (start, stop), values in zip(batches, in_order(found, mine)):
        totals.add(sums, values, stop - start)
    return sums


def predict(found: Job, feed: Feed, batches: Sequence[tuple[int, int]], verbose: Any) -> list[np.ndarray]:
    """The outputs for all rows, of which each rank has computed a stretch of batches."""
    stretches = [part_of(len(batches), rank, found.size) for rank in range(found.size)]
    bounds = [(batches[p.start][0], batches[p.start + p.length - 1][1]) for p in stretches]
    first, last = bounds[found.rank]
    results: list[np.ndarray] = []
    with np.errstate(all="ignore"), cb.progress(last, verbose) as bar:
        for start, stop in batches[stretches[found.rank].start:][:stretches[found.rank].length]:
            with feed.function.lock:
                feed.run(slice(start, stop), stop - start)
                outputs = feed.outputs()
                if not results:
                    results = [np.empty((batches[-1][1], *v.shape[1:]), v.dtype) for v in outputs]
                for result, values in zip(results, outputs):
                    result[start:stop] = values
            bar.tick(stop)
    for result in results:
        flat = result.reshape(-1).view(np.uint8)
        row = flat.size // len(result)
        mine = flat[first * row:last * row].copy()
        found.gather(mine, [(stop - start) * row for start, stop in bounds], flat)
    return results


def in_order(found: Job, mine: Sequence[Any]) -> list[Any]:
    """What the ranks have made of batches dealt to them one by one, in the order of the batches."""
    everyone = found.everyones(list(mine))
    return [everyone[i % found.size][i // found.size] for i in range(sum(map(len, everyone)))]
