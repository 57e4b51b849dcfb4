"""The epochs of a training: what happens in one, at what pace, and what the callbacks hear of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import callbacks as cb
from ..compiler import Feed
from ..utils.messages import warn
from ..utils.metric_names import unique_names
from . import dealing
from .hooks import listing, objects
from .totals import resident, runs_ahead

REDRAW = 0.1  # seconds between two looks at the progress display
STRIDE = 0.02  # seconds that steps take which are made without a look at anything


class Place:
    """Where a training stands: `done` batches of the epoch `epoch` are behind it. `order` has the rows as this epoch
    takes them, or the last one took them (None without shuffling). Loops that add up themselves have their `sums` over
    `seen` samples here, the last batch of `size` samples. `stream`: the random numbers that a generator began with."""

    def __init__(self) -> None:
        self.epoch, self.done, self.seen, self.size = 0, 0, 0, 32
        self.order: Any = None
        self.sums: Any = None
        self.stream: Any = None


class Training:
    """What the training loops share: callbacks, display, names and averages of an epoch."""

    def __init__(self, model: Any, callbacks: Any, verbose: Any, epochs: int, validates: bool, batch_size: int | None,
                 steps: int | None, samples: int | None, from_generator: bool = False):
        self.model = model
        self.names = unique_names(model.metrics_names)
        model.history = cb.History()
        model.stop_training = False
        live = [self.names[i] for i in model._live_metrics]
        counted = "steps" if steps is not None else "samples"
        bar = [cb.ProgbarLogger(counted, live)] if verbose and dealing.is_first() else []
        # the History comes after the user's callbacks, so that what they add to the logs is recorded
        self.callbacks = listing([cb.BaseLogger(live), *objects(callbacks), model.history, *bar], model)
        self.callbacks.set_model(getattr(model, "callback_model", None) or model)
        # as in Keras, of generators with the names of a validation, whether it is made or not
        metrics = [*self.names, *(f"val_{n}" for n in self.names if validates or from_generator)]
        self.params = {"batch_size": batch_size, "epochs": epochs, "steps": steps, "samples": samples,
                       "verbose": verbose, "do_validation": validates, "metrics": metrics}
        if from_generator:  # callbacks tell by these keys, as in Keras, whether samples or steps are counted
            del self.params["batch_size"], self.params["samples"]
        self.callbacks.set_params(self.params)
        self.finished = True  # False if a callback stopped the last epoch before its end
        watched = any(getattr(c, "tells_of_nan", False) for c in self.callbacks)
        self.told_of_nan = watched or getattr(model, "_nan_in_data", False)
        self.place = Place()
        self._from_generator = from_generator
        # The callback that saves the training, so that it can go on after an interruption, is called by the loops after
        # all others, at every batch: it saves the others' state too.
        self.keeper: Any = next((c for c in self.callbacks if getattr(c, "keeps_training", False)), None)
        job = dealing.job_of(model)
        if self.keeper is not None and job is not None:
            from ..callbacks.ranked import RankedKeeper

            self.keeper = RankedKeeper(self.keeper, job)

    def begin(self, validation: list[Any] | None) -> None:
        """Tells the callbacks that training begins, and what it is validated with."""
        if self.keeper is not None:
            self.keeper.find(self)
        self.callbacks.on_train_begin()
        if validation:
            full = [np.ones(validation[0].shape[0]) if a is None else a for a in validation]
            validation = [*full, *self.model._phase_value(self.model.test_function, False)]
        for callback in self.callbacks:
            if validation or not self._from_generator:  # of a generator's training they keep what they were made with
                callback.validation_data = validation or []
        if self.keeper is not None:
            self.keeper.begin(self)

    def epochs(self, numbers: range, train: Callable[[], Any], validate: Callable[[], Sequence[float]] | None,
               validation_freq: Any = 1) -> None:
        """The rounds of a training: `train` runs one and returns its logs, `validate` the values after a whole one
        that is due. A callback may stop them. After an interruption, they go on where the last backup was made."""
        keeper, due = self.keeper, _due(validation_freq)
        try:
            if keeper is not None:
                numbers = keeper.resume(self, numbers)
            for epoch in numbers:
                self.callbacks.on_epoch_begin(epoch)
                if keeper is not None:
                    keeper.resume_epoch(self)
                self.place.epoch = epoch
                logs = train()
                if validate is not None and self.finished and due(epoch + 1):
                    # these come first, as in Keras's History
                    logs = cb.Logs([*zip((f"val_{name}" for name in self.names), validate()), *logs.items()])
                if logs["loss"] != logs["loss"] and not self.told_of_nan:
                    self.told_of_nan = True
                    warn(f"The loss is NaN since epoch {epoch + 1}. If the data are sound, the steps are too great: "
                         "write a smaller learning rate, such as Adam(lr=0.0001), or clipnorm=1.0. Inside `with "
                         "K.debugging():` fit names the op that gave the first NaN.")
                self.callbacks.on_epoch_end(epoch, logs)
                dealing.check_agreement(self.model)
                self.place.epoch, self.place.done = epoch + 1, 0
                if keeper is not None:
                    keeper.epoch_done(self)
                if self.model.stop_training:
                    break
        finally:
            self.close()

    def used(self, numbers: range, steps: int) -> int:
        """How many batches of a generator an interrupted training took. Random numbers are then as when it began."""
        return 0 if self.keeper is None else self.keeper.rewind(self, numbers, steps)

    def end(self) -> Any:
        """Tells the callbacks that training is over, and returns the History."""
        self.callbacks.on_train_end()
        if self.keeper is not None:
            self.keeper.end()
        self.callbacks.share()
        return self.model.history

    def close(self) -> None:
        """Leaves the screen in order, whatever happened."""
        if self.callbacks.display is not None:
            self.callbacks.display.close()

    def logs(self, values: Sequence[Any], **more: Any) -> Any:
        """A Logs dict of these values by name."""
        return cb.Logs(**more, **dict(zip(self.names, values)))

    def epoch(self, feed: Feed, batches: Sequence[tuple[int, int]]) -> Any:
        """One epoch over arrays, in the feed's order; returns the averages."""
        totals = self.model._train_totals
        first, keeper = self.place.done, self.keeper
        if not first:
            totals.reset()
        display, seen = self.callbacks.display, batches[first - 1][1] if first else 0
        watched = self.callbacks.needs_batches
        look = time.perf_counter() + REDRAW if display is not None else float("inf")
        pace = Pace(batches, alone=watched or keeper is not None)
        with feed.function.lock, np.errstate(all="ignore"):
            for i, times in pace.steps(first):
                start, stop = batches[i]
                if watched:
                    begin = cb.Logs(batch=i, size=stop - start)
                    self.callbacks.on_batch_begin(i, begin)
                feed.run(slice(start, stop), stop - start, times)
                seen = batches[i + times - 1][1]
                if watched:
                    with totals.kept():  # a callback may train the same model on a batch of its own
                        self.callbacks.on_batch_end(i, self.logs(feed.values(), batch=i, size=stop - start))
                if self.model.stop_training:
                    self.finished = i + times == len(batches)
                    break
                if keeper is not None:
                    self.place.done = i + 1
                    keeper.batch_done(self, feed.check)
                if time.perf_counter() > look:
                    assert display is not None
                    feed.check()
                    display.tick(seen, lambda at=seen: self.logs(totals.means(at)))
                    look = time.perf_counter() + REDRAW
            feed.check()
        return self.logs(totals.means(seen))

    @property
    def runs_ahead(self) -> bool:
        """Whether steps may be launched, and none of their values read: nobody looks at a batch or keeps it."""
        return self.keeper is None and runs_ahead(self.model.train_function, self.callbacks.needs_batches)

    def steps(self, arrays: list[Any], phase: list[float], count: int) -> Any:
        """One epoch of `count` steps on the same arrays, all weighted equally."""
        place, keeper, function = self.place, self.keeper, self.model.train_function
        done = place.done
        totals = self.model._train_totals
        if not done:
            place.sums = np.zeros(len(self.names))
            totals.reset()
        sums, ahead = place.sums, self.runs_ahead
        inputs = [*(resident(arrays) if ahead else arrays), *phase]
        display = self.callbacks.display
        watched = self.callbacks.needs_batches

        def averages(steps: int) -> list[float]:
            return totals.of_steps(function, arrays, steps) if ahead else totals.averages(sums, steps)

        for i in range(done, count):
            if watched:
                self.callbacks.on_batch_begin(i, cb.Logs(batch=i, size=1))
            if ahead:
                function.launch(inputs)
            else:
                values = function(inputs)
                totals.add(sums, values)
            done = i + 1
            if watched:
                self.callbacks.on_batch_end(i, self.logs([v[()] for v in values], batch=i, size=1))
            if display is not None:
                display.tick(done, lambda n=done: self.logs(averages(n)))
            if self.model.stop_training:
                break
            if keeper is not None:
                place.done = done
                keeper.batch_done(self)
        return self.logs(averages(done))


