"""Architectures of Keras 1 in the words of Keras 2."""

from __future__ import annotations

from typing import Any

from .errors import BrokenFileError

_CLASSES = {"AtrousConvolution1D": "Conv1D", "AtrousConvolution2D": "Conv2D", "Convolution1D": "Conv1D",
            "Convolution2D": "Conv2D", "Convolution3D": "Conv3D", "Deconvolution2D": "Conv2DTranspose",
            "SeparableConvolution2D": "SeparableConv2D", "TimeDistributedDense": "Dense"}
_MERGES = {"concat": "Concatenate", "sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "dot": "Dot",
           "cos": "Dot"}
_KEEP = ("Highway", "MaxoutDense")  # these have Keras 1's arguments in Keras 2 too
_NAMES = {
    "output_dim": "units", "nb_filter": "filters", "init": "kernel_initializer", "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation", "border_mode": "padding", "subsample": "strides",
    "subsample_length": "strides", "filter_length": "kernel_size", "pool_length": "pool_size", "stride": "strides",
    "atrous_rate": "dilation_rate", "bias": "use_bias", "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer", "b_regularizer": "bias_regularizer", "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint", "dropout_W": "dropout", "dropout_U": "recurrent_dropout", "p": "rate",
    "sigma": "stddev", "beta_init": "beta_initializer", "gamma_init": "gamma_initializer", "input_dtype": "dtype",
    "depthwise_init": "depthwise_initializer", "pointwise_init": "pointwise_initializer", "length": "size",
}
_DROPPED = ("input_dim", "input_length", "create_input_layer", "cache_enabled", "output_shape", "input_shape")
_OF_EMBEDDING = {"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer",
                 "W_constraint": "embeddings_constraint"}
_IMPLEMENTATIONS = {"cpu": 1, "mem": 1, "gpu": 2}


def in_keras2(entry: dict[str, Any]) -> dict[str, Any]:
    """A layer's ``{'class_name', 'config', ...}`` of Keras 1 as Keras 2 says it. ValueError for what it lacks."""
    kind: str = entry["class_name"]
    config: dict[str, Any] = dict(entry["config"])
    if kind in _KEEP:
        return entry
    if kind == "Merge":
        # with layers of its own it begins a Sequential; the layer of that name also takes a function as its mode
        is_old = config.get("layers") or config.get("mode_type", "raw") != "raw"
        return entry if is_old else {**entry, **_merged(config)}
    if kind == "BatchNormalization" and config.pop("mode", 0) != 0:
        raise BrokenFileError(f"layer '{config.get('name')}' is a BatchNormalization of Keras 1 with a mode other than "
                              "0, which Keras 2 does not have")
    if "nb_row" in config:
        config["kernel_size"] = [config.pop("nb_row"), config.pop("nb_col")]
    if "kernel_dim1" in config:
        config["kernel_size"] = [config.pop(f"kernel_dim{i}") for i in (1, 2, 3)]
    if "dim_ordering" in config:
        config["data_format"] = {"th": "channels_first", "tf": "channels_last"}.get(config.pop("dim_ordering"))
    if "consume_less" in config:
        config["implementation"] = _IMPLEMENTATIONS.get(config.pop("consume_less"), 1)
    if "forget_bias_init" in config:
        config["unit_forget_bias"] = config.pop("forget_bias_init") == "one"
    if kind == "PReLU" and "init" in config:
        config["alpha_initializer"] = config.pop("init")
    renamed: dict[str, Any] = {}
    for name, value in config.items():
        if kind == "Embedding" and name in ("input_dim", "input_length", "output_dim"):
            renamed[name] = value
        elif name in _DROPPED or (kind == "Embedding" and name == "dropout"):
            continue
        else:
            new = _OF_EMBEDDING.get(name, name) if kind == "Embedding" else name
            renamed[_NAMES.get(new, new)] = _part(value)
    return {**entry, "class_name": _CLASSES.get(kind, kind), "config": renamed}


def _part(value: Any) -> Any:
    """Regularizers and constraints, which Keras 1 wrote as ``{'name': ..., arguments}``."""
    if not isinstance(value, dict) or "name" not in value or "class_name" in value:
        return value
    name = value["name"]
    rest = {k: v for k, v in value.items() if k != "name"}
    if "l1" in rest or "l2" in rest:
        return {"class_name": "L1L2", "config": rest}
    if "m" in rest:
        rest["max_value"] = rest.pop("m")
    return {"class_name": name, "config": rest}


def _merged(config: dict[str, Any]) -> dict[str, Any]:
    """The layer of Keras 2 for a Merge."""
    mode = config.get("mode")
    if mode not in _MERGES or "layers" in config:
        raise BrokenFileError(f"layer '{config.get('name')}' is a Merge of Keras 1 with mode {mode!r}, which Keras 2 "
                              "has no layer for")
    made: dict[str, Any] = {"name": config.get("name"), "trainable": config.get("trainable", True)}
    if mode == "concat":
        made["axis"] = config.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        axes = config.get("dot_axes", -1)
        made.update(axes=axes, normalize=mode == "cos")
    return {"class_name": _MERGES[mode], "config": made}
