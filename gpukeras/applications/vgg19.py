"""VGG19: as VGG16, with nineteen layers with weights. Simonyan and Zisserman, 2014, arXiv:1409.1556."""

from __future__ import annotations

from typing import Any

from ..models import Model
from .building import Wanted, Weights
from .imagenet_utils import decode_predictions as decode_predictions
from .imagenet_utils import preprocess_input as preprocess_input
from .vgg16 import build

_FILES = Weights("v0.1", "vgg19", "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6")
WEIGHTS_PATH, WEIGHTS_PATH_NO_TOP = _FILES.addresses()


def VGG19(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
          pooling: str | None = None, classes: int = 1000) -> Model:
    """The network for images of 224 x 224 (without its classifier, of at least 48 x 48); see `building.Wanted`.

    >>> VGG19(include_top=False, weights=None, pooling='avg').output_shape
    (None, 512)
    """
    return build("vgg19", (2, 2, 4, 4, 4), Wanted(include_top, weights, input_tensor, input_shape, pooling, classes),
                 _FILES)
