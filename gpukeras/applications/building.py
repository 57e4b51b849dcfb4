"""What the networks have in common: their arguments, the classifier on top or a pooling in its place, and weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .. import backend as K
from ..engine.network import get_source_inputs
from ..layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
)
from ..models import Model
from ..utils.data_utils import get_file
from .imagenet_utils import _obtain_input_shape

_RELEASES = "https://github.com/fchollet/deep-learning-models/releases/download"
KERAS_TEAM = "https://github.com/keras-team/keras-applications/releases/download"
"""Where Keras published the files of its later networks."""


class Published(Protocol):
    """Weights that were published, with the classifier and without it."""

    def fetch(self, include_top: bool) -> str:
        """The path of the file in Keras's cache, downloaded if it isn't there."""
        ...


@dataclass(frozen=True)
class Weights:
    """Files that Keras published: release, name, and MD5 with the classifier and without it."""

    release: str
    name: str
    with_top: str | None
    without_top: str | None
    ending: str = "_weights_tf_dim_ordering_tf_kernels{}.h5"
    no_top: str = "_notop"
    base: str = _RELEASES

    @property
    def folder(self) -> str:
        """Where the files are published."""
        return f"{self.base}/{self.release}/"

    def file(self, include_top: bool) -> str:
        """The name of the file with the classifier, or without it."""
        return self.name + self.ending.format("" if include_top else self.no_top)

    def addresses(self) -> tuple[str, str]:
        """The files with the classifier and without it."""
        return self.folder + self.file(True), self.folder + self.file(False)

    def fetch(self, include_top: bool) -> str:
        """The path of the file in Keras's cache, downloaded if it isn't there."""
        name = self.file(include_top)
        return get_file(name, self.folder + name, cache_subdir="models",
                        file_hash=self.with_top if include_top else self.without_top)


@dataclass(frozen=True)
class Wanted:
    """The arguments that every network takes.

    `include_top`: with the classifier of `classes`; without it, `pooling` 'avg' or 'max' makes a vector of each image,
    and None leaves the last feature maps. `weights`: None (random), 'imagenet', or the path of a file. `input_tensor`:
    the images, from `Input`; else they have `input_shape` (no batch axis).
    """

    include_top: bool
    weights: str | os.PathLike[str] | None
    input_tensor: Any
    input_shape: Any
    pooling: str | None
    classes: int

    def __post_init__(self) -> None:
        if self.weights not in (None, "imagenet") and not os.path.exists(self.weights):
            raise ValueError("weights must be None (random), 'imagenet' or the path of a file with weights, got "
                             f"{self.weights!r}")
        if self.weights == "imagenet" and self.include_top and self.classes != 1000:
            raise ValueError(f"weights='imagenet' with include_top=True has 1000 classes, got classes={self.classes}")
        if self.pooling not in (None, "avg", "max"):
            raise ValueError(f"pooling must be None, 'avg' or 'max', got {self.pooling!r}")

    def shape(self, default_size: int, min_size: int, require_flatten: bool) -> tuple[int | None, ...]:
        """The images' shape; see `imagenet_utils`."""
        return _obtain_input_shape(self.input_shape, default_size, min_size, K.image_data_format(),
                                   require_flatten, self.weights if self.weights == "imagenet" else None)

    def images(self, shape: Any) -> Any:
        """The tensor that the network starts from."""
        if self.input_tensor is None:
            return Input(shape=shape)
        if K.is_keras_tensor(self.input_tensor):
            return self.input_tensor
        return Input(tensor=self.input_tensor, shape=shape)

    def finish(self, name: str, images: Any, features: Any, top: Callable[[Any], Any], files: Published,
               pool_names: bool = False) -> Model:
        """The model from the images to its classifier, or to the pooled features, with its weights."""
        if self.include_top:
            output = top(features)
        elif self.pooling is None:
            output = features
        else:
            name_of_pool = f"{self.pooling}_pool" if pool_names else None
            pool = GlobalAveragePooling2D if self.pooling == "avg" else GlobalMaxPooling2D
            output = pool(name=name_of_pool)(features)
        inputs = images if self.input_tensor is None else get_source_inputs(self.input_tensor)
        model: Any = Model(inputs, output, name=name)
        if self.weights is not None:
            model.load_weights(files.fetch(self.include_top) if self.weights == "imagenet" else self.weights)
        result: Model = model
        return result


def channel_axis() -> int:
    """The axis of the channels of a batch of images."""
    return 1 if K.image_data_format() == "channels_first" else 3


def convolve(x: Any, filters: int, size: Any, names: tuple[str | None, str | None, str | None] = (None,) * 3,
             activation: Any = "relu", scale: bool = True, **options: Any) -> Any:
    """Convolution, batch normalization and, unless it is None, an activation; `names` of the three."""
    x = Conv2D(filters, size, name=names[0], **options)(x)
    x = BatchNormalization(axis=channel_axis(), scale=scale, name=names[1])(x)
    return x if activation is None else Activation(activation, name=names[2])(x)


def classifier(classes: int) -> Callable[[Any], Any]:
    """The mean of each channel, and the classes' probabilities."""
    def top(x: Any) -> Any:
        return Dense(classes, activation="softmax", name="predictions")(GlobalAveragePooling2D(name="avg_pool")(x))
    return top
