"""Models: Sequential and Model, making them from their stored architecture, and cloning them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .engine.input_layer import Input, InputLayer
from .engine.layer import Layer
from .engine.node import TensorHistory, history_of, one_or_list, to_list
from .engine.sequential import Sequential
from .engine.training import Model
from .utils.late import late

if TYPE_CHECKING:
    from .saving.architecture import model_from_config as model_from_config
    from .saving.files import load_model as load_model
    from .saving.files import save_model as save_model

_FROM = {"load_model": "saving.files", "model_from_config": "saving.architecture", "save_model": "saving.files"}

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_config", "model_from_json",
           "model_from_yaml", "save_model"]


# ------------------------------------------------------------------------------------------- from
# architectures


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new, uncompiled model from the text of `Model.to_json`, here or in Keras 1, 2 or 3.

    `custom_objects` maps names in the text to classes and functions of your own. Nothing else is ever run.
    """
    from .engine.serialization import read_json

    return _model_from_text(read_json(json_string), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new, uncompiled model from `Model.to_yaml`'s text, which may hold plain data only. Needs PyYAML."""
    from .engine.serialization import read_yaml

    return _model_from_text(read_yaml(yaml_string), custom_objects)


def _model_from_text(architecture: Any, custom_objects: dict[str, Any] | None) -> Any:
    from .engine.own_functions import with_functions
    from .saving.architecture import model_from_config
    from .saving.configs import readable_text

    return model_from_config(readable_text(with_functions(architecture), custom_objects), custom_objects)


# ------------------------------------------------------------------------------------------------------
# cloning


def clone_model(model: Any, input_tensors: Any = None) -> Any:
    """A model of the same architecture with layers, hence weights, of its own.

    It reads from `input_tensors` (from `Input`, or any tensors) if given, else from new inputs.
    """
    if not isinstance(model, Model):
        raise ValueError(f"clone_model needs a model, got {model!r:.200}.")
    if not model._is_graph_network:
        return type(model).from_config(model.get_config())
    clone = _clone_sequential_model if isinstance(model, Sequential) else _clone_functional_model
    return clone(model, input_tensors)


def _clone_functional_model(model: Any, input_tensors: Any = None) -> Model:
    if not isinstance(model, Model) or isinstance(model, Sequential):
        raise ValueError(f"expected a model of the functional API, got {model!r:.200}.")
    copies: dict[Layer, Layer] = {}
    known: dict[Any, Any] = {}
    for old, tensor in zip(model.inputs, _clone_inputs(model, input_tensors)):
        known[old] = tensor
        made, new = history_of(old), history_of(tensor)
        assert made is not None and new is not None
        copies[made.layer] = new.layer
    for node in model._graph.nodes:
        if not node.inbound_layers:
            continue
        layer = node.outbound_layer
        if layer not in copies:
            copies[layer] = _clone_layer(layer)
        results = copies[layer](one_or_list([known[x] for x in node.input_tensors]), **(node.arguments or {}))
        known.update(zip(node.output_tensors, to_list(results)))
    return Model([known[x] for x in model.inputs], [known[x] for x in model.outputs], name=model.name)


def _clone_layer(layer: Layer) -> Layer:
    result: Layer = clone_model(layer) if isinstance(layer, Model) else type(layer).from_config(layer.get_config())
    return result


def _clone_inputs(model: Model, tensors: Any) -> list[Any]:
    """The inputs of a clone: new ones like the model's, or the given tensors."""
    if tensors is None:
        return [Input(batch_shape=layer.batch_input_shape, dtype=layer.dtype, name=layer.name)
                for layer in model.input_layers]
    given = to_list(tensors)
    if len(given) != len(model.inputs):
        raise ValueError(f"Model '{model.name}' has {len(model.inputs)} inputs, but input_tensors has "
                         f"{len(given)}.")
    return [x if history_of(x) else Input(tensor=x, name=f"input_wrapper_for_{layer.name}")
            for x, layer in zip(given, model.input_layers)]


def _clone_sequential_model(model: Any, input_tensors: Any = None) -> Sequential:
    if not isinstance(model, Sequential):
        raise ValueError(f"expected a Sequential, got {model!r:.200}.")
    layers = [_clone_layer(layer) for layer in model.layers]
    if input_tensors is None:
        return Sequential(layers, name=model.name)
    given = to_list(input_tensors)
    if len(given) != 1:
        raise ValueError(f"A Sequential has one input, but input_tensors has {len(given)}.")
    made: TensorHistory | None = history_of(given[0])
    if made is None:
        made = history_of(Input(tensor=given[0], name=f"input_wrapper_for_{model.name}"))
    assert made is not None
    if not isinstance(made.layer, InputLayer):
        raise ValueError(f"A Sequential can be cloned onto an Input, but input_tensors comes from layer "
                         f"'{made.layer.name}'. Use the functional API.")
    return Sequential([made.layer, *layers], name=model.name)


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late(__name__, _FROM)


def __dir__() -> list[str]:
    return [*globals(), *_FROM]
