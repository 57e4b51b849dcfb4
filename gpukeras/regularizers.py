"""Penalties on weights or outputs: a regularizer is called with a tensor and returns a scalar to add to the
loss."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpukeras import backend as K
from gpukeras.utils.generic_utils import Registry, deserialize_keras_object, interpreted, serialize_keras_object


class Regularizer:
    """Base of all regularizers, itself no penalty at all."""

    def __call__(self, x: Any) -> Any:
        """The penalty on tensor `x`: a scalar tensor, or the number 0."""
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Regularizer:
        """A regularizer from `get_config`."""
        return cls(**config)


class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x ** 2)``.

    >>> from gpukeras import backend as K
    >>> float(K.eval(L1L2(l1=1.0, l2=0.5)(K.constant([[-2.0, 4.0]]))))
    16.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        # In the precision of the weights, as the configs of Keras hold them.
        self.l1 = float(K.cast_to_floatx(l1))
        self.l2 = float(K.cast_to_floatx(l2))

    def __call__(self, x: Any) -> Any:
        penalties = []
        if self.l1:
            penalties.append(self.l1 * K.sum(K.abs(x)))
        if self.l2:
            penalties.append(self.l2 * K.sum(K.square(x)))
        return sum(penalties[1:], penalties[0]) if penalties else 0.0

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


def l1(l: float = 0.01, l1: float | None = None) -> L1L2:  # noqa: E741  (Keras's argument name)
    """``l * sum(|x|)``. Newer Keras calls the argument `l1`."""
    return L1L2(l1=l if l1 is None else l1)


def l2(l: float = 0.01, l2: float | None = None) -> L1L2:  # noqa: E741  (Keras's argument name)
    """``l * sum(x ** 2)``. Newer Keras calls the argument `l2`."""
    return L1L2(l2=l if l2 is None else l2)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """``l1 * sum(|x|) + l2 * sum(x ** 2)``."""
    return L1L2(l1=l1, l2=l2)


L1, L2 = l1, l2  # the class names that configs of newer Keras hold


def serialize(regularizer: Any) -> Any:
    """The config entry of a regularizer."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer that a config entry describes."""
    return deserialize_keras_object(config, module_objects=_named, custom_objects=custom_objects,
                                    printable_module_name="regularizer")


def get(identifier: Any) -> Any:
    """The regularizer that a layer argument means: None, a name, a config, or a function of a tensor.

    >>> round(get("l2").l2, 6)
    0.01
    """
    if identifier is None:
        return None
    return interpreted(identifier, Regularizer, deserialize,
                       "None, a name such as 'l2', a regularizer, or a function of a tensor")


# What configs and strings may name. Made last: what a program adds later is its own.
_named = Registry(globals(), ("L1L2", "l1", "l2", "l1_l2", "L1", "L2"))
