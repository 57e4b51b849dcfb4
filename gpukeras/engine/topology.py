"""Keras 2.0.9's address of the graph of layers: every name that programs import from
``keras.engine.topology``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .input_layer import Input, InputLayer
from .input_spec import InputSpec
from .layer import Layer
from .network import Network, get_source_inputs
from .node import Node, all_none, masks_of, object_list_uid, one_or_list, shapes_of, to_list, to_snake_case


def preprocess_weights_for_loading(layer: Layer, weights: Sequence[Any], original_keras_version: str | None = None,
                                   original_backend: str | None = None) -> list[Any]:
    """Weights as another Keras or backend arranged them, as `layer` has them: see `saving`."""
    from ..saving import preprocess_weights_for_loading as preprocess

    return preprocess(layer, weights, original_keras_version, original_backend)


def save_weights_to_hdf5_group(f: Any, layers: Sequence[Layer]) -> None:
    """Writes the weights of layers into an open `h5py.File` or group."""
    from ..saving.weights import write_layers

    write_layers(f, layers)


def load_weights_from_hdf5_group(f: Any, layers: Sequence[Layer]) -> None:
    """Reads the weights of layers, in order, out of an open `h5py.File` or group. ValueError if they don't fit."""
    from ..saving.files import read_group

    read_group(f, layers)


def load_weights_from_hdf5_group_by_name(f: Any, layers: Sequence[Layer], skip_mismatch: bool = False) -> None:
    """Reads the weights of those layers whose names an open `h5py.File` or group has."""
    from ..saving.files import read_group

    read_group(f, layers, by_name_only=True, skip_mismatch=skip_mismatch)


def _collect_input_shape(input_tensors: Any) -> Any:
    """The static shape of a tensor, or the shapes of several."""
    return one_or_list(shapes_of(to_list(input_tensors)))


Container = Network
_collect_previous_mask = masks_of
_is_all_none = all_none
_object_list_uid = object_list_uid
_to_list = to_list
_to_snake_case = to_snake_case

__all__ = ["Container", "Input", "InputLayer", "InputSpec", "Layer", "Network", "Node", "get_source_inputs",
           "load_weights_from_hdf5_group", "load_weights_from_hdf5_group_by_name", "preprocess_weights_for_loading",
           "save_weights_to_hdf5_group"]
