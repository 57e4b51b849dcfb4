"""All layers, and making them from configs."""

from __future__ import annotations

from typing import Any

from ..engine.input_layer import Input, InputLayer
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from ..utils.generic_utils import Registry, deserialize_keras_object, serialize_keras_object
from .advanced_activations import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from .core import Activation, ActivityRegularization, Dense, Dropout, Masking
from .lambda_layer import Lambda
from .noise import (
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from .reshaping import Flatten, Permute, RepeatVector, Reshape

__all__ = ["Activation", "ActivityRegularization", "AlphaDropout", "Dense", "Dropout", "ELU", "Flatten",
           "GaussianDropout", "GaussianNoise", "Input", "InputLayer", "InputSpec", "Lambda", "Layer",
           "LeakyReLU", "Masking", "PReLU", "Permute", "ReLU", "RepeatVector", "Reshape", "Softmax",
           "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "ThresholdedReLU", "deserialize",
           "serialize"]



def serialize(layer: Layer) -> dict[str, Any]:
    """The layer as ``{'class_name', 'config'}``."""
    return serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new layer or model from ``{'class_name', 'config'}``.

    Only this library's layers and models, those in `custom_objects`, and the global custom objects can be
    named.
    """
    from .. import models

    known = {**_registry, "Model": models.Model, "Functional": models.Model, "Sequential": models.Sequential}
    return deserialize_keras_object(config, known, custom_objects, "layer")


# What a config may name: the layer classes, and no helper. (At the end, since what comes later is open to
# naming.)
_registry = Registry(globals(), [name for name in __all__ if isinstance(globals()[name], type)
                                 and issubclass(globals()[name], Layer)])
