"""ResNet50: fifty layers with weights, with shortcuts around every three. He et al., 2015, arXiv:1512.03385."""

from __future__ import annotations

from typing import Any

from ..layers import Activation, AveragePooling2D, Dense, Flatten, MaxPooling2D, add
from ..models import Model
from .building import Wanted, Weights, convolve
from .imagenet_utils import decode_predictions as decode_predictions
from .imagenet_utils import preprocess_input as preprocess_input

_FILES = Weights("v0.2", "resnet50", "a7b3fe01876f51b976af0dea6bc144eb", "a268eb855778b3df3c7506639542a6af")


def ResNet50(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
             pooling: str | None = None, classes: int = 1000) -> Model:
    """The network for images of 224 x 224 (without its classifier, of at least 197 x 197); see `building.Wanted`.

    >>> ResNet50(include_top=False, weights=None).output_shape
    (None, None, None, 2048)
    """
    wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
    images = wanted.images(wanted.shape(224, 197, require_flatten=include_top))
    x = convolve(images, 64, 7, ("conv1", "bn_conv1", None), strides=2, padding="same")
    x = MaxPooling2D(3, strides=2)(x)
    for stage, (depth, filters) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 2):
        for i in range(depth):
            x = _block(x, filters, f"{stage}{'abcdef'[i]}", shrinks=i == 0 and stage > 2, projects=i == 0)
    x = AveragePooling2D(7, name="avg_pool")(x)
    return wanted.finish("resnet50", images, x, lambda x: Dense(classes, activation="softmax", name="fc1000")(
        Flatten()(x)), _FILES)


def _block(x: Any, filters: int, place: str, shrinks: bool, projects: bool) -> Any:
    """Three convolutions, 1 x 1, 3 x 3 and 1 x 1 to four times the filters, added to the block's input, which is
    convolved too where its shape would not fit."""
    def named(branch: str) -> tuple[str, str, None]:
        return f"res{place}_branch{branch}", f"bn{place}_branch{branch}", None

    strides = 2 if shrinks else 1
    y = convolve(x, filters, 1, named("2a"), strides=strides)
    y = convolve(y, filters, 3, named("2b"), padding="same")
    y = convolve(y, 4 * filters, 1, named("2c"), activation=None)
    if projects:
        x = convolve(x, 4 * filters, 1, named("1"), activation=None, strides=strides)
    return Activation("relu")(add([y, x]))
