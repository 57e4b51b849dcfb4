"""The loops over batches. They never wait for the device: losses and metrics add up there, and are read when
something is shown and at the end of an epoch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import backend as K
from ..compiler import Feed, Function
from .data import make_batches, shuffle_batches

REDRAW = 0.1  # seconds between two looks at the progress display


class Totals:
    """Running sums of a function's values, each batch weighted by its number of samples, kept by the program."""

    def __init__(self, count: int):
        self.sums = K.variable(np.zeros(count), dtype="float64", name="totals")

    def updates(self, values: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """The update that a step makes."""
        size = K.cast(K.shape(inputs[0])[0], "float64") if inputs else 1.0
        return [K.update_add(self.sums, K.stack([K.cast(v, "float64") for v in values]) * size)]

    def reset(self) -> None:
        """Starts from 0."""
        K.set_value(self.sums, np.zeros(self.sums.shape))

    def means(self, seen: int) -> list[float]:
        """The averages over `seen` samples."""
        return (K.get_value(self.sums) / max(seen, 1)).tolist()


def fit(model: Any, arrays: list[Any], validation: list[Any] | None, batch_size: int | None, epochs: int, verbose: Any,
        callbacks: Any, shuffle: Any, initial_epoch: int, steps: int | None, validation_steps: int | None) -> Any:
    """Trains, and returns the History."""
    count = None if steps is not None else arrays[0].shape[0]
    if verbose and validation and count is not None:
        print(f"Train on {count} samples, validate on {validation[0].shape[0]} samples")
    run = Training(model, callbacks, verbose, epochs, validation is not None, batch_size, steps, count)
    run.begin(validation)
    index = np.arange(count or 0)
    phase = model._phase_value(True)
    feed = _feed(model.train_function, arrays, phase)
    try:
        for epoch in range(initial_epoch, epochs):
            run.callbacks.on_epoch_begin(epoch)
            if steps is not None:
                logs = run.steps(lambda: model.train_function([*arrays, *phase]), steps)
            else:
                assert batch_size is not None
                if shuffle == "batch":
                    index = shuffle_batches(index, batch_size)
                elif shuffle:
                    np.random.shuffle(index)
                logs = run.epoch(feed, index if shuffle else None, make_batches(len(index), batch_size))
            if validation is not None and run.finished:
                values = evaluate(model, validation, batch_size, 0, validation_steps)
                logs.update(zip((f"val_{name}" for name in run.names), values))
            run.callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
    finally:
        run.close()
    run.callbacks.on_train_end()
    return model.history


class Training:
    """What the training loops share: callbacks, display, names and averages of an epoch."""

    def __init__(self, model: Any, callbacks: Any, verbose: Any, epochs: int, validates: bool, batch_size: int | None,
                 steps: int | None, samples: int | None):
        from .. import callbacks as cb
        self._logs_class = cb.Logs
        self.model = model
        self.names = unique_names(model.metrics_names)
        model.history = cb.History()
        model.stop_training = False
        bar = [cb.ProgbarLogger("steps" if steps is not None else "samples")] if verbose else []
        # the bar comes before the History, so that what a callback adds to the logs is recorded
        self.callbacks = cb.CallbackList([cb.BaseLogger(), *(callbacks or []), model.history, *bar])
        self.callbacks.set_model(getattr(model, "callback_model", None) or model)
        metrics = [*self.names, *(f"val_{n}" for n in self.names)] if validates else list(self.names)
        self.callbacks.set_params({"batch_size": batch_size, "epochs": epochs, "steps": steps, "samples": samples,
                                   "verbose": verbose, "do_validation": validates, "metrics": metrics})
        self.finished = True  # False if a callback stopped the last epoch before its end

    def begin(self, validation: list[Any] | None) -> None:
        """Tells the callbacks that training begins, and what it is validated with."""
        self.callbacks.on_train_begin()
        if validation:
            full = [np.ones(validation[0].shape[0]) if a is None else a for a in validation]
            validation = [*full, *self.model._phase_value(False)]
        for callback in self.callbacks:
            callback.validation_data = validation

    def close(self) -> None:
        """Leaves the screen in order, whatever happened."""
        if self.callbacks.display is not None:
            self.callbacks.display.close()

    def logs(self, values: Sequence[Any], **more: Any) -> Any:
        """A Logs dict of these values by name."""
        return self._logs_class(**more, **dict(zip(self.names, values)))

    def epoch(self, feed: Feed, index: np.ndarray | None, batches: Sequence[tuple[int, int]]) -> Any:
        """One epoch over arrays, rows in the order of `index`; returns the averages."""
        totals = self.model._train_totals
        totals.reset()
        display, seen = self.callbacks.display, 0
        watched = self.callbacks.needs_batches
        look = time.perf_counter() + REDRAW if display is not None else float("inf")
        with feed.function.lock, np.errstate(all="ignore"):
            for i, (start, stop) in enumerate(batches):
                rows = slice(start, stop) if index is None else index[start:stop]
                if watched:
                    begin = self._logs_class(batch=i, size=stop - start)
                    self.callbacks.on_batch_begin(i, begin)
                feed.run(rows, stop - start)
                seen = stop
                if watched:
                    self.callbacks.on_batch_end(i, self.logs(feed.values(), batch=i, size=stop - start))
                if self.model.stop_training:
                    self.finished = i == len(batches) - 1
                    break
                if time.perf_counter() > look:
                    assert display is not None
                    display.tick(seen, lambda: self.logs(totals.means(seen)))
                    look = time.perf_counter() + REDRAW
        return self.logs(totals.means(seen))

    def steps(self, step: Any, count: int) -> Any:
        """One epoch of `count` steps; `step` returns the values of one, all weighted equally."""
        sums, done = np.zeros(len(self.names)), 0
        display = self.callbacks.display
        watched = self.callbacks.needs_batches
        for i in range(count):
            if watched:
                self.callbacks.on_batch_begin(i, self._logs_class(batch=i, size=1))
            values = step()
            sums += [float(v) for v in values]
            done = i + 1
            if watched:
                self.callbacks.on_batch_end(i, self.logs([v[()] for v in values], batch=i, size=1))
            if display is not None:
                display.tick(done, lambda: self.logs((sums / done).tolist()))
            if self.model.stop_training:
                break
        return self.logs((sums / max(done, 1)).tolist())


def evaluate(model: Any, arrays: list[Any], batch_size: int | None, verbose: Any, steps: int | None) -> list[float]:
    """Loss and metrics over the data, averaged over samples (or steps)."""
    from ..callbacks import progress
    phase = model._phase_value(False)
    function: Function = model.test_function
    if steps is not None:
        with progress(steps, verbose) as bar:
            sums = np.zeros(len(model.metrics_names))
            for i in range(steps):
                sums += [float(v) for v in function([*arrays, *phase])]
                bar.tick(i + 1)
        return (sums / steps).tolist()
    assert batch_size is not None
    count = arrays[0].shape[0]
    feed = _feed(function, arrays, phase)
    with function.lock, np.errstate(all="ignore"), progress(count, verbose) as bar:
        model._test_totals.reset()
        for start, stop in make_batches(count, batch_size):
            feed.run(slice(start, stop), stop - start)
            bar.tick(stop)
        return model._test_totals.means(count)


def predict(model: Any, arrays: list[Any], batch_size: int | None, verbose: Any, steps: int | None) -> list[np.ndarray]:
    """The outputs for all rows."""
    from ..callbacks import progress
    phase = model._phase_value(False)
    function: Function = model.predict_function
    if steps is not None:
        with progress(steps, verbose) as bar:
            parts = []
            for i in range(steps):
                parts.append(function([*arrays, *phase]))
                bar.tick(i + 1)
        return [np.concatenate(p) for p in zip(*parts)]
    assert batch_size is not None
    count = arrays[0].shape[0]
    feed = _feed(function, arrays, phase)
    results: list[np.ndarray] = []
    with np.errstate(all="ignore"), progress(count, verbose) as bar:
        for start, stop in make_batches(count, batch_size):
            with function.lock:
                feed.run(slice(start, stop), stop - start)
                if not results:
                    results = [np.empty((count, *v.shape[1:]), v.dtype) for v in feed.outputs()]
                for result, values in zip(results, feed.outputs()):
                    result[start:stop] = values
            bar.tick(stop)
    return results


def _feed(function: Function, arrays: list[Any], phase: list[float]) -> Feed:
    return Feed(function, [*arrays, *([None] * len(phase))], {len(arrays) + i: v for i, v in enumerate(phase)})


def unique_names(names: Sequence[str]) -> list[str]:
    """The names; those that are not unique are numbered.

    >>> unique_names(['loss', 'acc', 'acc'])
    ['loss', 'acc_1', 'acc_2']
    """
    names = list(names)
    return [n if names.count(n) == 1 else f"{n}_{names[:i].count(n) + 1}" for i, n in enumerate(names)]
