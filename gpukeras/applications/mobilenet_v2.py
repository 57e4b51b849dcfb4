"""MobileNetV2: blocks that widen, convolve depthwise, and narrow again. Sandler et al., 2018, arXiv:1801.04381."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..layers import (
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePooling2D,
    ReLU,
    ZeroPadding2D,
)
from ..models import Model
from . import imagenet_utils
from .building import Wanted, Weights, channel_axis
from .imagenet_utils import decode_predictions as decode_predictions

_SIZES = (96, 128, 160, 192, 224)
_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
# Filters, number of blocks, and strides of the first of them.
_STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
_HOME = "https://github.com/JonathanCMitchell/mobilenet_v2_keras/releases/download"


def preprocess_input(x: Any) -> Any:
    """Images with values from 0 to 255, scaled to -1 to 1."""
    return imagenet_utils.preprocess_input(x, mode="tf")


def MobileNetV2(input_shape: Any = None, alpha: float = 1.0, include_top: bool = True, weights: Any = "imagenet",
                input_tensor: Any = None, pooling: str | None = None, classes: int = 1000,
                depth_multiplier: int | None = None) -> Model:
    """The network for images of 224 x 224 (without its classifier, of at least 32 x 32); see `building.Wanted`.

    `alpha` multiplies the number of filters of every layer. Weights of ImageNet exist for alpha 0.35, 0.5, 0.75, 1, 1.3
    or 1.4, and square images of 96, 128, 160, 192 or 224; those of 224 are taken for others. `depth_multiplier`, which
    Keras 2.2.0 had, changes nothing.

    >>> MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None).output_shape
    (None, 3, 3, 1280)
    """
    wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
    if weights == "imagenet" and alpha not in _WIDTHS:
        raise ValueError(f"weights='imagenet' exist for alpha among {_WIDTHS}, got alpha={alpha}")
    first = K.image_data_format() == "channels_first"
    sizes = (input_shape or (None,) * 3)[1 if first else 0:][:2]
    shape = wanted.shape(sizes[0] if sizes[0] == sizes[1] and sizes[0] in _SIZES else 224, 32,
                         require_flatten=include_top)
    rows, columns = shape[1 if first else 0:][:2]
    images = wanted.images(shape)
    x = Conv2D(_whole(32 * alpha), 3, strides=2, use_bias=False, name="Conv1")(_padded(images, "Conv1_pad"))
    x = ReLU(6., name="Conv1_relu")(_normalized(x, "bn_Conv1"))
    number = 0
    for filters, count, strides in _STAGES:
        for i in range(count):
            x = _block(x, _whole(int(filters * alpha)), strides if i == 0 else 1, number)
            number += 1
    x = Conv2D(_whole(1280 * alpha) if alpha > 1 else 1280, 1, use_bias=False, name="Conv_1")(x)
    x = ReLU(6., name="out_relu")(_normalized(x, "Conv_1_bn"))
    of = rows if rows == columns and rows in _SIZES else 224
    files = Weights("v1.1", f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{of}", None, None, "{}.h5",
                    "_no_top", base=_HOME)
    return wanted.finish(f"mobilenetv2_{alpha:.2f}_{rows}", images, x, lambda x: Dense(
        classes, activation="softmax", name="Logits")(GlobalAveragePooling2D()(x)), files)


def _whole(filters: float) -> int:
    """The multiple of 8 that is nearest, and at least nine tenths of it."""
    found = max(8, int(filters + 4) // 8 * 8)
    return found if found >= 0.9 * filters else found + 8


def _normalized(x: Any, name: str) -> Any:
    return BatchNormalization(axis=channel_axis(), momentum=0.999, name=name)(x)


def _padded(x: Any, name: str) -> Any:
    """Zeros around it, so that a convolution of size 3 with strides of 2 ends at the last pixel."""
    sizes = K.int_shape(x)[2:] if channel_axis() == 1 else K.int_shape(x)[1:3]
    return ZeroPadding2D(tuple((1 if n is None or n % 2 else 0, 1) for n in sizes), name=name)(x)


def _block(x: Any, filters: int, strides: int, number: int) -> Any:
    """Six times as many channels (not in the first block), a convolution of each, and `filters` of what they find."""
    inputs, channels = x, K.int_shape(x)[channel_axis()]
    assert channels is not None  # those of a layer are known
    name = f"block_{number}_" if number else "expanded_conv_"
    if number:
        x = Conv2D(6 * channels, 1, padding="same", use_bias=False, name=f"{name}expand")(x)
        x = ReLU(6., name=f"{name}expand_relu")(_normalized(x, f"{name}expand_BN"))
    if strides == 2:
        x = _padded(x, f"{name}pad")
    x = DepthwiseConv2D(3, strides=strides, use_bias=False, padding="same" if strides == 1 else "valid",
                        name=f"{name}depthwise")(x)
    x = ReLU(6., name=f"{name}depthwise_relu")(_normalized(x, f"{name}depthwise_BN"))
    x = Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}project")(x)
    x = _normalized(x, f"{name}project_BN")
    return Add(name=f"{name}add")([inputs, x]) if channels == filters and strides == 1 else x
