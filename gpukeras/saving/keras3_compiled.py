"""How a model was compiled, and the state of its optimizer, in Keras 3's archives.

Newer Keras computes some optimizers otherwise than Keras 2.0.9, so what its files say is read as it means it there. An
archive of this library says the same in Keras's words, and in its own (in `metadata.json`), which it goes by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import backend as K
from .. import losses, metrics, optimizers
from ..utils.generic_utils import get_custom_objects
from ..utils.messages import warn
from . import compiled, keras3_configs, optimizer_state
from .conversion import Origin
from .errors import BrokenFileError
from .guarded import Array, Group
from .keras3_weights import read_vars, write_vars

_PLAIN = {"weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None}
_MOMENTS = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, **_PLAIN}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False, **_PLAIN},
    "rmsprop": {"learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-7, **_PLAIN},
    "adagrad": {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7, **_PLAIN},
    "adadelta": {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7, **_PLAIN},
    "adam": {**_MOMENTS, "amsgrad": False}, "adamw": {**_MOMENTS, "amsgrad": False, "weight_decay": 0.004},
    "adamax": _MOMENTS, "nadam": _MOMENTS}
"""What newer Keras's optimizers are without arguments: its files may hold their names alone."""
_UNDER_ROOT = ("rmsprop", "adagrad")
"""Optimizers that in newer Keras add epsilon before they take the root."""
_METRICS = {k: v for k, v in compiled.NEW_NAMES.items() if k != "cosine_proximity"}
"""Names of metrics in Keras 2 and in Keras 3. As a metric, cosine_proximity has the other sign there."""


# ----------------------------------------------------------------------------------------------------- writing


def own_config(model: Any) -> dict[str, Any]:
    """What `compile` was told, for this library."""
    config = compiled.training_config(model)
    config["optimizer_config"] = optimizer_state.described(model.optimizer)
    result: dict[str, Any] = json.loads(json.dumps(config, default=compiled.by_name))
    return result


def compile_config(model: Any) -> dict[str, Any]:
    """What `compile` was told, in the words of Keras 2.15 and 3."""
    training = own_config(model)
    # the scale of a loss follows from the policies of the layers: it stands in the words of this library only
    optimizer = optimizer_state.inside(model.optimizer)
    entry = json.loads(json.dumps(optimizer_state.writable(optimizer), default=compiled.by_name))
    kind, settings = entry["class_name"], entry["config"]
    known = optimizer_state.is_ours(optimizer)
    if known:
        settings = {k: v for k, v in settings.items() if k not in ("schedule_decay", "epsilon_under_root")}
        decay = settings.pop("decay", 0)
        if decay:
            settings["learning_rate"] = {"class_name": "InverseTimeDecay", "config": {
                "initial_learning_rate": settings["learning_rate"], "decay_steps": 1, "decay_rate": decay}}
        if kind == "Adagrad":
            settings["initial_accumulator_value"] = 0.0
    rate = settings.get("learning_rate")
    if isinstance(rate, dict):
        settings["learning_rate"] = {"module": "keras.optimizers.schedules", **rate, "registered_name": None}
    written = {"module": "keras.optimizers" if known else "builtins", "class_name": kind, "config": settings,
               "registered_name": None if known else kind}
    return {"optimizer": written, "loss": _renamed(training["loss"], compiled.NEW_NAMES, "losses"),
            "loss_weights": training["loss_weights"], "metrics": _renamed(training["metrics"], _METRICS, "metrics"),
            "weighted_metrics": _renamed(training["weighted_metrics"], _METRICS, "metrics"), "run_eagerly": False,
            "steps_per_execution": 1, "jit_compile": False}


def _renamed(value: Any, names: Mapping[str, str], module: str) -> Any:
    """Functions by Keras 3's names; those of the user's as objects, which custom_objects are found by. Objects of
    classes with the module, 'losses' or 'metrics', in which Keras has them."""
    if isinstance(value, list):
        return [_renamed(one, names, module) for one in value]
    if isinstance(value, dict) and "class_name" in value:
        known = isinstance(getattr(losses if module == "losses" else metrics, value["class_name"], None), type)
        return {"module": f"keras.{module}" if known else "builtins", **value,
                "registered_name": None if known else value["class_name"]}
    if isinstance(value, dict):
        return {k: _renamed(one, names, module) for k, one in value.items()}
    if not isinstance(value, str) or value in ("acc", "accuracy"):
        return value
    if value not in losses._named and value not in metrics._named:
        return {"module": "builtins", "class_name": "function", "config": value, "registered_name": "function"}
    return names.get(value, value)


