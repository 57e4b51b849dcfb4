"""Inception v3: convolutions of several sizes side by side. Szegedy et al., 2015, arXiv:1512.00567."""

from __future__ import annotations

from typing import Any

from ..layers import AveragePooling2D, MaxPooling2D, concatenate
from ..models import Model
from . import imagenet_utils
from .building import Wanted, Weights, channel_axis, classifier, convolve
from .imagenet_utils import decode_predictions as decode_predictions

_FILES = Weights("v0.5", "inception_v3", "9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63")
WEIGHTS_PATH, WEIGHTS_PATH_NO_TOP = _FILES.addresses()
_Convolution = tuple[int, int, int]
"""A convolution: filters, rows and columns of its kernel."""


def preprocess_input(x: Any) -> Any:
    """Images with values from 0 to 255, scaled to -1 to 1."""
    return imagenet_utils.preprocess_input(x, mode="tf")


def InceptionV3(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """The network for images of 299 x 299, or any other size of at least 139 x 139; see `building.Wanted`.

    >>> InceptionV3(include_top=False, weights=None, pooling='avg').output_shape
    (None, 2048)
    """
    wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
    images = wanted.images(wanted.shape(299, 139, require_flatten=False))
    x = conv2d_bn(images, 32, 3, 3, strides=2, padding="valid")
    x = conv2d_bn(x, 32, 3, 3, padding="valid")
    x = MaxPooling2D(3, strides=2)(conv2d_bn(x, 64, 3, 3))
    x = conv2d_bn(x, 80, 1, 1, padding="valid")
    x = MaxPooling2D(3, strides=2)(conv2d_bn(x, 192, 3, 3, padding="valid"))
    for i, pooled in enumerate((32, 64, 64)):  # 35 x 35
        x = _join(f"mixed{i}", _chain(x, (64, 1, 1)), _chain(x, (48, 1, 1), (64, 5, 5)),
                  _chain(x, (64, 1, 1), (96, 3, 3), (96, 3, 3)), _pooled(x, pooled))
    x = _join("mixed3", _chain(x, (384, 3, 3), shrinks=True),
              _chain(x, (64, 1, 1), (96, 3, 3), (96, 3, 3), shrinks=True), MaxPooling2D(3, strides=2)(x))
    for i, n in enumerate((128, 160, 160, 192), 4):  # 17 x 17
        x = _join(f"mixed{i}", _chain(x, (192, 1, 1)), _chain(x, (n, 1, 1), (n, 1, 7), (192, 7, 1)),
                  _chain(x, (n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)), _pooled(x, 192))
    x = _join("mixed8", _chain(x, (192, 1, 1), (320, 3, 3), shrinks=True),
              _chain(x, (192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3), shrinks=True),
              MaxPooling2D(3, strides=2)(x))
    for i in range(2):  # 8 x 8
        single = _chain(x, (320, 1, 1))
        narrow = _both_ways(_chain(x, (384, 1, 1)), f"mixed9_{i}")
        wide = _both_ways(_chain(x, (448, 1, 1), (384, 3, 3)), None)
        x = _join(f"mixed{9 + i}", single, narrow, wide, _pooled(x, 192))
    return wanted.finish("inception_v3", images, x, classifier(classes), _FILES)


def conv2d_bn(x: Any, filters: int, num_row: int, num_col: int, padding: str = "same", strides: Any = (1, 1),
              name: str | None = None) -> Any:
    """A convolution with a kernel of `num_row` x `num_col`, batch normalization and ReLU."""
    names = (None,) * 3 if name is None else (f"{name}_conv", f"{name}_bn", name)
    return convolve(x, filters, (num_row, num_col), names, scale=False, strides=strides, padding=padding,
                    use_bias=False)


def _chain(x: Any, *layers: _Convolution, shrinks: bool = False) -> Any:
    """One convolution after the other, of which the last may halve rows and columns."""
    for i, layer in enumerate(layers, 1):
        x = conv2d_bn(x, *layer, "valid", 2) if shrinks and i == len(layers) else conv2d_bn(x, *layer)
    return x


def _pooled(x: Any, filters: int) -> Any:
    return conv2d_bn(AveragePooling2D(3, strides=1, padding="same")(x), filters, 1, 1)


def _both_ways(x: Any, name: str | None) -> Any:
    return _join(name, _chain(x, (384, 1, 3)), _chain(x, (384, 3, 1)))


def _join(name: str | None, *branches: Any) -> Any:
    return concatenate(list(branches), axis=channel_axis(), name=name)
