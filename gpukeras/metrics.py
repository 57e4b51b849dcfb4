"""Metrics: ``metric(y_true, y_pred)`` is averaged over samples and reported, but not trained on.

Every loss is a metric too. The names 'accuracy' and 'acc' are resolved by `compile`, which picks binary,
categorical or sparse accuracy by the loss and the shape of the output.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gpukeras import backend as K
from gpukeras.losses import (
    BCE,
    KLD,
    MAE,
    MAPE,
    MSE,
    MSLE,
    bce,
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine,
    cosine_proximity,
    cosine_similarity,
    hinge,
    huber,
    huber_loss,
    kl_divergence,
    kld,
    kullback_leibler_divergence,
    log_cosh,
    logcosh,
    made,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from gpukeras.utils.custom_objects import known
from gpukeras.utils.generic_utils import (
    Registry,
    deserialize_keras_object,
    get_custom_objects,
    serialize_keras_object,
    unknown_name,
)
from gpukeras.utils.late import late_classes

if TYPE_CHECKING:
    from gpukeras.metric_classes import AUC as AUC
    from gpukeras.metric_classes import Accuracy as Accuracy
    from gpukeras.metric_classes import BinaryAccuracy as BinaryAccuracy
    from gpukeras.metric_classes import BinaryCrossentropy as BinaryCrossentropy
    from gpukeras.metric_classes import CategoricalAccuracy as CategoricalAccuracy
    from gpukeras.metric_classes import CategoricalCrossentropy as CategoricalCrossentropy
    from gpukeras.metric_classes import CategoricalHinge as CategoricalHinge
    from gpukeras.metric_classes import CosineSimilarity as CosineSimilarity
    from gpukeras.metric_classes import FalseNegatives as FalseNegatives
    from gpukeras.metric_classes import FalsePositives as FalsePositives
    from gpukeras.metric_classes import Hinge as Hinge
    from gpukeras.metric_classes import KLDivergence as KLDivergence
    from gpukeras.metric_classes import LogCoshError as LogCoshError
    from gpukeras.metric_classes import Mean as Mean
    from gpukeras.metric_classes import MeanAbsoluteError as MeanAbsoluteError
    from gpukeras.metric_classes import MeanAbsolutePercentageError as MeanAbsolutePercentageError
    from gpukeras.metric_classes import MeanIoU as MeanIoU
    from gpukeras.metric_classes import MeanMetricWrapper as MeanMetricWrapper
    from gpukeras.metric_classes import MeanSquaredError as MeanSquaredError
    from gpukeras.metric_classes import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
    from gpukeras.metric_classes import Metric as Metric
    from gpukeras.metric_classes import Poisson as Poisson
    from gpukeras.metric_classes import Precision as Precision
    from gpukeras.metric_classes import Recall as Recall
    from gpukeras.metric_classes import RootMeanSquaredError as RootMeanSquaredError
    from gpukeras.metric_classes import SparseCategoricalAccuracy as SparseCategoricalAccuracy
    from gpukeras.metric_classes import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
    from gpukeras.metric_classes import SparseTopKCategoricalAccuracy as SparseTopKCategoricalAccuracy
    from gpukeras.metric_classes import SquaredHinge as SquaredHinge
    from gpukeras.metric_classes import Sum as Sum
    from gpukeras.metric_classes import TopKCategoricalAccuracy as TopKCategoricalAccuracy
    from gpukeras.metric_classes import TrueNegatives as TrueNegatives
    from gpukeras.metric_classes import TruePositives as TruePositives
    from gpukeras.paired_metrics import SensitivityAtSpecificity as SensitivityAtSpecificity
    from gpukeras.paired_metrics import SpecificityAtSensitivity as SpecificityAtSensitivity


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """The part of each sample's outputs that round to their target (0.5 rounds to 0), or with another `threshold` lie
    on its side.

    >>> from gpukeras import backend as K
    >>> K.eval(binary_accuracy(K.constant([[1.0, 0.0]]), K.constant([[0.8, 0.9]]))).tolist()
    [0.5]
    """
    found = K.round(y_pred) if threshold == 0.5 else K.cast(K.greater(y_pred, threshold), K.floatx())
    return K.mean(_agree(y_true, found), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is the class of the one-hot target, else 0; the first of equal outputs
    counts."""
    return _agree(K.argmax(y_true, axis=-1), K.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is the class that the target names, else 0."""
    return _agree(K.cast(_classes(y_true, y_pred), K.floatx()), K.cast(K.argmax(y_pred, axis=-1), K.floatx()))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """The part of the batch (a scalar) whose one-hot target is among the `k` largest outputs, ties
    included."""
    return _hit_rate(y_pred, K.argmax(y_true, axis=-1), k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """`top_k_categorical_accuracy` with integer classes as targets."""
    return _hit_rate(y_pred, K.cast(_classes(y_true, y_pred), "int32"), k)


def _agree(a: Any, b: Any) -> Any:
    """1 where equal, else 0."""
    return K.cast(K.equal(a, b), K.floatx())


def _classes(y_true: Any, y_pred: Any) -> Any:
    """Integer targets without the last axis of length one that they usually carry."""
    return K.max(y_true, axis=-1) if K.ndim(y_true) == K.ndim(y_pred) else y_true


def _hit_rate(y_pred: Any, classes: Any, k: int) -> Any:
    """The part of the samples whose class is among the k largest outputs."""
    return K.mean(K.cast(K.in_top_k(y_pred, classes, k), K.floatx()), axis=-1)


__all__ = [
    "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy", "top_k_categorical_accuracy",
    "sparse_top_k_categorical_accuracy", "BCE", "KLD", "MAE", "MAPE", "MSE", "MSLE", "bce",
    "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "cosine", "cosine_proximity",
    "hinge", "kl_divergence", "kld", "kullback_leibler_divergence", "log_cosh", "logcosh", "mae", "mape",
    "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "mse", "msle", "poisson", "sparse_categorical_crossentropy",
    "squared_hinge", "cosine_similarity", "huber", "huber_loss",
]


def serialize(metric: Any) -> Any:
    """The name under which a config stores `metric`; class name and config of an object."""
    return serialize_keras_object(metric) if hasattr(metric, "get_config") else metric.__name__


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """The metric called `name`; ValueError with the nearest known name otherwise."""
    if isinstance(name, str):
        names = {*known(name, _named, _objects), *get_custom_objects(), *(custom_objects or ())}
        if name in ("accuracy", "acc") and name not in names:
            raise ValueError(f"{name!r} stands for one of several metrics, which only "
                             f"compile(metrics=[{name!r}]) can tell apart. Name binary_accuracy, "
                             "categorical_accuracy or sparse_categorical_accuracy.")
        if name not in names:
            raise unknown_name("metric function", name, names | {"accuracy"})
    found = deserialize_keras_object(name, module_objects=known(name, _named, _objects), custom_objects=custom_objects,
                                     printable_module_name="metric function")
    result: Callable[..., Any] = made(found)
    return result


def get(identifier: Any) -> Callable[..., Any]:
    """The metric that `compile` means: a name, or a function of (y_true, y_pred).

    >>> get("mae").__name__
    'mean_absolute_error'
    """
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if callable(identifier):
        result: Callable[..., Any] = made(identifier)
        return result
    raise ValueError(f"Could not interpret metric function identifier: {identifier!r}. Expected a name such "
                     "as 'accuracy', or a function of (y_true, y_pred).")


def _objects() -> dict[str, Any]:
    """The metrics that are classes. They are made from what is here, so they load later."""
    from gpukeras import metric_classes, paired_metrics

    return {name: getattr(module, name) for module in (metric_classes, paired_metrics) for name in module.__all__}


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late_classes(__name__, _objects)


# What configs and strings may name. Made last: what a program adds later is its own.
_named = Registry(globals(), __all__)
__all__ += ["serialize", "deserialize", "get"]
