"""How a model was compiled, and the state of its optimizer, in HDF5 files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from .. import losses, metrics
from ..engine.serialization import described_error, plain
from ..utils.generic_utils import CustomObjectScope, get_custom_objects, has_arg, to_snake_case
from ..utils.messages import warn
from . import optimizer_state
from .conversion import Origin
from .errors import BrokenFileError
from .guarded import Group
from .weights import read_arrays, write_arrays


class Unknown(ValueError):
    """The file names a loss, metric or optimizer that isn't known, or sets one up in a way that isn't possible here."""


def is_compiled(model: Any) -> bool:
    """Whether there is something to write."""
    return hasattr(model, "train_function") and hasattr(model.optimizer, "get_config")


# ----------------------------------------------------------------------------------------------------- writing


def write(file: Any, model: Any) -> None:
    """The arguments of `compile` as JSON, and the optimizer's state if it has begun."""
    file.attrs["training_config"] = json.dumps(training_config(model), default=by_name).encode()
    names, values = optimizer_state.arrays_of(model.optimizer, model._collected_trainable_weights)
    if names:
        write_arrays(file.create_group("optimizer_weights"), names, values)


def training_config(model: Any) -> dict[str, Any]:
    """What `compile` was told, in the layout of Keras 2."""
    scale = optimizer_state.loss_scale(model.optimizer)
    return {"optimizer_config": optimizer_state.writable(model.optimizer), "loss": _full_names(model.loss) or None,
            "metrics": model.metrics or None, "weighted_metrics": model.weighted_metrics or None,
            "sample_weight_mode": model.sample_weight_mode, "loss_weights": model.loss_weights,
            **({} if scale is None else {"loss_scale": scale})}


NEW_NAMES = {"logcosh": "log_cosh", "kullback_leibler_divergence": "kl_divergence",
             "cosine_proximity": "cosine_similarity"}
"""Names of losses in Keras 2.0.9, and the names that both Keras 2.15 and Keras 3 know."""


def _full_names(loss: Any) -> Any:
    """Losses by the names that both Keras 2.15 and Keras 3 know."""
    if isinstance(loss, str):
        loss = losses.get(loss)
    name = getattr(loss, "__name__", "")
    if callable(loss) and getattr(losses, name, None) is loss:
        return NEW_NAMES.get(name, name)
    if isinstance(loss, (list, tuple)):
        return [_full_names(one) for one in loss]
    return {name: _full_names(one) for name, one in loss.items()} if isinstance(loss, dict) else loss


def by_name(value: Any) -> Any:
    """A loss or metric by its name, an object of a class as class name and config."""
    if callable(value) and not hasattr(value, "__name__") and not hasattr(value, "get_config"):
        return type(value).__name__
    made = plain(value)
    if isinstance(made, dict) and made.get("config", {}).get("reduction") == "auto":
        made["config"] = {**made["config"], "reduction": "sum_over_batch_size"}  # the same; Keras 3 has no other name
    return made


# ----------------------------------------------------------------------------------------------------- reading


def restore(root: Group, model: Any, custom_objects: dict[str, Any], origin: Origin) -> None:
    """Compiles the model as the file says, and gives the optimizer its state.

    What isn't known leaves the model uncompiled, with a warning.
    """
    config = root.json("training_config")
    if config is None:
        warn(f"'{root.path}' does not say how the model was compiled: it is not. Compile it before training.")
        return
    if not isinstance(config, dict):
        raise BrokenFileError(f"'{root.path}': training_config is no dictionary")
    if compile_as_told(root.path, model, lambda: config, custom_objects, origin) is None:
        return
    if "optimizer_weights" in root:
        group = root.group("optimizer_weights")
        names = group.texts("weight_names") or []
        make_step(model, root.path)
        wrong = optimizer_state.restore(model.optimizer, model._collected_trainable_weights, names, read_arrays(group),
                                        origin)
        if wrong:
            warn(f"'{root.path}': the optimizer starts afresh, because its state in the file does not fit: {wrong}.")


def make_step(model: Any, path: str) -> None:
    """Makes the training step, and with it the optimizer's variables; BrokenFileError if that isn't possible."""
    try:
        model._make_train_function()
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise BrokenFileError(f"'{path}': the model in the file can't be trained ({described_error(error)}); "
                              "load it with compile=False") from error


def compile_as_told(path: str, model: Any, told: Callable[[], dict[str, Any]], custom_objects: dict[str, Any],
                    origin: Origin) -> dict[str, Any] | None:
    """Compiles the model as `told()` says, in the words of Keras 2, and returns that.

    What isn't known or possible leaves the model uncompiled, with a warning, and returns None.
    """
    with CustomObjectScope(custom_objects):
        try:
            config = told()
            model.compile(**compile_arguments(config, model, origin))
            optimizer_state.set_loss_scale(model.optimizer, config.get("loss_scale"))
            return config
        except (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError,
                ValueError) as error:
            for name in ("train_function", "optimizer"):
                model.__dict__.pop(name, None)
            why = str(error) if isinstance(error, (TypeError, ValueError)) else described_error(error)
            warn(f"'{path}': the model is loaded but not compiled, because {why}. Name objects of yours in "
                 "custom_objects, or compile the model before training.")
    return None


def compile_arguments(config: dict[str, Any], model: Any, origin: Origin) -> dict[str, Any]:
    """The arguments for `compile`; Unknown if a name in them is."""
    names = model.output_names
    optimizer = config.get("optimizer_config")
    if not isinstance(optimizer, dict):
        raise Unknown("the file names no optimizer")
    return {"optimizer": optimizer_state.readable(optimizer, origin), "loss": _loss(config.get("loss")),
            "metrics": _metrics(config.get("metrics"), names),
            "weighted_metrics": _metrics(config.get("weighted_metrics"), names),
            "loss_weights": config.get("loss_weights"), "sample_weight_mode": config.get("sample_weight_mode")}


