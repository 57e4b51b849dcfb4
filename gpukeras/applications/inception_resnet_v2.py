"""Inception-ResNet v2: Inception's side by side, with ResNet's shortcuts. Szegedy et al., 2016, arXiv:1602.07261."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..layers import Activation, AveragePooling2D, BatchNormalization, Concatenate, Conv2D, Lambda, MaxPooling2D
from ..models import Model
from . import imagenet_utils
from .building import Wanted, Weights, channel_axis, classifier
from .imagenet_utils import decode_predictions as decode_predictions

_FILES = Weights("v0.7", "inception_resnet_v2", "e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4")
BASE_WEIGHT_URL = _FILES.folder
# The branches of each kind of block, as (filters, size of the kernel), and the share of their sum that is added.
_BLOCKS: dict[str, Any] = {
    "block35": (0.17, [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]]),
    "block17": (0.1, [[(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]]),
    "block8": (0.2, [[(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]]),
}


def preprocess_input(x: Any) -> Any:
    """Images with values from 0 to 255, scaled to -1 to 1."""
    return imagenet_utils.preprocess_input(x, mode="tf")


def InceptionResNetV2(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
                      input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """The network for images of 299 x 299, or any other size of at least 139 x 139; see `building.Wanted`.

    A saved model's Lambda layers are `scaled_sum`: name it in `custom_objects` to load one.
    """
    wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
    images = wanted.images(wanted.shape(299, 139, require_flatten=False))
    x = conv2d_bn(images, 32, 3, strides=2, padding="valid")
    x = conv2d_bn(conv2d_bn(x, 32, 3, padding="valid"), 64, 3)
    x = MaxPooling2D(3, strides=2)(x)
    x = conv2d_bn(conv2d_bn(x, 80, 1, padding="valid"), 192, 3, padding="valid")
    x = MaxPooling2D(3, strides=2)(x)
    pool = AveragePooling2D(3, strides=1, padding="same")(x)
    x = _join("mixed_5b", [_chain(x, [(96, 1)]), _chain(x, [(48, 1), (64, 5)]),
                           _chain(x, [(64, 1), (96, 3), (96, 3)]), conv2d_bn(pool, 64, 1)])
    for i in range(1, 11):  # 35 x 35
        x = _block(x, "block35", i)
    x = _join("mixed_6a", [_chain(x, [(384, 3)], True), _chain(x, [(256, 1), (256, 3), (384, 3)], True),
                           MaxPooling2D(3, strides=2)(x)])
    for i in range(1, 21):  # 17 x 17
        x = _block(x, "block17", i)
    x = _join("mixed_7a", [_chain(x, [(256, 1), (384, 3)], True), _chain(x, [(256, 1), (288, 3)], True),
                           _chain(x, [(256, 1), (288, 3), (320, 3)], True), MaxPooling2D(3, strides=2)(x)])
    for i in range(1, 11):  # 8 x 8
        x = _block(x, "block8", i, last=i == 10)
    x = conv2d_bn(x, 1536, 1, name="conv_7b")
    return wanted.finish("inception_resnet_v2", images, x, classifier(classes), _FILES)


def scaled_sum(inputs: Any, scale: float) -> Any:
    """The first input plus `scale` times the second."""
    return inputs[0] + inputs[1] * scale


def conv2d_bn(x: Any, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "same", activation: Any = "relu",
              use_bias: bool = False, name: str | None = None) -> Any:
    """A convolution, batch normalization (unless there is a bias), and an activation (unless it is None)."""
    x = Conv2D(filters, kernel_size, strides=strides, padding=padding, use_bias=use_bias, name=name)(x)
    if not use_bias:
        x = BatchNormalization(axis=channel_axis(), scale=False, name=name and f"{name}_bn")(x)
    return x if activation is None else Activation(activation, name=name and f"{name}_ac")(x)


def _chain(x: Any, layers: Any, shrinks: bool = False) -> Any:
    """One convolution after the other, of which the last may halve rows and columns."""
    for i, (filters, size) in enumerate(layers, 1):
        last = {"strides": 2, "padding": "valid"} if shrinks and i == len(layers) else {}
        x = conv2d_bn(x, filters, size, **last)  # type: ignore[arg-type]
    return x


def _join(name: str, branches: list[Any]) -> Any:
    return Concatenate(axis=channel_axis(), name=name)(branches)


def inception_resnet_block(x: Any, scale: float, block_type: str, block_idx: int, activation: Any = "relu") -> Any:
    """The input plus `scale` times what the branches of a 'block35', 'block17' or 'block8' find in it."""
    if block_type not in _BLOCKS:
        raise ValueError(f"block_type must be one of {sorted(_BLOCKS)}, got {block_type!r}")
    name = f"{block_type}_{block_idx}"
    mixed = _join(f"{name}_mixed", [_chain(x, layers) for layers in _BLOCKS[block_type][1]])
    found = Conv2D(K.int_shape(x)[channel_axis()], 1, padding="same", name=f"{name}_conv")(mixed)
    x = Lambda(scaled_sum, output_shape=K.int_shape(x)[1:], arguments={"scale": scale}, name=name)([x, found])
    return x if activation is None else Activation(activation, name=f"{name}_ac")(x)


def _block(x: Any, kind: str, number: int, last: bool = False) -> Any:
    """A block of the network. To the last one all is added, and it has no activation."""
    return inception_resnet_block(x, 1.0 if last else _BLOCKS[kind][0], kind, number, None if last else "relu")
