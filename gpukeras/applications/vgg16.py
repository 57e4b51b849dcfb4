"""VGG16: sixteen layers with weights, convolutions of 3 x 3 only. Simonyan and Zisserman, 2014, arXiv:1409.1556."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..layers import Conv2D, Dense, Flatten, MaxPooling2D
from ..models import Model
from ..utils.layer_utils import convert_dense_weights_data_format
from .building import Wanted, Weights
from .imagenet_utils import decode_predictions as decode_predictions
from .imagenet_utils import preprocess_input as preprocess_input

_FILES = Weights("v0.1", "vgg16", "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc")
WEIGHTS_PATH, WEIGHTS_PATH_NO_TOP = _FILES.addresses()


def VGG16(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
          pooling: str | None = None, classes: int = 1000) -> Model:
    """The network for images of 224 x 224 (without its classifier, of at least 48 x 48); see `building.Wanted`.

    >>> VGG16(include_top=False, weights=None, input_shape=(48, 48, 3)).output_shape
    (None, 1, 1, 512)
    """
    return build("vgg16", (2, 2, 3, 3, 3), Wanted(include_top, weights, input_tensor, input_shape, pooling, classes),
                 _FILES)


def build(name: str, depths: Sequence[int], wanted: Wanted, files: Weights) -> Model:
    """Five blocks of so many convolutions each, then three dense layers."""
    images = x = wanted.images(wanted.shape(224, 48, require_flatten=wanted.include_top))
    for block, (depth, filters) in enumerate(zip(depths, (64, 128, 256, 512, 512)), 1):
        for i in range(1, depth + 1):
            x = Conv2D(filters, 3, activation="relu", padding="same", name=f"block{block}_conv{i}")(x)
        x = MaxPooling2D(name=f"block{block}_pool")(x)

    def top(x: Any) -> Any:
        x = Flatten(name="flatten")(x)
        for layer in ("fc1", "fc2"):
            x = Dense(4096, activation="relu", name=layer)(x)
        return Dense(wanted.classes, activation="softmax", name="predictions")(x)

    model = wanted.finish(name, images, x, top, files)
    if wanted.weights == "imagenet" and wanted.include_top and K.image_data_format() == "channels_first":
        # The published dense kernel reads the last feature maps channels last.
        convert_dense_weights_data_format(model.get_layer("fc1"), model.get_layer("block5_pool").output_shape[1:])
    return model
