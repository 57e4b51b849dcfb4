"""`Metric`, which programs make metrics of their own from, and how a state is kept by the training step.

This is newer Keras's. An object keeps sums in variables of its own and makes its value of them, so a value over many
batches is that of all samples together, where the average of the batches' values would be another. In a model the sums
are kept by the training step itself; called on numbers, an object adds them up at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gpukeras import backend as K
from gpukeras import initializers
from gpukeras.graph.substitute import substitute
from gpukeras.loss_classes import as_tensor
from gpukeras.utils.generic_utils import to_snake_case

_recorded: list[list[tuple[Any, Any]]] = []  # assignments made while a step is being built


class OfMetric(NamedTuple):
    """What a tensor is that a metric object made of tensors: the metric's value after a batch, and what that batch
    changes of the metric's state."""

    metric: Any
    updates: list[Any]


def in_a_step() -> bool:
    """Whether a step is being built, and no number computed."""
    return bool(_recorded)


def _assign(variable: Any, value: Any, old: Any = None) -> Any:
    """Gives the variable a value (added to `old`, if given): at once, or in the step that is being built."""
    if not _recorded:
        value = K.eval(value) if K.is_tensor(value) else np.asarray(value)
        K.set_value(variable, value if old is None else K.get_value(variable) + value)
        return variable
    value = K.cast(as_tensor(value), K.dtype(variable))
    for i, (known, before) in enumerate(_recorded[-1]):
        if known is variable:  # a second assignment in one step sees the first
            _recorded[-1][i] = (variable, value if old is None else before + value)
            return variable
    _recorded[-1].append((variable, value if old is None else variable + value))
    return variable


class Metric:
    """A metric with a state. A class of your own makes variables by `add_weight`, changes them in
    `update_state(y_true, y_pred, sample_weight=None)` (by `assign` and `assign_add`, or by returning `K.update(...)`),
    and makes the value of them in `result()`.

    >>> class Largest(Metric):
    ...     def __init__(self, name='largest', **kwargs):
    ...         super().__init__(name=name, **kwargs)
    ...         self.most = self.add_weight(name='most', initializer='zeros')
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.most.assign(K.maximum(self.most, K.max(y_pred)))
    ...     def result(self):
    ...         return self.most
    >>> metric = Largest()
    >>> metric.update_state(None, K.constant([1., 5., 2.]))
    >>> float(K.eval(metric.result()))
    5.0
    """

    stateful = True

    def __init__(self, name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"{type(self).__name__}: unknown argument {next(iter(kwargs))!r}; a metric takes name "
                            "and dtype")
        if name is None:
            name = to_snake_case(type(self).__name__)
            count = K.get_uid("metric_" + name)
            name = name if count == 1 else f"{name}_{count - 1}"
        self.name, self.dtype = name, dtype or K.floatx()
        self.weights: list[Any] = []
        self._first: list[Any] = []

    @property
    def variables(self) -> list[Any]:
        """The variables that keep the state."""
        return self.weights

    def add_weight(self, name: str | None = None, shape: Sequence[int] = (), initializer: Any = "zeros",
                   dtype: Any = None, **kwargs: Any) -> Any:
        """A variable of the state, with `assign`, `assign_add` and `assign_sub`."""
        value = K.eval(initializers.get(initializer)(tuple(shape), dtype=dtype or K.floatx()))
        variable: Any = K.variable(value, dtype=dtype or K.floatx(), name=name)
        variable.assign = lambda x: _assign(variable, x)
        variable.assign_add = lambda x: _assign(variable, x, variable)
        variable.assign_sub = lambda x: _assign(variable, -x, variable)
        self.weights.append(variable)
        self._first.append(value)
        return variable

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes a batch into the state."""
        raise NotImplementedError(f"{type(self).__name__} must define update_state(self, y_true, y_pred, ...)")

    def result(self) -> Any:
        """The value that the state stands for."""
        raise NotImplementedError(f"{type(self).__name__} must define result(self)")

    def reset_state(self) -> None:
        """Forgets all batches."""
        for variable, value in zip(self.weights, self._first):
            K.set_value(variable, value)

    def reset_states(self) -> None:
        """`reset_state`, by its older name."""
        self.reset_state()

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes a batch into the state, and gives the value afterwards."""
        return called_on(self, y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The object that `get_config` described."""
        return cls(**config)


def called_on(metric: Metric, *arguments: Any) -> Any:
    """A metric's value after the state has taken these. Of tensors that have no values yet it is a tensor, which
    `add_metric` takes: the state is then changed by the model's steps."""
    if in_a_step() or not any(K.is_tensor(a) and not a.is_known() for a in arguments):
        metric.update_state(*arguments)
        return metric.result()
    found, updates = _as_step(metric, arguments)
    value: Any = K.identity(found)
    value._of_metric = OfMetric(metric, updates)
    return value


def in_step(metric: Any, y_true: Any, y_pred: Any, weights: Any = None) -> tuple[Any, list[tuple[Any, Any]]]:
    """The value of a metric after a batch, and the updates of its state, for a step that is being built."""
    if not hasattr(metric, "update_state"):  # a layer, Keras 2.2's way: it returns the value and adds updates
        known = len(metric.updates)
        return metric(y_true, y_pred), list(metric.updates)[known:]
    return _as_step(metric, (y_true, y_pred, weights))


def _as_step(metric: Any, arguments: Sequence[Any]) -> tuple[Any, list[tuple[Any, Any]]]:
    if arguments[-1] is None:  # an `update_state` of a program's own may take no weights
        arguments = arguments[:-1]
    with recording() as found:
        returned = metric.update_state(*arguments)
        value = metric.result()
        for item in returned if isinstance(returned, list) else [returned]:
            if isinstance(item, tuple) and len(item) == 2 and all(item[0] is not known for known, _ in found):
                found.append((item[0], item[1]))
    return substitute(as_tensor(value), dict(found)), found


@contextmanager
def recording() -> Iterator[list[tuple[Any, Any]]]:
    """Inside, what metrics are given are updates of a step that is being built: pairs (variable, new value)."""
    _recorded.append([])
    try:
        yield _recorded[-1]
    finally:
        _recorded.pop()


def result_after(metric: Metric, updates: list[tuple[Any, Any]]) -> Any:
    """A metric's value after a step with these updates, as a tensor."""
    with recording():
        value = as_tensor(metric.result())
    return K.identity(substitute(value, dict(updates)))
