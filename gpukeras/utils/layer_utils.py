"""Looking at models, and other layouts of kernels: every name that programs import from ``keras.utils.layer_utils``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..drawing.summary import count_params as count_params
from ..drawing.summary import print_summary as print_summary
from ..engine.network import get_source_inputs as get_source_inputs
from .conv_utils import convert_kernel


def convert_all_kernels_in_model(model: Any) -> None:
    """Turns the kernels of all convolutions round, in place: those of a file that Theano wrote, or for one.

    Theano convolves, where everything else correlates. Separable and depthwise layers, which Theano lacked, stay.
    """
    kinds = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")
    K.batch_set_value([(layer.kernel, convert_kernel(K.get_value(layer.kernel))) for layer in model.layers
                       if type(layer).__name__ in kinds])


def convert_dense_weights_data_format(dense: Any, previous_feature_map_shape: Sequence[int],
                                      target_data_format: str = "channels_first") -> None:
    """Reorders the rows of a Dense layer's kernel, in place, for flattened feature maps of the other data format.

    `previous_feature_map_shape` is the shape of one sample before Flatten, in `target_data_format`.
    """
    if target_data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"target_data_format must be 'channels_first' or 'channels_last', got {target_data_format!r}")
    kernel, *bias = dense.get_weights()
    shape = tuple(previous_feature_map_shape)
    if len(shape) != 3 or shape[0] * shape[1] * shape[2] != len(kernel):
        raise ValueError(f"Layer '{dense.name}' has {len(kernel)} inputs, which are no feature maps of shape {shape}")
    if target_data_format == "channels_first":
        there, order = (*shape[1:], shape[0]), (2, 0, 1, 3)
    else:
        there, order = (shape[-1], *shape[:-1]), (1, 2, 0, 3)
    dense.set_weights([kernel.reshape(*there, -1).transpose(order).reshape(kernel.shape), *bias])
