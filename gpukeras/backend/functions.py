"""Functions and derivatives of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..compiler import Function
from ..graph import Placeholder, Tensor, Variable
from ..graph import gradients as graph_gradients
from ..graph.substitute import substitute
from ..ops import control, convert
from .math import sum as sum_of
from .updates import together


def function(inputs: Any, outputs: Any, updates: Sequence[Any] | None = None,
             name: str | None = None, **kwargs: Any) -> Any:
    """A callable that takes a list of arrays for `inputs` and returns a list of arrays for `outputs`; for a tensor that
    is not in a list an array, as in TensorFlow 2.

    `updates` are what `K.update` and its kin return, or pairs (variable, new value). Of several of one variable each
    `K.update_add`, `K.update_sub` or `K.moving_average_update` goes on from what those before it in the list made; any
    other takes the place of what was before. The learning phase may be among the inputs; it is 0 otherwise. What is fed
    for a variable takes its place in this call. `name` changes nothing. Raises TypeError where a list is needed and
    another thing is given, ValueError for what is no update and for TensorFlow's arguments.

    >>> from gpukeras import backend as K
    >>> x = K.placeholder((None,))
    >>> K.function([x], [x * 2, K.sum(x, keepdims=True)])([[1., 2.]])
    [array([2., 4.], dtype=float32), array([3.], dtype=float32)]
    """
    if isinstance(inputs, Tensor) or isinstance(outputs, Tensor):
        one_in, one_out = isinstance(inputs, Tensor), isinstance(outputs, Tensor)
        return _Bare(function([inputs] if one_in else inputs, [outputs] if one_out else outputs, updates, name,
                              **kwargs), one_out)
    if kwargs:
        raise ValueError(f"function got unexpected arguments: {', '.join(sorted(kwargs))}")
    for what, given in (("inputs", inputs), ("outputs", outputs), ("updates", [] if updates is None else updates)):
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"function: {what} must be a list or a tuple, got {given!r:.200}")
    pairs = together(updates or [])
    tensors = [convert.as_tensor(t) for t in outputs]
    given = {variable for variable, _ in pairs}
    hidden = dict(control.assignments([*tensors, *(new for _, new in pairs)]))
    pairs += [(variable, new) for variable, new in hidden.items() if variable not in given]
    fed: dict[Tensor, Tensor] = {v: Placeholder(v.shape, v.dtype) for v in inputs if isinstance(v, Variable)}
    if fed:  # which keep their values: others are computed with
        tensors = [substitute(t, fed) for t in tensors]
        pairs = [(variable, substitute(new, fed)) for variable, new in pairs]
    return Function([fed.get(t, t) for t in inputs], tensors, pairs)


class _Bare:
    """A function of which the inputs, or the outputs, are one tensor and no list."""

    def __init__(self, function: Function, one_out: bool) -> None:
        self._function, self._one_out = function, one_out

    def __call__(self, inputs: Any) -> Any:
        found = self._function(inputs if isinstance(inputs, (list, tuple)) else [inputs])
        return found[0] if self._one_out else found


def gradients(loss: Any, variables: Any) -> list[Tensor | None]:
    """The derivatives of the loss (its sum, if it is no scalar; of several in a list, their sum), as tensors; None for
    what it does not depend on.

    >>> from gpukeras import backend as K
    >>> x = K.variable(3.)
    >>> first, = K.gradients(x ** 3, [x])
    >>> second, = K.gradients(first, [x])
    >>> float(K.eval(first)), float(K.eval(second))
    (27.0, 18.0)
    """
    if isinstance(loss, (list, tuple)):
        first, *others = [sum_of(t) for t in loss]
        for other in others:
            first = first + other
        loss = first
    return graph_gradients(loss, list(variables) if isinstance(variables, (list, tuple)) else [variables])


def stop_gradient(variables: Any) -> Any:
    """The same value (or list of values) as a constant to `gradients`."""
    if isinstance(variables, (list, tuple)):
        return [control.stop_gradient(convert.as_tensor(v)) for v in variables]
    return control.stop_gradient(convert.as_tensor(variables))


def print_tensor(x: Any, message: str = "") -> Tensor:
    """The same tensor; its value is printed whenever it is computed."""
    return control.print_tensor(x, message)
