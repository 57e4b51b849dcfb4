"""Optimizers, and the schedules of their learning rates (`optimizers.schedules`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..utils.generic_utils import deserialize_keras_object, serialize_keras_object
from . import schedules
from .adam import Adam, Adamax, AdamW, Nadam
from .base import FlatOptimizer, Hyperparameter, Optimizer, TFOptimizer, clip_norm
from .loss_scale import LossScaleOptimizer
from .rules import SGD, Adadelta, Adagrad, RMSprop

if TYPE_CHECKING:
    from . import legacy as legacy

    adadelta_v2 = adagrad_v2 = adam_v2 = adamax_v2 = gradient_descent_v2 = legacy
    nadam_v2 = optimizer_v2 = rmsprop_v2 = legacy

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "FlatOptimizer", "Hyperparameter",
           "LossScaleOptimizer", "Nadam",
           "Optimizer", "RMSprop", "TFOptimizer", "adadelta", "adagrad", "adam", "adamax", "clip_norm", "deserialize",
           "get", "nadam", "rmsprop", "schedules", "serialize", "sgd"]

sgd, rmsprop, adagrad, adadelta, adam, adamax, nadam = SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam

_CLASSES = {c.__name__.lower(): c for c in (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam)}


_AROUND = {"lossscaleoptimizer": LossScaleOptimizer, "lossscaleoptimizerv3": LossScaleOptimizer}
"""Optimizers around another; Keras 2.11 to 2.15 call theirs V3."""


def for_policies(optimizer: Any, policies: Iterable[Any]) -> Any:
    """The optimizer for a model whose layers have these policies: 'mixed_float16' needs a scaled loss.

    >>> from gpukeras.mixed_precision import Policy
    >>> type(for_policies(SGD(), [Policy('mixed_float16')])).__name__
    'LossScaleOptimizer'
    """
    scales = [getattr(policy, "loss_scale", "dynamic") for policy in policies if policy.name == "mixed_float16"]
    wrapped = isinstance(optimizer, LossScaleOptimizer) or not isinstance(optimizer, Optimizer)
    return optimizer if wrapped or not scales or scales[0] is None else LossScaleOptimizer(optimizer,
                                                                                           loss_scale=scales[0])


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """{'class_name': ..., 'config': ...}."""
    result: dict[str, Any] = serialize_keras_object(optimizer)
    return result


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
    """The optimizer that `serialize` described. The class name may have any case; as in Keras 2.0.9, it is in lower
    case in `config` afterwards."""
    known = {**_CLASSES, **_AROUND}
    if config["class_name"].lower() in known:
        config["class_name"] = config["class_name"].lower()
    result: Optimizer = deserialize_keras_object(config, module_objects=known, custom_objects=custom_objects,
                                                 printable_module_name="optimizer")
    return result


def get(identifier: Any) -> Optimizer:
    """An optimizer from its name ('adam', any case), its config, or itself.

    >>> type(get('rmsprop')).__name__
    'RMSprop'
    """
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        raise ValueError(f"got the class {identifier.__name__}; write {identifier.__name__}() to make an optimizer"
                         " of it")
    if isinstance(identifier, Optimizer) or hasattr(identifier, "get_updates"):
        result: Optimizer = identifier
        return result
    raise ValueError(f"expected an optimizer, its name or its config, got {identifier!r}")


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    def __getattr__(name: str) -> Any:
        """`legacy`, and the modules of Keras 2.5 to 2.8 that programs took classes from: `adam_v2.Adam`."""
        from importlib import import_module

        if name in ("legacy", "adadelta_v2", "adagrad_v2", "adam_v2", "adamax_v2", "gradient_descent_v2", "nadam_v2",
                    "rmsprop_v2", "optimizer_v2"):
            return import_module(f"{__name__}.legacy")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
