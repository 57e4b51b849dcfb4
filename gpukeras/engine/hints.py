"""The line to write instead: what the errors about shapes of data end with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .node import history_of

Shape = Sequence[int | None]


def input_hint(have: Shape, want: Shape, trains: bool = True) -> str:
    """What makes arrays of shape `have` fit an input of shape `want` (batch axis first), as a sentence; "" if nothing
    is likely. A model that predicts is taken for right."""
    have, want = tuple(have), tuple(want)
    if len(have) == len(want) - 1:
        if _fits(have[1:], want[1:-1]) and want[-1] == 1:
            return " The last axis, of channels or features, is missing: x = x[..., None]"
        if _fits(have, want[1:]):
            counted = (f" input_shape leaves the number of samples out: if there are {have[0]}, write "
                       f"input_shape={have[1:]}.") if trains else ""
            return f"{counted} To one sample add the batch axis: x[None]"
    if len(have) == len(want) == 2 and have == (want[1], 1):
        return " To one sample add the batch axis: x[None]"
    moved = _moved(have, want)
    if moved:
        return f" The axes are in another order: x = {moved}"
    if None not in want[1:] and _size(have) == _size(want):
        return f" As many numbers in that shape: x = x.reshape({(-1, *want[1:])})"
    if len(have) == len(want) and trains:
        return f" For such data the model needs input_shape={have[1:]}"
    return ""


def _size(shape: Shape) -> int:
    return math.prod(n or 0 for n in shape[1:])


def _fits(have: Shape, want: Shape) -> bool:
    return len(have) == len(want) and all(w in (None, h) for h, w in zip(have, want))


def _moved(have: Shape, want: Shape) -> str:
    """The call that brings the axes into the order of `want`, or ""."""
    if len(have) != len(want) or len(have) < 3:
        return ""
    if _fits((*have[2:], have[1]), want[1:]):
        return "np.moveaxis(x, 1, -1)"
    return "np.moveaxis(x, -1, 1)" if _fits((have[-1], *have[1:-1]), want[1:]) else ""


def target_hint(have: Shape, head: Any, layers: Sequence[Any]) -> str:
    """What makes targets of shape `have` fit the output `head` of a model of `layers`, as a sentence."""
    shape, loss = tuple(head.shape), head.loss_name
    if len(have) < len(shape):
        if shape[-1] == 1 or loss == "sparse_categorical_crossentropy":
            if _fits(have[1:], shape[1:-1]):
                return " The last axis is missing: y = y[..., None]"
        return f" If a sample has one target: {_one_row(layers)}"
    columns, units = have[-1], shape[-1]
    if loss == "sparse_categorical_crossentropy" and len(have) == len(shape):
        return " One-hot rows need loss='categorical_crossentropy'"
    if len(have) != len(shape) or columns == units:
        return ""
    if columns == 1 and loss == "categorical_crossentropy":
        return (" Integer labels need loss='sparse_categorical_crossentropy', or one-hot rows: "
                f"y = keras.utils.to_categorical(y, {units})")
    if loss == "categorical_crossentropy":
        return (f" {columns} columns need a last layer Dense({columns}, activation='softmax'). If classes are counted "
                "from 1: to_categorical(y - 1)")
    if units == 1 and loss == "binary_crossentropy":
        return (f" One unit takes one column of 0 and 1: y = y.argmax(axis=-1). For one-hot rows: Dense({columns}, "
                "activation='softmax') and loss='categorical_crossentropy'")
    return f" For {columns} column{'' if columns == 1 else 's'} the last layer has as many units: Dense({columns})"


def _one_row(layers: Sequence[Any]) -> str:
    """How to get rid of axes between batch and units."""
    for layer in reversed(layers):
        if getattr(layer, "return_sequences", False):
            return f"{type(layer).__name__}(..., return_sequences=False) for layer '{layer.name}'"
    return "put Flatten() before the last layer"


def source_hint(tensor: Any, found: int, expected: int) -> str:
    """What makes a tensor of `found` axes one of `expected`, which a layer asks for, as a sentence."""
    made = history_of(tensor)
    source: Any = made.layer if made else None
    if getattr(source, "return_sequences", None) is False and (found, expected) == (2, 3):
        return f" Write {type(source).__name__}(..., return_sequences=True) for layer '{source.name}'."
    if type(source).__name__ == "InputLayer" and found == expected - 1:
        what = {3: "(steps, features), such as (20, 1)", 4: "(rows, columns, channels), such as (28, 28, 1)",
                5: "three sizes and the channels"}.get(expected)
        return f" Write input_shape={what}." if what else ""
    return " Put Flatten() before it." if expected == 2 and found > 2 else ""
