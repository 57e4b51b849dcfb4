"""Architectures of other versions of Keras as this library reads them, and this library's as they read them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection
from typing import Any

from ..device import require_bfloat16
from ..engine import policy
from ..engine.budget import MAX_NESTING, check_architecture, weight_budget
from ..engine.own_classes import means_own, own_names
from ..engine.sequential import Sequential
from ..engine.serialization import described_error, explicit
from ..engine.training import Model
from ..utils.generic_utils import get_custom_objects
from ..utils.identity import is_built_in
from ..utils.messages import warn
from . import keras1, keras3_configs
from .architecture import model_from_config
from .conversion import Origin
from .errors import BrokenFileError
from .keras3_configs import layer_classes

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "groups": (1,), "ragged": (False,), "time_major": (False,), "synchronized": (False,), "optional": (False,),
    "renorm": (False,), "fused": (True, False), "virtual_batch_size": (), "autocast": (True,), "lora_rank": (),
    "lora_alpha": (), "quantization_config": (), "input_axes": (), "output_axes": (), "use_cudnn": ("auto",),
    "sliding_window": (), "flash_attention": (False,), "use_gate": (False,),
    "sparse_gradient": (False,), "experimental_autocast": (True,),
    "seed": (), "renorm_clipping": (), "renorm_momentum": (0.99,), "rms_scaling": (False,),
    # Bidirectional sets it to True in newer Keras, where it matters for masked steps only.
    "zero_output_for_mask": (False, True),
}
"""Arguments that only other versions of Keras have, and their values that change nothing (None is always one)."""
_POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1")
"""What versions of Keras call the class of a policy."""
_UNSEEDED = ("GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization")
"""Layers whose random numbers have a seed of their own in newer Keras only."""


def readable(config: Any, origin: Origin, custom_objects: dict[str, Any] | None = None,
             archived: bool = False) -> Any:
    """A copy of a model's ``{'class_name', 'config'}`` of any Keras that `layers.deserialize` understands.

    `archived` says that it has the words of Keras 3's archives, as all has that Keras 3 writes. Arguments that classes
    in `custom_objects` take themselves are left to them. BrokenFileError for an architecture that is larger than any
    model's, or can't be read.
    """
    check(config)
    known = {**get_custom_objects(), **(custom_objects or {})}
    if archived or origin.version.startswith("3"):
        config = keras3_configs.in_keras2(config, known)
    return _readable(config, origin, known, 0)


def check(config: Any) -> None:
    """BrokenFileError for an architecture that is larger than any model's."""
    try:
        check_architecture(config)
    except ValueError as error:
        raise BrokenFileError(str(error)) from error


