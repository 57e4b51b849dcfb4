"""ResNetV2 with 50, 101 and 152 layers: normalization before the convolutions. He et al., 2016, arXiv:1603.05027."""

from __future__ import annotations

from typing import Any

from ..models import Model
from . import imagenet_utils
from ._residual import Residual
from .imagenet_utils import decode_predictions as decode_predictions

_50 = Residual("resnet50v2", (3, 4, 6, 3), True, "3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917")
_101 = Residual("resnet101v2", (3, 4, 23, 3), True, "6343647c601c52e1368623803854d971",
               "c0ed64b8031c3730f411d2eb4eea35b5")
_152 = Residual("resnet152v2", (3, 8, 36, 3), True, "a49b44d1979771252814e80f8ec446f9",
               "ed17cf2e0169df9d443503ef94b23b33")


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values from 0 to 255, scaled to -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def ResNet50V2(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
               pooling: str | None = None, classes: int = 1000) -> Model:
    """The network of 50 layers for images of 224 x 224 (without its classifier, of at least 32 x 32); see
    `building.Wanted`.

    >>> ResNet50V2(include_top=False, weights=None, input_shape=(32, 32, 3)).output_shape
    (None, 1, 1, 2048)
    """
    return _50.build(include_top, weights, input_tensor, input_shape, pooling, classes)


def ResNet101V2(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """As `ResNet50V2`, with 101 layers."""
    return _101.build(include_top, weights, input_tensor, input_shape, pooling, classes)


def ResNet152V2(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """As `ResNet50V2`, with 152 layers."""
    return _152.build(include_top, weights, input_tensor, input_shape, pooling, classes)
