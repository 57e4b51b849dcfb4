"""Losses as objects: `BinaryCrossentropy(from_logits=True)`, and `Loss`, which programs make losses of their own from.

These are newer Keras's. In `compile` an object means the function of the same name with the object's settings; called
on numbers, it gives the value at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpukeras import backend as K
from gpukeras import losses
from gpukeras.utils.generic_utils import to_snake_case


class Number(float):
    """A value that is known, with the method `numpy` that programs for newer Keras call on it."""

    def numpy(self) -> Any:
        """The value as NumPy's float32."""
        return np.float32(self)


class Reduction:
    """How an object turns one loss for each sample into what it returns."""

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"


def as_tensor(value: Any) -> Any:
    """Numbers as a constant; tensors as they are."""
    return value if K.is_tensor(value) else K.constant(np.asarray(value, dtype=K.floatx()))


def are_numbers(*values: Any) -> bool:
    """Whether none of them is a tensor, so that a value can be given at once."""
    return not any(K.is_tensor(value) for value in values)


class Loss:
    """A loss as an object. A class of your own defines `call(y_true, y_pred)`, one number for each sample.

    >>> class Cubed(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return K.mean(K.abs(y_true - y_pred) ** 3, axis=-1)
    >>> round(Cubed()([[0.], [0.]], [[1.], [2.]]), 4)
    4.5
    """

    fn: Any = None  # the function that `compile` takes it for

    def __init__(self, reduction: Any = "auto", name: str | None = None) -> None:
        known = ("auto", "none", "sum", "sum_over_batch_size", None)
        if reduction not in known:
            raise ValueError(f"reduction of {type(self).__name__} must be one of {known}, got {reduction!r}")
        self.reduction = reduction
        self.name = name or to_snake_case(type(self).__name__)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number for each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred)")

    def per_sample(self, y_true: Any, y_pred: Any) -> Any:
        """What `compile` averages: the loss of each sample, or the sum for reduction 'sum'."""
        values = self.call(y_true, y_pred)
        return K.sum(values) if self.reduction == "sum" else values

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss by the object's reduction: of numbers a number, else a tensor."""
        numbers = are_numbers(y_true, y_pred)
        values = self.call(as_tensor(y_true), as_tensor(y_pred))
        if sample_weight is not None:
            values = values * spread(as_tensor(sample_weight), values)
        if self.reduction not in ("none", None):
            values = K.sum(values) if self.reduction == "sum" else K.mean(values)
        if not numbers:
            return values
        found = K.eval(values)
        return Number(found) if np.ndim(found) == 0 else found

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The object that `get_config` described."""
        return cls(**config)


def spread(weights: Any, values: Any) -> Any:
    """Weights with as many axes as the values, so that they multiply sample by sample."""
    while K.ndim(weights) > max(K.ndim(values), 1):
        weights = K.squeeze(weights, axis=-1)
    while K.ndim(weights) < K.ndim(values):
        weights = K.expand_dims(weights, axis=-1)
    return weights


class LossFunctionWrapper(Loss):
    """A function of (y_true, y_pred) as an object, with arguments for it.

    >>> LossFunctionWrapper(losses.huber, delta=2.0)([[0.]], [[4.]])
    6.0
    """

    def __init__(self, fn: Callable[..., Any], reduction: Any = "auto", name: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(reduction, name or getattr(fn, "__name__", None))
        self.fn, self._fn_kwargs = fn, kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The function's value."""
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """The settings without the function."""
        return {**super().get_config(), **self._fn_kwargs}


class _Plain(Loss):
    """A loss function without settings, as an object."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The function's value."""
        return type(self).fn(y_true, y_pred)


class MeanSquaredError(_Plain):
    """`mean_squared_error`.

    >>> MeanSquaredError()([[0., 0.]], [[1., 3.]])
    5.0
    """

    fn = staticmethod(losses.mean_squared_error)


