"""`compute_loss`, by which a subclass of Model says its loss in newer Keras: a function of inputs, targets and outputs.

It is called once, when the model is compiled, on the tensors themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from .node import depends_on, one_or_list, to_list
from .objective import Head, weighted_masked_objective


def compiled_loss(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """The loss that `compile` was told, of these targets and outputs, and what was added to it."""
    weights = _parts(model, sample_weight) if sample_weight is not None else [None] * len(model._heads)
    total: Any = None
    for head, target, output, weight in zip(model._heads, _parts(model, y), _parts(model, y_pred), weights):
        objective = weighted_masked_objective(head.loss)
        if objective is not None:
            value = objective(target, output, weight, head.mask) * head.loss_weight
            total = value if total is None else total + value
    return add_losses(model, total)


def add_losses(model: Any, total: Any) -> Any:
    """The loss and all that layers and the program have added; None if there is nothing."""
    for extra in model.losses:
        extra = K.mean(extra) if K.is_tensor(extra) and K.ndim(extra) else extra
        total = extra if total is None else total + extra
    return total


def own_loss(model: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """What `compute_loss` of the model's class says, and metrics (by name) whose state it changed on the way. Outputs
    of which it does not read the target have none afterwards."""
    from ..stateful_metrics import Metric, OfMetric, recording, result_after  # late: few models say a loss of their own

    x = dict(zip(model._keys_of_data, model.inputs)) if model._keys_of_data else one_or_list(list(model.inputs))
    y, weights = (_joined(model, found) for found in (
        [h.target for h in model._heads], [h.sample_weight for h in model._heads]))
    with recording() as changes:
        loss = model.compute_loss(x, y, _joined(model, [h.tensor for h in model._heads]), weights)
    if not K.is_tensor(loss):
        raise TypeError(f"compute_loss of {type(model).__name__} must return a tensor, but returned {loss!r}")
    loss = K.mean(loss) if K.ndim(loss) else loss
    found = []
    for metric in _held(vars(model).values(), Metric):
        updates = [(v, new) for v, new in changes if any(v is mine for mine in metric.weights)]
        if updates and metric.name != "loss":
            value: Any = result_after(metric, updates)
            value._of_metric = OfMetric(metric, updates)
            found.append((metric.name, value))
    read = [loss, *(new for _, new in changes)]
    for head in model._heads:
        if head.loss is None and not depends_on(read, [head.target]):
            head.target, head.fed = None, False
    return loss, found


def expect_targets(heads: Sequence[Head], modes: Sequence[Any]) -> None:
    """Placeholders for the targets of outputs that `compile` gave no loss."""
    for head, mode in zip(heads, modes):
        if head.target is None:
            head.expect_target(None)
            head.expect_weights(mode)


def _joined(model: Any, tensors: list[Any]) -> Any:
    """What there is for each output, as the model gives it."""
    return dict(zip(model._output_keys, tensors)) if model._output_keys else one_or_list(tensors)


def _parts(model: Any, value: Any) -> list[Any]:
    return [value[key] for key in model._output_keys] if isinstance(value, dict) else to_list(value)


def _held(values: Any, kind: type) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if isinstance(value, kind):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += [v for v in value if isinstance(v, kind)]
    return found