def write_state(file: Any, model: Any) -> None:
    """The optimizer's state, in Keras 3's order: updates made, learning rate, slots of one weight after the other.

    The state of an optimizer that has not begun is written too: zeros, where Keras would begin with something else.
    """
    optimizer, parameters = optimizer_state.inside(model.optimizer), model._collected_trainable_weights
    if not optimizer_state.is_ours(optimizer):
        write_vars(file, "optimizer", "optimizer", K.batch_get_value(list(optimizer.weights)))
        return
    kind = type(optimizer).__name__
    values: list[Any] = [np.asarray(K.get_value(optimizer.iterations), "int32")]
    config = optimizer_state.writable(optimizer)["config"]
    # Under a scaled loss as Keras 2.15 has them: it fails to load others, where Keras 3 would begin anew in any case
    scaled = optimizer is not model.optimizer
    if not scaled and not isinstance(config["learning_rate"], dict) and not config.get("decay"):
        values.append(np.asarray(K.get_value(optimizer.lr), "float32"))
    slots = optimizer_state.slots_of(optimizer)
    if kind == "SGD" and config["momentum"] == 0 and not scaled:
        slots = []
    elif slots:
        slots = K.batch_get_value(slots)
    else:
        slots = [np.zeros(p.shape, p.dtype) for _ in optimizer.slots for p in parameters]
    values += optimizer_state.weight_by_weight(slots, len(parameters))
    if kind == "Nadam":
        values.append(np.asarray(K.get_value(optimizer.m_schedule), "float32"))
    write_vars(file, "optimizer", kind.lower(), values)


# ----------------------------------------------------------------------------------------------------- reading


def restore(path: str, root: Group, model: Any, custom_objects: dict[str, Any], own: Any, config: Any, version: str,
            order: Sequence[Any]) -> None:
    """Compiles the model as the archive says, and gives the optimizer its state; see `compiled.restore`.

    `own` is what this library says of `compile`, if it wrote the archive, and `config` what Keras says. `order` are the
    trained weights in the order of the file's layers.
    """
    if not own and not config:
        warn(f"'{path}' does not say how the model was compiled: it is not. Compile it before training.")
        return
    written_here = isinstance(own, dict)
    origin = Origin("2.0.9" if written_here else version or "3")
    told = compiled.compile_as_told(path, model, lambda: own if written_here else _in_keras2(config), custom_objects,
                                    origin)
    if told is None:
        return
    # Keras 3 has the scale in the first place, and the inner optimizer's state in the second
    arrays = read_vars(root, "optimizer/inner_optimizer") or read_vars(root, "optimizer")
    if arrays:
        compiled.make_step(model, path)
        initial = told["optimizer_config"].get("initial", 0.0)
        wrong = _restore_state(optimizer_state.inside(model.optimizer), _ordered(model, order), arrays, initial)
        if wrong:
            warn(f"'{path}': the optimizer starts afresh, because its state in the file does not fit: {wrong}.")


def _in_keras2(config: Any) -> dict[str, Any]:
    """What Keras says of `compile`, in the words of Keras 2. Unknown for what can't be said."""
    if not isinstance(config, dict):
        raise BrokenFileError("compile_config is no dictionary")
    known = get_custom_objects()
    return {"optimizer_config": _optimizer(config.get("optimizer")), "loss": _functions(config.get("loss"), known),
            "metrics": _functions(config.get("metrics"), known), "loss_weights": config.get("loss_weights"),
            "weighted_metrics": _functions(config.get("weighted_metrics"), known)}


def _functions(entry: Any, known: Mapping[str, Any]) -> Any:
    """Losses or metrics with Keras 2's names."""
    if isinstance(entry, list):
        return [_functions(one, known) for one in entry]
    if isinstance(entry, str):
        return entry if entry in known else {v: k for k, v in compiled.NEW_NAMES.items()}.get(entry, entry)
    if not isinstance(entry, dict):
        return entry
    if "class_name" not in entry:
        return {k: _functions(one, known) for k, one in entry.items()}
    name = keras3_configs.own_name(entry["class_name"], entry, known)
    if name == "function":
        return _functions(keras3_configs.own_name(entry.get("config"), entry, known), known)
    config = entry.get("config")
    if isinstance(config, dict):
        fn = config.get("fn")
        config = {k: v for k, v in config.items() if k != "dtype"}
        if isinstance(fn, (dict, str)):
            config["fn"] = _functions(fn, known)
    return {"class_name": name, "config": config}


