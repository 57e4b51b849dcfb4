"""The residual networks of Keras 2.2.4 and later: ResNet (He et al., 2015, arXiv:1512.03385) and ResNetV2, in which
normalization and activation come before the convolutions (He et al., 2016, arXiv:1603.05027)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    MaxPooling2D,
    ZeroPadding2D,
)
from ..models import Model
from .building import KERAS_TEAM, Wanted, Weights, channel_axis

_FILTERS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Residual:
    """A network of the family: the blocks in its four stacks, whether it is of version 2, and the MD5 of its files with
    the classifier and without it."""

    name: str
    blocks: tuple[int, int, int, int]
    second: bool
    with_top: str
    without_top: str

    def build(self, include_top: bool, weights: Any, input_tensor: Any, input_shape: Any, pooling: str | None,
              classes: int) -> Model:
        """The model, for images of 224 x 224 (without its classifier, of at least 32 x 32); see `building.Wanted`."""
        wanted = Wanted(include_top, weights, input_tensor, input_shape, pooling, classes)
        images = wanted.images(wanted.shape(224, 32, require_flatten=include_top))
        x = Conv2D(64, 7, strides=2, name="conv1_conv")(ZeroPadding2D(3, name="conv1_pad")(images))
        x = x if self.second else _active(x, "conv1")
        x = MaxPooling2D(3, strides=2, name="pool1_pool")(ZeroPadding2D(1, name="pool1_pad")(x))
        for number, (filters, count) in enumerate(zip(_FILTERS, self.blocks), 2):
            # The first block of a stack halves rows and columns; in version 2 the last one, but for the last stack.
            halves = (number < 5 and count) if self.second else (number > 2 and 1)
            for i in range(1, count + 1):
                block = _second_block if self.second else _first_block
                x = block(x, filters, 2 if i == halves else 1, i == 1, f"conv{number}_block{i}")
        x = _active(x, "post") if self.second else x
        files = Weights("resnet", self.name, self.with_top, self.without_top, base=KERAS_TEAM)
        return wanted.finish(self.name, images, x, lambda x: Dense(classes, activation="softmax", name="probs")(
            GlobalAveragePooling2D(name="avg_pool")(x)), files, pool_names=True)


def _normalized(x: Any, name: str) -> Any:
    return BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=f"{name}_bn")(x)


def _active(x: Any, name: str) -> Any:
    return Activation("relu", name=f"{name}_relu")(_normalized(x, name))


def _first_block(x: Any, filters: int, strides: int, projects: bool, name: str) -> Any:
    """Three convolutions, and their input (in the first block of a stack convolved, too), added."""
    shortcut = x
    if projects:
        shortcut = _normalized(Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(x), f"{name}_0")
    x = _active(Conv2D(filters, 1, strides=strides, name=f"{name}_1_conv")(x), f"{name}_1")
    x = _active(Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x), f"{name}_2")
    x = _normalized(Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x), f"{name}_3")
    return Activation("relu", name=f"{name}_out")(Add(name=f"{name}_add")([shortcut, x]))


def _second_block(x: Any, filters: int, strides: int, projects: bool, name: str) -> Any:
    """As `_first_block`, with nothing behind the sum; what comes in is normalized and activated."""
    active = _active(x, f"{name}_preact")
    if projects:
        shortcut = Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(active)
    else:
        shortcut = MaxPooling2D(1, strides=strides)(x) if strides > 1 else x
    x = _active(Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(active), f"{name}_1")
    x = ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = _active(Conv2D(filters, 3, strides=strides, use_bias=False, name=f"{name}_2_conv")(x), f"{name}_2")
    return Add(name=f"{name}_out")([shortcut, Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)])