def readable_text(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """As `readable`, for what a JSON or YAML text holds: it says itself which Keras wrote it, or leaves it open."""
    if not isinstance(config, dict):
        return config
    version = config.get("keras_version")
    if version is None and "module" not in config:
        return config
    made = readable(config, Origin("3" if version is None else str(version), config.get("backend")), custom_objects)
    return {key: value for key, value in made.items() if key not in ("keras_version", "backend")}


def _readable(value: Any, origin: Origin, custom: dict[str, Any], depth: int) -> Any:
    if depth > MAX_NESTING:
        raise BrokenFileError(f"the architecture is nested more than {MAX_NESTING} deep")
    if isinstance(value, list):
        return [_readable(v, origin, custom, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in _POLICIES and isinstance(value.get("config"), dict):
        return _dtype(value["config"].get("name"))
    if value.get("class_name") == "__tuple__":
        return [_readable(v, origin, custom, depth + 1) for v in value.get("items", [])]
    if value.get("class_name") == "function" and isinstance(value.get("config"), str):
        return value["config"]  # looked up by its name, among the functions known where it is needed
    made = {k: _readable(v, origin, custom, depth + 1) for k, v in value.items()}
    if not isinstance(made.get("config"), dict) or not isinstance(made.get("class_name"), str):
        return made
    for extra in ("module", "registered_name", "build_config", "compile_config", "shared_object_id"):
        made.pop(extra, None)
    if origin.is_keras1 and not means_own(made["class_name"], custom):
        made = keras1.in_keras2(made)
    made["config"] = _arguments(made["class_name"], made["config"], custom)
    if origin.version.startswith("3"):
        for name, activation in made["config"].items():
            if name.endswith("activation") and activation == "hard_sigmoid":
                made["config"][name] = "keras3_hard_sigmoid"
    return made


def _dtype(name: Any) -> Any:
    """The dtype of a layer under a policy. Where there is no bfloat16, float32 stands for it: the weights are the
    same."""
    if name != "mixed_bfloat16":
        return name
    try:
        require_bfloat16()
    except ValueError as error:
        warn(f"The model computes in mixed_bfloat16, and here in float32, because there is no bfloat16: {error}.")
        return "float32"
    return name


def _own_arguments(custom: Any) -> set[str]:
    """The arguments that the constructor of a user's class names, and those of its bases outside of this library."""
    classes = [c for c in custom.__mro__ if "__init__" in vars(c)] if isinstance(custom, type) else []
    return {name for c in classes if not is_built_in(c) and c.__module__ != "builtins"
            for name in inspect.signature(c).parameters}


def _stands_alone(custom: Any) -> bool:
    """Whether a user's class is made from none of this library's layers, and so knows all its arguments itself."""
    return isinstance(custom, type) and not any(is_built_in(c) and c.__name__ in layer_classes() - {"Layer", "Wrapper"}
                                                for c in custom.__mro__)


def _arguments(class_name: str, config: dict[str, Any], custom: dict[str, Any]) -> dict[str, Any]:
    """A class's arguments without those that say nothing here."""
    found = custom.get(class_name)
    own = _own_arguments(found)
    for name, neutral in _NEUTRAL.items() if not _stands_alone(found) else ():
        if name in config and name not in own and (config[name] is None or config[name] in neutral):
            del config[name]
    if not means_own(class_name, custom):
        _translate(class_name, config, own)
    if isinstance(config.get("dtype"), str):
        config["dtype"] = _dtype(config["dtype"])
    return config


def _translate(class_name: str, config: dict[str, Any], own: Collection[str]) -> None:
    """Puts the arguments that only a class of this name has in this library's words, but for those that are a class's
    `own`."""
    if class_name in _UNSEEDED or class_name.startswith(("Spatial", "Global")):
        if "seed" not in own:
            config.pop("seed", None)
        if "keepdims" not in own and not config.get("keepdims"):
            config.pop("keepdims", None)
    if class_name == "LeakyReLU" and "negative_slope" in config and "negative_slope" not in own:
        config["alpha"] = config.pop("negative_slope")
    if class_name.startswith("LocallyConnected") and config.get("implementation") == 1:
        del config["implementation"]
    if class_name == "Bidirectional" and _mirrored(config.get("backward_layer"), config.get("layer")):
        config.pop("backward_layer", None)
    axis = config.get("axis")
    if class_name == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]


def _mirrored(backward: Any, forward: Any) -> bool:
    """Whether the layer for the way back is what the one for the way forth makes it anyway."""
    if backward is None:
        return True
    if not isinstance(backward, dict) or not isinstance(forward, dict):
        return False
    parts = []
    for entry in (backward, forward):
        config = entry.get("config")
        if not isinstance(config, dict):
            return False
        parts.append({k: v for k, v in config.items() if k not in ("name", "go_backwards")})
    return parts[0] == parts[1] and backward.get("class_name") == forward.get("class_name")


def built(described: Callable[[], Any], stored: int, custom: dict[str, Any] | None) -> Any:
    """A model from its config, which `described` gives; its weights may not be more than what the file has of them."""
    try:
        with weight_budget(2 * stored + 1024):
            return model_from_config(described(), custom_objects=custom)
    except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        raise BrokenFileError("the architecture in the file can't be built: " + described_error(error)) from error


# ----------------------------------------------------------------------------------------------------- writing


def writable(model: Any, by_keyword: bool = True) -> dict[str, Any]:
    """The model's ``{'class_name', 'config'}`` as Keras 2.15 and Keras 3 read it.

    They want a Sequential as a dictionary that begins with its input layer, where Keras 2.0.9 had a bare list; and in
    HDF5 files tensors for several arguments of a layer `by_keyword`.
    """
    own = own_names(model)
    config = explicit(copy.deepcopy(model.get_config()), own)
    name = _known_class(model)
    config = _sequential(config, model.name, own) if isinstance(config, list) else _written(config, own)
    by_keyword = by_keyword and "MultiHeadAttention" not in own
    return {"class_name": name, "config": _with_keywords(config) if by_keyword else config}


def _known_class(model: Any) -> str:
    """The class a reader can make the model with: a subclass with a constructor of its own can't be read back."""
    return "Sequential" if isinstance(model, Sequential) else "Model" if type(model) is Model else type(model).__name__


def _written(value: Any, own: Collection[str]) -> Any:
    """The same, for all Sequentials inside a config. Classes of the names `own` are the program's."""
    if isinstance(value, (list, tuple)):
        return [_written(v, own) for v in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "Policy" and value.get("module") == policy.MODULE:
        return value["config"]["name"]  # which Keras 3 takes too
    if value.get("class_name") == "Sequential" and isinstance(value.get("config"), list):
        return {**{k: _written(v, own) for k, v in value.items()},
                "config": _sequential(value["config"], value.get("name") or "sequential", own)}
    made = {k: _written(v, own) for k, v in value.items()}
    if isinstance(made.get("config"), dict) and made.get("class_name") not in own:
        made["config"] = _without_old(str(made.get("class_name")), made["config"])
    for part in ("layer", "cell"):
        if part in made:
            made[part] = _with_module(made[part], own)
    if isinstance(made.get("cells"), list):
        made["cells"] = [_with_module(cell, own) for cell in made["cells"]]
    return made


def _without_old(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """A layer's config without what Keras 3 doesn't take, and what changes nothing."""
    unknown: tuple[tuple[str, Any], ...] = ()
    if class_name == "ConvLSTM2D":
        return {k: v for k, v in config.items() if k != "implementation"}
    if class_name.startswith("SpatialDropout"):
        unknown = (("trainable", True), ("noise_shape", None), ("seed", None))
    if class_name == "Attention":
        unknown = (("score_mode", "dot"),)  # the default; Keras 3 takes the name for that of its function
    return {k: v for k, v in config.items() if (k, v) not in unknown}


def _with_module(inside: Any, own: Collection[str]) -> Any:
    """A layer inside a wrapper: Keras 3 finds it by its module only."""
    if not isinstance(inside, dict) or inside.get("class_name") not in layer_classes() or inside["class_name"] in own:
        return inside
    module = "keras" if inside["class_name"] in ("Model", "Sequential") else "keras.layers"
    return {"module": module, **inside, "registered_name": None}


def _with_keywords(value: Any) -> Any:
    """The same config with the arguments of each `MultiHeadAttention` by keyword."""
    if isinstance(value, list):
        return [_with_keywords(v) for v in value]
    if not isinstance(value, dict):
        return value
    made = {k: _with_keywords(v) for k, v in value.items()}
    if made.get("class_name") == "MultiHeadAttention" and made.get("inbound_nodes"):
        made["inbound_nodes"] = [_by_keyword(node) for node in made["inbound_nodes"]]
    return made


def _by_keyword(node: list[Any], names: tuple[str, ...] = ("value", "key", "attention_mask")) -> list[Any]:
    """A call whose tensors after the first are written as keywords."""
    first, *rest = node
    return [[*first[:3], {**(first[3] if len(first) > 3 else {}),
                          **{name: list(place[:3]) for name, place in zip(names, rest)}}]]


def _fed(dtype: Any) -> str:
    """The dtype of what is fed to a first layer of this dtype: under a mixed policy float32."""
    return dtype if isinstance(dtype, str) and not dtype.startswith("mixed_") else "float32"


def _sequential(layers: list[Any], name: str, own: Collection[str]) -> dict[str, Any]:
    layers = [_written(layer, own) for layer in layers]
    first = layers[0]["config"] if layers else None
    if isinstance(first, dict) and layers[0]["class_name"] != "InputLayer" and first.get("batch_input_shape"):
        layers.insert(0, {"class_name": "InputLayer", "config": {
            "batch_input_shape": first["batch_input_shape"], "dtype": _fed(first.get("dtype")),
            "sparse": False, "name": f"{first.get('name', 'first')}_input"}})
    return {"name": name, "layers": layers}