def _loss(entry: Any) -> Any:
    if entry is None or entry == "":
        return None
    if isinstance(entry, (list, tuple)):
        return [_loss(one) for one in entry]
    if isinstance(entry, dict) and "class_name" not in entry:
        return {name: _loss(one) for name, one in entry.items()}
    if entry == "cosine_similarity" or isinstance(entry, dict) and entry.get("class_name") == "CosineSimilarity":
        entry = "cosine_proximity"  # the same as a loss; as a metric newer Keras turned its sign
    return _function("loss", entry, losses, {"from_logits": (False,), "label_smoothing": (0, 0.0), "axis": (-1,),
                                             "ignore_class": (None,), "delta": (), "reduction": (
                                                 "auto", "sum_over_batch_size", "sum_over_batch_size_v2", None)})


def _metrics(entry: Any, outputs: Sequence[str]) -> Any:
    """Metrics as `compile` takes them: for all outputs a list, or a dictionary by output."""
    if not entry:
        return None
    if isinstance(entry, dict) and "class_name" not in entry:
        return {name: [_metric(m) for m in _as_list(one) if m is not None] for name, one in entry.items() if one}
    entry = _as_list(entry)
    if any(one is None or isinstance(one, (list, tuple)) for one in entry):
        if len(entry) != len(outputs):
            raise Unknown(f"the file has metrics for {len(entry)} outputs, the model has {len(outputs)}")
        found = {name: [_metric(m) for m in _as_list(one) if m is not None] for name, one in zip(outputs, entry) if one}
        return next(iter(found.values()), None) if len(outputs) == 1 else found
    return [_metric(m) for m in entry]


def _metric(entry: Any) -> Any:
    if entry in ("accuracy", "acc"):
        return entry
    if isinstance(entry, dict) and isinstance(entry.get("config"), dict):
        config = entry["config"]
        named = config.get("name") in ("acc", "accuracy")
        if named and entry["class_name"] in ("MeanMetricWrapper", "Accuracy", "BinaryAccuracy", "CategoricalAccuracy",
                                             "SparseCategoricalAccuracy"):
            return "accuracy"
    return _function("metric", entry, metrics, {"threshold": (0.5,), "k": (5,), "axis": (-1,), "from_logits": (False,),
                                                "label_smoothing": (0, 0.0)})


_ALIASES = {"KLDivergence": "kullback_leibler_divergence", "LogCosh": "logcosh",
            "TopKCategoricalAccuracy": "top_k_categorical_accuracy",
            "SparseTopKCategoricalAccuracy": "sparse_top_k_categorical_accuracy"}


def _function(kind: str, entry: Any, module: Any, neutral: dict[str, tuple[Any, ...]]) -> Any:
    """The loss or metric that an entry names: a function's name, or an object of newer Keras set up as by default."""
    name, config = entry, {}
    if isinstance(entry, dict):
        name, config = entry.get("class_name"), entry.get("config", {})
        if name == "function":
            name, config = config, {}
        elif isinstance(config, dict) and "fn" in config:
            fn = config["fn"]
            config = {argument: value for argument, value in config.items() if argument != "fn"}
            if name in _WRAPPERS or _class(module, name) is None:
                name = fn.get("config") if isinstance(fn, dict) else fn
    if not isinstance(name, str) or not isinstance(config, dict):
        raise Unknown(f"the {kind} {entry!r:.200} is not understood")
    own = get_custom_objects().get(name)
    if own is not None:
        return own.from_config(config) if isinstance(own, type) and hasattr(own, "from_config") else own
    made = _object(kind, name, config, module, neutral) if isinstance(entry, dict) else None
    if made is not None:
        return made
    for argument, value in config.items():
        if argument not in ("name", "dtype", "registered_name") and value not in neutral.get(argument, (None,)):
            raise Unknown(f"the {kind} {name} has {argument}={value!r}, which there is not here")
    try:
        found = module.get(_ALIASES.get(name) or (to_snake_case(name) if isinstance(entry, dict) else name))
        return entry if isinstance(entry, str) else found  # `model.loss` is what `compile` was told
    except ValueError as error:
        raise Unknown(f"the {kind} {name!r} isn't known ({error})") from error


_WRAPPERS = ("LossFunctionWrapper", "MeanMetricWrapper")
"""Classes whose objects are what the function in them is."""


def _class(module: Any, name: Any) -> Any:
    """The class of losses or metrics of that name, if there is one here."""
    cls = getattr(module, name, None) if isinstance(name, str) else None
    return cls if isinstance(cls, type) and hasattr(cls, "get_config") else None


def _object(kind: str, name: str, config: dict[str, Any], module: Any, neutral: dict[str, tuple[Any, ...]]) -> Any:
    """The loss or metric of that class, if only an object will do: none of the functions here stands for it."""
    cls = _class(module, name)
    if cls is None:
        return None
    takes = [argument for argument in config if has_arg(cls, argument, accept_all=True)]
    refused = [a for a, v in config.items() if a not in takes and a not in ("registered_name",)
               and v not in neutral.get(a, (None,))]
    function = _ALIASES.get(name) or to_snake_case(name)
    usual = all(a in ("name", "dtype") or v in neutral.get(a, (None,)) for a, v in config.items())
    if refused or usual and function in module.__all__ and (kind == "loss" or config.get("name") in (None, function)):
        return None
    return cls(**{argument: config[argument] for argument in takes if argument != "dtype"})


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
