"""The loops over batches. They never wait for the device: losses and metrics add up there, and are read when
something is shown and at the end of an epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import backend as K
from .. import device
from ..compiler import Feed, Function
from . import dealing
from .data import make_batches, shuffle_batches, warn
from .parts import PartedFunction

REDRAW = 0.1  # seconds between two looks at the progress display
STRIDE = 0.02  # seconds that steps take which are made without a look at anything


class Totals:
    """Running sums of a function's values, each batch weighted by its number of samples, kept by the program."""

    def __init__(self, count: int, live: Mapping[int, Any] | None = None):
        self.sums = K.variable(np.zeros(count), dtype="float64", name="totals")
        self.live = live or {}  # metrics with a state, by place: their last value counts, and not the mean
        self.averaged = np.array([i not in self.live for i in range(count)], "float64")

    def updates(self, values: Sequence[Any], inputs: Sequence[Any], size: Any = None) -> list[Any]:
        """The update that a step makes; `size` is the number of samples, if it is not that of the inputs."""
        if size is None:
            size = K.cast(K.shape(inputs[0])[0], "float64") if inputs else 1.0
        now = K.stack([K.cast(v, "float64") for v in values])
        if not self.live:
            return [K.update_add(self.sums, now * size)]
        mean = K.constant(self.averaged, dtype="float64")
        return [K.update(self.sums, self.sums * mean + now * (mean * size + (1.0 - mean))),
                *(update for live in self.live.values() for update in live.updates)]

    def reset(self) -> None:
        """Starts from 0."""
        K.set_value(self.sums, np.zeros(self.sums.shape))
        for live in self.live.values():
            live.reset()

    def means(self, seen: int) -> list[float]:
        """The averages over `seen` samples."""
        return self.averages(K.get_value(self.sums), seen)

    def add(self, sums: np.ndarray, values: Sequence[Any], size: int = 1) -> None:
        """Adds a batch to sums that a loop keeps itself."""
        sums *= self.averaged
        sums += np.asarray([float(v) for v in values]) * np.where(self.averaged, size, 1)

    def averages(self, sums: np.ndarray, seen: int) -> list[float]:
        """The averages over `seen` samples of such sums."""
        return (sums / np.where(self.averaged, max(seen, 1), 1)).tolist()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside, the function may be used for something else; afterwards the sums are as they were."""
        kept = [self.sums, *(variable for live in self.live.values() for variable, _ in live.updates)]
        before = [K.get_value(variable) for variable in kept]
        yield
        for variable, value in zip(kept, before):
            K.set_value(variable, value)


def fit(model: Any, arrays: list[Any], validation: list[Any] | None, batch_size: int | None, epochs: int, verbose: Any,
        callbacks: Any, shuffle: Any, initial_epoch: int, steps: int | None, validation_steps: int | None,
        validation_freq: Any = 1) -> Any:
    """Trains, and returns the History."""
    count = None if steps is not None else arrays[0].shape[0]
    dealing.begin(model, "fit", {"batch_size": batch_size, "epochs": epochs, "steps_per_epoch": steps,
                                 "validation_data": validation is not None}, [*arrays, *(validation or ())])
    if verbose and validation and count is not None and dealing.is_first():
        print(f"Train on {count} samples, validate on {validation[0].shape[0]} samples")
    run = Training(model, callbacks, verbose, epochs, validation is not None, batch_size, steps, count)
    run.begin(validation)
    phase = model._phase_value(model.train_function, True)
    feed = _feed(model.train_function, arrays, phase)
    held = None  # the validation data too is brought to the device once
    if validation is not None:
        held = _feed(model.test_function, validation, model._phase_value(model.test_function, False))

    def train() -> Any:
        if steps is not None:
            return run.steps(lambda: model.train_function([*arrays, *phase]), steps)
        assert batch_size is not None
        place = run.place
        if shuffle and place.order is None:
            place.order = np.arange(count or 0)
        if place.done == 0 and shuffle == "batch":
            place.order[:] = shuffle_batches(place.order, batch_size)
        elif place.done == 0 and shuffle:
            np.random.shuffle(place.order)
        feed.order(place.order if shuffle else None)
        return run.epoch(feed, make_batches(count or 0, batch_size))

    def validate() -> list[float]:
        assert validation is not None
        return evaluate(model, validation, batch_size, 0, validation_steps, run.callbacks, held)

    run.epochs(range(initial_epoch, epochs), train, None if validation is None else validate, validation_freq)
    return run.end()


def _due(freq: Any) -> Callable[[int], bool]:
    """Whether an epoch (from 1) is validated: every so many epochs, or those that are listed."""
    if isinstance(freq, (list, tuple, set, range)):
        return lambda epoch: epoch in freq
    if not isinstance(freq, int) or freq < 1:
        raise ValueError(f"validation_freq must be a number of epochs, at least 1, or a list of epochs, got {freq!r}")
    return lambda epoch: epoch % freq == 0


@dataclass
class Place:
    """Where a training stands: `done` batches of the epoch `epoch` are behind it. `order` has the rows as this epoch
    takes them, or the last one took them (None without shuffling). Loops that add up themselves have their `sums` over
    `seen` samples here, the last batch of `size` samples. `stream`: the random numbers that a generator began with."""

    epoch: int = 0
    done: int = 0
    order: Any = None
    sums: Any = None
    seen: int = 0
    size: int = 32
    stream: Any = None


class Training:
    """What the training loops share: callbacks, display, names and averages of an epoch."""

    def __init__(self, model: Any, callbacks: Any, verbose: Any, epochs: int, validates: bool, batch_size: int | None,
                 steps: int | None, samples: int | None, generated: bool = False):
        from .. import callbacks as cb
        self._logs_class = cb.Logs
        self.model = model
        self.names = unique_names(model.metrics_names)
        model.history = cb.History()
        model.stop_training = False
        bar = [cb.ProgbarLogger("steps" if steps is not None else "samples")] if verbose and dealing.is_first() else []
        # the History comes after the user's callbacks, so that what they add to the logs is recorded
        self.callbacks = _list([cb.BaseLogger(), *_objects(callbacks), model.history, *bar], model)
        self.callbacks.set_model(getattr(model, "callback_model", None) or model)
        # As in Keras: of data that are generated 'samples' and 'batch_size' are left out, by which bars of other
        # libraries tell what they count, and 'metrics' has the names of a validation, made or not.
        metrics = [*self.names, *(f"val_{n}" for n in self.names if validates or generated)]
        self.params = {"epochs": epochs, "steps": steps, "verbose": verbose, "do_validation": validates,
                       "metrics": metrics, **({} if generated else {"batch_size": batch_size, "samples": samples})}
        self.callbacks.set_params(self.params)
        self.finished = True  # False if a callback stopped the last epoch before its end
        watched = any(isinstance(c, cb.TerminateOnNaN) for c in self.callbacks)
        self.told_of_nan = watched or getattr(model, "_nan_in_data", False)
        self.place = Place()
        # The callback that saves the training, so that it can go on after an interruption, is called by the loops after
        # all others, at every batch: it saves the others' state too.
        self.keeper: Any = next((c for c in self.callbacks if isinstance(c, cb.BackupAndRestore)), None)
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
            callback.validation_data = validation
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
                    logs = self._logs_class([*zip((f"val_{name}" for name in self.names), validate()), *logs.items()])
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
        return self._logs_class(**more, **dict(zip(self.names, values)))

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
                    begin = self._logs_class(batch=i, size=stop - start)
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

    def steps(self, step: Any, count: int) -> Any:
        """One epoch of `count` steps; `step` returns the values of one, all weighted equally."""
        place, keeper = self.place, self.keeper
        done = place.done
        totals = self.model._train_totals
        if not done:
            place.sums = np.zeros(len(self.names))
            totals.reset()
        sums = place.sums
        display = self.callbacks.display
        watched = self.callbacks.needs_batches
        for i in range(done, count):
            if watched:
                self.callbacks.on_batch_begin(i, self._logs_class(batch=i, size=1))
            values = step()
            totals.add(sums, values)
            done = i + 1
            if watched:
                self.callbacks.on_batch_end(i, self.logs([v[()] for v in values], batch=i, size=1))
            if display is not None:
                display.tick(done, lambda n=done: self.logs(totals.averages(sums, n)))
            if self.model.stop_training:
                break
            if keeper is not None:
                place.done = done
                keeper.batch_done(self)
        return self.logs(totals.averages(sums, done))


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


def evaluate(model: Any, arrays: list[Any], batch_size: int | None, verbose: Any, steps: int | None,
             callbacks: Any = None, feed: Feed | None = None) -> list[float]:
    """Loss and metrics over the data, averaged over samples (or steps). `feed` may already hold the data."""
    from ..callbacks import progress
    function: Function = model.test_function
    phase = model._phase_value(function, False)
    heard = Hooks(callbacks, "test", model.metrics_names)
    heard.begin()
    verbose = verbose if dealing.is_first() else 0
    if steps is not None:
        with progress(steps, verbose) as bar:
            sums = np.zeros(len(model.metrics_names))
            model._test_totals.reset()
            for i in range(steps):
                heard.batch_begin(i, 1)
                values = function([*arrays, *phase])
                model._test_totals.add(sums, values)
                heard.batch_end(i, 1, [v[()] for v in values])
                bar.tick(i + 1)
        return heard.end(model._test_totals.averages(sums, steps))
    assert batch_size is not None
    count = arrays[0].shape[0]
    if feed is None or feed.function is not function:
        feed = _feed(function, arrays, phase)
    totals = model._test_totals
    batches = make_batches(count, batch_size)
    job = dealing.deals_batches(model, len(batches), heard.batches)
    if job is not None:
        return heard.end(totals.averages(dealing.evaluate(job, feed, batches, totals, verbose), count))
    with function.lock, np.errstate(all="ignore"), progress(count, verbose) as bar:
        totals.reset()
        for i, times in Pace(batches, alone=bool(heard.batches)).steps(0):
            start, stop = batches[i]
            heard.batch_begin(i, stop - start)
            feed.run(slice(start, stop), stop - start, times)
            if heard.batches:
                with totals.kept():  # a callback may evaluate the same model
                    heard.batch_end(i, stop - start, feed.values())
            bar.tick(batches[i + times - 1][1])
        feed.check()
        means = totals.means(count)
    return heard.end(means)


def predict(model: Any, arrays: list[Any], batch_size: int | None, verbose: Any, steps: int | None,
            callbacks: Any = None, on_device: bool = False) -> list[Any]:
    """The outputs for all rows, on the host or left on the device."""
    function: Function = model.predict_function
    phase = model._phase_value(function, False)
    if batch_size is not None and callbacks is None and not verbose and dealing.job_of(model) is None \
            and 0 < len(arrays[0]) <= batch_size and all(isinstance(a, np.ndarray) for a in arrays):
        return function([*arrays, *phase], on_device)  # one batch, and nobody looks on
    from ..callbacks import progress
    heard = Hooks(callbacks, "predict", ())
    heard.begin()
    verbose = verbose if dealing.is_first() else 0
    if steps is not None:
        with progress(steps, verbose) as bar:
            parts = []
            for i in range(steps):
                heard.batch_begin(i, 1)
                parts.append(function([*arrays, *phase], on_device))
                heard.batch_end(i, 1, parts[-1])
                bar.tick(i + 1)
        heard.end(())
        return [device.xp.concatenate(p) if on_device else np.concatenate(p) for p in zip(*parts)]
    assert batch_size is not None
    count = arrays[0].shape[0]
    feed = _feed(function, arrays, phase)
    results: list[Any] = []
    batches = make_batches(count, batch_size)
    job = dealing.deals_batches(model, len(batches), heard.batches or on_device)
    if job is not None:
        results = dealing.predict(job, feed, batches, verbose)
        heard.end(())
        return results
    with np.errstate(all="ignore"), progress(count, verbose) as bar:
        for i, (start, stop) in enumerate(batches):
            heard.batch_begin(i, stop - start)
            with function.lock:
                feed.run(slice(start, stop), stop - start)
                outputs = feed.outputs(on_device)
                if not results:
                    empty = device.xp.empty if on_device else np.empty
                    results = [empty((count, *v.shape[1:]), v.dtype) for v in outputs]
                for result, values in zip(results, outputs):
                    result[start:stop] = values
            heard.batch_end(i, stop - start, [r[start:stop] for r in results])
            bar.tick(stop)
    heard.end(())
    return results


class Hooks:
    """The hooks around an evaluation ('test') or a prediction ('predict'), which newer Keras has. Where no callback
    listens, nothing is called and no value is read.

    Logs of a batch hold its values by name, or, in a prediction, the 'outputs'.
    """

    def __init__(self, callbacks: Any, kind: str, names: Sequence[str]):
        from .. import callbacks as cb
        self._callbacks, self._kind, self._logs_class = callbacks, kind, cb.Logs
        self._names = unique_names(names)
        self._whole = callbacks is not None and callbacks.needs(f"on_{kind}_begin", f"on_{kind}_end")
        self.batches = callbacks is not None and callbacks.needs(f"on_{kind}_batch_begin", f"on_{kind}_batch_end")

    def begin(self) -> None:
        """The evaluation or prediction starts."""
        if self._whole:
            self._call("begin", self._logs_class())

    def batch_begin(self, batch: int, size: int) -> None:
        """A batch starts."""
        if self.batches:
            self._call("batch_begin", batch, self._logs_class(batch=batch, size=size))

    def batch_end(self, batch: int, size: int, values: Sequence[Any]) -> None:
        """A batch is done, with these values."""
        if self.batches:
            named = dict(zip(self._names, values)) if self._kind == "test" else {"outputs": list(values)}
            self._call("batch_end", batch, self._logs_class(**named, batch=batch, size=size))

    def end(self, values: Any) -> Any:
        """The evaluation or prediction is done, with these values, which are returned."""
        if self._whole:
            self._call("end", self._logs_class(zip(self._names, values)))
        return values

    def _call(self, moment: str, *args: Any) -> None:
        getattr(self._callbacks, f"on_{self._kind}_{moment}")(*args)


def listeners(model: Any, callbacks: Any, **params: Any) -> Any:
    """The callbacks of an evaluation or a prediction as one list to drive; None if there are none."""
    from .. import callbacks as cb
    if not callbacks or isinstance(callbacks, cb.CallbackList):
        return callbacks or None
    found = _list(_objects(callbacks), model)
    found.set_model(model)
    found.set_params({"epochs": 1, "do_validation": False, "metrics": unique_names(getattr(model, "metrics_names", ())),
                      **params})
    return found


def _list(callbacks: list[Any], model: Any) -> Any:
    """The callbacks as one list to drive: on rank 0 only, if several train the model together."""
    from .. import callbacks as cb
    from ..callbacks.ranked import RankedCallbackList
    job = dealing.job_of(model)
    return cb.CallbackList(callbacks) if job is None else RankedCallbackList(callbacks, job, model)


def _objects(callbacks: Any) -> list[Any]:
    """The callbacks that were given, one or several; TypeError for what is none."""
    from .. import callbacks as cb
    if callbacks is None:
        return []
    found = list(callbacks) if isinstance(callbacks, (list, tuple, cb.CallbackList)) else [callbacks]
    for callback in found:
        if isinstance(callback, type) or not hasattr(callback, "set_model"):
            hint = f"; write {callback.__name__}()" if isinstance(callback, type) else ""
            raise TypeError(f"callbacks should be a list of Callback objects, but one of them is {callback!r}{hint}")
    return found


def _feed(function: Any, arrays: list[Any], phase: list[float]) -> Feed:
    if isinstance(function, PartedFunction) or isinstance(function, dealing.DealtFunction) and function.job.together:
        return function.feed(arrays, phase)
    return Feed(function, [*arrays, *([None] * len(phase))], {len(arrays) + i: v for i, v in enumerate(phase)})


def unique_names(names: Sequence[str]) -> list[str]:
    """The names; those that are not unique are numbered.

    >>> unique_names(['loss', 'acc', 'acc'])
    ['loss', 'acc_1', 'acc_2']
    """
    names = list(names)
    return [n if names.count(n) == 1 else f"{n}_{names[:i].count(n) + 1}" for i, n in enumerate(names)]