def _due(freq: Any) -> Callable[[int], bool]:
    """Whether an epoch (from 1) is validated: every so many epochs, or those that are listed."""
    if isinstance(freq, (list, tuple, set, range)):
        return lambda epoch: epoch in freq
    if not isinstance(freq, int) or freq < 1:
        raise ValueError(f"validation_freq must be a number of epochs, at least 1, or a list of epochs, got {freq!r}")
    return lambda epoch: epoch % freq == 0


class Pace:
    """How many batches are done at a time: as many of one size as take a moment, one where each is `alone`."""

    def __init__(self, batches: Sequence[tuple[int, int]], alone: bool):
        sizes = [stop - start for start, stop in (batches[0], batches[-1])] if batches else [0, 0]
        self._alone, self._all = alone, len(batches)
        self._alike = self._all - (sizes[0] != sizes[1])  # the last one may be smaller

    def steps(self, first: int) -> Iterator[tuple[int, int]]:
        """The number of a batch, and how many from it on are to be done."""
        i, times = first, 1
        while i < self._all:
            now = max(min(times, self._alike - i), 1)
            began = time.perf_counter()
            yield i, now
            i += now
            if not self._alone:
                took = time.perf_counter() - began
                times = now * 2 if took < STRIDE / 2 else max(now // 2, 1) if took > STRIDE else now
