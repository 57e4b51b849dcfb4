"""Losses: ``loss(y_true, y_pred)`` gives one number a sample (the last axis is reduced), smaller being
better.

The model takes the (weighted) mean over all of them. Any function of two tensors made of K can stand in
their place.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gpukeras import backend as K
from gpukeras.utils.custom_objects import known
from gpukeras.utils.generic_utils import Registry, deserialize_keras_object, serialize_keras_object
from gpukeras.utils.late import late_classes

if TYPE_CHECKING:
    from gpukeras.loss_classes import BinaryCrossentropy as BinaryCrossentropy
    from gpukeras.loss_classes import CategoricalCrossentropy as CategoricalCrossentropy
    from gpukeras.loss_classes import CategoricalHinge as CategoricalHinge
    from gpukeras.loss_classes import CosineSimilarity as CosineSimilarity
    from gpukeras.loss_classes import Hinge as Hinge
    from gpukeras.loss_classes import Huber as Huber
    from gpukeras.loss_classes import KLDivergence as KLDivergence
    from gpukeras.loss_classes import LogCosh as LogCosh
    from gpukeras.loss_classes import Loss as Loss
    from gpukeras.loss_classes import LossFunctionWrapper as LossFunctionWrapper
    from gpukeras.loss_classes import MeanAbsoluteError as MeanAbsoluteError
    from gpukeras.loss_classes import MeanAbsolutePercentageError as MeanAbsolutePercentageError
    from gpukeras.loss_classes import MeanSquaredError as MeanSquaredError
    from gpukeras.loss_classes import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
    from gpukeras.loss_classes import Poisson as Poisson
    from gpukeras.loss_classes import Reduction as Reduction
    from gpukeras.loss_classes import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
    from gpukeras.loss_classes import SquaredHinge as SquaredHinge


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of the squared differences.

    >>> from gpukeras import backend as K
    >>> K.eval(mean_squared_error(K.constant([[0.0, 0.0]]), K.constant([[1.0, 3.0]]))).tolist()
    [5.0]
    """
    return K.mean(K.square(y_pred - y_true), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of the absolute differences."""
    return K.mean(K.abs(y_pred - y_true), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of the absolute differences in percent of the target (targets below 1e-7 in size count as
    1e-7)."""
    relative = (y_true - y_pred) / K.maximum(K.abs(y_true), K.epsilon())
    return 100.0 * K.mean(K.abs(relative), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of the squared differences of ``log(y + 1)``; values below 1e-7 count as 1e-7."""
    def log(y: Any) -> Any:
        return K.log(K.maximum(y, K.epsilon()) + 1.0)

    return K.mean(K.square(log(y_pred) - log(y_true)), axis=-1)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of how far ``y_true * y_pred`` stays below 1; targets are -1 or 1."""
    return K.mean(_margin(y_true, y_pred), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of the squares of `hinge`'s terms; targets are -1 or 1."""
    return K.mean(K.square(_margin(y_true, y_pred)), axis=-1)


def _margin(y_true: Any, y_pred: Any) -> Any:
    """What is missing to a margin of 1."""
    return K.maximum(1.0 - y_true * y_pred, 0.0)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """By how much the best wrong class comes within 1 of the right one; targets are one-hot."""
    right = K.sum(y_true * y_pred, axis=-1)
    wrong = K.max((1.0 - y_true) * y_pred, axis=-1)
    return K.maximum(wrong - right + 1.0, 0.0)


def logcosh(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``log(cosh(difference))``: squares for small differences, absolute values for large ones."""
    difference = y_pred - y_true
    # log(cosh(d)) = d + log(1 + exp(-2d)) - log(2), which does not overflow as cosh does from 89 on.
    return K.mean(difference + K.softplus(-2.0 * difference) - math.log(2.0), axis=-1)


def categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False,
                             label_smoothing: float = 0.0) -> Any:
    """``-sum(y_true * log(y_pred))`` over classes; predictions are probabilities, first divided by their sum, or
    logits. `label_smoothing` moves targets by that part towards the same probability for every class."""
    return K.categorical_crossentropy(_smoothed(y_true, label_smoothing, lambda: K.int_shape(y_pred)[-1]), y_pred,
                                      from_logits=from_logits)


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """`categorical_crossentropy` with integer classes as targets; they lie along `axis` of the predictions."""
    return K.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0) -> Any:
    """Mean of ``-y log(p) - (1 - y) log(1 - p)`` over the outputs, each a yes or no of its own, a probability or a
    logit. `label_smoothing` moves targets by that part towards 0.5."""
    y_true = _smoothed(y_true, label_smoothing, lambda: 2)
    return K.mean(K.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=-1)


def _smoothed(y_true: Any, part: float, classes: Callable[[], Any]) -> Any:
    """Targets moved by a part towards equal probabilities of so many classes."""
    return y_true * (1.0 - part) + part / classes() if part else y_true


def kullback_leibler_divergence(y_true: Any, y_pred: Any) -> Any:
    """``sum(y_true * log(y_true / y_pred))`` of two distributions, both clipped to 1e-7 ... 1."""
    y_true = K.clip(y_true, K.epsilon(), 1.0)
    y_pred = K.clip(y_pred, K.epsilon(), 1.0)
    return K.sum(y_true * K.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Mean of ``y_pred - y_true * log(y_pred + 1e-7)``: counts as targets, rates as predictions."""
    return K.mean(y_pred - y_true * K.log(y_pred + K.epsilon()), axis=-1)


def cosine_proximity(y_true: Any, y_pred: Any) -> Any:
    """Minus the cosine of the angle between target and prediction: -1 is perfect."""
    return -K.sum(K.l2_normalize(y_true, axis=-1) * K.l2_normalize(y_pred, axis=-1), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """`cosine_proximity` by its newer name, along any axis."""
    return -K.sum(K.l2_normalize(y_true, axis=axis) * K.l2_normalize(y_pred, axis=axis), axis=axis)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Mean of half the squares of differences up to `delta`, and of what goes on linearly beyond it."""
    size = K.abs(y_pred - y_true)
    near = K.minimum(size, delta)
    return K.mean(0.5 * K.square(near) + delta * (size - near), axis=-1)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kl_divergence = kullback_leibler_divergence
bce = BCE = binary_crossentropy
log_cosh = logcosh
cosine = cosine_proximity
huber_loss = huber

__all__ = [
    "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error", "hinge", "squared_hinge", "categorical_hinge", "logcosh",
    "categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy",
    "kullback_leibler_divergence", "poisson", "cosine_proximity", "mse", "MSE", "mae", "MAE", "mape", "MAPE",
    "msle", "MSLE", "kld", "KLD", "kl_divergence", "bce", "BCE", "log_cosh", "cosine",
    "cosine_similarity", "huber", "huber_loss",
]


def serialize(loss: Any) -> Any:
    """The name under which a config stores `loss`; class name and config of an object."""
    return serialize_keras_object(loss) if hasattr(loss, "get_config") else loss.__name__


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """The loss called `name`; ValueError with the nearest known name otherwise."""
    found = deserialize_keras_object(name, module_objects=known(name, _named, _objects), custom_objects=custom_objects,
                                     printable_module_name="loss function")
    result: Callable[..., Any] = made(found)
    return result


def get(identifier: Any) -> Callable[..., Any] | None:
    """The loss that `compile` means: None stays None, a string is a name, a function itself.

    >>> get("mse") is mean_squared_error
    True
    >>> get("categorical_cross_entropy")
    Traceback (most recent call last):
        ...
    ValueError: Unknown loss function: 'categorical_cross_entropy'. Did you mean 'categorical_crossentropy'?
    """
    if identifier is None:
        return None
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if callable(identifier):
        result: Callable[..., Any] | None = made(identifier)
        return result
    raise ValueError(f"Could not interpret loss function identifier: {identifier!r}. Expected None, a name "
                     "such as 'mse', or a function of (y_true, y_pred).")


def made(found: Any) -> Any:
    """What is found by a name: of a class of losses or metrics an object."""
    return found() if isinstance(found, type) else found


def _objects() -> dict[str, Any]:
    """The losses that are classes. They are made from what is here, so they load later."""
    from gpukeras import loss_classes

    return {name: getattr(loss_classes, name) for name in loss_classes.__all__}


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late_classes(__name__, _objects)


# What configs and strings may name. Made last: what a program adds later is its own.
_named = Registry(globals(), __all__)
__all__ += ["serialize", "deserialize", "get"]
