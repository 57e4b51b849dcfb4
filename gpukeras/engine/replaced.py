"""Functions of a program's own in the place of a model's `train_function`, `test_function` or `predict_function`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .. import backend as K
from .. import device
from ..compiler import Function
from .totals import Totals

TOTALS = {"train_function": "_train_totals", "test_function": "_test_totals", "predict_function": None}
"""By function, where a model has what its calls add up to."""


def taken(model: Any, name: str, function: Any) -> Any:
    """What the model calls when a program puts `function` in the place `name`: itself, if it is of the model's making.
    TypeError for what can't be called."""
    if function is None or name == "predict_function" and isinstance(function, Function):
        return function
    mine = getattr(function, "model", model) is model and getattr(function, "place", name) == name
    if not (hasattr(function, "totals") and mine):
        if not callable(function):
            raise TypeError(f"{name} of '{model.name}' must be a function that takes a list of arrays, got "
                            f"{function!r:.200}")
        model._check_compiled()
        function = Replaced(model, name, function)
    totals = TOTALS[name]
    if totals is not None:
        setattr(model, totals, function.totals)
    return function


class Replaced:
    """A program's function, called once for each batch with NumPy's arrays: inputs, targets, weights of the samples,
    and the learning phase where there is one. What it returns are the loss and metrics, or the outputs."""

    deals = True  # whole data are for its own feed

    def __init__(self, model: Any, place: str, function: Any):
        self.model, self.place, self.name = model, place, place
        self._function = function
        self.lock = threading.RLock()

    @property
    def inputs(self) -> list[Any]:
        """What the model feeds."""
        predicts = self.place == "predict_function"
        model = self.model
        return [*model._feed_inputs, *model._phase_inputs()] if predicts else model._objective_inputs()

    @cached_property
    def totals(self) -> Totals:
        """What its calls add up to, in a loop."""
        return Totals(len(self.model.metrics_names), self.model._live_metrics)

    def __call__(self, inputs: Sequence[Any], on_device: bool = False) -> list[Any]:
        """What the function returns, as a list of arrays."""
        found = self._function([self._ones(inputs, i) if x is None else _array(x) for i, x in enumerate(inputs)])
        found = found if isinstance(found, (list, tuple)) else [found]
        names = self.model.metrics_names if TOTALS[self.place] is not None else self.model.output_names
        if len(found) < len(names):
            raise ValueError(f"the {self.place} that was put into model '{self.model.name}' returned {len(found)} "
                             f"value(s), but should return {len(names)}: {', '.join(names)}")
        return [device.asarray(v) if on_device else np.asarray(v) for v in found]

    def _ones(self, inputs: Sequence[Any], place: int) -> np.ndarray:
        """The weights of the samples where none were given: one for each sample, or step, of the target."""
        weights = self.model._feed_sample_weights
        axes = K.ndim(self.inputs[place])
        return np.ones(np.shape(inputs[place - len(weights)])[:axes], K.floatx())

    def again(self, x: np.ndarray) -> None:
        """No call of it can be made again without its own code."""

    def remember(self, inputs: Sequence[Any]) -> None:
        """Nothing is kept of a call."""

    def feed(self, arrays: Sequence[Any], phase: Sequence[float]) -> ReplacedFeed:
        """What runs it on batches of whole data."""
        return ReplacedFeed(self, arrays, phase)


class ReplacedFeed:
    """As a `Feed`: runs a program's function on rows of whole data, and adds up what it returns."""

    def __init__(self, function: Replaced, arrays: Sequence[Any], phase: Sequence[float]):
        self.function = function
        self._arrays, self._phase = arrays, phase
        self._order: np.ndarray | None = None
        self._values: list[Any] = []

    def order(self, index: np.ndarray | None) -> None:
        """From now on, slices count along `index`, an array of row numbers; None: along the data."""
        self._order = index

    def run(self, rows: slice, count: int, times: int = 1) -> None:
        """One call on `count` rows, a slice of the order; with `times`, as many on the rows that follow."""
        for first in range(rows.start, rows.start + times * count, count):
            at: Any = slice(first, first + count)
            at = at if self._order is None else self._order[at]
            self._values = self.function([*(None if a is None else a[at] for a in self._arrays), *self._phase])
            if TOTALS[self.function.place] is not None:
                totals = self.function.totals
                sums = K.get_value(totals.sums)
                totals.add(sums, self._values, count)
                K.set_value(totals.sums, sums)

    def check(self) -> None:
        """Whatever was wrong was raised by the function."""

    def values(self) -> list[Any]:
        """The loss and metrics of the last batch."""
        return [v[()] for v in self._values]

    def outputs(self, on_device: bool = False) -> list[Any]:
        """The outputs for the last batch."""
        return [device.asarray(v) if on_device else v for v in self._values]


def _array(x: Any) -> np.ndarray:
    return np.asarray(x.toarray() if hasattr(x, "toarray") else x)
