"""Training on batches that come one at a time, from a generator or a Sequence."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import callbacks as cb
from ..utils import keras1
from ..utils.messages import unknown_name, warn
from . import dealing, loops
from .data import brief
from .epochs import Training
from .first_data import predicts, sees_data
from .hooks import Hooks, listeners
from .totals import runs_ahead

QUEUE_ARGUMENTS = ("max_queue_size", "workers", "use_multiprocessing")
"""How batches are prepared ahead. fit, evaluate and predict take these too, as in newer Keras; arrays need none."""


def _ours(method: Any) -> bool:
    """Whether a `train_on_batch` or `test_on_batch` is the library's own: a user's is called, whatever it does."""
    return (getattr(method, "__module__", None) or "").startswith("gpukeras.")


def is_generator(x: Any) -> bool:
    """True for what gives batches: a Sequence, or an iterator that is no array."""
    enqueuers = sys.modules.get("gpukeras.utils.enqueuers")  # where nobody has imported it, nothing is a Sequence
    if enqueuers is not None and isinstance(x, enqueuers.Sequence):
        return True
    return hasattr(x, "__next__") and not hasattr(x, "shape")


class GeneratorTraining:
    """The methods of Model that take generators."""

    @keras1.generator_method
    @sees_data
    def fit_generator(self, generator: Any, steps_per_epoch: int | None = None, epochs: int = 1, verbose: Any = 1,
                      callbacks: Any = None, validation_data: Any = None, validation_steps: int | None = None,
                      class_weight: Any = None, max_queue_size: int = 10, workers: int = 1,
                      use_multiprocessing: bool = False, shuffle: bool = True, initial_epoch: int = 0,
                      validation_freq: Any = 1, **kwargs: Any) -> Any:
        """Trains on batches (x, y) or (x, y, sample_weight) that `generator` yields for ever, or that a Sequence
        holds; workers prepare batches ahead. Returns the History.

        `validation_data` is a tuple of arrays, or a generator or Sequence with `validation_steps`.
        """
        refuse_unknown("fit_generator", list(kwargs), GeneratorTraining.fit_generator)
        model: Any = self
        steps_per_epoch = _steps(generator, steps_per_epoch, "steps_per_epoch")
        validates_batches = validation_data is not None and is_generator(validation_data)
        if validates_batches:
            validation_steps = _steps(validation_data, validation_steps, "validation_steps")
        validation = None
        if validation_data is not None and not validates_batches:
            validation = model._validation(validation_data, 0.0, None, None, None, None)
        model._make_train_function()
        if validation_data is not None:
            model._make_test_function()
        dealing.begin(model, "fit_generator", {"steps_per_epoch": steps_per_epoch, "epochs": epochs,
                                               "validation_data": validation_data is not None,
                                               "validation_steps": validation_steps}, validation or ())
        run = Training(model, callbacks, 1 if verbose == "auto" else verbose, epochs, validation_data is not None,
                       None, steps_per_epoch, None, from_generator=True)
        run.begin(validation)

        def train() -> Any:
            return self._batches(run, batches, steps_per_epoch, class_weight)

        held = loops.held_validation(model, validation)

        def validate() -> Any:
            if validation is not None:
                return loops.evaluate(model, validation, run.place.size, 0, None, run.callbacks, held)
            return _listed(model.evaluate_generator(validation_data, validation_steps, max_queue_size, workers,
                                                    use_multiprocessing, callbacks=run.callbacks))

        numbers = range(initial_epoch, epochs)
        used = run.used(numbers, steps_per_epoch)
        with _queue(generator, max_queue_size, workers, use_multiprocessing, shuffle, used) as batches:
            run.epochs(numbers, train, None if validation_data is None else validate, validation_freq)
        return run.end()

    def _fit_batches(self, generator: Any, y: Any, more: dict[str, Any], **arguments: Any) -> Any:
        """fit(generator): as fit_generator."""
        if y is not None:
            raise ValueError("fit got a generator as x and also y: the generator must yield (x, y) batches")
        refuse_unknown("fit", [name for name in more if name not in QUEUE_ARGUMENTS], type(self).fit)  # type: ignore
        return self.fit_generator(generator, **arguments, **more)

    def _batches(self, run: Training, batches: Callable[[], Any], count: int,
                 class_weight: Any) -> Any:
        """One epoch of `count` batches; the averages over all samples."""
        model: Any = self
        display, watched = run.callbacks.display, run.callbacks.needs_batches
        place, keeper, totals = run.place, run.keeper, model._train_totals
        if not place.done:
            place.sums, place.seen, place.size = np.zeros(len(run.names)), 0, 32
            totals.reset()
        more = {"reset_metrics": False} if totals.live else {}
        ahead = run.runs_ahead and _ours(model.train_on_batch)

        def averages() -> list[float]:
            if ahead:
                # the totals are made anew for batches of other sizes
                return model._train_totals.of_launched(model.train_function, place.seen)
            return totals.averages(place.sums, place.seen)

        for i in range(place.done, count):
            x, y, sample_weight = _parts(batches())
            place.size = size = _size(x)
            if watched:
                run.callbacks.on_batch_begin(i, cb.Logs(batch=i, size=size))
            if ahead:
                inputs = model._step_inputs(x, y, sample_weight, class_weight)  # may make the function anew
                model.train_function.launch(inputs)
            else:
                values = model.train_on_batch(x, y, sample_weight=sample_weight, class_weight=class_weight, **more)
                values = _listed(values)
                totals.add(place.sums, values, size)
            place.seen += size
            if watched:
                run.callbacks.on_batch_end(i, run.logs(values, batch=i, size=size))
            if display is not None:
                display.tick(i + 1, lambda: run.logs(averages()))
            if model.stop_training:
                run.finished = i == count - 1
                break
            if keeper is not None:
                place.done = i + 1
                keeper.batch_done(run)
        return run.logs(averages())

    @keras1.generator_method
    @sees_data
    def evaluate_generator(self, generator: Any, steps: int | None = None, max_queue_size: int = 10, workers: int = 1,
                           use_multiprocessing: bool = False, verbose: Any = 0, callbacks: Any = None,
                           **kwargs: Any) -> Any:
        """Loss (and metrics) over `steps` batches, averaged over the samples."""
        refuse_unknown("evaluate_generator", list(kwargs), GeneratorTraining.evaluate_generator)
        model: Any = self
        model._make_test_function()
        steps = _steps(generator, steps, "steps")
        sums, seen, totals = np.zeros(len(model.metrics_names)), 0, model._test_totals
        mine: list[list[float]] = []  # of the batches that this rank evaluates, if they are dealt to ranks
        sizes: list[int] = []
        totals.reset()
        more = {"reset_metrics": False} if totals.live else {}
        called = listeners(model, callbacks, steps=steps, verbose=verbose)
        heard = Hooks(called, "test", model.metrics_names)
        heard.begin()
        verbose = verbose if dealing.is_first() else 0
        job = dealing.deals_batches(model, steps, heard.batches)
        ahead = job is None and runs_ahead(model.test_function, heard.batches) and _ours(model.test_on_batch)
        with _queue(generator, max_queue_size, workers, use_multiprocessing, False) as batches, \
                cb.progress(steps, verbose) as bar:
            for i in range(steps):
                x, y, sample_weight = _parts(batches())
                size = _size(x)
                seen += size
                if ahead:
                    model.test_function.launch(model._test_inputs(x, y, sample_weight))
                elif job is not None:
                    sizes.append(size)
                    if i % job.size == job.rank:
                        mine.append([float(v) for v in _listed(model.test_on_batch(x, y, sample_weight=sample_weight))])
                else:
                    heard.batch_begin(i, size)
                    values = _listed(model.test_on_batch(x, y, sample_weight=sample_weight, **more))
                    totals.add(sums, values, size)
                    heard.batch_end(i, size, values)
                bar.tick(i + 1)
        if job is not None:
            for i, values in enumerate(dealing.in_order(job, mine)):
                totals.add(sums, values, sizes[i])
        means = heard.end(totals.of_launched(model.test_function, seen) if ahead else totals.averages(sums, seen))
        return means[0] if len(means) == 1 else means

    @keras1.generator_method
    @predicts
    def predict_generator(self, generator: Any, steps: int | None = None, max_queue_size: int = 10, workers: int = 1,
                          use_multiprocessing: bool = False, verbose: Any = 0, callbacks: Any = None,
                          **kwargs: Any) -> Any:
        """The outputs for `steps` batches, one after the other. Targets in the batches are ignored."""
        refuse_unknown("predict_generator", list(kwargs), GeneratorTraining.predict_generator)
        model: Any = self
        model._make_predict_function()
        steps = _steps(generator, steps, "steps")
        parts: list[Any] = []
        heard = Hooks(listeners(model, callbacks, steps=steps, verbose=verbose), "predict", ())
        heard.begin()
        verbose = verbose if dealing.is_first() else 0
        job = dealing.deals_batches(model, steps, heard.batches)
        with _queue(generator, max_queue_size, workers, use_multiprocessing, False) as batches, \
                cb.progress(steps, verbose) as bar:
            for i in range(steps):
                batch = batches()
                if job is not None and i % job.size != job.rank:
                    continue
                x = batch[0] if isinstance(batch, tuple) else batch
                heard.batch_begin(i, _size(x))
                parts.append(_listed(model.predict_on_batch(x)))
                heard.batch_end(i, _size(x), parts[-1])
                bar.tick(i + 1)
        heard.end(())
        results = [np.concatenate(p) for p in zip(*(parts if job is None else dealing.in_order(job, parts)))]
        return results[0] if len(results) == 1 else results


def refuse_unknown(method: str, names: list[str], takes: Callable[..., Any] | None = None) -> None:
    """Raises TypeError if there are any of these arguments, with the nearest of those that the method takes."""
    if not names:
        return
    code = getattr(inspect.unwrap(takes), "__code__", None) if takes else None
    known = [*code.co_varnames[1:code.co_argcount], *QUEUE_ARGUMENTS] if code else []
    raise TypeError(str(unknown_name(f"argument of {method}", names[0], known)))


def _steps(generator: Any, steps: int | None, name: str) -> int:
    from ..utils.data_utils import Sequence
    if not isinstance(generator, Sequence) and not hasattr(generator, "__next__"):
        made = getattr(generator, "__name__", None)
        raise TypeError(f"generator must be a generator or a keras.utils.Sequence, got {type(generator).__name__}"
                        + (f" '{made}'. Call it: {made}()" if made else
                           ". For arrays write model.fit(x, y); for what a loop can go through, iter(...)"))
    if steps is not None:
        if not steps > 0:
            raise ValueError(f"`{name}` must be at least 1, got {steps!r}")
        return math.ceil(steps)  # Keras 2.0.9 counts batches until it has as many: len(x) / 32 may be a fraction
    if isinstance(generator, Sequence):
        return len(generator)
    raise ValueError(f"`{name}` must be given for a generator, which has no length (a keras.utils.Sequence "
                     f"has). Write {name}=math.ceil(samples / batch_size)")


def _parts(batch: Any) -> tuple[Any, Any, Any]:
    if isinstance(batch, (tuple, list)) and len(batch) in (2, 3):
        return batch[0], batch[1], batch[2] if len(batch) == 3 else None
    raise ValueError("Output of generator should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: "
                     f"{brief(batch)}. Write yield x, y")


def _size(x: Any) -> int:
    """The number of samples in a batch of inputs."""
    first = x[0] if isinstance(x, (list, tuple)) and len(x) else next(iter(x.values())) if isinstance(x, dict) else x
    shape = np.shape(first) or np.shape(x)
    if not shape:
        raise ValueError(f"a generator yielded {str(x)[:200]} as the inputs of a batch: expected an array, or a list "
                         "or dict of arrays")
    return int(shape[0])


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


@contextmanager
def _queue(generator: Any, max_queue_size: int, workers: int, use_multiprocessing: bool,
           shuffle: bool, used: int = 0) -> Iterator[Callable[[], Any]]:
    """A function that returns the next batch, after those that were `used` already, prepared ahead by workers, which
    end with the context."""
    from ..utils.data_utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence
    if isinstance(generator, Sequence):
        enqueuer: Any = OrderedEnqueuer(generator, use_multiprocessing=use_multiprocessing, shuffle=shuffle)
        enqueuer.skip, used = used, 0
    else:
        if use_multiprocessing and workers > 1:
            warn("Using a generator with `use_multiprocessing=True` and multiple workers may duplicate your "
                          "data. Please consider using the `keras.utils.Sequence` class.")
        enqueuer = GeneratorEnqueuer(generator, use_multiprocessing=use_multiprocessing)
    try:
        enqueuer.start(workers=max(workers, 1), max_queue_size=max_queue_size)
        stream = enqueuer.get()
        taken = 0

        def take() -> Any:
            nonlocal taken
            try:
                batch = next(stream)
            except StopIteration as end:
                if end.__cause__ is not None or type(end) is not StopIteration:
                    raise
                raise ValueError(f"the generator ended after {taken} batches; it must yield batches for ever, or at "
                                 "least steps x epochs of them. Write `while True:` around its loop") from None
            taken += 1
            return batch
        for _ in range(used):
            take()
        yield take
    finally:
        enqueuer.stop()