def _optimizer(entry: Any) -> dict[str, Any]:
    """An optimizer of newer Keras with all of its settings, as this library's that computes the same."""
    if isinstance(entry, str):
        entry = {"class_name": entry, "config": {}}
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str) \
            or not isinstance(entry.get("config"), dict):
        raise compiled.Unknown(f"the optimizer {entry!r:.200} is not understood")
    known = get_custom_objects()
    if entry["class_name"].lower() in optimizers._AROUND:
        inner = _optimizer(entry["config"].get("inner_optimizer"))
        return {"class_name": entry["class_name"], "config": {**entry["config"], "inner_optimizer": inner},
                "initial": inner.get("initial", 0.0)}
    name = keras3_configs.own_name(entry["class_name"].removeprefix("Custom>"), entry, known)
    if name in known or name.lower() not in _DEFAULTS:
        return {"class_name": name, "config": dict(entry["config"])}
    kind = name.lower()
    config = {**_DEFAULTS[kind], **entry["config"]}
    if kind == "adam" and config["weight_decay"]:
        name = "AdamW"  # the same rule
    if kind == "nadam":
        config["schedule_decay"] = 1.0  # as if it stood in the exponent of newer Keras's schedule
    initial = config.pop("initial_accumulator_value", 0.0)
    if kind in _UNDER_ROOT:
        config["epsilon_under_root"] = True
    return {"class_name": name, "config": config, "initial": initial}


def _ordered(model: Any, order: Sequence[Any]) -> list[int]:
    """For each trained weight in the file's order its number here; as they are here if the file has others."""
    here = [id(w) for w in model._collected_trainable_weights]
    there = [id(w) for w in order]
    return [here.index(w) for w in there] if sorted(here) == sorted(there) else list(range(len(here)))


def _restore_state(optimizer: Any, order: Sequence[int], arrays: Sequence[Array], initial: Any) -> str | None:
    """Gives the optimizer its state. Returns what does not fit, and then nothing is changed; else None."""
    if not optimizer_state.is_ours(optimizer):
        return optimizer_state.set_in_order(optimizer.weights, arrays)
    if not arrays or arrays[0].shape != ():
        return "it does not begin with the number of updates"
    count, kind = len(order), type(optimizer).__name__
    slots = optimizer_state.slots_of(optimizer)
    if kind == "SGD" and float(K.get_value(optimizer.momentum)) == 0:
        # Keras 2.15 keeps a momentum that it does not use.
        slots, arrays = [], [a for i, a in enumerate(arrays) if i == 0 or (i == 1 and a.shape == ())]
    pairs: list[tuple[Any, Array]] = [(optimizer.iterations, arrays[0])]
    rest = list(arrays[1:])
    product = len(rest) - len(slots) > 0 and hasattr(optimizer, "m_schedule")
    if product and rest[-1].shape == () and (len(rest) - len(slots) == 2 or rest[0].shape != ()):
        pairs.append((optimizer.m_schedule, rest.pop()))
        product = False
    if len(rest) > len(slots) and rest[0].shape == ():
        rate = rest.pop(0)
        if optimizer._schedule is None:
            pairs.append((optimizer.lr, rate))
    if product and len(rest) > len(slots) and rest[0].shape == ():  # up to Keras 3.9 it stands before the slots
        pairs.append((optimizer.m_schedule, rest.pop(0)))
    begun = not slots or bool(rest)
    if begun:
        arranged = [slots[s * count + i] for s in range(len(slots) // max(count, 1)) for i in order]
        pairs += zip(optimizer_state.weight_by_weight(arranged, count), rest)
    if begun and len(rest) != len(slots):
        return f"it has {len(rest)} arrays, and {kind} needs {len(slots)}"
    wrong = optimizer_state.set_in_order([v for v, _ in pairs], [a for _, a in pairs])
    if wrong is None and kind == "Nadam" and not any(v is optimizer.m_schedule for v, _ in pairs):
        K.set_value(optimizer.m_schedule, optimizer_state.schedule_so_far(optimizer))
    if wrong is None and not begun and initial:
        K.batch_set_value([(slot, np.full(slot.shape, initial, slot.dtype)) for slot in slots])
    return wrong
