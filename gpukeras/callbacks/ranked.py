"""Callbacks of a training by several ranks: rank 0 runs them, and what they changed reaches the others."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from gpukeras.callbacks import training_state
from gpukeras.callbacks.base import plain_state, set_plain_state
from gpukeras.callbacks.history import History
from gpukeras.callbacks.logs import as_logs
from gpukeras.callbacks.plain import is_plain
from gpukeras.callbacks.runner import CallbackList
from gpukeras.graph import Variable


class Changes(NamedTuple):
    """What rank 0 did meanwhile: its answer, variables that were given values (by their number), whether training is to
    stop, and random numbers that were drawn."""

    answer: Any
    variables: list[tuple[int, np.ndarray]]
    stop: bool
    numbers: dict[str, Any] | None
    state: dict[str, Any] | None


class Failure(NamedTuple):
    """What rank 0 raised."""

    kind: type[BaseException]
    message: str


class _Known:
    """The variables of a training, which all ranks number alike."""

    def __init__(self, model: Any):
        self.function = model.train_function
        self.variables, _ = training_state.variables_and_draws(model)
        self.numbers = {v: i for i, v in enumerate(self.variables)}


def on_first(job: Any, model: Any, work: Callable[[], Any], everything: bool = False) -> Any:
    """Runs `work` on rank 0 and returns its answer, plain data, on all ranks, where model and random numbers are then
    as on rank 0; with `everything`, whatever may have changed in them. What it raises, all raise."""
    if job.rank:
        return _follow(job, model)
    numbers = _numbers()
    Variable.journal, before = [], Variable.journal
    job.changed_alone = False
    try:
        with job.alone():
            answer = work()
    except Exception as error:
        job.first(Failure(type(error), str(error)))
        raise
    finally:
        written, Variable.journal = Variable.journal, before
    known = _known(model) if written or everything or job.changed_alone else None
    whole = known is not None and (everything or job.changed_alone)
    found = {} if known is None or whole else {known.numbers[v.storage]: v.storage for v in written or ()
                                               if v.storage in known.numbers}
    now = _numbers()
    job.first(Changes(answer, [(i, v.read()) for i, v in found.items()], bool(model.stop_training),
                      None if everything is False and _same(numbers, now) else training_state.random_numbers(),
                      training_state.snapshot(model) if whole else None))
    return answer


def _follow(job: Any, model: Any) -> Any:
    """The other ranks' part."""
    found = job.first()
    if isinstance(found, Failure):
        raise _same_error(found)
    if found.state is not None:
        training_state.restore(model, found.state)
    if found.variables:
        known = _known(model)
        for i, value in found.variables:
            known.variables[i].write(value)
    if found.numbers is not None:
        training_state.set_random_numbers(found.numbers)
    model.stop_training = found.stop
    return found.answer


def _same_error(found: Failure) -> BaseException:
    """What rank 0 raised, to be raised here; that rank has shown it."""
    try:
        error = found.kind(found.message)
    except Exception:  # a kind that takes other arguments
        error = RuntimeError(f"rank 0 raised {found.kind.__name__}: {found.message}")
    error.raised_by_rank = 0  # type: ignore[attr-defined]
    return error


def _known(model: Any) -> _Known:
    found = getattr(model, "_known_to_ranks", None)
    if found is None or found.function is not model.train_function:
        found = model._known_to_ranks = _Known(model)
    return found


def _numbers() -> tuple[Any, Any]:
    return np.random.get_state(legacy=False), random.getstate()


def _same(a: tuple[Any, Any], b: tuple[Any, Any]) -> bool:
    return a[1] == b[1] and repr(a[0]["state"].get("pos")) == repr(b[0]["state"].get("pos")) and \
        a[0]["has_gauss"] == b[0]["has_gauss"] and np.array_equal(a[0]["state"]["key"], b[0]["state"]["key"])


