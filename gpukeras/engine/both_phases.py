"""Layers of a program that ask `if training:` in their `call`: newer Keras's way, which runs it for each phase.

A `call` makes tensors once, when the phase is not known yet. So where it branches on `training` in Python, it is run
for both phases, and the tensors choose between the results. A `call` that hands `training` on, to `K.in_train_phase` or
to other layers, needs none of this.
"""

from __future__ import annotations

import dis
import functools
from itertools import zip_longest
from typing import Any

from .. import backend as K
from .adding import of_either_phase
from .at_once import shelves_kept
from .node import one_or_list, to_list
from .tracing import at_work

_BETWEEN = ("TO_BOOL", "UNARY_NOT", "COPY", "CACHE", "NOP")


def asks_in_python(layer: Any, kwargs: dict[str, Any]) -> bool:
    """Whether `call` of the layer will ask for a phase that nobody has said."""
    around = at_work()
    said = kwargs.get("training") is not None or (around is not None and around.phase is not None)
    code = getattr(getattr(layer.call, "__func__", None), "__code__", None)
    return not said and code is not None and not isinstance(K.learning_phase(), int) and _branches(code)


@functools.lru_cache(maxsize=256)
def _branches(code: Any) -> bool:
    """Whether the truth of the argument `training` decides what the code does."""
    if "training" not in code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]:
        return False
    read = False
    for step in dis.get_instructions(code):
        if read and "JUMP" in step.opname and ("IF_TRUE" in step.opname or "IF_FALSE" in step.opname):
            return True
        read = step.opname.startswith("LOAD_FAST") and step.argval == "training" or read and step.opname in _BETWEEN
    return False


def in_both(layer: Any, call: Any, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """What `call(inputs, kwargs)` makes in training and in inference, as tensors that are one or the other."""
    runs = []
    for phase in (True, False):
        with shelves_kept(layer):
            counts = [len(shelf) for shelf in _shelves(layer)]
            outputs = to_list(call(inputs, {**kwargs, "training": phase}))
            runs.append((outputs, [shelf[n:] for shelf, n in zip(_shelves(layer), counts)]))
    (trains, (losses, updates, metrics)), (tests, (other_losses, _, other_metrics)) = runs
    if len(trains) != len(tests):
        raise ValueError(f"Layer '{layer.name}': call() of {type(layer).__name__} returns {len(trains)} tensors with "
                         f"training=True and {len(tests)} with training=False. They must be as many in both.")
    layer.add_loss([either(a, b) for a, b in zip_longest(losses, other_losses, fillvalue=0.0)])
    layer.add_update(list(updates))
    for name, value in of_either_phase(metrics, other_metrics, either):
        layer.add_metric(value, name)
    return one_or_list([either(a, b) for a, b in zip(trains, tests)])


def _shelves(layer: Any) -> tuple[list[Any], list[Any], list[Any]]:
    return layer._losses, layer._updates, layer._metric_values


def either(trains: Any, tests: Any) -> Any:
    """The one in training, the other in inference."""
    return trains if trains is tests else K.in_train_phase(trains, tests)
