"""Metrics as objects, as newer Keras has them: `Precision()`, `AUC()`, `MeanSquaredError(name='mse')`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpukeras import backend as K
from gpukeras import losses, metrics
from gpukeras.loss_classes import Number, as_tensor, spread
from gpukeras.stateful_metrics import Metric, called_on, in_a_step


class _Known(Metric):
    """The metrics here: those on numbers give numbers."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes a batch into the state."""
        weights = None if sample_weight is None else as_tensor(sample_weight)
        self._take(as_tensor(y_true), as_tensor(y_pred), weights)

    def _take(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        raise NotImplementedError

    def _value(self) -> Any:
        raise NotImplementedError

    def result(self) -> Any:
        """The value that the state stands for."""
        if in_a_step():
            return self._value()
        found = K.eval(self._value())
        return Number(found) if np.ndim(found) == 0 else found


def _quotient(a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0."""
    zero = K.equal(b, 0.0)
    return K.switch(zero, K.zeros_like(a + b), a / K.switch(zero, K.ones_like(b), b))


class Mean(_Known):
    """The mean of the values it is given.

    >>> mean = Mean()
    >>> mean.update_state([1, 3, 5, 7])
    >>> mean.result()
    4.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total, self.count = self.add_weight(name="total"), self.add_weight(name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        """Takes values into the mean, each with its weight."""
        self._gather(as_tensor(values), None if sample_weight is None else as_tensor(sample_weight))

    def _gather(self, values: Any, weights: Any) -> None:
        values = K.cast(values, K.floatx())
        ones = K.ones_like(values)
        if weights is not None:
            ones = ones * spread(K.cast(weights, K.floatx()), values)
        self.total.assign_add(K.sum(values * ones))
        self.count.assign_add(K.sum(ones))

    def _value(self) -> Any:
        return _quotient(self.total, self.count)

    def __call__(self, values: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        """Takes values into the mean, and gives it."""
        return called_on(self, values, sample_weight)


class Sum(Mean):
    """The sum of the values it is given."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def _value(self) -> Any:
        return self.total


class MeanMetricWrapper(Mean):
    """The mean over samples of a function of (y_true, y_pred)."""

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self._fn, self._fn_kwargs = fn, kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        """Takes a batch into the state."""
        values = self._fn(as_tensor(y_true), as_tensor(y_pred), **self._fn_kwargs)
        self._gather(values, None if sample_weight is None else as_tensor(sample_weight))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        """Takes a batch into the state, and gives the value afterwards."""
        return called_on(self, y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {} if type(self) is not MeanMetricWrapper else {"fn": self._fn}
        return {**super().get_config(), **own, **self._fn_kwargs}


def _accuracy(y_true: Any, y_pred: Any) -> Any:
    return K.cast(K.equal(y_true, y_pred), K.floatx())


def _binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    above = K.cast(K.greater(y_pred, threshold), K.floatx())
    return K.mean(K.cast(K.equal(K.cast(y_true, K.floatx()), above), K.floatx()), axis=-1)


def _top_k(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    return _sparse_top_k(K.argmax(y_true, axis=-1), y_pred, k)


def _sparse_top_k(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    classes = K.reshape(K.cast(y_true, "int32"), (-1,))
    rows = K.reshape(y_pred, (-1, K.int_shape(y_pred)[-1]))
    return K.cast(K.in_top_k(rows, classes, k), K.floatx())


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    return -losses.cosine_similarity(y_true, y_pred, axis)


def _signed(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function for targets -1 and 1, with targets that are all 0 or 1 taken for those."""
    def values(y_true: Any, y_pred: Any) -> Any:
        return fn(K.switch(K.all(K.equal(K.square(y_true), y_true)), 2.0 * y_true - 1.0, y_true), y_pred)
    return values


def _wrapped(name: str, key: str, fn: Callable[..., Any], **settings: Any) -> type:
    """A class of metrics that average `fn`; `settings` are the arguments it takes, with their defaults."""
    def __init__(self: Any, name: str | None = key, dtype: Any = None, **kwargs: Any) -> None:
        for argument in kwargs:
            if argument not in settings:
                raise TypeError(f"{type(self).__name__} takes name, dtype{''.join(', ' + s for s in settings)}; got "
                                f"{argument!r}")
        MeanMetricWrapper.__init__(self, fn, name, dtype, **{**settings, **kwargs})
    return type(name, (MeanMetricWrapper,), {"__init__": __init__, "__module__": __name__,
                                             "__doc__": f"`{key}` over all samples."})


Accuracy = _wrapped("Accuracy", "accuracy", _accuracy)
CategoricalAccuracy = _wrapped("CategoricalAccuracy", "categorical_accuracy", metrics.categorical_accuracy)
SparseCategoricalAccuracy = _wrapped("SparseCategoricalAccuracy", "sparse_categorical_accuracy",
                                     metrics.sparse_categorical_accuracy)
MeanSquaredError = _wrapped("MeanSquaredError", "mean_squared_error", losses.mean_squared_error)
MeanAbsoluteError = _wrapped("MeanAbsoluteError", "mean_absolute_error", losses.mean_absolute_error)
MeanAbsolutePercentageError = _wrapped("MeanAbsolutePercentageError", "mean_absolute_percentage_error",
                                       losses.mean_absolute_percentage_error)
MeanSquaredLogarithmicError = _wrapped("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error",
                                       losses.mean_squared_logarithmic_error)
Hinge = _wrapped("Hinge", "hinge", _signed(losses.hinge))
SquaredHinge = _wrapped("SquaredHinge", "squared_hinge", _signed(losses.squared_hinge))
CategoricalHinge = _wrapped("CategoricalHinge", "categorical_hinge", losses.categorical_hinge)
KLDivergence = _wrapped("KLDivergence", "kullback_leibler_divergence", losses.kullback_leibler_divergence)
Poisson = _wrapped("Poisson", "poisson", losses.poisson)
LogCoshError = _wrapped("LogCoshError", "logcosh", losses.logcosh)
CosineSimilarity = _wrapped("CosineSimilarity", "cosine_similarity", _cosine, axis=-1)
BinaryCrossentropy = _wrapped("BinaryCrossentropy", "binary_crossentropy", losses.binary_crossentropy,
                              from_logits=False, label_smoothing=0)
CategoricalCrossentropy = _wrapped("CategoricalCrossentropy", "categorical_crossentropy",
                                   losses.categorical_crossentropy, from_logits=False, label_smoothing=0)
SparseCategoricalCrossentropy = _wrapped("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy",
                                         losses.sparse_categorical_crossentropy, from_logits=False, axis=-1)


class BinaryAccuracy(MeanMetricWrapper):
    """The part of the outputs on the side of `threshold` that their target names."""

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(_binary_accuracy, name, dtype, threshold=threshold)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """The part of the samples whose one-hot class is among the `k` largest outputs."""

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(_top_k, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """`TopKCategoricalAccuracy` with integer classes as targets."""

    def __init__(self, k: int = 5, name: str | None = "sparse_top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(_sparse_top_k, name, dtype, k=k)


def _squares(y_true: Any, y_pred: Any) -> Any:
    return K.square(y_pred - y_true)


class RootMeanSquaredError(MeanMetricWrapper):
    """The square root of the mean of all squared differences.

    >>> round(RootMeanSquaredError()([[0.], [0.]], [[3.], [4.]]), 4)
    3.5355
    """

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(_squares, name, dtype)

    def _value(self) -> Any:
        return K.sqrt(super()._value())


class _Counts(_Known):
    """What the metrics of a confusion matrix share: for each threshold how many outputs above and below it are right.

    Targets are 0 or 1. `class_id` looks at one class of the last axis only, `top_k` counts the k largest outputs
    as those above the threshold.
    """

    _kept: Sequence[str] = ("tp", "fp", "tn", "fn")

    def __init__(self, thresholds: Any = None, top_k: int | None = None, class_id: int | None = None,
                 name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        given: Any = 0.5 if thresholds is None else thresholds
        self._many = isinstance(given, (list, tuple, np.ndarray))
        self._at = [float(t) for t in given] if self._many else [float(given)]
        if thresholds is not None and any(not 0 <= t <= 1 for t in self._at):
            raise ValueError(f"thresholds of {type(self).__name__} must lie between 0 and 1, got {thresholds!r}")
        self._counts = {key: self.add_weight(name=key, shape=(len(self._at),)) for key in self._kept}

    def _take(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        if self.top_k is not None:
            larger = K.sum(K.cast(K.greater(K.expand_dims(y_pred, -2), K.expand_dims(y_pred, -1)), K.floatx()), axis=-1)
            y_pred = K.cast(K.less(larger, float(self.top_k)), K.floatx())
        if self.class_id is not None:
            y_true, y_pred = y_true[..., self.class_id], y_pred[..., self.class_id]
        y_true, y_pred = K.cast(y_true, K.floatx()), K.cast(y_pred, K.floatx())
        each = K.ones_like(y_pred)
        if weights is not None:
            each = each * spread(K.cast(weights, K.floatx()), y_pred)
        flat = [K.reshape(x, (1, -1)) for x in (y_true, y_pred, each)]
        above = K.cast(K.greater(flat[1], K.constant(np.reshape(self._at, (-1, 1)))), K.floatx())
        right, each = K.cast(K.greater(flat[0], 0.5), K.floatx()), flat[2]
        found = {"tp": above * right, "fp": above * (1 - right), "tn": (1 - above) * (1 - right),
                 "fn": (1 - above) * right}
        for key, variable in self._counts.items():
            variable.assign_add(K.sum(found[key] * each, axis=1))

    def _made(self) -> Any:
        return self._counts[self._kept[0]]

    def _value(self) -> Any:
        return self._made() if self._many else self._made()[0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "thresholds": self.thresholds, "top_k": self.top_k, "class_id": self.class_id}


class Precision(_Counts):
    """Of what is above the threshold (0.5), the part that is right.

    >>> round(Precision()([0, 1, 1, 1], [1, 0, 1, 1]), 4)
    0.6667
    """

    _kept = ("tp", "fp")

    def _made(self) -> Any:
        return _quotient(self._counts["tp"], self._counts["tp"] + self._counts["fp"])


class Recall(_Counts):
    """Of the targets that are 1, the part that is found."""

    _kept = ("tp", "fn")

    def _made(self) -> Any:
        return _quotient(self._counts["tp"], self._counts["tp"] + self._counts["fn"])


class _Count(_Counts):
    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype, "thresholds": self.thresholds}


class TruePositives(_Count):
    """How many outputs above the threshold are right."""

    _kept = ("tp",)


class FalsePositives(_Count):
    """How many outputs above the threshold are wrong."""

    _kept = ("fp",)


class TrueNegatives(_Count):
    """How many outputs below the threshold are right."""

    _kept = ("tn",)


class FalseNegatives(_Count):
    """How many outputs below the threshold are wrong."""

    _kept = ("fn",)


class AUC(_Counts):
    """The area under the curve of true over false positives ('ROC'), or of precision over recall ('PR'), from
    `num_thresholds` points of it.

    >>> AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    0.75
    """

    def __init__(self, num_thresholds: int = 200, curve: str = "ROC", summation_method: str = "interpolation",
                 name: str | None = None, dtype: Any = None, thresholds: Any = None, multi_label: bool = False,
                 num_labels: int | None = None, label_weights: Any = None, from_logits: bool = False) -> None:
        if curve not in ("ROC", "PR") or summation_method not in ("interpolation", "minoring", "majoring"):
            raise ValueError("AUC: curve must be 'ROC' or 'PR' and summation_method 'interpolation', 'minoring' or "
                             f"'majoring', got {curve!r} and {summation_method!r}")
        if multi_label or num_labels is not None or label_weights is not None:
            raise ValueError("AUC: multi_label (with num_labels and label_weights) is not available; make one AUC for "
                             "each output, or average AUCs with class_id in a metric of your own")
        self.curve, self.summation_method, self.from_logits = curve, summation_method, from_logits
        self.num_thresholds = num_thresholds if thresholds is None else len(thresholds) + 2
        if self.num_thresholds < 2:
            raise ValueError(f"AUC needs at least 2 thresholds, got num_thresholds={num_thresholds!r}")
        inner = sorted(thresholds) if thresholds is not None else \
            [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        super().__init__([0.0, *inner, 1.0], name=name, dtype=dtype)
        self._at = [-1e-7, *inner, 1 + 1e-7]
        self._inner = thresholds

    def _take(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        super()._take(y_true, K.sigmoid(y_pred) if self.from_logits else y_pred, weights)

    def _value(self) -> Any:
        tp, fp, tn, fn = (self._counts[key] for key in self._kept)
        if self.curve == "PR" and self.summation_method == "interpolation":
            positives = tp + fp
            steps = tp[:-1] - tp[1:]
            slope = _quotient(steps, K.maximum(positives[:-1] - positives[1:], 0.0))
            start = tp[1:] - slope * positives[1:]
            some = K.cast(K.greater(positives, 0.0), K.floatx())
            both = some[:-1] * some[1:]
            ratio = both * _quotient(positives[:-1], positives[1:]) + (1 - both)
            return K.sum(_quotient(slope * (steps + start * K.log(ratio)), tp[1:] + fn[1:]))
        recall = _quotient(tp, tp + fn)
        x, y = (_quotient(fp, fp + tn), recall) if self.curve == "ROC" else (recall, _quotient(tp, tp + fp))
        join: dict[str, Callable[[Any, Any], Any]] = {
            "interpolation": lambda a, b: (a + b) / 2, "minoring": K.minimum,
            "majoring": K.maximum}
        return K.sum((x[:-1] - x[1:]) * join[self.summation_method](y[:-1], y[1:]))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype, "num_thresholds": self.num_thresholds, "curve": self.curve,
                "summation_method": self.summation_method, "thresholds": self._inner, "from_logits": self.from_logits}


class MeanIoU(_Known):
    """The mean over classes of intersection by union, of targets and predictions that are class numbers.

    >>> round(MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1]), 4)
    0.3333
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.num_classes = num_classes
        self._matrix = self.add_weight(name="confusion", shape=(num_classes, num_classes))

    def _take(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        flat = [K.one_hot(K.reshape(K.cast(y, "int32"), (-1,)), self.num_classes) for y in (y_true, y_pred)]
        each = K.ones_like(K.cast(y_pred, K.floatx()))
        if weights is not None:
            each = each * spread(K.cast(weights, K.floatx()), each)
        self._matrix.assign_add(K.dot(K.transpose(flat[0] * K.reshape(each, (-1, 1))), flat[1]))

    def _value(self) -> Any:
        here = K.sum(self._matrix * K.eye(self.num_classes), axis=0)
        union = K.sum(self._matrix, axis=0) + K.sum(self._matrix, axis=1) - here
        there = K.sum(K.cast(K.greater(union, 0.0), K.floatx()))
        return _quotient(K.sum(_quotient(here, union)), there)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_classes": self.num_classes}


__all__ = [
    "Metric", "Mean", "Sum", "MeanMetricWrapper", "Accuracy", "BinaryAccuracy", "CategoricalAccuracy",
    "SparseCategoricalAccuracy", "TopKCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "MeanSquaredError",
    "RootMeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError", "Hinge",
    "SquaredHinge", "CategoricalHinge", "KLDivergence", "Poisson", "LogCoshError", "CosineSimilarity",
    "BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy", "TruePositives",
    "FalsePositives", "TrueNegatives", "FalseNegatives", "Precision", "Recall", "AUC", "MeanIoU",
]
