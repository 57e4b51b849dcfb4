"""Initializers, regularizers, constraints and activations of a layer: read by its constructor, written by its
config.

What an argument is follows from the end of its name, as in `kernel_initializer` or `recurrent_activation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import activations, constraints, initializers, regularizers
from ..engine.layer import Layer
from ..utils.functions import parameters_of
from ..utils.identity import is_built_in
from ..utils.messages import warn

_MODULES: dict[str, Any] = {"activation": activations, "constraint": constraints, "initializer": initializers,
                            "regularizer": regularizers}


def set_parts(layer: Layer, **given: Any) -> None:
    """Sets the attributes of these names to the objects that names, configs or functions stand for."""
    for name, value in given.items():
        setattr(layer, name, _module(name).get(value))


def part_configs(layer: Layer, names: Iterable[str]) -> dict[str, Any]:
    """What a config says of these attributes."""
    return {name: _module(name).serialize(getattr(layer, name)) for name in names}


def in_order(layer: Layer, config: dict[str, Any], kind: Any = None) -> dict[str, Any]:
    """The config with the arguments in the order of a constructor, as in Keras 2's texts, behind what all layers say.

    The constructor is that of the class `kind`, or else of the layer's first class that is no program's own.
    """
    kind = kind or next(base for base in type(layer).__mro__ if is_built_in(base))
    order = {name: place for place, name in enumerate(parameters_of(kind.__init__))}
    return dict(sorted(config.items(), key=lambda item: order.get(item[0], 0)))


def _module(name: str) -> Any:
    return _MODULES[name.rpartition("_")[2]]


def add_part_weight(layer: Layer, name: str, shape: Sequence[int], part: str | None = None, **more: Any) -> Any:
    """A weight made with the layer's ``<part>_initializer``, and its `_regularizer` and `_constraint` if it has them;
    `part` is the weight's name if not said otherwise. `more` are other arguments of `add_weight`."""
    kinds = ("initializer", "regularizer", "constraint")
    own: dict[str, Any] = {k: getattr(layer, f"{part or name}_{k}", None) for k in kinds}
    return layer.add_weight(name=name, shape=tuple(shape), **own, **more)


def whole_number(layer: Layer, argument: str, value: Any) -> int:
    """A positive integer, or a ValueError naming the argument."""
    whole = isinstance(value, (int, float)) or hasattr(value, "__index__")
    if not whole or isinstance(value, bool) or value != int(value) or value < 1:
        raise ValueError(f"Layer '{layer.name}': {argument} must be a positive integer, got {value!r}.")
    return int(value)


def share(layer: Layer, argument: str, value: Any) -> Any:
    """A share to drop, from 0 to 1. Others are warned of: Keras 2.0 takes them without a word and drops nothing."""
    if not 0 <= value <= 1:
        percent = f"{argument}={value / 100:g}" if 1 < value <= 100 else f"{argument}=0.5"
        warn(f"Layer '{layer.name}': {argument} is the share of inputs to drop, from 0 to 1, and with {value} nothing "
             f"is dropped. Write {percent}.")
    return min(1.0, max(0.0, value))
