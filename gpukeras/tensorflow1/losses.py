"""`tensorflow.losses`: losses of labels and predictions, weighted and reduced as TensorFlow 1 does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import backend as K
from .functions import as_tensor, channels


class Reduction:
    """What becomes of the losses of single elements, by TensorFlow's words."""

    NONE = "none"
    SUM = "weighted_sum"
    MEAN = "weighted_mean"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"


def compute_weighted_loss(losses: Any, weights: Any = 1.0, scope: Any = None, loss_collection: Any = None,
                          reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS) -> Any:
    """The losses times their weights, and their sum, divided by how many weights are not 0, or as `reduction` says.

    >>> float(K.eval(compute_weighted_loss([1., 2., 3.], [1., 1., 0.])))
    1.5
    """
    found = as_tensor(losses)
    weight = _fitting(as_tensor(weights, K.dtype(found)), found)
    whole = found * weight
    if reduction == Reduction.NONE:
        return whole
    if reduction == Reduction.SUM:
        return K.sum(whole)
    each = K.zeros_like(found) + weight
    counts: dict[str, Callable[[], Any]] = {
        Reduction.MEAN: lambda: each, Reduction.SUM_OVER_BATCH_SIZE: lambda: K.ones_like(found),
        Reduction.SUM_BY_NONZERO_WEIGHTS: lambda: K.cast(K.not_equal(each, 0), K.dtype(found))}
    if reduction not in counts:
        raise ValueError(f"tf.losses: unknown reduction {reduction!r}")
    count = K.sum(counts[reduction]())
    none = K.equal(count, 0)
    return K.where(none, K.zeros_like(count), K.sum(whole) / K.where(none, K.ones_like(count), count))


def _fitting(weight: Any, losses: Any) -> Any:
    """Weights with as many axes as the losses, of which the last may be there or not."""
    weight = K.cast(weight, K.dtype(losses))
    if K.ndim(weight) and K.ndim(weight) == K.ndim(losses) + 1:
        return K.squeeze(weight, -1)
    return K.expand_dims(weight, -1) if K.ndim(weight) and K.ndim(weight) + 1 == K.ndim(losses) else weight


def _of_elements(name: str, loss: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A loss of each pair of label and prediction."""
    def weighted(labels: Any, predictions: Any, weights: Any = 1.0, scope: Any = None, loss_collection: Any = None,
                 reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS) -> Any:
        return compute_weighted_loss(loss(*_pair(labels, predictions)), weights, reduction=reduction)
    weighted.__name__ = name
    return weighted


def _pair(labels: Any, predictions: Any) -> tuple[Any, Any]:
    """Both as float32."""
    return K.cast(as_tensor(labels), "float32"), K.cast(as_tensor(predictions), "float32")


def huber_loss(labels: Any, predictions: Any, weights: Any = 1.0, delta: float = 1.0, scope: Any = None,
               loss_collection: Any = None, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS) -> Any:
    """Half the squared error, beyond `delta` a straight line (Huber 1964)."""
    y, p = _pair(labels, predictions)
    error = K.abs(p - y)
    near = K.minimum(error, delta)
    return compute_weighted_loss(K.square(near) * 0.5 + (error - near) * delta, weights, reduction=reduction)


def log_loss(labels: Any, predictions: Any, weights: Any = 1.0, epsilon: float = 1e-7, scope: Any = None,
             loss_collection: Any = None, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS) -> Any:
    """The crossentropy of yes and no from probabilities."""
    y, p = _pair(labels, predictions)
    return compute_weighted_loss(-y * K.log(p + epsilon) - (1.0 - y) * K.log(1.0 - p + epsilon), weights,
                                 reduction=reduction)


def cosine_distance(labels: Any, predictions: Any, axis: Any = None, weights: Any = 1.0, scope: Any = None,
                    loss_collection: Any = None, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
                    dim: Any = None) -> Any:
    """1 less the product of vectors, which should have length 1, along an axis."""
    y, p = _pair(labels, predictions)
    return compute_weighted_loss(1.0 - K.sum(y * p, dim if axis is None else axis, keepdims=True), weights,
                                 reduction=reduction)


def sigmoid_cross_entropy(multi_class_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: float = 0,
                          scope: Any = None, loss_collection: Any = None,
                          reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS) -> Any:
    """The crossentropy of yes and no from logits, elementwise."""
    y, z = _pair(multi_class_labels, logits)
    y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return compute_weighted_loss(K.binary_crossentropy(y, z, from_logits=True), weights, reduction=reduction)


def softmax_cross_entropy(onehot_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: float = 0,
                          scope: Any = None, loss_collection: Any = None,
                          reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS) -> Any:
    """The crossentropy of classes from logits, for each row. Labels are constants to derivatives."""
    y, z = _pair(onehot_labels, logits)
    y = K.stop_gradient(y)
    y = y * (1.0 - label_smoothing) + label_smoothing / channels(z) if label_smoothing else y
    return compute_weighted_loss(K.categorical_crossentropy(y, z, from_logits=True), weights, reduction=reduction)


def sparse_softmax_cross_entropy(labels: Any, logits: Any, weights: Any = 1.0, scope: Any = None,
                                 loss_collection: Any = None,
                                 reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS) -> Any:
    """The same for the numbers of classes."""
    found = K.sparse_categorical_crossentropy(as_tensor(labels), as_tensor(logits), from_logits=True)
    return compute_weighted_loss(found, weights, reduction=reduction)


NAMES: dict[str, Any] = {f"losses.{function.__name__}": function for function in (
    compute_weighted_loss, cosine_distance, huber_loss, log_loss, sigmoid_cross_entropy, softmax_cross_entropy,
    sparse_softmax_cross_entropy,
    _of_elements("absolute_difference", lambda y, p: K.abs(p - y)),
    _of_elements("mean_squared_error", lambda y, p: K.square(p - y)),
    _of_elements("hinge_loss", lambda y, p: K.relu(1.0 - (2.0 * y - 1.0) * p)))} | {"losses.Reduction": Reduction}
