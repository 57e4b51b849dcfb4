"""Optimizers in files: their settings, and their state in the orders in which versions of Keras keep it.

Keras 2 has the number of updates, then one slot (such as the momentum) of all weights, then the next slot. Keras 2.15's
new optimizers and Keras 3 have all slots of one weight, then those of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import backend as K
from .. import optimizers
from ..optimizers import LossScaleOptimizer
from ..utils.messages import warn
from .conversion import Origin
from .guarded import Array

_SLOT_NAMES = {"SGD": ("momentum",), "RMSprop": ("rms",), "Adagrad": ("accumulator",),
               "Adadelta": ("accum_grad", "accum_var"), "Adam": ("m", "v", "vhat"), "AdamW": ("m", "v", "vhat"),
               "Adamax": ("m", "v"), "Nadam": ("m", "v")}
"""What Keras 2 calls the slots, in the order of `slots`."""
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "name": (), "weight_decay": (0, 0.0), "use_ema": (False,), "ema_momentum": (0.99,),
    "ema_overwrite_frequency": (100,), "jit_compile": (False, True), "is_legacy_optimizer": (False, True),
    "loss_scale_factor": (), "gradient_accumulation_steps": (), "centered": (False,), "momentum": (0, 0.0),
    "global_clipnorm": (), "clipnorm": (), "clipvalue": (), "initial_accumulator_value": (0, 0.0, 0.1),
}
"""Settings of other versions of Keras, and their values that make no difference (None is always one)."""


def described(optimizer: Any) -> dict[str, Any]:
    """Class and config, for this library."""
    return {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}


def inside(optimizer: Any) -> Any:
    """The optimizer that a LossScaleOptimizer scales the loss for; any other itself. Only its state is in files, as
    Keras does it; what the scale has come to stands in `training_config`."""
    return optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer


def loss_scale(optimizer: Any) -> list[float] | None:
    """The scale and the good steps since it changed, of a LossScaleOptimizer."""
    if inside(optimizer) is optimizer:
        return None
    return [float(K.get_value(v)) for v in optimizer.scale_state]


def set_loss_scale(optimizer: Any, state: Any) -> None:
    """Gives a LossScaleOptimizer what `loss_scale` said; anything else changes nothing."""
    if inside(optimizer) is optimizer or not isinstance(state, list) or len(state) != len(optimizer.scale_state):
        return
    if all(type(v) in (int, float) and 0 <= v < 2.0 ** 63 for v in state) and state[0] > 0:
        K.batch_set_value(list(zip(optimizer.scale_state, state)))


def writable(optimizer: Any) -> dict[str, Any]:
    """Class and config as Keras 2.15 and Keras 3 read them."""
    config = optimizer.get_config()
    if inside(optimizer) is not optimizer:
        config["inner_optimizer"] = {"module": "keras.optimizers", **writable(optimizer.inner_optimizer),
                                     "registered_name": None}
        return {"class_name": "LossScaleOptimizer", "config": config}
    if is_ours(optimizer):
        config.pop("epsilon_under_root", None)
        config["learning_rate"] = config.pop("lr")
        if config.pop("lazy", False):
            config["name"] = type(optimizer).__name__
            config.setdefault("decay", config.get("schedule_decay"))
        elif config.get("decay") == 0:
            del config["decay"]
        if config.get("schedule_decay") == 0.004:  # the only one that newer Keras knows
            del config["schedule_decay"]
        if "clipnorm" in config:
            config["global_clipnorm"] = config.pop("clipnorm")
    return {"class_name": type(optimizer).__name__, "config": config}


def is_ours(optimizer: Any) -> bool:
    return type(optimizer) is optimizers._CLASSES.get(type(optimizer).__name__.lower())


def readable(entry: dict[str, Any], origin: Origin) -> Any:
    """The optimizer that a file describes; ValueError or TypeError if it can't be made."""
    name, config = entry.get("class_name"), entry.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        raise ValueError(f"the optimizer {entry!r:.200} is not understood")
    config, name = dict(config), name.removeprefix("Custom>")  # as Keras 2.15 calls its new optimizers
    around = optimizers._AROUND.get(name.lower())
    if around is not None:
        own_words = ("dynamic", "initial_scale", "dynamic_growth_steps", "loss_scale")
        inner = config.get("inner_optimizer") or config.get("optimizer")
        if not isinstance(inner, dict):
            raise ValueError(f"the optimizer {name} has no inner optimizer")
        return around.from_config({"inner_optimizer": readable(inner, origin),
                                   **{k: v for k, v in config.items() if k in own_words}})
    own = optimizers._CLASSES.get(name.lower())
    if own is not None:
        config = _settings(own, config, origin)
    return optimizers.deserialize({"class_name": name, "config": config})


