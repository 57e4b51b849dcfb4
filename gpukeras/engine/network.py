"""Network: a graph of layers that can be run, stored, summed up, and used as a layer itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .. import backend as K
from ..graph import origin
from ..utils import keras1
from ..utils.generic_utils import has_arg, to_list, unknown_name
from ..utils.identity import is_built_in
from . import operations
from .adding import _file
from .graph_map import GraphMap, trace
from .held import count_once
from .input_layer import InputLayer
from .layer import Layer
from .node import Node, all_none, as_shape_list, history_of, masks_of, one_or_list, shapes_of, unique
from .portable import Portable

_Run = tuple[list[Any], list[Any], list[Any]]  # outputs, masks, shapes


class Network(Portable, Layer):
    """The layers between `inputs` and `outputs` (a tensor or a list each), all made by layers from `Input`s.

    Raises TypeError for inputs that are not from `Input`, ValueError for an input given twice, RuntimeError
    for an output that the inputs do not determine and for two layers of one name.
    """

    input_spec = None
    _autocast = False  # its layers see to that
    _keeps_dtype = _reads_declared = True
    _graph: GraphMap
    _first_node_is_own = True

    @keras1.network
    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None,
                 trainable: bool = True) -> None:
        super().__init__(name=name, trainable=trainable)
        if inputs is None and outputs is None and self._says_call():
            self._is_graph_network = self._first_node_is_own = False
            self._disconnect()
            return
        self._connect(to_list(inputs), to_list(outputs))
        self.layers: list[Layer] = self._graph.layers

    _is_graph_network = True
    """Whether `inputs` and `outputs` say what is computed; else `call` does, as a subclass writes it."""

    def _says_call(self) -> bool:
        """Whether a subclass says in `call` what it computes. NotImplementedError for one that says nothing at all."""
        if type(self).call is Network.call and not is_built_in(type(self)):
            raise NotImplementedError(f"{type(self).__name__} has no `call`: a subclass of Model says there what it "
                                      "computes, def call(self, inputs): ..., or gives inputs and outputs to "
                                      "super().__init__(inputs=..., outputs=...)")
        return type(self).call is not Network.call

    def _default_name(self) -> str:
        kind = type(self).__name__.lower()
        return f"{kind}_{K.get_uid(kind)}"

    # ------------------------------------------------------------------------------------------- construction

    def _connect(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Makes this the network from `inputs` to `outputs`; what was there before is forgotten."""
        self._check_ends(inputs, outputs)
        self._graph = trace(self.name, inputs, outputs)
        count_once(self._graph.layers)
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.layers_by_depth = self._graph.layers_by_depth
        self.nodes_by_depth = self._graph.nodes_by_depth
        self.container_nodes = self._graph.node_keys
        self.input_layers, self.input_layers_node_indices, self.input_layers_tensor_indices = _places(inputs)
        self.output_layers, self.output_layers_node_indices, self.output_layers_tensor_indices = _places(
            outputs)
        self.input_names = [layer.name for layer in self.input_layers]
        self.output_names = [layer.name for layer in self.output_layers]
        self.internal_input_shapes = shapes_of(self.inputs)
        self.internal_output_shapes = shapes_of(self.outputs)
        # The inputs that data is fed to; the others read a tensor of their own.
        fed = [i for i, layer in enumerate(self.input_layers) if layer.is_placeholder]
        self._feed_input_names = [self.input_names[i] for i in fed]
        self._feed_inputs = [self.inputs[i] for i in fed]
        self._feed_input_shapes = [self.internal_input_shapes[i] for i in fed]
        self._runs: dict[Any, tuple[Any, _Run]] = {}
        self._remember(self.inputs, to_list(masks_of(self.inputs)), None,
                       (self.outputs, to_list(masks_of(self.outputs)), self.internal_output_shapes))
        if self.inbound_nodes:
            own = self.inbound_nodes[0]
            own.output_tensors, own.output_shapes = self.outputs, self.internal_output_shapes
        else:
            Node.of_source(self, self.inputs, self.outputs)
        self.built = True

    def _naming(self, calling: bool = False) -> AbstractContextManager[None]:
        return nullcontext()  # its layers have their names, whether it was called before they were or not

    def _disconnect(self) -> None:
        """Makes this a network without a graph, as a Sequential is before its input shape is known."""
        self._graph = GraphMap()
        self.inputs, self.outputs = [], []
        self.layers_by_depth, self.nodes_by_depth, self.container_nodes = {}, {}, set()
        self.input_layers, self.input_layers_node_indices, self.input_layers_tensor_indices = [], [], []
        self.output_layers, self.output_layers_node_indices, self.output_layers_tensor_indices = [], [], []
        self.input_names, self.output_names = [], []
        self.internal_input_shapes, self.internal_output_shapes = [], []
        self._feed_input_names, self._feed_inputs, self._feed_input_shapes = [], [], []
        self._runs = {}
        self.built = False

    # The names of Keras 2.2 and later for the same.
    _input_layers = property(lambda self: self.input_layers)
    _output_layers = property(lambda self: self.output_layers)
    _layers_by_depth = property(lambda self: self.layers_by_depth)
    _nodes_by_depth = property(lambda self: self.nodes_by_depth)
    _network_nodes = property(lambda self: self.container_nodes)

    def _check_ends(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """The errors of Model(inputs, outputs) that need no look at the graph."""
        kind = type(self).__name__
        for what, tensors in (("Input", inputs), ("Output", outputs)):
            if not tensors:
                raise ValueError(f"{kind} '{self.name}' has no {what.lower()}s.")
            for x in tensors:
                if history_of(x) is None and not (what == "Output" and operations.became_output(x)):
                    came, hint = f"{x!r:.200}", "Start from Input(...)"
                    if isinstance(x, Layer):
                        came, hint = f"the layer '{x.name}' itself", f"Call it: {type(x).__name__}(...)(tensor)"
                    elif K.is_tensor(x):
                        came = f"a tensor of shape {K.int_shape(x)} that no layer made"
                        hint += ", and wrap backend operations: Lambda(lambda x: ...)(x)"
                    raise TypeError(f"{what} tensors of a {kind} must come from layers, but got {came}. {hint}")
        for i, x in enumerate(inputs):
            made = history_of(x)
            assert made is not None
            if not isinstance(made.layer, InputLayer):
                raise TypeError(f"The inputs of a {kind} must come straight from Input(...), but input {i} "
                                f"is the output of layer '{made.layer.name}' ({type(made.layer).__name__}).")
        if len(set(inputs)) != len(inputs):
            raise ValueError(f"{kind} '{self.name}': the same tensor is given twice among the inputs "
                             f"{[x.name for x in inputs]}.")
        if len(set(outputs)) != len(outputs):
            warnings.warn(f"{kind} '{self.name}': the same tensor is given twice among the outputs "
                          f"{[x.name for x in outputs]}.", UserWarning, stacklevel=5)

    # --------------------------------------------------------------------------------------------- the parts

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name, or at that index of `layers`; ValueError if there is none."""
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"Asked for the layer at index {index}, but '{self.name}' has "
                                 f"{len(self.layers)} layers.")
            return self.layers[index]
        if not name:
            raise ValueError("Provide either a layer name or a layer index.")
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise unknown_name("layer", name, [layer.name for layer in self.layers])

    def _held(self) -> list[Any]:
        return []  # the layers inside are said otherwise

    def _uses_policy(self) -> bool:
        return any(layer._uses_policy() for layer in self.layers)

    def _calls(self) -> Iterable[tuple[Layer, Node]]:
        """Every call within this network, layer by layer."""
        for layer in self._graph.layers:
            for i, node in enumerate(layer.inbound_nodes):
                if self._node_key(layer, i) in self.container_nodes:
                    yield layer, node

    def _stored_layers(self) -> list[Layer]:
        """The layers that a file has, in its order."""
        return self.layers

    def _members(self) -> list[Layer]:
        """The layers that say which weights are trained and which states are kept."""
        return self.layers

    @property
    def losses(self) -> list[Any]:
        """Losses of the layers' weights and of their calls in this network, each once; and those added to it.
        """
        own = self.get_losses_for(None) + self.get_losses_for(self.inputs)
        calls = [x for layer, node in self._calls() for x in layer.get_losses_for(node.input_tensors)]
        weights = [x for layer in self._graph.layers for x in layer.get_losses_for(None)]
        return unique(calls + weights + own)

    def _added_metrics(self) -> list[Any]:
        """Pairs (name, tensor) that the layers' calls in this network added as metrics, and those added to it."""
        calls = [x for layer, node in self._calls() for x in layer.get_metrics_for(node.input_tensors)]
        always = [x for layer in self._graph.layers for x in layer.get_metrics_for(None)]
        return unique(calls + always + self.get_metrics_for(None) + self.get_metrics_for(self.inputs))

    @property
    def updates(self) -> list[Any]:
        """Updates that a training step of this network makes besides the optimizer's, each once."""
        own = self.get_updates_for(None) + self.get_updates_for(self.inputs)
        calls = [x for layer, node in self._calls() for x in layer.get_updates_for(node.input_tensors)]
        always = [x for layer in self._graph.layers for x in layer.get_updates_for(None)]
        return unique(calls + always + own)

    @property
    def stateful(self) -> bool:  # type: ignore[override]
        """Whether a layer keeps state between batches."""
        return any(layer.stateful for layer in self._members())

    @property
    def state_updates(self) -> list[Any]:
        """Updates of stateful layers, which prediction makes too."""
        return unique(x for layer in self._graph.layers if layer.stateful
                       for x in getattr(layer, "state_updates", layer.updates))

    def reset_states(self) -> None:
        """Resets the states of all stateful layers."""
        for layer in self._members():
            if layer.stateful and hasattr(layer, "reset_states"):
                layer.reset_states()

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        """Whether an output differs between training and test."""
        return any(x._uses_learning_phase for x in self.outputs)

    def _forces_phase(self) -> bool:
        return self.uses_learning_phase

    @property  # type: ignore[misc]
    def trainable_weights(self) -> list[Any]:
        """The layers' trainable weights in order of layers, each once; none if the network is frozen."""
        if not self.trainable:
            return []
        return unique([*(w for layer in self._members() for w in layer.trainable_weights), *self._trainable_weights,
                       *self._variables_held(True)])

    @property  # type: ignore[misc]
    def non_trainable_weights(self) -> list[Any]:
        """The rest of the weights; all of them, trainable ones first, if the network is frozen."""
        rest = [*(w for layer in self._members() for w in layer.non_trainable_weights), *self._non_trainable_weights,
                *self._variables_held(False)]
        if not self.trainable:
            rest = [*(w for layer in self._members() for w in layer.trainable_weights), *self._trainable_weights,
                    *self._variables_held(True), *rest]
        return unique(rest)

    def _weights_by_layer(self) -> list[Any]:
        """All weights, layer by layer: the order of `get_weights`."""
        inside = [w for layer in self._graph.layers or self.layers for w in layer.weights]
        inside = inside if self._is_graph_network else unique(inside)  # of attributes, one layer may keep another
        return [*inside, *self._trainable_weights, *self._variables_held(True), *self._non_trainable_weights,
                *self._variables_held(False)]

    def get_weights(self) -> list[Any]:
        """The values of all weights, layer by layer (within a layer, trainable ones first)."""
        return K.batch_get_value(self._weights_by_layer())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights from arrays in `get_weights`'s order; ValueError, before any change, if they don't
        fit.
        """
        self._assign(self._weights_by_layer(), list(weights))

    # ------------------------------------------------------------------------------------------- use as a layer

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """The outputs for other inputs: the layers' computations are made again, with the same weights.

        `training` (True or False) fixes the learning phase of every layer that asks for it.
        """
        return one_or_list(self._outputs_for(inputs, mask, training)[0])

    def compute_mask(self, inputs: Any, mask: Any) -> Any:  # type: ignore[override]
        """The masks of the outputs for these inputs and masks."""
        return one_or_list(self._outputs_for(inputs, mask, self._training_at_work)[1])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output shape(s) for input shape(s), found layer by layer."""
        shapes = as_shape_list(input_shape)
        if len(shapes) != len(self.inputs):
            raise ValueError(f"'{self.name}' has {len(self.inputs)} inputs, but got {len(shapes)} shapes: "
                             f"{shapes}.")
        known: dict[Any, Any] = dict(zip(self.inputs, shapes))
        for node in self._graph.nodes:
            if node.inbound_layers:
                came = [known[x] for x in node.input_tensors]
                known.update(zip(node.output_tensors, _shapes_through(node, came)))
        return one_or_list([known[x] for x in self.outputs])

    def _declared_shapes(self, input_shape: Any) -> list[tuple[int | None, ...]] | None:
        return None  # `call` has just gone through all layers, so the tensors say it

    _training_at_work: Any = None

    def _run(self, inputs: Any, masks: Any, kwargs: dict[str, Any]) -> _Run:
        self._training_at_work = kwargs.get("training")
        try:
            return super()._run(inputs, kwargs.get("mask", masks), kwargs)
        finally:
            self._training_at_work = None

    def _outputs_for(self, inputs: Any, mask: Any, training: Any) -> _Run:
        """What came out for these inputs before, or what comes out now."""
        tensors = to_list(inputs)
        if len(tensors) != len(self.inputs):
            raise ValueError(f"'{self.name}' has {len(self.inputs)} inputs, but was called on "
                             f"{len(tensors)}.")
        masks = [None] * len(tensors) if all_none(mask) else to_list(mask)
        key = self._run_key(tensors, masks, training)
        if key not in self._runs:
            self._remember(tensors, masks, training, self._run_layers(tensors, masks, training))
        return self._runs[key][1]

    @staticmethod
    def _run_key(tensors: Sequence[Any], masks: Sequence[Any], training: Any) -> Any:
        return tuple(map(id, tensors)), tuple(map(id, masks)), id(training)

    def _remember(self, tensors: list[Any], masks: list[Any], training: Any, run: _Run) -> None:
        # The tensors are kept too: an id is theirs only as long as they live.
        self._runs[self._run_key(tensors, masks, training)] = (tensors, masks, training), run

    def run_internal_graph(self, inputs: Any, masks: Any = None) -> tuple[Any, Any, Any]:
        """Outputs, masks and shapes for a list of inputs; each unpacked if there is only one."""
        outputs, out_masks, shapes = self._run_layers(to_list(inputs), to_list(masks) if masks
                                                      else [None] * len(inputs), None)
        return one_or_list(outputs), one_or_list(out_masks), one_or_list(shapes)

    def _run_layers(self, tensors: list[Any], masks: list[Any], training: Any) -> _Run:
        """Runs every call of the graph on other inputs."""
        known: dict[Any, tuple[Any, Any]] = {old: (new, m) for old, new,
                                             m in zip(self.inputs, tensors, masks)}
        for node in self._graph.nodes:
            if not node.inbound_layers:
                continue
            layer = node.outbound_layer
            given = [known[x] for x in node.input_tensors]
            inputs, in_masks = one_or_list([x for x, _ in given]), one_or_list([m for _, m in given])
            kwargs = dict(node.arguments or {})
            if training is not None and kwargs.get("training") is None and (
                    layer._holds() or has_arg(layer.call, "training")):
                kwargs["training"] = training
            with origin(layer.name):
                layer.assert_input_compatibility(inputs)
                outputs, out_masks, shapes = layer._run(inputs, in_masks, kwargs)
            new = [(x, shape) for x, shape in zip(outputs, shapes) if history_of(x) is None]
            for x, shape in new:  # not a layer's own tensor passed through
                x._keras_shape = shape
            layer._name_outputs([x for x, _ in new if not x.is_named()], in_masks, layer.name)
            self._inherit(layer, to_list(inputs), tensors)
            known.update(zip(node.output_tensors, zip(outputs, out_masks)))
        found = [known[x] for x in self.outputs]
        outputs = [x for x, _ in found]
        return outputs, [m for _, m in found], shapes_of(outputs)

    def _inherit(self, layer: Layer, at: list[Any], inputs: list[Any]) -> None:
        """Takes over the losses and updates of a layer's call, as the network's own for these inputs."""
        for shelf, mine, found in ((self._per_input_losses, self.get_losses_for, layer.get_losses_for),
                                   (self._per_input_metrics, self.get_metrics_for, layer.get_metrics_for),
                                   (self._per_input_updates, self.get_updates_for, layer.get_updates_for)):
            for key, of in ((inputs, at), (None, None)):
                known = {id(x) for x in mine(key)}
                _file(shelf, [x for x in found(of) if id(x) not in known], key)


def _places(tensors: Sequence[Any]) -> Iterable[list[Any]]:
    """The layers that made the tensors, the numbers of their calls, and of their outputs: three lists."""
    return (list(part) for part in zip(*map(history_of, tensors)))


def _shapes_through(node: Node, came: list[Any]) -> list[Any]:
    """Output shapes of a layer for shapes that may differ from those of the call it was built by."""
    layer = node.outbound_layer
    silent = type(layer).compute_output_shape is Layer.compute_output_shape
    if silent and [s[1:] for s in came] == [s[1:] for s in node.input_shapes]:  # only the call itself knows
        return [(came[0][0] if s[0] is None else s[0], *s[1:]) if s else s for s in node.output_shapes]
    return as_shape_list(layer.compute_output_shape(one_or_list(came)))


def get_source_inputs(tensor: Any, layer: Layer | None = None, node_index: int | None = None) -> list[Any]:
    """The input tensors that `tensor` is computed from, each once.

    `layer` and `node_index` say which call made the tensor, if not the one written on it.
    """
    made = history_of(tensor)
    if made is None:
        return [tensor]
    start = (layer or made.layer).inbound_nodes[made.node_index if node_index is None else node_index]
    found: list[Any] = []
    seen: set[Node] = set()
    stack = [start]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if not node.inbound_layers:
            found.extend(node.input_tensors)
        for giver, index in reversed(list(zip(node.inbound_layers, node.node_indices))):
            if giver is not None and index is not None:
                stack.append(giver.inbound_nodes[index])
    return unique(found)
