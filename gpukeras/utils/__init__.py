"""Keras's utilities. Names are loaded when first used, because some of their modules are heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_FROM = {
    "CustomObjectScope": "generic_utils",
    "GeneratorEnqueuer": "data_utils",
    "HDF5Matrix": "io_utils",
    "OrderedEnqueuer": "data_utils",
    "Progbar": "generic_utils",
    "Sequence": "data_utils",
    "array_to_img": "preprocessing.image",
    "convert_all_kernels_in_model": "layer_utils",
    "custom_object_scope": "generic_utils",
    "deserialize_keras_object": "generic_utils",
    "draw_model": "drawing.models",
    "get_custom_objects": "generic_utils",
    "get_file": "data_utils",
    "img_to_array": "preprocessing.image",
    "load_img": "preprocessing.image",
    "model_to_dot": "vis_utils",
    "multi_gpu_model": "training_utils",
    "normalize": "np_utils",
    "pad_sequences": "preprocessing.sequence",
    "plot_feature_maps": "drawing.tiles",
    "plot_model": "vis_utils",
    "plot_weights": "drawing.tiles",
    "print_summary": "layer_utils",
    "register_keras_serializable": "generic_utils",
    "save_img": "preprocessing.image",
    "serialize_keras_object": "generic_utils",
    "set_random_seed": "np_utils",
    "to_categorical": "np_utils",
}
_MODULES = {"conv_utils", "data_utils", "generic_utils", "io_utils", "layer_utils", "np_utils", "test_utils",
            "training_utils", "vis_utils"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"gpukeras.utils.{name}")
    if name in _FROM:
        place = _FROM[name]
        return getattr(import_module(f"gpukeras.{place}" if "." in place else f"gpukeras.utils.{place}"), name)
    raise AttributeError(f"module 'gpukeras.utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*_FROM, *_MODULES})
