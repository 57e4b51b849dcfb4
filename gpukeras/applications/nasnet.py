"""NASNet-A: two kinds of cells that a search found, many times. Zoph et al., 2017, arXiv:1707.07012."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import backend as K
from ..layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Cropping2D,
    Dense,
    GlobalAveragePooling2D,
    MaxPooling2D,
    SeparableConv2D,
    ZeroPadding2D,
    add,
    concatenate,
)
from ..models import Model
from ..utils.data_utils import get_file
from . import imagenet_utils
from .building import Wanted, channel_axis
from .imagenet_utils import decode_predictions as decode_predictions

_HOME = "https://github.com/titu1994/Keras-NASNet/releases/download/v1.2"
_HE: dict[str, Any] = {"kernel_initializer": "he_normal", "use_bias": False}
# By the size of the images: name, and MD5 of the files with and without the classifier.
_KNOWN = {224: ("mobile", "020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63"),
          331: ("large", "11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5")}


class _Files:
    """The files of a network, as `building.Weights` has them; the name in the cache is another than the published."""

    def __init__(self, size: int) -> None:
        self._size = size

    def fetch(self, include_top: bool) -> str:
        name, with_top, without_top = _KNOWN[self._size]
        return get_file(f"nasnet_{name}{'' if include_top else '_no_top'}.h5",
                        f"{_HOME}/NASNet-{name}{'' if include_top else '-no-top'}.h5", cache_subdir="models",
                        file_hash=with_top if include_top else without_top)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values from 0 to 255, scaled to -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def NASNet(input_shape: Any = None, penultimate_filters: int = 4032, num_blocks: int = 6, stem_block_filters: int = 96,
           skip_reduction: bool = True, filter_multiplier: int = 2, include_top: bool = True,
           weights: Any = None, input_tensor: Any = None, pooling: str | None = None, classes: int = 1000,
           default_size: int | None = None) -> Model:
    """A network of three times `num_blocks` normal cells; see `building.Wanted`.

    The last cells make `penultimate_filters` channels, a multiple of 24 * filter_multiplier ** 2, the cells before each
    reduction so many times fewer as `filter_multiplier` says. Images are of `default_size`; without a classifier
    `input_shape` may say another, from 32 on.

    >>> NASNet((32, 32, 3), 96, 1, 8, include_top=False).output_shape
    (None, 1, 1, 96)
    """
    size, m = default_size or 331, filter_multiplier
    wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
    if penultimate_filters % (24 * m ** 2):
        raise ValueError(f"penultimate_filters must be a multiple of 24 * filter_multiplier ** 2 = {24 * m ** 2}, got "
                         f"{penultimate_filters}")
    if weights == "imagenet" and size not in _KNOWN:
        raise ValueError("weights='imagenet' exist for NASNetMobile and NASNetLarge, images of 224 and 331; got "
                         f"default_size={size}")
    shape = wanted.shape(size, 32, require_flatten=include_top)
    if not input_shape and not include_top:  # what is padded follows from the sizes
        shape = tuple(n or size for n in shape)
    images = wanted.images(shape)
    if None in K.int_shape(images)[1:]:
        raise ValueError("NASNet needs to know all sizes of its images, such as input_shape=(224, 224, 3); got "
                         f"{K.int_shape(images)[1:]}")
    filters = penultimate_filters // 24
    x = Conv2D(stem_block_filters, 3, strides=2, name="stem_conv1", **_HE)(images)
    x, before = _normalized(x, "stem_bn1"), None
    for i, width in enumerate((filters // m ** 2, filters // m), 1):
        x, before = _reduction_cell(x, before, width, f"stem_{i}")
    for stage in range(3):
        if stage:
            x, skipped = _reduction_cell(x, before, filters * m ** stage, f"reduce_{stage * num_blocks}")
            before = before if skip_reduction else skipped
        for i in range(num_blocks):
            x, before = _normal_cell(x, before, filters * m ** stage, str(stage * num_blocks + i + (stage > 0)))
    x = Activation("relu")(x)
    return wanted.finish("NASNet", images, x, lambda x: Dense(classes, activation="softmax", name="predictions")(
        GlobalAveragePooling2D()(x)), _Files(size))


def NASNetMobile(input_shape: Any = None, include_top: bool = True, weights: Any = "imagenet",
                 input_tensor: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """The small network, for images of 224 x 224 (without its classifier, of at least 32 x 32); see
    `building.Wanted`.

    >>> NASNetMobile((32, 32, 3), include_top=False, weights=None).output_shape
    (None, 1, 1, 1056)
    """
    return NASNet(input_shape, 1056, 4, 32, False, 2, include_top, weights, input_tensor, pooling, classes, 224)


def NASNetLarge(input_shape: Any = None, include_top: bool = True, weights: Any = "imagenet",
                input_tensor: Any = None, pooling: str | None = None, classes: int = 1000) -> Model:
    """The large network, for images of 331 x 331 (without its classifier, of at least 32 x 32); see
    `building.Wanted`."""
    return NASNet(input_shape, 4032, 6, 96, True, 2, include_top, weights, input_tensor, pooling, classes, 331)


def _normalized(x: Any, name: str) -> Any:
    return BatchNormalization(axis=channel_axis(), momentum=0.9997, epsilon=1e-3, name=name)(x)


def _separable(x: Any, filters: int, size: int, name: str, strides: int = 1) -> Any:
    """Twice an activation, a separable convolution and a normalization; the first with the strides."""
    for i in (1, 2):
        x, step = Activation("relu")(x), strides if i == 1 else 1
        if step == 2:
            x = ZeroPadding2D(_padding(x, size), name=f"separable_conv_1_pad_{name}")(x)
        x = SeparableConv2D(filters, size, strides=step, padding="valid" if step == 2 else "same",
                            name=f"separable_conv_{i}_{name}", **_HE)(x)
        x = _normalized(x, f"separable_conv_{i}_bn_{name}")
    return x


def _padding(x: Any, size: int) -> tuple[tuple[int, int], ...]:
    """Zeros around x, so that a window of `size` with strides of 2 ends at the last pixel."""
    sizes = K.int_shape(x)[2:] if channel_axis() == 1 else K.int_shape(x)[1:3]
    half = size // 2
    return tuple((half - (n % 2 == 0), half) for n in sizes if n)


def _adjusted(p: Any, x: Any, filters: int, name: str) -> Any:
    """The output of the cell before the last, with the rows, columns and channels that x will have."""
    channels = channel_axis()
    columns = 3 if channels == 1 else 2
    if p is None:
        return x
    if K.int_shape(p)[columns] != K.int_shape(x)[columns]:
        p = Activation("relu", name=f"adjust_relu_1_{name}")(p)
        moved = Cropping2D(((1, 0), (1, 0)))(ZeroPadding2D(((0, 1), (0, 1)))(p))
        parts = [Conv2D(filters // 2, 1, padding="same", name=f"adjust_conv_{i}_{name}", **_HE)(
            AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_{i}_{name}")(part))
            for i, part in enumerate((p, moved), 1)]
        return _normalized(concatenate(parts, axis=channels), f"adjust_bn_{name}")
    if K.int_shape(p)[channels] != filters:
        p = Conv2D(filters, 1, padding="same", name=f"adjust_conv_projection_{name}", **_HE)(Activation("relu")(p))
        return _normalized(p, f"adjust_bn_{name}")
    return p


def _squeezed(x: Any, filters: int, kind: str, name: str) -> Any:
    x = Conv2D(filters, 1, padding="same", name=f"{kind}_conv_1_{name}", **_HE)(Activation("relu")(x))
    return _normalized(x, f"{kind}_bn_1_{name}")


def _normal_cell(x: Any, before: Any, filters: int, name: str) -> tuple[Any, Any]:
    """A cell of five sums, and its input; `before` is the output of the cell before the last."""
    p = _adjusted(before, x, filters, name)
    h = _squeezed(x, filters, "normal", name)

    def mean(y: Any, place: str) -> Any:
        return AveragePooling2D(3, strides=1, padding="same", name=f"normal_{place}_{name}")(y)

    pairs: list[Callable[[], list[Any]]] = [
        lambda: [_separable(h, filters, 5, f"normal_left1_{name}"), _separable(p, filters, 3, f"normal_right1_{name}")],
        lambda: [_separable(p, filters, 5, f"normal_left2_{name}"), _separable(p, filters, 3, f"normal_right2_{name}")],
        lambda: [mean(h, "left3"), p],
        lambda: [mean(p, "left4"), mean(p, "right4")],
        lambda: [_separable(h, filters, 3, f"normal_left5_{name}"), h],
    ]
    sums = [add(pair(), name=f"normal_add_{i}_{name}") for i, pair in enumerate(pairs, 1)]
    return concatenate([p, *sums], axis=channel_axis(), name=f"normal_concat_{name}"), x


def _reduction_cell(x: Any, before: Any, filters: int, name: str) -> tuple[Any, Any]:
    """As `_normal_cell`, with half as many rows and columns."""
    p = _adjusted(before, x, filters, name)
    h = _squeezed(x, filters, "reduction", name)
    padded = ZeroPadding2D(_padding(h, 3), name=f"reduction_pad_1_{name}")(h)

    def halved(y: Any, size: int, place: str) -> Any:
        return _separable(y, filters, size, f"reduction_{place}_{name}", strides=2)

    def pooled(kind: Any, place: str) -> Any:
        return kind(3, strides=2, name=f"reduction_{place}_{name}")(padded)

    one = add([halved(h, 5, "left1"), halved(p, 7, "right1")], name=f"reduction_add_1_{name}")
    two = add([pooled(MaxPooling2D, "left2"), halved(p, 7, "right2")], name=f"reduction_add_2_{name}")
    three = add([pooled(AveragePooling2D, "left3"), halved(p, 5, "right3")], name=f"reduction_add3_{name}")
    four = add([two, AveragePooling2D(3, strides=1, padding="same", name=f"reduction_left4_{name}")(one)])
    five = add([_separable(one, filters, 3, f"reduction_left4_{name}"), pooled(MaxPooling2D, "right5")],
               name=f"reduction_add4_{name}")
    return concatenate([two, three, four, five], axis=channel_axis(), name=f"reduction_concat_{name}"), x
