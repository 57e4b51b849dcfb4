"""What a model is trained for: for each output its loss, weights, mask and metrics, and their sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import backend as K
from .. import losses, metrics
from ..backend.ranks import mean_over_ranks
from ..utils.generic_utils import to_snake_case
from ..utils.messages import unknown_name, warn
from .node import history_of


def weighted_masked_objective(fn: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """A function (y_true, y_pred, weights, mask) -> scalar of a function (y_true, y_pred) -> value per sample.

    Masked positions count 0 and the rest is scaled up by the mask's mean; then weights multiply, and the mean is
    taken over the samples whose weight is not 0.
    """
    if fn is None:
        return None

    fn = getattr(fn, "per_sample", fn)

    def weighted(y_true: Any, y_pred: Any, weights: Any, mask: Any = None) -> Any:
        score = _score(fn, y_true, y_pred)
        if mask is not None:
            mask = K.cast(mask, K.floatx())
            score = score * mask / mean_over_ranks(K.mean(mask))
        if weights is not None:
            extra = list(range(K.ndim(weights), K.ndim(score)))
            score = K.mean(score, axis=extra) if extra else score
            score = score * weights / mean_over_ranks(K.mean(K.cast(K.not_equal(weights, 0), K.floatx())))
        return K.mean(score)
    return weighted


def _score(fn: Callable[..., Any], y_true: Any, y_pred: Any) -> Any:
    """The value of a loss or metric, or a TypeError that names it."""
    name = getattr(fn, "__name__", type(fn).__name__)
    try:
        score = fn(_on_axes(y_true, y_pred), y_pred)
    except (AttributeError, TypeError, IndexError) as error:
        raise TypeError(f"'{name}' can't be computed on the tensors (y_true, y_pred) that compile gives it: {error}. "
                        f"Write def {name}(y_true, y_pred), with functions of K: K.mean, not np.mean") from error
    if score is None or isinstance(score, (int, float)):
        raise TypeError(f"'{name}' must return a tensor, one number for each sample, but returned {score!r}. Write "
                        "return K.mean(K.square(y_pred - y_true), axis=-1), or the like")
    return score


def _on_axes(y_true: Any, y_pred: Any) -> Any:
    """The targets without the last axis of length 1 that the output was only declared to have: as newer Keras, and not
    2.0.9, which compares all samples with all others then."""
    shape = K.int_shape(y_pred)
    lacks = 0 < K.ndim(y_pred) == len(shape) - 1 and shape[-1] == 1 and K.ndim(y_true) == len(shape)
    return K.squeeze(y_true, -1) if lacks else y_true


def per_output(value: Any, names: Sequence[str], what: str, default: Any = None) -> list[Any]:
    """An argument of compile, given as a list or as a dict by output name, as a list with one entry an output."""
    if isinstance(value, dict):
        for key in value:
            if key not in names:
                raise unknown_name(f"output in the {what} dictionary", key, names)
        return [value.get(name, default) for name in names]
    if isinstance(value, (list, tuple)):
        if len(value) != len(names):
            raise ValueError(f"When passing a list as {what}, it should have one entry per model output. The model has "
                             f"{len(names)} outputs ({', '.join(names)}), but you passed {what}={value!r}")
        return list(value)
    raise TypeError(f"{what} should be a list or a dict by output name, got {value!r}")


def loss_functions(loss: Any, names: Sequence[str]) -> list[Any]:
    """One loss function (or None) for each output."""
    if not isinstance(loss, (dict, list, tuple)):
        return [losses.get(loss)] * len(names)
    chosen = per_output(loss, names, "loss")
    if isinstance(loss, dict):
        for name in names:
            if name not in loss:
                warn(f'Output "{name}" missing from loss dictionary. We assume this was done on purpose, and '
                              f'we will not be expecting any data to be passed to "{name}" during training.')
    return [losses.get(fn) for fn in chosen]


def check_losses(loss: Any) -> None:
    """ValueError for an unknown name among the losses, whatever the outputs will be."""
    for one in loss.values() if isinstance(loss, dict) else loss if isinstance(loss, (list, tuple)) else [loss]:
        losses.get(one)


def metrics_by_output(metrics: Any, names: Sequence[str]) -> list[list[Any]]:
    """The metrics of each output, from a list for all of them or a dict by output name."""
    if not metrics:
        return [[] for _ in names]
    if isinstance(metrics, (list, tuple)):
        return [list(metrics) for _ in names]
    if isinstance(metrics, dict):
        chosen = per_output(metrics, names, "metrics", [])
        return [list(m) if isinstance(m, (list, tuple)) else [m] for m in chosen]
    raise TypeError("Type of `metrics` argument not understood. Expected a list or dictionary, such as "
                    f"metrics=['accuracy'], found: {metrics!r}")


def plain(loss: Any) -> Any:
    """The loss function that an object of a class of losses stands for; other losses themselves."""
    return getattr(loss, "fn", None) or loss if hasattr(loss, "per_sample") else loss


def _by_policy(tensor: Any) -> bool:
    """Whether a policy gave an output its dtype: losses and metrics are then computed in float32."""
    made = history_of(tensor)
    return made is not None and made.layer._uses_policy()


class Live(NamedTuple):
    """The state of a metric: what a step changes of it, and how it begins anew."""

    reset: Callable[[], None]
    updates: list[Any]


class Head:
    """One output of a model with all that compile says about it."""

    def __init__(self, name: str, tensor: Any, shape: Any, mask: Any, loss: Any, loss_weight: float):
        self.name, self.shape, self.mask = name, shape, mask
        self.tensor = K.in_full_precision(tensor) if _by_policy(tensor) else tensor
        self.loss, self.loss_weight = loss, loss_weight
        self.target: Any = None
        self.fed = False
        self.sample_weight: Any = None
        self.mode: str | None = None

    @property
    def loss_name(self) -> str:
        """The name of the loss function; "" for a loss of the user's own."""
        name = getattr(plain(self.loss), "__name__", "")
        return name if plain(self.loss) is getattr(losses, name, None) else ""

    def expect_target(self, given: Any) -> None:
        """Makes the target's placeholder, unless a tensor is given."""
        self.fed = given is None or K.is_placeholder(given)
        self.target = given if given is not None else K.placeholder(
            ndim=len(self.shape), name=f"{self.name}_target", dtype=K.dtype(self.tensor))

    def expect_weights(self, mode: str | None) -> None:
        """Makes the placeholder of the sample weights; where none are fed, they are 1."""
        if mode not in (None, "temporal"):
            raise ValueError(f"sample_weight_mode of output '{self.name}' should be None or 'temporal', got {mode!r}")
        ndim = 2 if mode == "temporal" else 1
        self.mode = "temporal" if mode == "temporal" else None
        self.sample_weight = K.placeholder(ndim=ndim, name=f"{self.name}_sample_weights")
        self.sample_weight.default = np.ones((1,) * ndim)

    def weighted_loss(self) -> Any:
        """The scalar loss of this output, without its loss weight."""
        objective = weighted_masked_objective(self.loss)
        assert objective is not None
        return objective(self.target, self.tensor, self.sample_weight, self.mask)

    def metric(self, metric: Any, weighted: bool) -> tuple[str, Any, Live | None]:
        """Name and value of a metric, and its state if it has one; 'accuracy' means the kind that fits the loss and the
        output's shape."""
        fn = self._accuracy() if metric in ("accuracy", "acc") else self._metric(metric)
        name = "acc" if metric in ("accuracy", "acc") else getattr(fn, "__name__", None) or getattr(
            fn, "name", None) or to_snake_case(type(fn).__name__)
        before = "weighted_" if weighted and getattr(fn, "name", None) is None else ""
        if getattr(fn, "stateful", False):
            from ..stateful_metrics import in_step  # late: most metrics are functions

            target = _on_axes(self.target, self.tensor)
            value, updates = in_step(fn, target, self.tensor, self._weights_of_state(weighted))
            return before + name, value, Live(fn.reset_states, updates)
        objective = weighted_masked_objective(fn)
        assert objective is not None
        value = objective(self.target, self.tensor, self.sample_weight if weighted else None, self.mask)
        return before + name, value, None

    def _weights_of_state(self, weighted: bool) -> Any:
        """What weights a metric with a state: the mask, and the sample weights if it is to see them; None for 1."""
        mask = None if self.mask is None else K.cast(self.mask, K.floatx())
        if not weighted:
            return mask
        return self.sample_weight if mask is None else K.expand_dims(self.sample_weight, -1) * mask \
            if K.ndim(mask) > K.ndim(self.sample_weight) else self.sample_weight * mask

    def _accuracy(self) -> Any:
        if self.shape[-1] == 1 or plain(self.loss) is losses.binary_crossentropy:
            return metrics.binary_accuracy
        if plain(self.loss) is losses.sparse_categorical_crossentropy:
            return metrics.sparse_categorical_accuracy
        return metrics.categorical_accuracy

    @staticmethod
    def _metric(metric: Any) -> Any:
        return metrics.get(metric)

    def feed_shape(self) -> Any:
        """The shape that target arrays must have; None if any will do."""
        if plain(self.loss) is losses.sparse_categorical_crossentropy:
            return (*self.shape[:-1], 1)
        if getattr(losses, getattr(plain(self.loss), "__name__", ""), None) is None:
            # a loss of the user's own may take other shapes, but of as many axes
            return self.shape if len(self.shape) == 1 else None
        return self.shape
