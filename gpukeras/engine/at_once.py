"""Layers and models called on arrays, as programs for TensorFlow 2 do: `model(x)` computes at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Number
from typing import Any

import numpy as np

from .. import backend as K
from ..device import adopt
from ..graph import origin
from .node import one_or_list, to_list

MOST_FUNCTIONS = 16
"""Functions that a layer keeps, one for each kind of call."""


def has_values(inputs: Any) -> bool:
    """Whether a layer's inputs are arrays (or numbers) to compute with, none of them a tensor.

    >>> has_values(np.ones(3)), has_values([1., 2.]), has_values('x')
    (True, True, False)
    """
    if isinstance(inputs, (list, tuple)):
        return bool(inputs) and all(has_values(x) for x in inputs)
    return isinstance(inputs, Number) or (not K.is_tensor(inputs) and hasattr(inputs, "__array__"))


def run(layer: Any, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """The outputs of a layer for arrays, as constants. Leaves no node: such a call is part of no model.

    The computation is compiled once for each shape, and kept with the layer.
    """
    several = isinstance(inputs, (list, tuple)) and not any(isinstance(x, (Number, list, tuple)) for x in inputs)
    arrays = [_of_float(np.asarray(adopt(x))) for x in (inputs if several else [inputs])]
    kwargs = {k: K.constant(v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()}
    plain = not any(K.is_tensor(v) for v in kwargs.values())
    key = (several, tuple((a.dtype.name, a.shape[1:], a.ndim) for a in arrays), repr(sorted(kwargs.items())))
    kept = layer.__dict__.setdefault("_at_once", {})
    function = kept.get(key) if plain else None
    if function is None:
        function = _function(layer, arrays, several, kwargs)
        if plain:
            kept[key] = function
            if len(kept) > MOST_FUNCTIONS:
                del kept[next(iter(kept))]
    return one_or_list([K.constant(value, dtype=value.dtype.name) for value in function(arrays)])


def _function(layer: Any, arrays: list[np.ndarray], several: bool, kwargs: dict[str, Any]) -> Any:
    # as many rows as there are, where there are no axes to tell rows by
    places = [K.placeholder((None, *a.shape[1:]) if a.ndim else (), dtype=a.dtype.name) for a in arrays]
    inputs = layer._unpacked(list(places)) if several else places[0]
    with origin(layer.name):
        layer._build_for(inputs)
        with shelves_kept(layer):
            outputs = layer._run(inputs, one_or_list([None] * len(places)), kwargs)[0]
    return K.function(to_list(places), outputs)


@contextmanager
def shelves_kept(layer: Any) -> Iterator[None]:
    """What the layer adds inside, losses and updates, it does not have afterwards."""
    shelves = ("_losses", "_updates", "_metric_values", "_per_input_losses", "_per_input_updates",
               "_per_input_metrics")
    before = {name: _copy(getattr(layer, name)) for name in shelves}
    try:
        yield
    finally:
        for name, items in before.items():
            setattr(layer, name, items)


def _copy(items: Any) -> Any:
    """A list, or a dict of lists, that keeps what it has now."""
    return {k: list(v) for k, v in items.items()} if isinstance(items, dict) else list(items)


def _of_float(array: np.ndarray) -> np.ndarray:
    """Floats in floatx, integers as int32."""
    kind = array.dtype.kind
    if kind not in "fiub":
        raise TypeError(f"layers compute with numbers, got an array of {array.dtype}")
    return array if kind == "b" else array.astype(K.floatx() if kind == "f" else "int32", copy=False)
