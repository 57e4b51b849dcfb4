"""Keras's utilities. Names are loaded when first used, because some of their modules are heavy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpukeras.drawing.models import draw_model as draw_model
    from gpukeras.drawing.tiles import plot_feature_maps as plot_feature_maps
    from gpukeras.drawing.tiles import plot_weights as plot_weights
    from gpukeras.preprocessing.image import array_to_img as array_to_img
    from gpukeras.preprocessing.image import img_to_array as img_to_array
    from gpukeras.preprocessing.image import load_img as load_img
    from gpukeras.preprocessing.image import save_img as save_img
    from gpukeras.preprocessing.sequence import pad_sequences as pad_sequences
    from gpukeras.utils import conv_utils as conv_utils
    from gpukeras.utils import data_utils as data_utils
    from gpukeras.utils import generic_utils as generic_utils
    from gpukeras.utils import io_utils as io_utils
    from gpukeras.utils import layer_utils as layer_utils
    from gpukeras.utils import np_utils as np_utils
    from gpukeras.utils import test_utils as test_utils
    from gpukeras.utils import training_utils as training_utils
    from gpukeras.utils import vis_utils as vis_utils
    from gpukeras.utils.data_utils import GeneratorEnqueuer as GeneratorEnqueuer
    from gpukeras.utils.data_utils import OrderedEnqueuer as OrderedEnqueuer
    from gpukeras.utils.data_utils import Sequence as Sequence
    from gpukeras.utils.data_utils import get_file as get_file
    from gpukeras.utils.generic_utils import CustomObjectScope as CustomObjectScope
    from gpukeras.utils.generic_utils import Progbar as Progbar
    from gpukeras.utils.generic_utils import custom_object_scope as custom_object_scope
    from gpukeras.utils.generic_utils import deserialize_keras_object as deserialize_keras_object
    from gpukeras.utils.generic_utils import get_custom_objects as get_custom_objects
    from gpukeras.utils.generic_utils import register_keras_serializable as register_keras_serializable
    from gpukeras.utils.generic_utils import serialize_keras_object as serialize_keras_object
    from gpukeras.utils.io_utils import HDF5Matrix as HDF5Matrix
    from gpukeras.utils.layer_utils import convert_all_kernels_in_model as convert_all_kernels_in_model
    from gpukeras.utils.layer_utils import print_summary as print_summary
    from gpukeras.utils.np_utils import normalize as normalize
    from gpukeras.utils.np_utils import set_random_seed as set_random_seed
    from gpukeras.utils.np_utils import to_categorical as to_categorical
    from gpukeras.utils.training_utils import multi_gpu_model as multi_gpu_model
    from gpukeras.utils.vis_utils import model_to_dot as model_to_dot
    from gpukeras.utils.vis_utils import plot_model as plot_model

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


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"gpukeras.utils.{name}")
        if name in _FROM:
            place = _FROM[name]
            return getattr(import_module(f"gpukeras.{place}" if "." in place else f"gpukeras.utils.{place}"), name)
        raise AttributeError(f"module 'gpukeras.utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*_FROM, *_MODULES})
