"""Whether targets are such as the loss can mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

ELEMENTWISE = ("mean_squared_error", "binary_crossentropy", "categorical_crossentropy")


def check_loss_and_targets(targets: Sequence[Any], loss_fns: Sequence[Any], output_shapes: Sequence[Any],
                           names: Sequence[str] = ()) -> None:
    """Raises ValueError for targets that the loss can't mean: integer classes under categorical_crossentropy, classes
    that have no unit, or shapes other than the output's where the loss goes element by element."""
    for i, (y, loss, shape) in enumerate(zip(targets, loss_fns, output_shapes)):
        name = getattr(loss, "__name__", "")
        if name == "sparse_categorical_crossentropy" and isinstance(y, np.ndarray) and shape[-1] is not None:
            if y.min() < 0 or y.max() >= shape[-1]:
                output = f"output '{names[i]}'" if i < len(names) else f"output {i}"
                raise ValueError(f"Error when checking target: the classes of {output}, which has {shape[-1]} "
                                 f"unit{'s' if shape[-1] > 1 else ''}, must be 0 to {shape[-1] - 1}, but the targets "
                                 f"go from {y.min()} to {y.max()}.{_range_hint(y.min(), y.max(), shape[-1])}")
        if y is None or loss is None or name not in ELEMENTWISE:
            continue
        if name == "categorical_crossentropy" and y.shape[-1] == 1:
            raise ValueError(f"You are passing a target array of shape {y.shape} while using as loss "
                             "`categorical_crossentropy`, which expects one-hot rows of shape (samples, classes). "
                             + ("For two classes and one unit write Dense(1, activation='sigmoid') and "
                                "loss='binary_crossentropy'" if shape[-1] == 1 else
                                "For integer classes use loss='sparse_categorical_crossentropy', or convert them: "
                                "y = keras.utils.to_categorical(y)"))
        if any(want is not None and want != have for have, want in zip(y.shape[1:], shape[1:])):
            raise ValueError(f"A target array with shape {y.shape} was passed for an output of shape {tuple(shape)} "
                             f"while using as loss `{name}`. This loss expects targets to have the same shape as the "
                             "output.")


def _range_hint(least: Any, most: Any, units: int) -> str:
    """The line that lets classes from `least` to `most` fit."""
    if units == 1:
        return " For two classes and one unit write Dense(1, activation='sigmoid') and loss='binary_crossentropy'"
    if least > 0 and most - least < units:
        return f" Classes count from 0: y = y - {least:g}"
    if least >= 0:
        return f" As many units as classes: Dense({int(most) + 1}, activation='softmax')"
    return " Number the classes: names, y = np.unique(y, return_inverse=True)"
