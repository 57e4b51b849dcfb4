"""Architectures in the words of Keras 3, as its archives have them, and back.

Reading: what Keras 3 says in words of its own (calls with arguments, tensors by keyword, functions as objects) becomes
what Keras 2 says, for `configs.readable` to go on with. Writing: every object says in which module of Keras it is
found. The calls of a network are written as Keras 2.15 has them, which Keras 3 reads as well, unless it has what the
two say in different ways: the calls of a network inside of it, or tensors for several arguments of a layer. Then Keras
3's way is taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .. import backend as K
from .. import constraints, initializers, regularizers
from ..engine.budget import MAX_NESTING
from ..engine.own_classes import means_own
from ..optimizers import schedules
from ..utils.messages import warn
from .errors import BrokenFileError

_NETWORKS = ("Functional", "Model", "Sequential")
_MERGES = ("Add", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
"""Operations on tensors that are also layers, of the same name."""
_CLASSES = {"IdentityInitializer": "Identity", "OrthogonalInitializer": "Orthogonal"}
"""Names of classes in early versions of Keras 3."""
_BY_KEYWORD = ("inputs", "sequences", "sequence", "query", "value", "key", "initial_state", "attention_mask")
"""Keywords by which a layer is given tensors, in the order in which it takes them as inputs."""


def in_keras2(config: Any, known: Mapping[str, Any]) -> Any:
    """A copy of an architecture of Keras 3 in the words of Keras 2; BrokenFileError for what these can't say.

    `known` are the user's classes and functions by name.
    """
    return _read(config, known, 0)


def _read(value: Any, known: Mapping[str, Any], depth: int) -> Any:
    if depth > MAX_NESTING:
        raise BrokenFileError(f"the architecture is nested more than {MAX_NESTING} deep")
    if isinstance(value, list):
        return [_read(v, known, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind == "function":
        return own_name(value.get("config"), value, known)
    if kind == "__lambda__":
        return "<lambda>"  # its bytecode is left where it is
    if kind in ("__numpy__", "__tensor__") and isinstance(value.get("config"), dict):
        return value["config"].get("value")
    made = {k: _read(v, known, depth + 1) for k, v in value.items() if k not in ("build_config", "compile_config")}
    if not isinstance(kind, str) or not isinstance(made.get("config"), dict):
        return made
    made["class_name"] = own_name(_CLASSES.get(kind, kind), value, known)
    if str(value.get("module")).startswith("keras.src.ops") and made["class_name"] not in known:
        _check_operation(made)
    elif made["class_name"] in layer_classes() and not means_own(made["class_name"], known):
        made["config"] = _without_extras(made["class_name"], made["config"])
    if isinstance(made["config"].get("layers"), list) and "input_layers" in made["config"]:
        made["config"] = _network(made["config"], known)
    return made


def _without_extras(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """A layer's config without what only newer Keras knows and what changes nothing: a seed, and arguments not given.
    """
    from .. import layers

    own: Any = layers._registry.get(class_name)
    if own is None:
        return config
    taken = own._keywords | {p for c in own.__mro__[:-1] for p in inspect.signature(c).parameters}
    return {k: v for k, v in config.items() if k in taken or not (v is None or k == "seed")}


def layer_classes() -> set[str]:
    """The classes that every Keras has under its own name."""
    from ..layers import _registry

    return {*_registry, "Model", "Sequential"}


def own_name(name: Any, entry: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """The name under which the caller gave a class or function: its own, or that of its registration."""
    registered = entry.get("registered_name")
    if name in known or not isinstance(registered, str):
        return name
    return registered if registered in known else name


def _check_operation(entry: dict[str, Any]) -> None:
    """BrokenFileError for an operation on tensors that no layer here stands for."""
    nodes = [node for node in entry.get("inbound_nodes") or () if isinstance(node, dict)]
    tensors = all(len(_tensors(node.get("args"))) > 1 for node in nodes)
    if entry["class_name"] not in _MERGES or not tensors:
        name = entry.get("name") or entry["config"].get("name")
        raise BrokenFileError(f"the architecture has the operation '{name}' of class {entry['class_name']} on tensors, "
                              "which is no layer: use a layer, or a Lambda with a function of yours")


def _tensors(value: Any) -> list[list[Any]]:
    """The places [layer, call, output] of all tensors in the arguments of a call, in order."""
    if isinstance(value, list):
        return [place for v in value for place in _tensors(v)]
    if not isinstance(value, dict):
        return []
    if value.get("class_name") == "__keras_tensor__":
        place = value.get("config", {}).get("keras_history")
        if not isinstance(place, list) or len(place) != 3:
            raise BrokenFileError(f"the architecture has a tensor without a place: {value!r:.200}")
        return [place]
    return [place for v in value.values() for place in _tensors(v)]


def _network(config: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """A functional model's config with its calls in the words of Keras 2."""
    attends = {_name_of(entry) for entry in config["layers"] if isinstance(entry, dict)
               and entry.get("class_name") == "MultiHeadAttention" and not means_own("MultiHeadAttention", known)}
    layers = [entry for entry in config["layers"] if isinstance(entry, dict)]
    names = {_name_of(entry) for entry in layers}
    inner = {_name_of(entry): entry.get("class_name") for entry in layers if _is_network(entry)}
    newer = any(isinstance(node, dict) for entry in layers for node in entry.get("inbound_nodes") or ())
    made = []
    for entry in config["layers"]:
        if isinstance(entry, dict) and isinstance(entry.get("inbound_nodes"), list):
            entry = {**entry, "inbound_nodes": [_call(node, entry, names, inner, _name_of(entry) in attends)
                                               for node in entry["inbound_nodes"]]}
        made.append(entry)
    config = {**config, "layers": made}
    if newer:
        for ends in ("input_layers", "output_layers"):
            # Of the ends of a network, Keras 3 counts the calls of a functional model from 1, as Keras 2 does.
            config[ends] = _shifted(config[ends], {n for n, kind in inner.items() if kind == "Sequential"})
    return config


