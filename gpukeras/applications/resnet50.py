"""ResNet50: fifty layers with weights, with shortcuts around every three. He et al., 2015, arXiv:1512.03385."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers import Activation, AveragePooling2D, Dense, Flatten, MaxPooling2D, add
from ..models import Model
from .building import Wanted, Weights, convolve
from .imagenet_utils import decode_predictions as decode_predictions
from .imagenet_utils import preprocess_input as preprocess_input

_FILES = Weights("v0.2", "resnet50", "a7b3fe01876f51b976af0dea6bc144eb", "a268eb855778b3df3c7506639542a6af")
WEIGHTS_PATH, WEIGHTS_PATH_NO_TOP = _FILES.addresses()


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
        widths = filters, filters, 4 * filters
        x = conv_block(x, 3, widths, stage, "a", strides=(2, 2) if stage > 2 else (1, 1))
        for block in "bcdef"[:depth - 1]:
            x = identity_block(x, 3, widths, stage, block)
    x = AveragePooling2D(7, name="avg_pool")(x)
    return wanted.finish("resnet50", images, x, lambda x: Dense(classes, activation="softmax", name="fc1000")(
        Flatten()(x)), _FILES)


def identity_block(input_tensor: Any, kernel_size: Any, filters: Sequence[int], stage: int, block: str) -> Any:
    """Three convolutions, of which the middle one has a kernel of `kernel_size` and the others of 1 x 1, added to their
    input. `filters` are the channels of the three; `stage` and `block` stand in the layers' names."""
    found = _three(input_tensor, kernel_size, filters, f"{stage}{block}", 1)
    return Activation("relu")(add([found, input_tensor]))  # made last: its number is the highest


def conv_block(input_tensor: Any, kernel_size: Any, filters: Sequence[int], stage: int, block: str,
               strides: Any = (2, 2)) -> Any:
    """As `identity_block`, but the input is convolved too, with the same `strides` as the first of the three."""
    place = f"{stage}{block}"
    found = _three(input_tensor, kernel_size, filters, place, strides)
    shortcut = convolve(input_tensor, filters[2], 1, _names(place, "1"), activation=None, strides=strides)
    return Activation("relu")(add([found, shortcut]))


def _three(x: Any, size: Any, filters: Sequence[int], place: str, strides: Any) -> Any:
    x = convolve(x, filters[0], 1, _names(place, "2a"), strides=strides)
    x = convolve(x, filters[1], size, _names(place, "2b"), padding="same")
    return convolve(x, filters[2], 1, _names(place, "2c"), activation=None)


def _names(place: str, branch: str) -> tuple[str, str, None]:
    return f"res{place}_branch{branch}", f"bn{place}_branch{branch}", None
