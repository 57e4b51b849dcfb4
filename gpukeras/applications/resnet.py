"""ResNet with 50, 101 and 152 layers, as Keras 2.2.4 and later have it. He et al., 2015, arXiv:1512.03385.

Its ResNet50 has other layers' names and padding than Keras 2.0.9's, which is in `resnet50`.
"""

from __future__ import annotations

from typing import Any

from ..models import Model
from ._residual import Residual
from .imagenet_utils import decode_predictions as decode_predictions
from .imagenet_utils import preprocess_input as preprocess_input

_50 = Residual("resnet50", (3, 4, 6, 3), False, "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626")
_101 = Residual("resnet101", (3, 4, 23, 3), False, "f1aeb4b969a6efcfb50fad2f0c20cfc5",
               "88cf7a10940856eca736dc7b7e228a21")
_152 = Residual("resnet152", (3, 8, 36, 3), False, "100835be76be38e30d865e96f2aaae62",
               "ee4c566cf9a93f14d82f913c2dc6dd0c")


def ResNet50(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
             pooling: str | None = None, classes: int = 1000) -> Model:
    """The network of 50 layers for images of 224 x 224 (without its classifier, of at least 32 x 32); see
    `building.Wanted`.

    >>> ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3)).output_shape
    (None, 1, 1, 2048)
    """
    return _50.build(include_top, weights, input_tensor, input_shape, pooling, classes)


def ResNet101(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
              pooling: str | None = None, classes: int = 1000) -> Model:
    """As `ResNet50`, with 101 layers."""
    return _101.build(include_top, weights, input_tensor, input_shape, pooling, classes)


def ResNet152(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
              pooling: str | None = None, classes: int = 1000) -> Model:
    """As `ResNet50`, with 152 layers."""
    return _152.build(include_top, weights, input_tensor, input_shape, pooling, classes)
