"""Models: Sequential, Model, and making models from their stored architecture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from . import backend as K
from .engine.budget import check_architecture, memory_budget
from .engine.input_layer import Input, InputLayer
from .engine.layer import Layer
from .engine.network import get_source_inputs
from .engine.node import TensorHistory, history_of, one_or_list, to_list
from .engine.own_functions import with_functions
from .engine.serialization import described_error, read_json, read_yaml
from .engine.training import Model
from .saving.configs import readable_text
from .saving.files import load_model, save_model
from .utils import keras1
from .utils.generic_utils import shortened

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_config", "model_from_json",
           "model_from_yaml", "save_model"]


class Sequential(Model):
    """A stack of layers, each with one input and one output.

    The first layer says its input shape (`input_shape=`, `input_dim=`, `batch_input_shape=`), or is a model
    or an `Input`. If nothing says it, the model is built when it first sees data, or by
    ``build(batch_input_shape)``.

    >>> from gpukeras.layers import Dense
    >>> model = Sequential([Dense(8, activation='relu', input_shape=(4,)), Dense(2)])
    >>> model.output_shape
    (None, 2)
    """

    def __init__(self, layers: Sequence[Any] | None = None, name: str | None = None) -> None:
        Layer.__init__(self, name=name)
        if isinstance(layers, Layer):
            raise TypeError(f"Sequential takes its layers as a list, but got the layer '{layers.name}'. Write "
                            f"Sequential([{type(layers).__name__}(...), ...])")
        self._disconnect()
        self.layers: list[Layer] = []
        self._results: list[Any] = []  # the output tensor after each layer, once the input is known
        self._hidden_input: InputLayer | None = None
        with self._adding_many():
            for layer in layers or ():
                self.add(layer)

    @property
    def regularizers(self) -> list[Any]:
        """The regularizers that the layers were given."""
        return [value for layer in self.layers for name, value in vars(layer).items()
                if name.endswith("regularizer") and value is not None]

    @property
    def model(self) -> Sequential:
        """The model itself: Keras 2.0.9 kept the functional model of the stack apart."""
        return self

    # ------------------------------------------------------------------------------------------------
    # construction

    def add(self, layer: Any) -> None:
        """Puts a layer (or a model, or as the first an `Input`) on top of the stack.

        Raises TypeError for anything else, ValueError if the first layer is connected to something already,
        and TypeError or ValueError for a layer of several outputs.
        """
        made = history_of(layer)
        if made is not None and isinstance(made.layer, InputLayer) and not self.layers and not self.outputs:
            self._start(made.layer)
            return
        if not isinstance(layer, Layer):
            is_class = isinstance(layer, type) and issubclass(layer, Layer)
            hint = f"; write {layer.__name__}(...)" if is_class else ""
            raise TypeError(f"Sequential '{self.name}' is made of layers, but got {layer!r:.200}{hint}.")
        if self.outputs:
            result = layer(self.outputs[0])
            if isinstance(result, list):
                raise TypeError(_one_output(layer, len(result)))
            self._grow(layer, result)
        elif self.layers or not (layer.inbound_nodes or hasattr(layer, "batch_input_shape")):
            self.layers.append(layer)  # the input shape comes later
        else:
            self._add_first(layer)

    def _add_first(self, layer: Layer) -> None:
        """A first layer that knows its input."""
        if not layer.inbound_nodes:
            layer(Input(batch_shape=layer.batch_input_shape, dtype=layer.dtype, name=f"{layer.name}_input"))
        if len(layer._telling()) != 1:
            raise ValueError(f"Layer '{layer.name}' was called {len(layer.inbound_nodes)} times before it "
                             f"was added to Sequential '{self.name}', so the stack can't tell which output "
                             "to go on from. Use the functional API to share layers.")
        found = layer.inbound_nodes[0].output_tensors
        if len(found) != 1:
            raise ValueError(_one_output(layer, len(found)))
        self._grow(layer, found[0])

    def _start(self, layer: InputLayer) -> None:
        """Begins the stack at an input that isn't one of `layers`."""
        self._hidden_input = layer
        self.inputs = self.outputs = list(layer.inbound_nodes[0].output_tensors)

    def _grow(self, layer: Layer, result: Any) -> None:
        """Takes in a layer whose output, on top of the stack, is `result`."""
        if self._adds_many:
            self.outputs = [result]
        else:
            self._connect(get_source_inputs(result), [result])
        self.layers.append(layer)
        self._results.append(result)
        self._forget_functions()

    _adds_many = False

    @contextmanager
    def _adding_many(self) -> Iterator[None]:
        """Layers added inside are connected once, at the end: each time would be a walk through all before."""
        count, self._adds_many = len(self._results), True
        try:
            yield
        finally:
            del self._adds_many
        if len(self._results) > count:
            self._connect(get_source_inputs(self._results[-1]), [self._results[-1]])

    def pop(self) -> None:
        """Takes the last layer away; TypeError if there is none."""
        if not self.layers:
            raise TypeError(f"Sequential '{self.name}' has no layers to take away.")
        layer = self.layers.pop()
        if not self._results:
            return
        gone = self._results.pop()
        layer.inbound_nodes = [node for node in layer.inbound_nodes if gone not in node.output_tensors]
        if self._results:
            for below in self.layers:
                below.outbound_nodes = [node for node in below.outbound_nodes
                                        if gone not in node.output_tensors]
            self._connect(self.inputs, [self._results[-1]])
        else:
            self._disconnect()
            self.inbound_nodes, self.outbound_nodes = [], []
            if self._hidden_input is not None:
                self._start(self._hidden_input)
        self._forget_functions()

    def _forget_functions(self) -> None:
        """Drops what was compiled for the stack as it was: training it needs a new compile."""
        for name in ("train_function", "test_function", "predict_function", "_collected_trainable_weights"):
            self.__dict__.pop(name, None)

    def build(self, input_shape: Any = None) -> None:
        """Builds the stack for inputs of `input_shape` (batch axis included), if no layer has said it.

        Raises TypeError for an empty model, ValueError if the shape is neither given nor known.
        """
        if not self.layers:
            raise TypeError(f"Sequential '{self.name}' can't be built: the model is empty. Add some layers "
                            "first.")
        if self.built:
            return
        if input_shape is None:
            raise ValueError(f"Sequential '{self.name}' can't be built: the input shape isn't known. Give "
                             "the first layer input_shape=..., or call build((None, ...)).")
        waiting, self.layers = self.layers, []
        self._start(Input(batch_shape=tuple(input_shape), name=f"{waiting[0].name}_input")._keras_history[0])
        try:
            with self._adding_many():
                for layer in waiting:
                    self.add(layer)
        except Exception:
            self.layers = waiting
            self._disconnect()
            self._results, self._hidden_input = [], None
            raise
        waiting[0].batch_input_shape = tuple(input_shape)
        waiting[0].dtype = waiting[0].dtype or K.floatx()
        self._hidden_input = None
        self._compile_now()

    def _build_from(self, data: Any, batch_size: int | None = None) -> None:
        """Builds the stack for the shape of the first data it sees: arrays, or a Sequence of batches."""
        if isinstance(data, (list, tuple)) and len(data) == 1:
            data = data[0]
        elif isinstance(data, dict) and len(data) == 1:
            data = next(iter(data.values()))
        if not hasattr(data, "shape") and not isinstance(data, dict) and hasattr(data, "__getitem__"):
            first = data[0]
            data = first[0] if isinstance(first, tuple) else data
        shape = getattr(data, "shape", None)
        if shape is None:
            self.build()
        else:
            self.build((None, *shape[1:]) if len(shape) > 1 else (None, 1))

    def compile(self, optimizer: Any, loss: Any = None, metrics: Any = None,  # type: ignore[override]
                sample_weight_mode: Any = None, weighted_metrics: Any = None, target_tensors: Any = None,
                **kwargs: Any) -> None:
        """As Model.compile; without an input shape yet, it is done as soon as there is one."""
        kwargs.update(loss=loss, metrics=metrics, sample_weight_mode=sample_weight_mode,
                      weighted_metrics=weighted_metrics, target_tensors=target_tensors)
        if not self.layers:
            self.build()
        super().compile(optimizer, **kwargs)

    @keras1.fit_method
    def fit(  # type: ignore[override]
            self, x: Any = None, y: Any = None, batch_size: int | None = 32, epochs: int = 10, verbose: Any = 1,
            callbacks: Any = None, validation_split: float = 0.0, validation_data: Any = None, shuffle: Any = True,
            class_weight: Any = None, sample_weight: Any = None, initial_epoch: int = 0, **kwargs: Any) -> Any:
        """As Model.fit, for 10 epochs unless told otherwise."""
        return super().fit(x, y, _unless_steps(batch_size, kwargs), epochs, verbose, callbacks, validation_split,
                           validation_data, shuffle, class_weight, sample_weight, initial_epoch, **kwargs)

    def train_on_batch(self, x: Any, y: Any, class_weight: Any = None,  # type: ignore[override]
                       sample_weight: Any = None, **kwargs: Any) -> Any:
        """As Model.train_on_batch, with the two weights in the other order, as in Keras 2.0.9."""
        return super().train_on_batch(x, y, sample_weight=sample_weight, class_weight=class_weight,
                                      **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = 32,  # type: ignore[override]
                 verbose: Any = 1, sample_weight: Any = None, **kwargs: Any) -> Any:
        """As Model.evaluate."""
        return super().evaluate(x, y, _unless_steps(batch_size, kwargs), verbose, sample_weight, **kwargs)

    def predict(self, x: Any, batch_size: int | None = 32, verbose: Any = 0,  # type: ignore[override]
                **kwargs: Any) -> Any:
        """As Model.predict."""
        return super().predict(x, _unless_steps(batch_size, kwargs), verbose, **kwargs)


    # -------------------------------------------------------------------------------------------------- use

    def _members(self) -> list[Layer]:
        """The layers, after those that a Merge at the bottom of the stack was made with."""
        from .layers import Merge

        first = self.layers[0] if self.layers else None
        return [*first.layers, *self.layers] if isinstance(first, Merge) and first.layers else self.layers

    def _stored_layers(self) -> list[Layer]:
        found: list[Layer] = []
        for layer in self._members():
            found += layer._stored_layers() if isinstance(layer, Model) and layer not in self.layers else [layer]
        return list(dict.fromkeys(found))

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name, or at that index of the graph (0 is the input layer, as in Keras 2.0.9)."""
        for layer in self.layers:
            if index is None and name and layer.name == name:
                return layer
        shown, self.layers = self.layers, self._graph.layers or self.layers
        try:
            return super().get_layer(name, index)
        finally:
            self.layers = shown

    def predict_proba(self, x: Any, batch_size: int | None = 32, verbose: int = 1) -> Any:
        """As predict, with a warning if the values can't be probabilities."""
        found = self.predict(x, batch_size=batch_size, verbose=verbose)
        if found.min() < 0 or found.max() > 1:
            warnings.warn("The predictions are not all between 0 and 1, so they are no probabilities. Does "
                          "the last layer lack a softmax or a sigmoid?", UserWarning, stacklevel=2)
        return found

    def predict_classes(self, x: Any, batch_size: int | None = 32, verbose: int = 1) -> Any:
        """The class of each sample: the greatest of several outputs, or whether the only one is over 0.5."""
        found = self.predict(x, batch_size=batch_size, verbose=verbose)
        return found.argmax(axis=-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")

    # ---------------------------------------------------------------------------------------------
    # architecture

    def get_config(self) -> Any:
        """The layers' class names and configs, as a list."""
        layers = list(self.layers)
        if self._hidden_input is not None and not (layers and hasattr(layers[0], "batch_input_shape")):
            layers.insert(0, self._hidden_input)
        import copy

        from .layers import Merge, serialize

        config = copy.deepcopy([serialize(layer) for layer in layers])
        for layer, entry in zip(layers, config):
            if isinstance(entry["config"], list):  # another Sequential's, which do not say its name
                entry["name"] = layer.name
        if layers and isinstance(layers[0], Merge) and layers[0].layers:
            config[0]["config"]["layers"] = [copy.deepcopy(serialize(layer)) for layer in layers[0].layers]
        return config

    def legacy_get_config(self) -> Any:
        """Keras 1's name for `get_config`."""
        return self.get_config()

    @classmethod
    def legacy_from_config(cls, config: Any, layer_cache: Any = None) -> Any:
        """Keras 1's name for `from_config`. Layers are made anew; a `layer_cache` is of no use for that."""
        return cls.from_config(config)

    @classmethod
    def from_config(cls, config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        """A new model, with new weights, from a list of layers, or from newer Keras's ``{'name', 'layers'}``.
        """
        from .layers import deserialize

        newer = isinstance(config, dict)
        if newer and "layers" not in config:
            raise ValueError(f"Malformed config of a Sequential: no 'layers' among {sorted(config)}.")
        model = cls(name=config.get("name")) if newer else cls()
        with model._adding_many():
            for entry in config["layers"] if newer else config:
                layer = deserialize(entry, custom_objects=custom_objects)
                if isinstance(entry.get("config"), list):
                    layer.name = entry.get("name") or layer.name
                # Newer Keras writes the input layer down, but doesn't count it among the layers.
                model.add(layer.output if newer and isinstance(layer, InputLayer) and not model.layers else layer)
        shape = config.get("build_input_shape") if newer else None
        if shape and not model.built and model.layers:
            model.build(shape)
        return model


def _unless_steps(batch_size: int | None, arguments: dict[str, Any]) -> int | None:
    """The batch size, but for its default where steps are counted: a step is one run on the tensors that the model
    reads."""
    counts_steps = any(arguments.get(name) is not None for name in ("steps", "steps_per_epoch"))
    return None if counts_steps and batch_size == 32 else batch_size


def _one_output(layer: Layer, count: int) -> str:
    return (f"All layers in a Sequential must have a single output tensor, but '{layer.name}' has {count}. "
            "Use the functional API: Model(inputs, outputs).")


# ------------------------------------------------------------------------------------------- from
# architectures


def model_from_config(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new, uncompiled model from ``{'class_name', 'config'}``; TypeError for a Sequential's bare list.

    ValueError for a config that can't be built, or that asks for more memory than the machine has, more than 10,000
    layers, or models nested without end.
    """
    from .layers import deserialize

    if isinstance(config, list):
        raise TypeError("model_from_config needs a dictionary with 'class_name' and 'config', but got a "
                        "list. For the config of a Sequential use Sequential.from_config(config).")
    if not isinstance(config, dict):
        raise ValueError(f"A model's config is a dictionary with 'class_name' and 'config', got {shortened(config)}.")
    check_architecture(config)
    try:
        with memory_budget():
            return deserialize(config, custom_objects=custom_objects)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RecursionError) as error:
        raise ValueError("the architecture can't be built: " + described_error(error)) from error


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new, uncompiled model from the text of `Model.to_json`, here or in Keras 1, 2 or 3.

    `custom_objects` maps names in the text to classes and functions of your own. Nothing else is ever run.
    """
    return model_from_config(readable_text(with_functions(read_json(json_string)), custom_objects), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new, uncompiled model from `Model.to_yaml`'s text, which may hold plain data only. Needs PyYAML."""
    return model_from_config(readable_text(with_functions(read_yaml(yaml_string)), custom_objects), custom_objects)


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
    if isinstance(model, Sequential):
        return _clone_sequential(model, input_tensors)
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


def _clone_sequential(model: Sequential, tensors: Any) -> Sequential:
    layers = [_clone_layer(layer) for layer in model.layers]
    if tensors is None:
        return Sequential(layers, name=model.name)
    given = to_list(tensors)
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
