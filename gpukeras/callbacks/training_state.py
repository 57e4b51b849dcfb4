"""Everything that the next step of a training depends on, as plain data, and back."""
from __future__ import annotations

import random
from typing import Any

import numpy as np

from gpukeras import device
from gpukeras.graph import Variable, topological
from gpukeras.ops.random import Random


def variables_and_draws(model: Any) -> tuple[list[Variable], list[Random]]:
    """What a training step reads and keeps: the variables that own memory (weights, the optimizer's, states of
    recurrent layers, running totals, learning rate), and the ops that draw random numbers, each in the order in which
    the graph names them: the same for the same program."""
    function = model.train_function
    if not hasattr(function, "updates"):
        raise TypeError(f"a backup of model '{model.name}' needs the train_function that the model makes itself; the "
                        "program's own, which was put in its place, does not say what it keeps")
    roots = [*function.outputs, *(new for _, new in function.updates)]
    nodes = topological(roots)
    met = [*(v for v, _ in function.updates), *roots, *(t for node in nodes for t in node.inputs),
           *model._weights_by_layer(), *model.optimizer.weights, *vars(model.optimizer).values(),
           *vars(getattr(model.optimizer, "inner_optimizer", model.optimizer)).values()]
    variables = dict.fromkeys(v.storage for v in met if isinstance(v, Variable))
    draws = dict.fromkeys(node.op for node in nodes if isinstance(node.op, Random))
    return list(variables), list(draws)


def snapshot(model: Any) -> dict[str, Any]:
    """The state of a model in training."""
    variables, draws = variables_and_draws(model)
    return {
        "backend": device.NAME,
        "variables": [v.read() for v in variables],
        "draws": [[op.name, op.position] for op in draws],
    }


def random_numbers() -> dict[str, Any]:
    """Where NumPy's global random numbers and Python's stand."""
    return {"numpy": np.random.get_state(legacy=False), "python": random.getstate()}


def set_random_numbers(state: dict[str, Any]) -> None:
    """Lets them go on from there."""
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])


def restore(model: Any, state: dict[str, Any]) -> None:
    """Puts a model back. ValueError, before anything changes, if the state is another model's,
    or was saved on another backend (whose random numbers are others)."""
    if state["backend"] != device.NAME:
        raise ValueError(f"it was saved with the {state['backend']} backend and this is {device.NAME}, which draws "
                         f"other random numbers: go on with GPUKERAS_BACKEND={state['backend']}")
    variables, draws = variables_and_draws(model)
    saved = state["variables"]
    for what, have, found in (("variables", len(variables), len(saved)),
                              ("random operations", len(draws), len(state["draws"]))):
        if have != found:
            raise ValueError(f"it holds {found} {what}, and this training has {have}")
    for v, value in zip(variables, saved):
        if v.shape != value.shape or v.dtype != value.dtype.name:
            raise ValueError(f"it holds a variable of shape {value.shape} and dtype {value.dtype}, where this training "
                             f"has '{v.name}' of shape {v.shape} and dtype {v.dtype}")
    for op, (name, _) in zip(draws, state["draws"]):
        if op.name != name:
            raise ValueError(f"it holds the state of {name}, where this training has {op.name}")
    for v, value in zip(variables, saved):
        v.write(value)
    for op, (_, position) in zip(draws, state["draws"]):
        op.position = position
