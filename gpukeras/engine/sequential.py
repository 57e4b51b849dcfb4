"""Sequential: a model that is a stack of layers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import backend as K
from ..graph.static_shape import plain_shape
from ..utils import keras1
from ..utils.custom_objects import serialize_keras_object
from .input_layer import Input, InputLayer
from .layer import Layer
from .network import get_source_inputs
from .node import history_of
from .portable import layer_from_config
from .training import Model


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
        waiting[0].batch_input_shape = plain_shape(input_shape)
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
        return [*self.layers[0]._made_on, *self.layers] if self.layers else self.layers

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
        config = copy.deepcopy([serialize_keras_object(layer) for layer in layers])
        for layer, entry in zip(layers, config):
            if isinstance(entry["config"], list):  # another Sequential's, which do not say its name
                entry["name"] = layer.name
        if layers and layers[0]._made_on:
            config[0]["config"]["layers"] = [copy.deepcopy(serialize_keras_object(layer))
                                             for layer in layers[0]._made_on]
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
        newer = isinstance(config, dict)
        if newer and "layers" not in config:
            raise ValueError(f"Malformed config of a Sequential: no 'layers' among {sorted(config)}.")
        model = cls(name=config.get("name")) if newer else cls()
        with model._adding_many():
            for entry in config["layers"] if newer else config:
                layer = layer_from_config(entry, custom_objects)
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
    if not arguments:
        return batch_size  # the way of most calls
    counts_steps = any(arguments.get(name) is not None for name in ("steps", "steps_per_epoch"))
    return None if counts_steps and batch_size == 32 else batch_size


def _one_output(layer: Layer, count: int) -> str:
    return (f"All layers in a Sequential must have a single output tensor, but '{layer.name}' has {count}. "
            "Use the functional API: Model(inputs, outputs).")
