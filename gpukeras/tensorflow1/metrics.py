"""TensorFlow 1's metrics, which programs give to `compile`: they count over all batches in variables of their own.

Each returns two tensors: the value of all batches before, and one that takes the batch in whenever it is computed, and
has the value afterwards. A session that runs `tf.local_variables_initializer()` begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

import numpy as np

from .. import backend as K
from ..backend.session import Initialization
from ..graph.substitute import substitute
from ..ops import control
from .functions import as_tensor

_local: WeakSet[Any] = WeakSet()
Pair = tuple[Any, Any]


def _sums(batch: Sequence[Any], name: str, dtype: str = "float32") -> dict[Any, Any]:
    """Variables for the sums over all batches, and what this batch, whose numbers are given, makes of them."""
    with K.name_scope(name):
        made: list[Any] = [K.variable(np.zeros(K.int_shape(numbers)), dtype=dtype) for numbers in batch]
    _local.update(made)
    return {total: total + K.cast(numbers, dtype) for total, numbers in zip(made, batch)}


def _counted(batch: Sequence[Any], value: Callable[..., Any], name: str) -> Pair:
    """What `value` makes of the sums over all batches: before this batch, and after it."""
    new = _sums(batch, name)
    before: Any = K.identity(as_tensor(value(*new)))
    return before, substitute(before, {total: control.assigned(sums, total) for total, sums in new.items()})


def _begin_anew() -> list[Initialization]:
    """What a session runs for all metrics to forget what they counted."""
    return [Initialization(total, partial(np.zeros, total.shape)) for total in _local]


def _ratio(part: Any, whole: Any) -> Any:
    """The quotient, 0 of nothing."""
    there = K.not_equal(whole, 0)
    return K.where(there, part / K.where(there, whole, K.ones_like(whole)), K.zeros_like(part))


def mean(values: Any, weights: Any = None, metrics_collections: Any = None, updates_collections: Any = None,
         name: str | None = None) -> Pair:
    """The mean of all values.

    >>> before, after = mean([1., 2., 6.])
    >>> [float(K.eval(after)), float(K.eval(before))]
    [3.0, 3.0]
    """
    values = K.cast(as_tensor(values), "float32")
    share = K.ones_like(values) * (1.0 if weights is None else K.cast(as_tensor(weights), "float32"))
    return _counted([K.sum(values * share), K.sum(share)], _ratio, name or "mean")


def _flat(labels: Any, predictions: Any) -> Pair:
    return K.flatten(as_tensor(labels)), K.flatten(as_tensor(predictions))


def _mean_of(fn: Callable[[Any, Any], Any], kind: str) -> Callable[..., Pair]:
    def metric(labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
               updates_collections: Any = None, name: str | None = None) -> Pair:
        y, p = as_tensor(labels), as_tensor(predictions)
        if K.ndim(y) != K.ndim(p):  # one has a last axis of length 1
            y, p = _flat(y, p)
        return mean(fn(K.cast(y, "float32"), K.cast(p, "float32")), weights, name=name or kind)
    return metric


def root_mean_squared_error(labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
                            updates_collections: Any = None, name: str | None = None) -> Pair:
    """The root of the mean of the squared differences."""
    squared = _MEANS["mean_squared_error"](labels, predictions, weights, name=name or "root_mean_squared_error")
    return K.sqrt(squared[0]), K.sqrt(squared[1])


def _hits(labels: Any, predictions: Any, weights: Any) -> dict[str, Any]:
    """How many are rightly and wrongly true or false; `predictions` may have rows for each of several thresholds."""
    y, share = K.cast(labels, "float32"), K.ones_like(K.cast(labels, "float32"))
    if weights is not None:
        share = share * K.flatten(K.cast(as_tensor(weights), "float32"))
    p = K.cast(predictions, "float32")
    return {"true_positives": K.sum(share * p * y, -1), "false_positives": K.sum(share * p * (1 - y), -1),
            "false_negatives": K.sum(share * (1 - p) * y, -1), "true_negatives": K.sum(share * (1 - p) * (1 - y), -1)}


def _of_hits(kind: str, counts: Sequence[str], value: Callable[..., Any]) -> Callable[..., Pair]:
    """A metric of truths: any number but 0 is true."""
    def metric(labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
               updates_collections: Any = None, name: str | None = None) -> Pair:
        y, p = _flat(labels, predictions)
        found = _hits(K.not_equal(y, 0), K.not_equal(p, 0), weights)
        return _counted([found[which] for which in counts], value, name or kind)
    return metric


def confusion_matrix(labels: Any, predictions: Any, num_classes: int, dtype: Any = "int32", name: str | None = None,
                     weights: Any = None) -> Any:
    """How often each class (rows) was taken for each (columns).

    >>> K.eval(confusion_matrix([0, 1, 1], [0, 1, 0], 2)).tolist()
    [[1, 0], [1, 1]]
    """
    y, p = (K.one_hot(K.cast(t, "int32"), int(num_classes)) for t in _flat(labels, predictions))
    if weights is not None:
        y = y * K.expand_dims(K.flatten(K.cast(as_tensor(weights), "float32")), -1)
    return K.cast(K.dot(K.transpose(y), p), dtype)


def mean_iou(labels: Any, predictions: Any, num_classes: int, weights: Any = None, metrics_collections: Any = None,
             updates_collections: Any = None, name: str | None = None) -> Pair:
    """The mean, over the classes that occur, of hits / (hits and misses of either kind); the second tensor has the
    counts of all classes (rows) taken for all classes (columns)."""
    def overlap(counts: Any) -> Any:
        right = K.sum(counts * np.eye(int(num_classes)), 0)
        union = K.sum(counts, 0) + K.sum(counts, 1) - right
        return K.cast(_ratio(K.sum(_ratio(right, union)), K.sum(K.cast(K.not_equal(union, 0), "float64"))), "float32")
    batch = confusion_matrix(labels, predictions, num_classes, "float32", weights=weights)
    new = _sums([batch], name or "mean_iou", "float64")  # which counts the pixels of many images
    (counts, after), = new.items()
    return K.identity(overlap(counts)), control.assigned(after, counts)


def auc(labels: Any, predictions: Any, weights: Any = None, num_thresholds: int = 200, metrics_collections: Any = None,
        updates_collections: Any = None, curve: str = "ROC", name: str | None = None,
        summation_method: str = "trapezoidal", thresholds: Any = None) -> Pair:
    """The area under the curve of recall over false alarms ('ROC'), or of precision over recall ('PR'), at some
    thresholds from 0 to 1."""
    heights: dict[str, Callable[[Any, Any], Any]] = {"trapezoidal": lambda a, b: (a + b) / 2, "minoring": K.minimum,
                                                     "majoring": K.maximum}
    if curve not in ("ROC", "PR") or summation_method not in heights:
        raise NotImplementedError(f"tf.metrics.auc: curve={curve!r} with summation_method={summation_method!r} is not "
                                  f"available here; there are 'ROC' and 'PR', and {', '.join(heights)}")
    inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1) if thresholds is None else np.sort(thresholds)
    levels = np.array([-1e-7, *inner, 1 + 1e-7], "float32")
    y, p = _flat(labels, predictions)
    found = _hits(K.not_equal(y, 0), K.greater(K.expand_dims(p, 0), levels[:, None]), weights)

    def area(right: Any, alarms: Any, missed: Any, quiet: Any) -> Any:
        little = 1e-6
        recall = (right + little) / (right + missed + little)
        x, h = (alarms / (alarms + quiet + little), recall) if curve == "ROC" else \
            (recall, (right + little) / (right + alarms + little))
        return K.sum((x[:-1] - x[1:]) * heights[summation_method](h[:-1], h[1:]))
    return _counted(list(found.values()), area, name or "auc")


def _predictions_first(metric: Callable[..., Pair]) -> Callable[..., Pair]:
    """As `tf.contrib.metrics` has it, by the name of streaming_..."""
    def streaming(predictions: Any, labels: Any, *args: Any, **kwargs: Any) -> Pair:
        return metric(labels, predictions, *args, **kwargs)
    return streaming


_MEANS = {name: _mean_of(fn, name) for name, fn in {
    "accuracy": lambda y, p: K.cast(K.equal(y, p), "float32"), "mean_absolute_error": lambda y, p: K.abs(y - p),
    "mean_squared_error": lambda y, p: K.square(y - p)}.items()}
_KINDS = ("true_positives", "false_positives", "false_negatives", "true_negatives")
_PAIRED: dict[str, Callable[..., Pair]] = {
    **_MEANS, "root_mean_squared_error": root_mean_squared_error, "mean_iou": mean_iou, "auc": auc,
    "precision": _of_hits("precision", _KINDS[:2], lambda hits, alarms: _ratio(hits, hits + alarms)),
    "recall": _of_hits("recall", (_KINDS[0], _KINDS[2]), lambda hits, missed: _ratio(hits, hits + missed)),
    **{kind: _of_hits(kind, (kind,), lambda count: count) for kind in _KINDS}}
for _name, _metric in _PAIRED.items():
    _metric.__name__ = _name  # by which Keras calls a metric
NAMES: dict[str, Any] = {
    "confusion_matrix": confusion_matrix, "math.confusion_matrix": confusion_matrix,
    "local_variables_initializer": _begin_anew, "metrics.mean": mean, "metrics.streaming_mean": mean,
    **{f"metrics.{name}": metric for name, metric in _PAIRED.items()},
    **{f"metrics.streaming_{name}": _predictions_first(metric) for name, metric in _PAIRED.items()}}
