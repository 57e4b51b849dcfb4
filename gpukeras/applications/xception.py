"""Xception: separable convolutions throughout, with shortcuts. Chollet, 2016, arXiv:1610.02357."""

from __future__ import annotations

from typing import Any

from ..layers import Activation, BatchNormalization, MaxPooling2D, SeparableConv2D, add
from ..models import Model
from . import imagenet_utils
from .building import Wanted, Weights, channel_axis, classifier, convolve
from .imagenet_utils import decode_predictions as decode_predictions

_FILES = Weights("v0.4", "xception", "0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97")
TF_WEIGHTS_PATH, TF_WEIGHTS_PATH_NO_TOP = _FILES.addresses()


def preprocess_input(x: Any) -> Any:
    """Images with values from 0 to 255, scaled to -1 to 1."""
    return imagenet_utils.preprocess_input(x, mode="tf")


def Xception(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
             pooling: str | None = None, classes: int = 1000) -> Model:
    """The network for images of 299 x 299, or any other size of at least 71 x 71; see `building.Wanted`.

    >>> Xception(include_top=False, weights=None, pooling='max').output_shape
    (None, 2048)
    """
    wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
    images = wanted.images(wanted.shape(299, 71, require_flatten=False))
    x = images
    for i, (filters, strides) in enumerate(((32, 2), (64, 1)), 1):
        name = f"block1_conv{i}"
        x = convolve(x, filters, 3, (name, f"{name}_bn", f"{name}_act"), strides=strides, use_bias=False)
    for block, width in ((2, 128), (3, 256), (4, 728)):
        x = _shrink(x, block, (width, width))
    for block in range(5, 13):
        y = x
        for i in range(1, 4):
            y = _separable(_activation(y, f"block{block}_sepconv{i}"), 728, f"block{block}_sepconv{i}")
        x = add([y, x])
    x = _shrink(x, 13, (728, 1024))
    for i, filters in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{i}"
        x = _activation(_separable(x, filters, name), name)
    return wanted.finish("xception", images, x, classifier(classes), _FILES)


def _shrink(x: Any, block: int, filters: tuple[int, int]) -> Any:
    """Two separable convolutions and a pooling that halves rows and columns, added to a convolution of the input."""
    shortcut = convolve(x, filters[1], 1, activation=None, strides=2, padding="same", use_bias=False)
    for i, count in enumerate(filters, 1):
        name = f"block{block}_sepconv{i}"
        if (block, i) != (2, 1):  # whose input comes out of an activation
            x = _activation(x, name)
        x = _separable(x, count, name)
    return add([MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x), shortcut])


def _activation(x: Any, name: str) -> Any:
    return Activation("relu", name=f"{name}_act")(x)


def _separable(x: Any, filters: int, name: str) -> Any:
    x = SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return BatchNormalization(axis=channel_axis(), name=f"{name}_bn")(x)