def _name_of(entry: dict[str, Any]) -> str | None:
    config = entry.get("config")
    name = entry.get("name") or (config.get("name") if isinstance(config, dict) else None)
    if name is not None and not isinstance(name, str):
        raise BrokenFileError(f"the architecture has a layer whose name is no text: {name!r:.100}")
    return name


def _is_network(entry: dict[str, Any]) -> bool:
    config = entry.get("config")
    return isinstance(config, list) or (isinstance(config, dict) and isinstance(config.get("layers"), list)
                                        and (entry.get("class_name") in _NETWORKS or "input_layers" in config))


def _call(node: Any, entry: dict[str, Any], names: set[Any], inner: Mapping[Any, Any], attends: bool) -> Any:
    """One call of a layer, which may be one that `attends`, as Keras 2.0.9 writes it: places of its inputs, the first
    with the keywords."""
    if isinstance(node, dict):
        if any(not _only_tensors(one) for one in _listed(node.get("args"))):
            raise BrokenFileError(f"the architecture calls layer '{_name_of(entry)}' with positional arguments that "
                                  "are no tensors, which can't be read")
        inputs = _shifted(_tensors(node.get("args")), set(inner))
        keywords = {k: v for k, v in (node.get("kwargs") or {}).items() if v is not None}
        given = {k: _shifted(_tensors(v), set(inner)) for k, v in keywords.items() if _tensors(v)}
    elif isinstance(node, list) and node and all(isinstance(one, list) and len(one) in (3, 4) for one in node):
        inputs = [one[:3] for one in node]
        keywords = dict(node[0][3]) if len(node[0]) == 4 and isinstance(node[0][3], dict) else {}
        given = {k: _places(v, names) for k, v in keywords.items() if _places(v, names)}
    else:
        return node
    unknown = [k for k in given if k not in _BY_KEYWORD]
    if unknown:
        raise BrokenFileError(f"the architecture passes a tensor to layer '{_name_of(entry)}' as {unknown[0]!r}, which "
                              "can't be read")
    if attends and "attention_mask" in given and "key" not in given \
            and len(inputs) + ("query" in given) + ("value" in given) == 2:
        given["key"] = given.get("value") or [inputs[-1]]  # the mask stands fourth
    inputs = [*inputs, *(place for k in _BY_KEYWORD for place in given.get(k, ()))]
    rest = {k: v for k, v in keywords.items() if k not in given}
    return [[*place, rest if i == 0 else {}] for i, place in enumerate(inputs)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _only_tensors(value: Any) -> bool:
    """Whether an argument is a tensor, nothing, or a list of such."""
    if isinstance(value, list):
        return all(_only_tensors(v) for v in value)
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return _only_tensors(value.get("items"))
    return value is None or (isinstance(value, dict) and value.get("class_name") == "__keras_tensor__")


def _places(value: Any, names: set[Any]) -> list[list[Any]]:
    """The tensors among Keras 2's keywords: ``[layer, call, output]``, or a list of them."""
    if not isinstance(value, list):
        return []
    if len(value) in (3, 4) and isinstance(value[0], str) and value[0] in names and \
            all(type(number) is int for number in value[1:3]):
        return [value[:3]]
    found = [_places(one, names) for one in value]
    return [place for one in found for place in one] if value and all(found) else []


def _shifted(value: Any, networks: set[Any]) -> Any:
    """Places whose calls of these networks are counted from 0, counted from 1."""
    if isinstance(value, dict):
        return {k: _shifted(v, networks) for k, v in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) == 3 and isinstance(value[0], str) and type(value[1]) is int:
        return [value[0], value[1] + (value[0] in networks), value[2]]
    return [_shifted(v, networks) for v in value]


def refused(config: Any) -> list[str]:
    """What of an architecture loads only with objects of the caller's: lambdas, and layers of unknown classes."""
    entries = [(config, 0)]
    found: list[str] = []
    while entries:
        value, depth = entries.pop()
        if depth > MAX_NESTING:
            return [*found, f"an architecture nested more than {MAX_NESTING} deep"]
        if isinstance(value, dict):
            inside, module = value.get("config"), str(value.get("module"))
            name = inside.get("name") if isinstance(inside, dict) else None
            if value.get("class_name") == "__lambda__":
                found.append("bytecode of a lambda: is never loaded; name its layer in custom_objects")
            elif (module.startswith("keras.layers") or value.get("registered_name")) and name is not None \
                    and value.get("class_name") not in (*layer_classes(), "Functional"):
                found.append(f"layer {str(name)!r}: its class {str(value.get('class_name'))!r} isn't known; name it in "
                             "custom_objects")
            entries += [(v, depth + 1) for k, v in reversed(value.items()) if k not in ("compile_config",)]
        elif isinstance(value, list):
            entries += [(v, depth + 1) for v in reversed(value)]
    return found


# ----------------------------------------------------------------------------------------------------- writing


def writable(entry: dict[str, Any], sigmoids: set[str], own: Collection[str] = ()) -> dict[str, Any]:
    """The model's ``{'class_name', 'config'}`` as an object of Keras 3, whose class has a module.

    `sigmoids` are those that occur in it (see `hard_sigmoids`): what Keras 3 calls 'hard_sigmoid' gets that name,
    unless Keras 2's has it. Layers of the names `own` are the program's.
    """
    renamed = {"keras3_hard_sigmoid": "hard_sigmoid"} if "hard_sigmoid" not in sigmoids else {}
    result: dict[str, Any] = _written(entry, "", renamed, own)
    return result


def _written(value: Any, key: str, renamed: dict[str, str], own: Collection[str]) -> Any:
    if isinstance(value, list):
        return [_written(v, key, renamed, own) for v in value]
    if not isinstance(value, dict):
        return renamed.get(value, value) if isinstance(value, str) and key.endswith("activation") else value
    kind, config = value.get("class_name"), value.get("config")
    if not isinstance(kind, str) or not isinstance(config, dict):
        return {k: _written(v, k, renamed, own) for k, v in value.items()}
    config = {k: _written(v, k, renamed, own) for k, v in config.items()}
    module = _module(kind, key, own)
    if module == "keras.layers":
        config = _layer_config(kind, config)
    if isinstance(config.get("layers"), list) and "input_layers" in config:
        config = _written_network(config, own)
    made: dict[str, Any] = {"module": module or "builtins", "class_name": "Model" if kind == "Functional" else kind,
                            "config": config, "registered_name": kind if module is None else None}
    return {**made, **{k: value[k] for k in ("name", "inbound_nodes") if k in value}}


def _module(kind: str, key: str, own: Collection[str]) -> str | None:
    """The module of Keras that has a class; None for one of the user's, as layers of the names `own` are."""
    if kind in ("Functional", "Model", "Sequential"):
        return "keras"
    for word, registry, module in (("initializer", initializers, "keras.initializers"),
                                   ("regularizer", regularizers, "keras.regularizers"),
                                   ("constraint", constraints, "keras.constraints"),
                                   ("learning_rate", schedules, "keras.optimizers.schedules")):
        if key.endswith(word):
            return module if hasattr(registry, kind) else None
    return "keras.layers" if kind in layer_classes() and kind not in own else None


def _layer_config(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """A layer's config in words that both Keras 2.15 and Keras 3 know."""
    if kind == "InputLayer":
        return config
    config = {k: v for k, v in config.items() if k != "batch_input_shape"}
    if K.floatx() != "float32":
        config.setdefault("dtype", K.floatx())
    if kind == "Lambda":
        function = {"module": "builtins", "class_name": "function", "config": str(config["function"]),
                    "registered_name": "function"}
        return {**{k: v for k, v in config.items() if k not in ("function_type", "output_shape_type")},
                "function": function}
    if kind == "MultiHeadAttention":
        return {k: v for k, v in config.items() if k not in ("query_shape", "key_shape", "value_shape")}
    return config


def _written_network(config: dict[str, Any], own: Collection[str]) -> dict[str, Any]:
    """A functional model's config, with its calls in Keras 3's way if it takes that."""
    several = {"MultiHeadAttention", *_RECURRENT}.difference(own)
    inner = {_name_of(entry): entry.get("class_name") for entry in config["layers"] if _is_network(entry)}
    if not inner and not any(len(node) > 1 and entry["class_name"] in several for entry in config["layers"]
                             for node in entry.get("inbound_nodes") or ()):
        return config
    layers = [{**entry, "inbound_nodes": [_keras3_call(entry, node, inner, several)
                                          for node in entry.get("inbound_nodes") or ()]} for entry in config["layers"]]
    stacks = {name for name, kind in inner.items() if kind == "Sequential"}
    return {**config, "layers": layers,
            "output_layers": [_back(place, stacks) for place in config["output_layers"]],
            "input_layers": [_back(place, stacks) for place in config["input_layers"]]}


_RECURRENT = ("Bidirectional", "ConvLSTM2D", "GRU", "LSTM", "RNN", "SimpleRNN")


def _back(place: Sequence[Any], networks: Any) -> list[Any]:
    return [place[0], place[1] - (place[0] in networks), place[2]]


def _keras3_call(entry: dict[str, Any], node: Sequence[Any], inner: Mapping[Any, Any],
                 several: Collection[str]) -> dict[str, Any]:
    """A call with arguments, from places. Tensors for layers of the classes `several` are several arguments, not one
    that is a list."""
    tensors = [{"class_name": "__keras_tensor__", "config": {"shape": [None], "dtype": "float32",
                                                             "keras_history": _back(place, inner)}} for place in node]
    keywords = dict(node[0][3]) if len(node[0]) > 3 else {}
    if len(node) == 1 or entry["class_name"] not in several:
        return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": keywords}
    if entry["class_name"] != "MultiHeadAttention":
        return {"args": tensors[:1], "kwargs": {**keywords, "initial_state": tensors[1:]}}
    return {"args": tensors[:3], "kwargs": {**keywords, "attention_mask": tensors[3]} if len(tensors) > 3 else keywords}


# ------------------------------------------------------------------------------------------------ hard sigmoid


def hard_sigmoids(config: Any) -> set[str]:
    """Which hard sigmoids an architecture names: Keras 2's, 'hard_sigmoid', and Keras 3's, 'keras3_hard_sigmoid'."""
    if isinstance(config, (list, tuple)):
        return set().union(*map(hard_sigmoids, config))
    if isinstance(config, dict):
        own = {v for k, v in config.items() if k.endswith("activation") and isinstance(v, str)
               and v.endswith("hard_sigmoid")}
        return own.union(*map(hard_sigmoids, config.values()))
    return set()


def warn_of_hard_sigmoid(name: str, path: str) -> None:
    """A UserWarning: the model would compute something else in Keras 3."""
    warn(f"Model '{name}' has the activation hard_sigmoid, the default of LSTM and GRU in Keras 2.0.9. Here and in "
         f"Keras 2.15 '{path}' predicts the same; Keras 3 has another function of that name.")
