"""DenseNet: every layer of a block sees the outputs of all before it. Huang et al., 2016, arXiv:1608.06993."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    MaxPooling2D,
    ZeroPadding2D,
)
from ..models import Model
from . import imagenet_utils
from .building import KERAS_TEAM, Wanted, Weights, channel_axis
from .imagenet_utils import decode_predictions as decode_predictions

_GROWTH = 32  # channels that every layer of a block adds
# Layers in the four blocks: name, and MD5 of the files with and without the classifier.
_KNOWN: dict[tuple[int, ...], tuple[str, str | None, str | None]] = {
    (6, 12, 24, 16): ("densenet121", "9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"),
    (6, 12, 32, 32): ("densenet169", "d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"),
    (6, 12, 48, 32): ("densenet201", "1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"),
}


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values from 0 to 255, scaled to 0 to 1, less the mean, divided by the standard deviation."""
    return imagenet_utils.preprocess_input(x, data_format, mode="torch")


def DenseNet(blocks: Sequence[int], include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
             input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """The network with so many layers in each block, for images of 224 x 224 (without its classifier, of at least
    32 x 32); see `building.Wanted`."""
    wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
    name, with_top, without_top = _KNOWN.get(tuple(blocks), ("densenet", None, None))
    if weights == "imagenet" and name == "densenet":
        raise ValueError(f"weights='imagenet' exist for blocks {sorted(_KNOWN)}, got {tuple(blocks)}")
    images = wanted.images(wanted.shape(224, 32, require_flatten=include_top))
    x = ZeroPadding2D(3)(images)
    x = _active(Conv2D(64, 7, strides=2, use_bias=False, name="conv1/conv")(x), "conv1/bn", "conv1/relu")
    x = MaxPooling2D(3, strides=2, name="pool1")(ZeroPadding2D(1)(x))
    for number, depth in enumerate(blocks, 2):
        if number > 2:
            x = _transition(x, f"pool{number - 1}")
        for i in range(depth):
            x = _layer(x, f"conv{number}_block{i + 1}")
    x = _active(x, "bn", "relu")
    files = Weights("densenet", name, with_top, without_top, base=KERAS_TEAM)
    return wanted.finish(name, images, x, lambda x: Dense(classes, activation="softmax", name="fc1000")(
        GlobalAveragePooling2D(name="avg_pool")(x)), files)


def DenseNet121(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """`DenseNet` with blocks of 6, 12, 24 and 16 layers.

    >>> DenseNet121(include_top=False, weights=None, input_shape=(32, 32, 3)).output_shape
    (None, 1, 1, 1024)
    """
    return DenseNet((6, 12, 24, 16), include_top, weights, input_tensor, input_shape, pooling, classes)


def DenseNet169(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """`DenseNet` with blocks of 6, 12, 32 and 32 layers."""
    return DenseNet((6, 12, 32, 32), include_top, weights, input_tensor, input_shape, pooling, classes)


def DenseNet201(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """`DenseNet` with blocks of 6, 12, 48 and 32 layers."""
    return DenseNet((6, 12, 48, 32), include_top, weights, input_tensor, input_shape, pooling, classes)


def _active(x: Any, bn: str, relu: str) -> Any:
    x = BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=bn)(x)
    return Activation("relu", name=relu)(x)


def _layer(x: Any, name: str) -> Any:
    new = Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(_active(x, f"{name}_0_bn", f"{name}_0_relu"))
    new = Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(
        _active(new, f"{name}_1_bn", f"{name}_1_relu"))
    return Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, new])


def _transition(x: Any, name: str) -> Any:
    """Half as many channels, rows and columns."""
    channels = K.int_shape(x)[channel_axis()]
    assert channels is not None  # those of a layer are known
    x = Conv2D(channels // 2, 1, use_bias=False, name=f"{name}_conv")(_active(x, f"{name}_bn", f"{name}_relu"))
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)
