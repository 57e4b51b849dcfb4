"""MobileNet: depthwise and pointwise convolutions in turn, of a chosen width. Howard et al., 2017, arXiv:1704.04861."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import backend as K
from ..layers import Activation, BatchNormalization, Conv2D, DepthwiseConv2D, Dropout, GlobalAveragePooling2D, Reshape
from ..models import Model
from . import imagenet_utils
from .building import Wanted, Weights, channel_axis, convolve
from .imagenet_utils import decode_predictions as decode_predictions

_FILES = Weights("v0.6", "mobilenet_{}_{}_tf", None, None, "{}.h5", "_no_top")
BASE_WEIGHT_PATH = _FILES.folder
_SIZES = (128, 160, 192, 224)
_WIDTHS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
# Filters of each pointwise convolution; where they grow, but at first, rows and columns are halved.
_FILTERS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


def relu6(x: Any) -> Any:
    """x between 0 and 6."""
    return K.relu(x, max_value=6)


def preprocess_input(x: Any) -> Any:
    """Images with values from 0 to 255, scaled to -1 to 1."""
    return imagenet_utils.preprocess_input(x, mode="tf")


def MobileNet(input_shape: Any = None, alpha: float = 1.0, depth_multiplier: int = 1, dropout: float = 1e-3,
              include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
              pooling: str | None = None, classes: int = 1000) -> Model:
    """The network for images of 224 x 224 (without its classifier, of at least 32 x 32); see `building.Wanted`.

    `alpha` multiplies the number of filters of every layer, `depth_multiplier` that of the depthwise ones; `dropout`
    comes before the classifier. Weights of ImageNet exist for square images of 128, 160, 192 or 224, for alpha 0.25,
    0.5, 0.75 or 1, and for depth_multiplier 1; ValueError for others. To load a saved model, name `relu6` in
    `custom_objects`.

    >>> MobileNet((128, 128, 3), alpha=0.5, include_top=False, weights=None).output_shape
    (None, 4, 4, 512)
    """
    wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
    first = K.image_data_format() == "channels_first"
    sizes = (input_shape or (None,) * 3)[1 if first else 0:][:2]
    shape = wanted.shape(sizes[0] if sizes[0] == sizes[1] and sizes[0] in _SIZES else 224, 32,
                         require_flatten=include_top)
    rows, columns = shape[1 if first else 0:][:2]
    if weights == "imagenet":
        if depth_multiplier != 1 or alpha not in _WIDTHS:
            raise ValueError(f"weights='imagenet' exist for depth_multiplier=1 and alpha among {sorted(_WIDTHS)}, got "
                             f"depth_multiplier={depth_multiplier}, alpha={alpha}")
        if rows != columns or rows not in _SIZES:
            raise ValueError(f"weights='imagenet' exist for square images of size {_SIZES}, got input_shape={shape}")
    images = wanted.images(shape)
    x = _conv_block(images, 32, alpha, strides=(2, 2))
    before = _FILTERS[0]
    for i, filters in enumerate(_FILTERS, 1):
        strides = (2, 2) if filters > before else (1, 1)
        x = _depthwise_conv_block(x, filters, alpha, depth_multiplier, strides, i)
        before = filters

    def top(x: Any) -> Any:
        channels = int(1024 * alpha)
        x = Reshape((channels, 1, 1) if first else (1, 1, channels), name="reshape_1")(GlobalAveragePooling2D()(x))
        x = Conv2D(classes, 1, padding="same", name="conv_preds")(Dropout(dropout, name="dropout")(x))
        if first:  # softmax is over the last axis
            return Activation("softmax", name="act_softmax")(Reshape((classes,), name="reshape_2")(x))
        return Reshape((classes,), name="reshape_2")(Activation("softmax", name="act_softmax")(x))

    files = replace(_FILES, name=_FILES.name.format(_WIDTHS.get(alpha), rows))
    return wanted.finish(f"mobilenet_{alpha:.2f}_{rows}", images, x, top, files)


def _conv_block(inputs: Any, filters: int, alpha: float, kernel: tuple[int, int] = (3, 3),
                strides: tuple[int, int] = (1, 1)) -> Any:
    """The first convolution, batch normalization and ReLU6."""
    return convolve(inputs, int(filters * alpha), kernel, ("conv1", "conv1_bn", "conv1_relu"), relu6, strides=strides,
                    padding="same", use_bias=False)


def _depthwise_conv_block(inputs: Any, pointwise_conv_filters: int, alpha: float, depth_multiplier: int = 1,
                          strides: tuple[int, int] = (1, 1), block_id: int = 1) -> Any:
    """A depthwise and a pointwise convolution, each with batch normalization and ReLU6; `block_id` is in their names.
    """
    name = f"conv_dw_{block_id}"
    x = DepthwiseConv2D(3, padding="same", depth_multiplier=depth_multiplier, strides=strides, use_bias=False,
                        name=name)(inputs)
    x = BatchNormalization(axis=channel_axis(), name=f"{name}_bn")(x)
    x = Activation(relu6, name=f"{name}_relu")(x)
    name = f"conv_pw_{block_id}"
    return convolve(x, int(pointwise_conv_filters * alpha), 1, (name, f"{name}_bn", f"{name}_relu"), relu6,
                    padding="same", use_bias=False)
