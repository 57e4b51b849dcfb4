"""Warnings about models and data with which training runs but can't come to what was meant. Keras 2 trains them without
a word, so they are never refused. All is looked at once, before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..utils.identity import is_built_in
from ..utils.messages import warn
from .data import warn_of_nan
from .node import history_of
from .objective import Head, metrics_by_output

LOOKED_AT = 1000  # rows of the data

_PROBABILITIES = ("softmax", "sigmoid", "hard_sigmoid", "exponential")
_CROSSENTROPIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
_REGRESSIONS = ("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error",
                "mean_squared_logarithmic_error", "logcosh", "huber", "poisson")


def advise_on_compile(model: Any, heads: Sequence[Head]) -> None:
    """Warns of activations that contradict the losses, and of a softmax that is always 1."""
    for layer in model.layers:
        shape = layer.inbound_nodes[0].output_shapes[0] if layer.inbound_nodes else ()
        if shape and shape[-1] == 1 and _activation(layer) == "softmax":
            warn(f"Layer '{layer.name}' is a softmax over one unit, which is 1 whatever comes in. For two classes and "
                 "one unit write activation='sigmoid' and loss='binary_crossentropy'; for weights over another axis, "
                 "such as time steps, Softmax(axis=1).")
    for head in heads:
        if head.loss is None or head.loss_name not in _CROSSENTROPIES:
            continue
        made = history_of(head.tensor)
        activation = _activation(made.layer) if made else ""
        logits = getattr(head.loss, "from_logits", False)
        if activation and activation not in _PROBABILITIES and not logits:
            right = "sigmoid" if head.loss_name == "binary_crossentropy" else "softmax"
            warn(f"Loss '{head.loss_name}' takes probabilities, but layer '{head.name}' gives activation="
                 f"'{activation}'. Write activation='{right}' in that layer.")
        units = head.shape[-1]
        if activation == "softmax" and head.loss_name == "binary_crossentropy" and units is not None and units > 2:
            warn(f"Layer '{head.name}' is a softmax over {units} classes, but 'binary_crossentropy' takes each unit "
                 "for a yes or no of its own, and so does the accuracy. Write loss='categorical_crossentropy'; for "
                 "several labels a sample, activation='sigmoid'.")


def _activation(layer: Any) -> str:
    """The name of the activation that a layer of this package ends with; "" if there is none, or one's own."""
    if type(layer).__name__ == "TimeDistributed" and is_built_in(type(layer)):
        layer = layer.layer
    if not is_built_in(type(layer)):
        return ""
    if type(layer).__name__ == "Softmax":
        return "softmax" if layer.axis in (-1, len(layer.inbound_nodes[0].output_shapes[0]) - 1) else ""
    activation = getattr(layer, "activation", None)
    ours = getattr(activation, "__module__", "") == "gpukeras.activations"
    return getattr(activation, "__name__", "") if ours else ""


def advise_on_fit(model: Any, heads: Sequence[Head], xs: Sequence[Any], ys: Sequence[Any], steps: int | None) -> bool:
    """Warns of data that the losses, the metrics or the first layers can't mean. True if there is NaN among them.
    IndexError for numbers that an Embedding has no row for."""
    if steps is not None and xs and hasattr(xs[0], "shape"):
        warn(f"steps_per_epoch={steps} with arrays: each step takes all {xs[0].shape[0]} samples at once. For batches "
             "leave it out: fit(x, y, batch_size=32).")
    metrics = metrics_by_output(model.metrics, model.output_names)
    chosen = dict(zip(model.output_names, metrics))
    for head, y in zip(heads, ys):
        if isinstance(y, np.ndarray) and y.size:
            for message in _about_targets(head, y[:LOOKED_AT], chosen[head.name]):
                warn(message)
    for tensor, name, x in zip(model._feed_inputs, model._feed_input_names, xs):
        for layer in _embeddings(tensor, model.layers) if isinstance(x, np.ndarray) and x.size else ():
            least, most = float(x.min()), float(x.max())
            if least < 0 or most >= layer.input_dim:
                hint = f"Write Embedding({int(most) + 1}, ...)" if least >= 0 else "Number what it embeds from 0"
                raise IndexError(f"Embedding '{layer.name}' has input_dim={layer.input_dim}, rows for the numbers 0 to "
                                 f"{layer.input_dim - 1}, but the data for '{name}' go from {least:g} to {most:g}. "
                                 f"{hint}")
            if _has_fractions(x[:LOOKED_AT]):
                warn(f"Embedding '{layer.name}' takes whole numbers, but the data for '{name}' has fractions, such as "
                     f"{_fraction(x[:LOOKED_AT]):g}, which are cut off. Put features straight into Dense or LSTM.")
    return warn_of_nan([*xs, *ys], [*model._feed_input_names, *model._feed_output_names])


def _about_targets(head: Head, y: np.ndarray, metrics: Sequence[Any]) -> Iterator[str]:
    """What is to say about some rows of targets."""
    loss, name = head.loss_name, head.name
    if loss == "sparse_categorical_crossentropy" and _has_fractions(y):
        yield (f"The targets of '{name}' have fractions, such as {_fraction(y):g}, but '{loss}' takes class numbers. "
               "For values to predict write Dense(1) and loss='mse'.")
    if loss in ("binary_crossentropy", "categorical_crossentropy") and (y.min() < 0 or y.max() > 1):
        right = "y = (y + 1) / 2" if -1 <= y.min() < 0 and y.max() <= 1 else "y = (y - y.min()) / (y.max() - y.min())"
        yield (f"The targets of '{name}' go from {y.min():g} to {y.max():g}, but '{loss}' takes 0 to 1. Write {right}, "
               "or, for values to predict, loss='mse'.")
    if loss in ("hinge", "squared_hinge") and y.min() == 0 and set(np.unique(y)) == {0, 1}:
        yield f"The targets of '{name}' are 0 and 1, but '{loss}' takes -1 and 1. Write y = 2 * y - 1."
    if loss in _REGRESSIONS and any(m in ("accuracy", "acc") for m in metrics if isinstance(m, str)):
        if _has_fractions(y) and not np.allclose(y.sum(axis=-1), 1):
            yield (f"Metric 'accuracy' counts right classes, but the targets of '{name}' are values, such as "
                   f"{_fraction(y):g}. Write metrics=['mae'].")


def _has_fractions(x: np.ndarray) -> bool:
    return x.dtype.kind == "f" and bool((np.isfinite(x) & (x != np.round(x))).any())


def _fraction(x: np.ndarray) -> float:
    return float(x[np.isfinite(x) & (x != np.round(x))][0])


def _embeddings(tensor: Any, layers: Sequence[Any]) -> list[Any]:
    """The Embedding layers that read an input."""
    return [layer for layer in layers if type(layer).__name__ == "Embedding"
            and any(tensor is x for node in layer.inbound_nodes for x in node.input_tensors)]
