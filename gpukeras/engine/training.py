"""Model: a network that can be compiled, trained, evaluated, and asked for predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import backend as K
from ..graph import scope
from ..utils import keras1
from ..utils.messages import warn
from ..utils.metric_names import unique_names
from ..utils.np_utils import slice_arrays
from . import dealing, loops, one_batch, other_sizes, replaced
from .advice import advise_on_fit
from .compiling import Compiled
from .data import (
    check_all_given,
    check_batches,
    check_lengths,
    cut_to_first,
    fed_part,
    spread,
    standardize_data,
    standardize_weights,
)
from .first_data import predicts, sees_data
from .generators import QUEUE_ARGUMENTS, GeneratorTraining, is_generator, refuse_unknown
from .hints import input_hint, target_hint
from .hooks import listeners
from .one_batch import single
from .private_loops import PrivateLoops
from .targets import check_loss_and_targets
from .totals import Totals


class Model(Compiled, GeneratorTraining, PrivateLoops):
    """A network of layers from `inputs` to `outputs` that can be trained.

    >>> import numpy as np
    >>> from gpukeras.layers import Dense, Input
    >>> x = Input(shape=(2,))
    >>> model = Model(inputs=x, outputs=Dense(1)(x))
    >>> model.compile(optimizer='sgd', loss='mse')
    >>> history = model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    >>> history.history['loss']
    [0.0]
    """

    predict_function: Any = None
    stop_training = False

    # ---------------------------------------------------------------------------------------------- functions

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, replaced.taken(self, name, value) if name in replaced.TOTALS else value)

    def _phase_inputs(self) -> list[Any]:
        phase = K.learning_phase()
        return [phase] if self.uses_learning_phase and not isinstance(phase, int) else []

    def _check_compiled(self) -> None:
        if not hasattr(self, "train_function"):
            raise RuntimeError("You must compile your model before using it, after its last layer was added. Write "
                               "model.compile(optimizer='adam', loss='mse'), with a loss that fits, before this line.")

    def _objective_inputs(self) -> list[Any]:
        return [*self._feed_inputs, *self._feed_targets, *self._feed_sample_weights, *self._phase_inputs()]

    def _check_trainable_weights_consistency(self) -> None:
        now, then = ({id(w) for w in weights} for weights in (
            self.trainable_weights, self._collected_trainable_weights))
        if now != then:
            warn("Discrepancy between trainable weights and collected trainable weights: did you set "
                          "`trainable` without calling `model.compile` after it? What compile saw is trained.")

    def _make_train_function(self) -> None:
        """Makes `train_function` if there is none: one step, returning loss and metrics."""
        self._check_compiled()
        self._check_trainable_weights_consistency()
        if self.train_function is None:
            with other_sizes.going_on(self), scope("training/"):
                self._new_train_function()
        if not getattr(self.train_function, "agreed", False):
            self.train_function.agreed = True
            dealing.agree(self)

    def _new_train_function(self) -> None:
        function: Any = None
        if dealing.may_deal(self):
            from .dealt import make_train_function  # late: few trainings have a use for it

            function = make_train_function(self)
        if function is None:
            steps = self.optimizer.get_updates(params=self._collected_trainable_weights, loss=self.total_loss)
            values = self._numbers()
            self._train_totals = Totals(len(values), self._live_metrics)
            totals = self._train_totals.updates(values, self._feed_inputs or self._feed_targets)
            function = K.function(self._objective_inputs(), values, updates=[*self.updates, *steps, *totals])
            function.name = "train_function"
        function.totals = self._train_totals
        self.train_function = function

    def _make_test_function(self) -> None:
        """Makes `test_function` if there is none: loss and metrics without training."""
        self._check_compiled()
        if self.test_function is None:
            values = self._numbers()
            self._test_totals = Totals(len(values), self._live_metrics)
            totals = self._test_totals.updates(values, self._feed_inputs or self._feed_targets)
            function = K.function(self._objective_inputs(), values, updates=[*self.state_updates, *totals])
            function.name, function.totals = "test_function", self._test_totals
            self.test_function = function

    def _make_predict_function(self) -> None:
        """Makes `predict_function` if there is none: the outputs."""
        if self.predict_function is None:
            self.predict_function = K.function([*self._feed_inputs, *self._phase_inputs()], self.outputs,
                                               updates=self.state_updates)
            self.predict_function.name = "predict_function"

    # --------------------------------------------------------------------------------------------------- data

    def _checked_inputs(self, x: Any, check_batch_axis: bool = False, trains: bool = False) -> list[Any]:
        return standardize_data(x, self._feed_input_names, self._feed_input_shapes, check_batch_axis, "input",
                                lambda i, have, want: input_hint(have, want, trains and self._is_graph_network))

    def _standardize_inputs(self, x: Any, check_batch_axis: bool = False, trains: bool = False) -> list[Any]:
        if self._is_graph_network:
            return self._checked_inputs(x, check_batch_axis, trains)
        xs: list[Any] = other_sizes.to_train(self, x, lambda: self._checked_inputs(x, check_batch_axis))
        return xs

    def _standardize_to_predict(self, x: Any) -> tuple[list[Any], Any]:
        """The inputs, and a function for them if it is not `predict_function`."""
        if self._is_graph_network:
            return self._checked_inputs(x), None
        return other_sizes.to_predict(self, x, lambda: self._checked_inputs(x))

    def _standardize_user_data(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None,
                               check_batch_axis: bool = True, batch_size: int | None = None) -> tuple[Any, Any, Any]:
        """Inputs, targets and sample weights (None where all are 1) as lists of arrays; ValueError if they do not
        fit the model or each other."""
        self._check_compiled()
        xs = self._standardize_inputs(x, check_batch_axis, trains=True)
        fed = [h for h in self._heads if h.fed]
        names = [h.name for h in fed]
        y, sample_weight, class_weight = (fed_part(v, self.output_names, names)
                                          for v in (y, sample_weight, class_weight))
        ys = standardize_data(y, names, [h.feed_shape() for h in fed], False, "target",
                              lambda i, have, want: target_hint(have, fed[i], self.layers))
        if not (x is None and y is None):
            check_all_given(xs, ys, self._feed_input_names, names)
        sample_weights, class_weights = (spread(v, names, what) for v, what in (
            (sample_weight, "sample_weight"), (class_weight, "class_weight")))
        weights = [None if t is None else standardize_weights(t, sw, cw, h.mode)
                   for t, sw, cw, h in zip(ys, sample_weights, class_weights, fed)]
        check_lengths(xs, ys, weights)
        check_loss_and_targets(ys, self._feed_loss_fns, self._feed_output_shapes, names)
        if self.stateful and batch_size and xs and xs[0] is not None and xs[0].shape[0] % batch_size != 0:
            raise ValueError("In a stateful network, you should only pass inputs with a number of samples that can be "
                             f"divided by the batch size. Found: {xs[0].shape[0]} samples and batch_size={batch_size}. "
                             + _whole_batches(xs[0].shape[0], batch_size))
        check_batches(xs, self._feed_input_shapes, self._feed_input_names, batch_size)
        return xs, ys, weights

    @staticmethod
    def _phase_value(function: Any, training: bool) -> list[float]:
        """What to feed a function of `_make_..._function` for its learning phase, if it takes one."""
        return [float(training) for p in function.inputs[-1:] if getattr(p, "is_learning_phase", False)]

    # ------------------------------------------------------------------------------------------- whole arrays

    @keras1.fit_method
    @sees_data
    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1, verbose: Any = 1,
            callbacks: Any = None, validation_split: float = 0.0, validation_data: Any = None, shuffle: Any = True,
            class_weight: Any = None, sample_weight: Any = None, initial_epoch: int = 0,
            steps_per_epoch: int | None = None, validation_steps: int | None = None, validation_freq: Any = 1,
            **kwargs: Any) -> Any:
        """Trains for `epochs` rounds over the data and returns a History.

        `x`, `y`: arrays, lists of arrays, dicts by name; or a generator or Sequence of batches as `x`.
        `validation_split` sets aside the last fraction of the rows, before shuffling; `shuffle` is True, False or
        'batch'. `verbose` 1 draws a bar, 2 prints a line an epoch, 0 nothing. `validation_freq` is every how many
        epochs it validates, or a list of epochs, from 1. By default `batch_size` is 32 and
        `epochs` 1 (10 for a Sequential).
        """
        epochs = _whole("epochs", epochs, 0)
        initial_epoch = _whole("initial_epoch", initial_epoch, 0)
        verbose = 1 if verbose == "auto" else verbose
        if is_generator(x):
            if validation_split or sample_weight is not None:
                raise ValueError("fit got a generator as x: validation_split and sample_weight need arrays; give "
                                 "validation_data, or yield (x, y, sample_weight)")
            return self._fit_batches(x, y, kwargs, steps_per_epoch=steps_per_epoch, epochs=epochs, verbose=verbose,
                                     callbacks=callbacks, validation_data=validation_data,
                                     validation_steps=validation_steps, class_weight=class_weight,
                                     shuffle=bool(shuffle), initial_epoch=initial_epoch,
                                     validation_freq=validation_freq)
        refuse_unknown("fit", [name for name in kwargs if name not in QUEUE_ARGUMENTS], Model.fit)
        if x is None and y is None and steps_per_epoch is None:
            raise ValueError("fit needs data (x and y); only a model on tensors of its own goes without, with "
                             "steps_per_epoch=...")
        batch_size = _batch_size(batch_size, steps_per_epoch)
        xs, ys, ws = self._standardize_user_data(x, y, sample_weight, class_weight, False, batch_size)
        val = self._validation(validation_data, validation_split, validation_steps, steps_per_epoch, (xs, ys, ws),
                               batch_size)
        if val is not None and not self._is_graph_network:
            other_sizes.check_both(self, xs, self._checked_inputs)
        if val is not None and not validation_data and validation_split:
            xs, ys, ws = (slice_arrays(part, 0, self._split_at) for part in (xs, ys, ws))
            for part, arrays in ((" to train on", xs), (" to validate with", val)):
                check_batches(arrays, self._feed_input_shapes, self._feed_input_names, batch_size,
                              f"{part} (validation_split={validation_split})")
        self._nan_in_data = advise_on_fit(self, [h for h in self._heads if h.fed], xs, ys, steps_per_epoch)
        self._make_train_function()
        if val is not None or validation_steps:
            self._make_test_function()
        return loops.fit(self, [*xs, *ys, *ws], val, batch_size, epochs, verbose, callbacks, shuffle, initial_epoch,
                         steps_per_epoch, validation_steps, validation_freq)

    def _validation(self, data: Any, split: float, validation_steps: Any, steps: Any, train: Any,
                    batch_size: int | None) -> list[Any] | None:
        """The validation arrays, from what the user gave or from the last rows of the training data."""
        if validation_steps and steps is None:
            raise ValueError("Can only use `validation_steps` when doing step-wise training, i.e. `steps_per_epoch` "
                             "must be set.")
        if data is not None and not (isinstance(data, (tuple, list)) and not data):
            if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
                items = f" of {len(data)} items" if hasattr(data, "__len__") else ""
                raise ValueError("validation_data must be a tuple (x_val, y_val) or (x_val, y_val, sample_weights), "
                                 f"got {type(data).__name__}{items}")
            xs, ys, ws = self._standardize_user_data(data[0], data[1], data[2] if len(data) == 3 else None, None, False,
                                                     batch_size)
            return [*xs, *ys, *ws]
        if not split:
            return [] if validation_steps else None
        if not 0 < split < 1:
            raise ValueError(f"validation_split must lie between 0 and 1, got {split}")
        count = train[0][0].shape[0]
        self._split_at = int(count * (1.0 - split))
        if not 0 < self._split_at < count:
            raise ValueError(f"validation_split={split} of {count} samples leaves nothing to train on or to validate "
                             "with")
        return [a for part in train for a in slice_arrays(part, self._split_at, None)]

    @sees_data
    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: Any = 1,
                 sample_weight: Any = None, steps: int | None = None, callbacks: Any = None, return_dict: bool = False,
                 **kwargs: Any) -> Any:
        """Loss (and metrics, as a list in the order of `metrics_names`) over the data, averaged over the samples.

        `callbacks` (hooks on_test_...) and `return_dict` are newer Keras's; `x` may be a generator or Sequence.
        """
        refuse_unknown("evaluate", [name for name in kwargs if name not in QUEUE_ARGUMENTS], Model.evaluate)
        if is_generator(x):
            values = self.evaluate_generator(x, steps, callbacks=callbacks, **kwargs)
            values = values if isinstance(values, list) else [values]
        else:
            if x is None and y is None and steps is None:
                raise ValueError("evaluate needs data (x and y), or `steps` for a model on tensors of its own")
            batch_size = _batch_size(batch_size, steps)
            xs, ys, ws = self._standardize_user_data(x, y, sample_weight, None, False, batch_size)
            self._make_test_function()
            heard = listeners(self, callbacks, batch_size=batch_size, steps=steps, verbose=verbose,
                                    samples=[*xs, *ys][0].shape[0] if steps is None else None)
            values = loops.evaluate(self, [*xs, *ys, *ws], batch_size, verbose, steps, heard)
        return dict(zip(unique_names(self.metrics_names), values)) if return_dict else single(values)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, steps: int | None = None,
                callbacks: Any = None, on_device: bool = False, **kwargs: Any) -> Any:
        """The outputs for the inputs: an array, or a list of arrays for several outputs.

        `callbacks` (hooks on_predict_...) are newer Keras's; `x` may be a generator or Sequence. With `on_device`
        the outputs stay where they were computed: on a GPU they are CuPy's arrays, which other libraries take over
        through DLPack without a copy.
        """
        if steps is None and not (verbose or callbacks or kwargs) and type(x) is np.ndarray and x.ndim > 1:
            whole = len(x) <= 32 if batch_size is None else type(batch_size) is int and len(x) <= batch_size
            found = one_batch.predict(self, x, on_device) if whole else None
            if found is not None:
                return found
        return self._predict(x, batch_size, verbose, steps, callbacks, on_device, **kwargs)

    @predicts
    def _predict(self, x: Any, batch_size: int | None, verbose: Any, steps: int | None, callbacks: Any, on_device: bool,
                 **kwargs: Any) -> Any:
        """What `predict` returns, for data of any kind."""
        refuse_unknown("predict", [name for name in kwargs if name not in QUEUE_ARGUMENTS], Model.predict)
        if is_generator(x):
            if on_device:
                raise ValueError("predict got a generator as x: on_device needs arrays; or call predict_on_batch(..., "
                                 "on_device=True) for each batch")
            return self.predict_generator(x, steps, verbose=verbose, callbacks=callbacks, **kwargs)
        if x is None and steps is None:
            raise ValueError("predict needs data (x), or `steps` for a model on tensors of its own")
        batch_size = _batch_size(batch_size, steps)
        xs, function = self._standardize_to_predict(x)
        xs = cut_to_first(xs)
        check_lengths(xs, [])
        if self.stateful and batch_size and xs and xs[0].shape[0] > batch_size and xs[0].shape[0] % batch_size:
            raise ValueError("In a stateful network, you should only pass inputs with a number of samples that can be "
                             f"divided by the batch size. Found: {xs[0].shape[0]} samples. Batch size: {batch_size}. "
                             + _whole_batches(xs[0].shape[0], batch_size))
        check_batches(xs, self._feed_input_shapes, self._feed_input_names, batch_size)
        if function is None:
            self._make_predict_function()
        heard = listeners(self, callbacks, batch_size=batch_size, steps=steps, verbose=verbose,
                                samples=xs[0].shape[0] if steps is None else None)
        return single(loops.predict(self, xs, batch_size, verbose, steps, heard, on_device, function))

    # -------------------------------------------------------------------------------------------- one batch

    def reset_metrics(self) -> None:
        """Metrics with a state forget the batches that they saw."""
        for live in getattr(self, "_live_metrics", {}).values():
            live.reset()

    @sees_data
    def train_on_batch(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None,
                       reset_metrics: bool = True, return_dict: bool = False) -> Any:
        """One step on one batch; the loss (and metrics) before it.

        `reset_metrics=False` lets metrics with a state go on; `return_dict` gives the values by name."""
        if reset_metrics:
            self.reset_metrics()
        inputs = self._step_inputs(x, y, sample_weight, class_weight)
        return self._by_name(self.train_function(inputs), return_dict)

    def _step_inputs(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> list[Any]:
        """What the train function takes for a batch."""
        xs, ys, ws = self._standardize_user_data(x, y, sample_weight, class_weight)
        self._make_train_function()
        return [*xs, *ys, *ws, *self._phase_value(self.train_function, True)]

    @sees_data
    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None, reset_metrics: bool = True,
                      return_dict: bool = False) -> Any:
        """The loss (and metrics) on one batch, without training."""
        if reset_metrics:
            self.reset_metrics()
        inputs = self._test_inputs(x, y, sample_weight)
        return self._by_name(self.test_function(inputs), return_dict)

    def _test_inputs(self, x: Any, y: Any, sample_weight: Any) -> list[Any]:
        """What the test function takes for a batch."""
        xs, ys, ws = self._standardize_user_data(x, y, sample_weight)
        self._make_test_function()
        return [*xs, *ys, *ws, *self._phase_value(self.test_function, False)]

    def _by_name(self, values: list[Any], by_name: bool) -> Any:
        names = unique_names(self.metrics_names)
        return {n: v[()] for n, v in zip(names, values)} if by_name else single(values)

    @predicts
    def predict_on_batch(self, x: Any, on_device: bool = False) -> Any:
        """The outputs for one batch; with `on_device` they stay where they were computed."""
        if type(x) is np.ndarray and x.ndim > 1:
            found = one_batch.predict(self, x, on_device)
            if found is not None:
                return found
        xs, function = self._standardize_to_predict(x)
        if function is None:
            self._make_predict_function()
            function = self.predict_function
        return single(function([*xs, *self._phase_value(function, False)], on_device))


def _whole_batches(count: int, batch_size: int) -> str:
    """How to have as many samples as batches take."""
    keep = count // batch_size * batch_size
    return (f"Leave the last {count - keep} out: x[:{keep}], y[:{keep}]" if keep else
            f"Repeat them: np.repeat(x, {batch_size}, axis=0)")


def _batch_size(batch_size: int | None, steps: int | None) -> int | None:
    if steps is not None:
        if batch_size is not None:
            raise ValueError("If a number of steps is given, batch_size must be left out: a step is one run on the "
                             "tensors that the model reads")
        return None
    return _whole("batch_size", 32 if batch_size is None else batch_size, 1)


def _whole(name: str, value: Any, least: int) -> int:
    """The value as an int; an error that names the argument if it is none."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__int__"):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if int(value) != value or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


if not TYPE_CHECKING:  # which sees the names above, and no others
    def __getattr__(name: str) -> Any:
        """The private names that programs of Keras 2.0.9's days import from here."""
        if name.startswith("_") and not name.startswith("__"):
            from . import private_names

            if name in vars(private_names):
                return vars(private_names)[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