def _settings(own: type, config: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """The settings of one of this library's optimizers, from those of any Keras."""
    newer = "learning_rate" in config
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        config["learning_rate"] = {k: v for k, v in rate.items() if k in ("class_name", "config")}
    if config.get("global_clipnorm") is not None:
        config["clipnorm"] = config.pop("global_clipnorm")
    elif newer and config.get("clipnorm") is not None and origin.version != "2.0.9":
        warn(f"The file's {own.__name__} clips the norm of each weight's gradient to {config['clipnorm']}; here "
             "clipnorm is of all gradients together.")
    if "name" in config and "decay" in config and "use_ema" not in config:
        config["lazy"] = True  # the older optimizers of TensorFlow's Keras; Keras's own have no name
    if own.__name__ == "Nadam":
        decay = config.pop("decay", None)
        if decay:
            config.setdefault("schedule_decay", decay)  # as Keras 2.2 to 2.15 keep it
        if "use_ema" in config:
            config.setdefault("schedule_decay", 1.0)  # newer Keras's schedule goes on with every step
    import inspect

    taken = {p for c in own.__mro__ if c is not object for p in inspect.signature(c).parameters}
    taken |= {"clipnorm", "clipvalue", "learning_rate"}
    for setting, neutral in _NEUTRAL.items():
        known = setting in taken and setting != "name"
        if setting in config and (config[setting] is None or (not known and config[setting] in neutral)
                                  or setting == "name"):
            del config[setting]
    if own.__name__ != "AdamW" and not config.get("use_ema"):
        config.pop("ema_momentum", None)
        config.pop("ema_overwrite_frequency", None)
    return config


# ------------------------------------------------------------------------------------------------------- state


def slots_of(optimizer: Any) -> list[Any]:
    """The optimizer's vectors, slot by slot."""
    return [w for w in optimizer.weights if w is not optimizer.iterations]


def arrays_of(optimizer: Any, parameters: Sequence[Any]) -> tuple[list[str], list[np.ndarray]]:
    """Names and values of the state, in Keras 2's order; none if the optimizer has not begun."""
    optimizer = inside(optimizer)
    if not optimizer.weights:
        return [], []
    kind = type(optimizer).__name__
    if not is_ours(optimizer):
        return ([f"{kind}/param_{i}:0" for i in range(len(optimizer.weights))],
                K.batch_get_value(list(optimizer.weights)))
    variables, names = [optimizer.iterations], [f"{kind}/iter:0"]
    if kind == "Nadam":
        variables.append(optimizer.m_schedule)
        names.append(f"{kind}/momentum_cache:0")
    slots = slots_of(optimizer)
    if kind == "SGD" and float(K.get_value(optimizer.momentum)) == 0:
        slots = []  # as in Keras 2.15
    labels = _SLOT_NAMES[kind]
    taken: set[str] = set()
    for i in range(len(slots)):
        weight = parameters[i % len(parameters)].name.partition(":")[0]
        name = f"{kind}/{weight}/{labels[i // len(parameters)]}"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(f"{name}:0")
    return names, K.batch_get_value([*variables, *slots])


_SCALE_OF_KERAS_3 = "loss_scale_optimizer/"
_COUNTERS = ("iter", "iteration", "iterations")


def restore(optimizer: Any, parameters: Sequence[Any], names: Sequence[str], arrays: Sequence[Array],
            origin: Origin) -> str | None:
    """Gives the optimizer a state from a file. Returns what does not fit, and then nothing is changed; else None."""
    optimizer = inside(optimizer)
    if not is_ours(optimizer):
        return set_in_order(optimizer.weights, arrays)
    own = [i for i, name in enumerate(names) if not name.startswith(_SCALE_OF_KERAS_3)]
    if len(names) == len(arrays):
        names, arrays = [names[i] for i in own], [arrays[i] for i in own]
    short = [name.split("/")[-1].partition(":")[0] for name in names]
    scalars: list[tuple[Any, Array]] = []
    vectors: list[Array] = []
    for i, (name, array) in enumerate(zip(short, arrays)):
        if array.shape == () and (name in _COUNTERS or i == 0):
            scalars.append((optimizer.iterations, array))
        elif array.shape == () and name == "learning_rate":
            continue
        elif array.shape == () and hasattr(optimizer, "m_schedule"):  # newer Keras has no name of its own for it
            scalars.append((optimizer.m_schedule, array))
        else:
            vectors.append(array)
    slots = slots_of(optimizer)
    if not vectors and (type(optimizer).__name__ == "SGD" or origin.version.startswith("3")):
        slots = []  # no momentum, or no step made yet
    if len(vectors) != len(slots):
        return f"it has {len(vectors)} arrays, and {type(optimizer).__name__} needs {len(slots)}"
    if names and (short[0] == "iteration" or origin.version.startswith("3")):
        slots = weight_by_weight(slots, len(parameters))
    wrong = set_in_order([*(v for v, _ in scalars), *slots], [*(a for _, a in scalars), *vectors])
    if wrong is None and hasattr(optimizer, "m_schedule") and len(scalars) == 1 and short[0] == "iteration":
        K.set_value(optimizer.m_schedule, schedule_so_far(optimizer))
    return wrong


def schedule_so_far(nadam: Any) -> float:
    """The product that Nadam has arrived at: Keras 2.11 to 2.15 leave it out of their files.

    (So did Keras 2.0, which began it anew; that is kept.)
    """
    steps = np.arange(1, int(K.get_value(nadam.iterations)) + 1)
    return float(np.prod(float(K.get_value(nadam.beta_1)) * (1 - 0.5 * 0.96 ** (steps * nadam.schedule_decay))))


def weight_by_weight(slots: list[Any], count: int) -> list[Any]:
    """The slots in the order of newer optimizers: the first two of each weight together, a third after them."""
    pairs = slots[:2 * count]
    return [*(pairs[s * count + i] for i in range(count) for s in range(len(pairs) // max(count, 1))),
            *slots[2 * count:]]


def set_in_order(variables: Sequence[Any], arrays: Sequence[Array]) -> str | None:
    """Sets variables from arrays; what is wrong with them, if their shapes differ."""
    if len(variables) != len(arrays):
        return f"it has {len(arrays)} arrays, and the optimizer needs {len(variables)}"
    for variable, array in zip(variables, arrays):
        if tuple(variable.shape) != array.shape:
            return f"{array.where} has shape {array.shape}, and the optimizer needs {tuple(variable.shape)}"
    K.batch_set_value([(v, a.read()) for v, a in zip(variables, arrays)])
    return None