class RankedCallbackList(CallbackList):
    """A list of callbacks that rank 0 calls. On the others only the History keeps its record."""

    def __init__(self, callbacks: Iterable[Any], job: Any, model: Any):
        super().__init__(callbacks)
        self._job, self._model = job, model

    def set_model(self, model: Any) -> None:
        """Give every callback the model. Where none is called, none hears of it: `TensorBoard` opens its file then."""
        if not self._job.together or not self._job.rank:
            super().set_model(model)
            return
        for callback in self.callbacks:
            callback.model = model

    def _call(self, hook: str, *args: Any, logs: Any, always: bool = True) -> None:
        if not self._job.together:
            super()._call(hook, *args, logs=logs, always=always)
            return
        if not always and not self._wanting(hook):
            return
        shared = as_logs(logs)

        def work() -> Any:
            super(RankedCallbackList, self)._call(hook, *args, logs=shared, always=always)
            return {name: value for name, value in shared.items() if is_plain(value)}
        shared.update(on_first(self._job, self._model, work))
        if self._job.rank:
            for callback in self.callbacks:
                if type(callback) is History:
                    getattr(callback, hook)(*args, shared)
        if isinstance(logs, dict) and logs is not shared:
            logs.update(shared)

    def share(self) -> None:
        """After training: the others' callbacks come to have what rank 0's have noted."""
        if not self._job.together:
            return
        found = self._job.first([plain_state(callback) for callback in self.callbacks] if not self._job.rank else None)
        if self._job.rank:
            for callback, state in zip(self.callbacks, found):
                set_plain_state(callback, state)


class RankedKeeper:
    """BackupAndRestore for ranks: rank 0 writes and reads the backups, which are those of one process, and what it has
    restored goes to the others, however many there are."""

    def __init__(self, keeper: Any, job: Any):
        self._keeper, self._job = keeper, job

    def find(self, run: Any) -> None:
        """Looks for a backup."""
        run.params["resumed"] = self._first(run, lambda: [self._keeper.find(run), run.params["resumed"]][1])

    def begin(self, run: Any) -> None:
        """Notes the callbacks' state."""
        self._first(run, lambda: self._keeper.begin(run))

    def rewind(self, run: Any, numbers: range, steps: int) -> int:
        """How many batches of a generator are behind it."""
        found = self._first(run, lambda: (self._keeper.rewind(run, numbers, steps), run.place.stream))
        run.place.stream = found[1]
        return int(found[0])

    def resume(self, run: Any, numbers: range) -> range:
        """The epochs that are left."""
        found = self._restored(run, lambda: self._keeper.resume(run, numbers))
        return range(*found)

    def resume_epoch(self, run: Any) -> None:
        """Goes on in the midst of an epoch."""
        self._restored(run, lambda: [self._keeper.resume_epoch(run), range(0)][1])

    def _restored(self, run: Any, work: Callable[[], Any]) -> tuple[int, int]:
        waits = self._job.first(not self._job.rank and self._keeper._found is not None)

        def answer() -> Any:
            found = work()
            return (found.start, found.stop), dict(vars(run.place))
        (start, stop), place = on_first(self._job, run.model, answer, everything=waits)
        for name, value in place.items():
            setattr(run.place, name, value)
        return start, stop

    def batch_done(self, run: Any, check: Callable[[], None] | None = None) -> None:
        """After a batch."""
        self._alone(lambda: self._keeper.batch_done(run, check))

    def epoch_done(self, run: Any) -> None:
        """After an epoch."""
        self._alone(lambda: self._keeper.epoch_done(run))

    def end(self) -> None:
        """After training."""
        self._alone(self._keeper.end)

    def _alone(self, work: Callable[[], None]) -> None:
        if self._job.rank == 0:
            with self._job.alone():
                work()

    def _first(self, run: Any, work: Callable[[], Any]) -> Any:
        return on_first(self._job, run.model, work)