class MeanAbsoluteError(_Plain):
    """`mean_absolute_error`."""

    fn = staticmethod(losses.mean_absolute_error)


class MeanAbsolutePercentageError(_Plain):
    """`mean_absolute_percentage_error`."""

    fn = staticmethod(losses.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_Plain):
    """`mean_squared_logarithmic_error`."""

    fn = staticmethod(losses.mean_squared_logarithmic_error)


class Hinge(_Plain):
    """`hinge`."""

    fn = staticmethod(losses.hinge)


class SquaredHinge(_Plain):
    """`squared_hinge`."""

    fn = staticmethod(losses.squared_hinge)


class CategoricalHinge(_Plain):
    """`categorical_hinge`."""

    fn = staticmethod(losses.categorical_hinge)


class LogCosh(_Plain):
    """`logcosh`."""

    fn = staticmethod(losses.logcosh)


class Poisson(_Plain):
    """`poisson`."""

    fn = staticmethod(losses.poisson)


class KLDivergence(_Plain):
    """`kullback_leibler_divergence`."""

    fn = staticmethod(losses.kullback_leibler_divergence)


class Huber(Loss):
    """Half the square of differences up to `delta`, and beyond it linear.

    >>> Huber()([[0., 0.]], [[0.5, 3.]])
    1.3125
    """

    def __init__(self, delta: float = 1.0, reduction: Any = "auto", name: str | None = "huber_loss") -> None:
        super().__init__(reduction, name)
        self.delta = delta

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The mean over the last axis."""
        return losses.huber(y_true, y_pred, self.delta)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "delta": self.delta}


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between target and prediction along `axis`: -1 is perfect."""

    def __init__(self, axis: int = -1, reduction: Any = "auto", name: str | None = "cosine_similarity") -> None:
        super().__init__(reduction, name)
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number for each vector."""
        return losses.cosine_similarity(y_true, y_pred, self.axis)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis}


class _Crossentropy(Loss):
    """What the crossentropies share. `from_logits`: predictions are logits. `label_smoothing` moves targets by that
    part towards the same probability for every class."""

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: Any = "auto", name: str | None = None) -> None:
        super().__init__(reduction, name)
        if axis != -1:
            raise ValueError(f"{type(self).__name__}: classes must lie along the last axis, axis=-1, got axis={axis!r}")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must lie between 0 and 1, got {label_smoothing!r}")
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "from_logits": self.from_logits, "label_smoothing": self.label_smoothing}


class BinaryCrossentropy(_Crossentropy):
    """`binary_crossentropy`, of probabilities or logits.

    >>> round(BinaryCrossentropy(from_logits=True)([[1.]], [[0.]]), 4)
    0.6931
    """

    fn = staticmethod(losses.binary_crossentropy)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The mean over the last axis."""
        return losses.binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class CategoricalCrossentropy(_Crossentropy):
    """`categorical_crossentropy`, of probabilities or logits."""

    fn = staticmethod(losses.categorical_crossentropy)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number for each distribution."""
        return losses.categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class SparseCategoricalCrossentropy(Loss):
    """`sparse_categorical_crossentropy`, of probabilities or logits.

    >>> round(SparseCategoricalCrossentropy(from_logits=True)([1], [[0., 0.]]), 4)
    0.6931
    """

    fn = staticmethod(losses.sparse_categorical_crossentropy)

    def __init__(self, from_logits: bool = False, reduction: Any = "auto", name: str | None = None) -> None:
        super().__init__(reduction, name)
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number for each distribution."""
        return K.sparse_categorical_crossentropy(y_true, y_pred, from_logits=self.from_logits)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "from_logits": self.from_logits}


__all__ = [
    "Loss", "LossFunctionWrapper", "Reduction", "MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError", "Hinge", "SquaredHinge", "CategoricalHinge", "LogCosh", "Poisson", "KLDivergence",
    "Huber", "CosineSimilarity", "BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy",
]
