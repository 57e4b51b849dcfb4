"""Predictions for a plain array that is one batch. For a row or two of a small model the checks of `predict` would take
ten times as long as the arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dealing


def predict(model: Any, x: np.ndarray, on_device: bool) -> Any:
    """The outputs for an array of two axes or more: one, or a list of several. None if the model has no function for
    predictions yet, names its outputs, or x does not fit its only input as it is. Calls like one before with the same
    function are made without any checks."""
    function = model.predict_function
    if function is None or model._output_keys is not None:
        return None
    found = None if on_device else function.again(x)
    if found is None and _takes(model, x):
        inputs = [x, *model._phase_value(function, False)]
        found = single(function(inputs, on_device))
        if dealing.job() is None:
            function.remember(inputs)
    return found


def _takes(model: Any, x: np.ndarray) -> bool:
    """Whether the array is a batch for the model's only input as it is, without any conversion."""
    shapes = model._feed_input_shapes
    if len(shapes) != 1 or shapes[0] is None or dealing.job_of(model) is not None:
        return False
    if x.dtype.kind not in "fiub" or not x.dtype.isnative or not len(x) or not all(y.shape for y in model.outputs):
        return False
    return len(shapes[0]) == x.ndim and all(n in (None, have) for n, have in zip(shapes[0], x.shape))


def single(values: list[Any]) -> Any:
    """What a function returned, for users: the value itself where there is one; numbers in place of arrays of them."""
    values = [v[()] if isinstance(v, np.ndarray) and v.ndim == 0 else v for v in values]
    if len(values) == 1 and isinstance(values[0], float):
        return np.float64(values[0])  # a float with a shape, as Keras's loss was
    return values[0] if len(values) == 1 else values
