"""fit, evaluate and predict on arrays. They never wait for the device: losses and metrics add up there, and are read
when something is shown and at the end of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import callbacks as cb
from .. import device
from ..compiler import Feed, Function
from . import dealing
from .data import make_batches, shuffle_batches
from .epochs import Pace, Training
from .hooks import Hooks
from .totals import resident, runs_ahead


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
    held = held_validation(model, validation)
    tests = model.test_function

    def train() -> Any:
        if steps is not None:
            return run.steps(arrays, phase, steps)
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
        model._make_test_function()  # a callback may have shown the model data of other sizes
        return evaluate(model, validation, batch_size, 0, validation_steps, run.callbacks,
                        held if model.test_function is tests else None)

    run.epochs(range(initial_epoch, epochs), train, None if validation is None else validate, validation_freq)
    return run.end()


def held_validation(model: Any, validation: list[Any] | None) -> Feed | None:
    """The feed of all evaluations of a training: the validation data too is brought to the device once."""
    if validation is None:
        return None
    return _feed(model.test_function, validation, model._phase_value(model.test_function, False))


def evaluate(model: Any, arrays: list[Any], batch_size: int | None, verbose: Any, steps: int | None,
             callbacks: Any = None, feed: Feed | None = None) -> list[float]:
    """Loss and metrics over the data, averaged over samples (or steps). `feed` may already hold the data."""
    function: Function = model.test_function
    phase = model._phase_value(function, False)
    heard = Hooks(callbacks, "test", model.metrics_names)
    heard.begin()
    verbose = verbose if dealing.is_first() else 0
    if steps is not None:
        return heard.end(_evaluate_steps(model, arrays, phase, steps, heard, verbose))
    assert batch_size is not None
    count = arrays[0].shape[0]
    if feed is None or feed.function is not function:
        feed = _feed(function, arrays, phase)
    totals = model._test_totals
    batches = make_batches(count, batch_size)
    job = dealing.deals_batches(model, len(batches), heard.batches)
    if job is not None:
        return heard.end(totals.averages(dealing.evaluate(job, feed, batches, totals, verbose), count))
    with function.lock, np.errstate(all="ignore"), cb.progress(count, verbose) as bar:
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


def _evaluate_steps(model: Any, arrays: list[Any], phase: list[float], steps: int, heard: Hooks,
                    verbose: Any) -> list[float]:
    """The averages over so many runs on the same arrays."""
    function, totals = model.test_function, model._test_totals
    ahead = runs_ahead(function, heard.batches)
    inputs = [*(resident(arrays) if ahead else arrays), *phase]
    sums = np.zeros(len(model.metrics_names))
    totals.reset()
    with cb.progress(steps, verbose) as bar:
        for i in range(steps):
            heard.batch_begin(i, 1)
            if ahead:
                function.launch(inputs)
            else:
                values = function(inputs)
                totals.add(sums, values)
                heard.batch_end(i, 1, [v[()] for v in values])
            bar.tick(i + 1)
    found: list[float] = totals.of_steps(function, arrays, steps) if ahead else totals.averages(sums, steps)
    return found


def predict(model: Any, arrays: list[Any], batch_size: int | None, verbose: Any, steps: int | None,
            callbacks: Any = None, on_device: bool = False, function: Any = None,
            phase: list[float] | None = None) -> list[Any]:
    """The outputs for all rows, on the host or left on the device; those of `function`, or of the model's. The learning
    `phase`, where there is one, is that of inference unless it is said."""
    function = model.predict_function if function is None else function
    phase = model._phase_value(function, False) if phase is None else phase
    if batch_size is not None and callbacks is None and not verbose and dealing.job_of(model) is None \
            and 0 < len(arrays[0]) <= batch_size and all(isinstance(a, np.ndarray) for a in arrays):
        found = function([*arrays, *phase], on_device)  # one batch, and nobody looks on
        return [v if v.ndim else _repeated(v, len(arrays[0])) for v in found]
    heard = Hooks(callbacks, "predict", ())
    heard.begin()
    verbose = verbose if dealing.is_first() else 0
    if steps is not None:
        with cb.progress(steps, verbose) as bar:
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
    with np.errstate(all="ignore"), cb.progress(count, verbose) as bar:
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


def _repeated(number: Any, count: int) -> Any:
    """An array with the number in every row, as several batches have the number of each."""
    xp = device.xp if device.is_device_array(number) else np
    return xp.full(count, number)


def _feed(function: Any, arrays: list[Any], phase: list[float]) -> Feed:
    if getattr(function, "deals", False):
        return function.feed(arrays, phase)
    return Feed(function, [*arrays, *([None] * len(phase))], {len(arrays) + i: v for i, v in enumerate(phase)})
