"""Constraints: called with a weight after each update, they return the value it shall have instead.

Norms are taken along `axis`: 0 for the weights into each unit of a Dense layer, whose kernel is (inputs,
units); [0, 1, 2] for the filters of a Conv2D layer, whose kernel is (rows, cols, inputs, filters).
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpukeras import backend as K
from gpukeras.utils.generic_utils import Registry, deserialize_keras_object, interpreted, serialize_keras_object

Axis = int | Sequence[int]


class Constraint:
    """Base of all constraints, itself no constraint at all."""

    def __call__(self, w: Any) -> Any:
        """The tensor that `w` shall become."""
        return w

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Constraint:
        """A constraint from `get_config`."""
        return cls(**config)


def _norm(w: Any, axis: Axis) -> Any:
    """Euclidean norms along `axis`, with the axis kept."""
    return K.sqrt(K.sum(K.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Norms above `max_value` are scaled down to it (Srivastava et al. 2014, Dropout, section 5.1).

    >>> from gpukeras import backend as K
    >>> K.eval(MaxNorm(5.0)(K.constant([[6.0], [8.0]]))).round(4).tolist()
    [[3.0], [4.0]]
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norm(w, self.axis)
        return w * (K.minimum(norms, self.max_value) / (K.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Negative weights become 0."""

    def __call__(self, w: Any) -> Any:
        return K.maximum(w, 0.0)


class UnitNorm(Constraint):
    """Norms become 1."""

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (K.epsilon() + _norm(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms move into `min_value` ... `max_value`: by the part `rate` of the way at each update, 1 being all
    of it."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0,
                 axis: Axis = 0) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norm(w, self.axis)
        wanted = self.rate * K.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (K.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate,
                "axis": self.axis}


max_norm = maxnorm = MaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
min_max_norm = MinMaxNorm


def serialize(constraint: Any) -> Any:
    """The config entry of a constraint."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint that a config entry describes."""
    return deserialize_keras_object(config, module_objects=_named, custom_objects=custom_objects,
                                    printable_module_name="constraint")


def get(identifier: Any) -> Any:
    """The constraint that a layer argument means: None, a name, a config, or a function of a tensor.

    >>> get("maxnorm").max_value
    2
    """
    if identifier is None:
        return None
    return interpreted(identifier, Constraint, deserialize,
                       "None, a name such as 'max_norm', a constraint, or a function of a tensor")


# What configs and strings may name. Made last: what a program adds later is its own.
_named = Registry(globals(), ("MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm", "max_norm", "non_neg",
                              "unit_norm", "min_max_norm", "maxnorm", "nonneg", "unitnorm"))
