"""Keras's utilities. Names are loaded when first used, because some of their modules are heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpukeras.utils.late import late

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
    "CustomObjectScope": "utils.generic_utils",
    "GeneratorEnqueuer": "utils.data_utils",
    "HDF5Matrix": "utils.io_utils",
    "OrderedEnqueuer": "utils.data_utils",
    "Progbar": "utils.generic_utils",
    "Sequence": "utils.data_utils",
    "array_to_img": "preprocessing.image",
    "convert_all_kernels_in_model": "utils.layer_utils",
    "custom_object_scope": "utils.generic_utils",
    "deserialize_keras_object": "utils.generic_utils",
    "draw_model": "drawing.models",
    "get_custom_objects": "utils.generic_utils",
    "get_file": "utils.data_utils",
    "img_to_array": "preprocessing.image",
    "load_img": "preprocessing.image",
    "model_to_dot": "utils.vis_utils",
    "multi_gpu_model": "utils.training_utils",
    "normalize": "utils.np_utils",
    "pad_sequences": "preprocessing.sequence",
    "plot_feature_maps": "drawing.tiles",
    "plot_model": "utils.vis_utils",
    "plot_weights": "drawing.tiles",
    "print_summary": "utils.layer_utils",
    "register_keras_serializable": "utils.generic_utils",
    "save_img": "preprocessing.image",
    "serialize_keras_object": "utils.generic_utils",
    "set_random_seed": "utils.np_utils",
    "to_categorical": "utils.np_utils",
}
_MODULES = {"conv_utils", "data_utils", "generic_utils", "io_utils", "layer_utils", "np_utils", "test_utils",
            "training_utils", "vis_utils"}


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late(__name__, _FROM)


def __dir__() -> list[str]:
    return sorted({*_FROM, *_MODULES})
