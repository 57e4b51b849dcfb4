"""What comes before and after a network trained on ImageNet: pixels as it knows them, and names of its classes."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np

from .. import backend as K
from ..utils.data_utils import get_file
from ..utils.messages import warn

_BGR_MEANS = (103.939, 116.779, 123.68)
"""Mean of each channel over ImageNet's training images: what the VGG networks were trained without."""
_RGB_MEANS, _RGB_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CLASSES = ("https://s3.amazonaws.com/deep-learning-models/image-models/imagenet_class_index.json",
            "c2c37ea517e94d9795004a39431a14cb")
CLASS_INDEX_PATH = _CLASSES[0]


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Images with values from 0 to 255 in RGB, one or a batch, an array or a tensor, as a network was trained on them.

    `mode` 'caffe': BGR, less the mean of each channel; 'tf': from -1 to 1; 'torch' (newer Keras): from 0 to 1, less
    the mean, divided by the standard deviation. The result is a new array, of floatx if `x` holds whole numbers.

    >>> preprocess_input(np.full((1, 1, 3), 255.0), mode='tf').tolist()
    [[[1.0, 1.0, 1.0]]]
    """
    first = K.normalize_data_format(data_format) == "channels_first"
    if mode not in ("caffe", "tf", "torch"):
        raise ValueError(f"mode must be 'caffe', 'tf' or 'torch', got {mode!r}")
    symbolic = K.is_tensor(x)
    if not symbolic:
        x = np.asarray(x)
        x = x if x.dtype.kind == "f" else x.astype(K.floatx())
    if mode == "tf":
        return x / 127.5 - 1.0
    rank = K.ndim(x) if symbolic else x.ndim
    axis = rank - 3 if first else rank - 1

    def each(values: tuple[float, ...]) -> Any:
        shaped = np.reshape(values, (3, 1, 1) if first else (3,))
        return shaped.astype(K.dtype(x) if symbolic else x.dtype)

    if mode == "torch":
        return (x / 255.0 - each(_RGB_MEANS)) / each(_RGB_DEVIATIONS)
    return (K.reverse(x, axis) if symbolic else np.flip(x, axis)) - each(_BGR_MEANS)


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, Any]]]:
    """The `top` most probable classes of each image: (WordNet's number, name, probability), most probable first.

    `preds` is (images, 1000). The names are downloaded once. Raises ValueError for another shape.
    """
    if np.ndim(preds) != 2 or preds.shape[1] != 1000:
        raise ValueError("decode_predictions takes the probabilities of ImageNet's 1000 classes, shape (images, "
                         f"1000), got shape {np.shape(preds)}")
    names = _class_names()
    return [[(*names[i], row[i]) for i in np.argsort(-row, kind="stable")[:top]] for row in np.asarray(preds)]


@lru_cache(maxsize=1)
def _class_names() -> list[tuple[str, str]]:
    url, digest = _CLASSES
    with open(get_file("imagenet_class_index.json", url, cache_subdir="models", file_hash=digest)) as file:
        found = json.load(file)
    return [tuple(found[str(i)]) for i in range(1000)]


def _obtain_input_shape(input_shape: Any, default_size: int | None, min_size: int, data_format: str,
                        require_flatten: bool, weights: str | None = None) -> tuple[int | None, ...]:
    """The shape of a network's images, from what the user said, or a ValueError that says what fits.

    With `require_flatten` all sizes must be known; weights of ImageNet need three channels.
    """
    first = data_format == "channels_first"

    def arranged(channels: int | None, *sizes: int | None) -> tuple[int | None, ...]:
        return (channels, *sizes) if first else (*sizes, channels)

    pretrained = weights == "imagenet"
    if not input_shape:
        shape = arranged(3, default_size, default_size) if require_flatten else arranged(3, None, None)
    else:
        shape = tuple(input_shape)
        if len(shape) != 3:
            raise ValueError(f"input_shape must be three integers, {'channels, ' * first}rows, columns"
                             f"{', channels' * (not first)}; got {shape}")
        channels, *sizes = shape if first else (shape[2], *shape[:2])
        if pretrained and channels != 3:
            raise ValueError(f"networks trained on ImageNet take 3 channels, got input_shape={shape}")
        if pretrained and require_flatten and shape != arranged(3, default_size, default_size):
            raise ValueError("with weights='imagenet' and include_top=True, input_shape must be "
                             f"{arranged(3, default_size, default_size)}, got {shape}")
        if any(size is not None and size < min_size for size in sizes):
            raise ValueError(f"images must have at least {min_size} rows and columns, got input_shape={shape}")
        if channels not in (1, 3):
            warn(f"This network usually takes 1 or 3 channels; input_shape={shape} has {channels}.")
    if require_flatten and None in shape:
        raise ValueError(f"with include_top=True all sizes of the images must be known, got input_shape={shape}")
    return shape
