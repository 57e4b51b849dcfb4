"""Networks as plain data and back, in the layout of Keras 2.0.9; what Keras 2.x wrote since is understood
too.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

from ..utils.generic_utils import shortened, unknown_name
from .layer import Layer
from .node import one_or_list
from .serialization import json_ready


def network_config(network: Any) -> dict[str, Any]:
    """Layers with their configs and calls, and which outputs of which calls are the network's ends.

    Calls are numbered among those inside the network; a network used as a layer counts its own graph as call
    0.
    """
    number: dict[str, int] = {}
    for layer in network._graph.layers:
        count = 1 if layer._first_node_is_own else 0
        for i in range(len(layer.inbound_nodes)):
            key = network._node_key(layer, i)
            if key in network.container_nodes:
                number[key] = count
                count += 1

    def end(layer: Layer, node_index: int, tensor_index: int) -> list[Any]:
        return [layer.name, number[network._node_key(layer, node_index)], tensor_index]

    def inbound(layer: Layer) -> list[Any]:
        calls = []
        for i, node in enumerate(layer.inbound_nodes):
            if network._node_key(layer, i) in network.container_nodes and node.inbound_layers:
                kwargs = _plain_arguments(layer, node.arguments)
                calls.append([[giver.name, number.get(network._node_key(giver, index), 0), tensor, kwargs]
                              for giver, index, tensor
                              in zip(node.inbound_layers, node.node_indices, node.tensor_indices)
                              if giver is not None and index is not None])
        return calls

    layers = [{"name": layer.name, "class_name": type(layer).__name__, "config": layer.get_config(),
               "inbound_nodes": inbound(layer)} for layer in network._graph.layers]
    ends = [[end(*place) for place in zip(ls, ns, ts) if network._node_key(place[0], place[1]) in number]
            for ls, ns, ts in ((network.input_layers, network.input_layers_node_indices,
                                network.input_layers_tensor_indices),
                               (network.output_layers, network.output_layers_node_indices,
                                network.output_layers_tensor_indices))]
    return copy.deepcopy({"name": network.name, "layers": layers, "input_layers": ends[0],
                          "output_layers": ends[1]})


def _plain_arguments(layer: Layer, arguments: dict[str, Any] | None) -> dict[str, Any]:
    """The keywords of a call, if they can be written down; otherwise none, with a warning."""
    try:
        json.dumps(arguments or {}, default=json_ready)
    except TypeError:
        warnings.warn(f"Layer '{layer.name}' was called with keyword arguments that can't be stored: "
                      f"{arguments}. The stored model will lack them.", UserWarning, stacklevel=4)
        return {}
    return arguments or {}


def network_from_config(cls: type, config: dict[str, Any], deserialize: Callable[..., Any],
                        custom_objects: dict[str, Any] | None = None) -> Any:
    """A new network of class `cls`, whose layers `deserialize` makes; ValueError if the config is malformed."""
    for key in ("layers", "input_layers", "output_layers"):
        if key not in config:
            raise ValueError(f"Malformed model config: no '{key}' among {sorted(config)}.")
    made: dict[str, Layer] = {}
    calls: dict[str, deque[Any]] = {}
    for data in config["layers"]:
        name = data.get("name") or data["config"]["name"]
        made[name] = deserialize(data, custom_objects)
        made[name].name = name  # the config of a Sequential is a bare list, so its name stands here only
        calls[name] = deque(data.get("inbound_nodes") or ())
    _make_calls(made, calls)
    inputs, outputs = (_ends(config[key], made) for key in ("input_layers", "output_layers"))
    extra = {} if config.get("trainable", True) else {"trainable": False}
    return cls(inputs=inputs, outputs=outputs, name=config.get("name"), **extra)


def _make_calls(made: dict[str, Layer], calls: dict[str, deque[Any]]) -> None:
    """Makes all calls; those of one layer in their order, since other layers refer to them by number."""
    ready = deque(calls)
    waiting: dict[str, list[str]] = {}  # by the layer that has a call to make first
    while ready:
        name = ready.popleft()
        while calls[name]:
            giver = _call(made[name], calls[name][0], made)
            if giver is not None:
                waiting.setdefault(giver, []).append(name)
                break
            calls[name].popleft()
            ready.extend(waiting.pop(name, ()))
    stuck = [name for name, left in calls.items() if left]
    if stuck:
        raise ValueError(f"Malformed model config: the inputs of layers {shortened(stuck)} never come to exist.")


def _call(layer: Layer, call: Any, made: dict[str, Layer]) -> str | None:
    """Makes one call if its inputs are there; else the name of a layer that has to be called before."""
    tensors: list[Any] = []
    kwargs: dict[str, Any] = {}
    for entry in call:
        if not isinstance(entry, (list, tuple)) or len(entry) not in (3, 4):
            raise ValueError(f"Malformed model config: an input of layer '{layer.name}' is {shortened(entry)}; "
                             "expected [layer name, node index, tensor index, keywords].")
        tensor = _tensor(entry, made)
        if tensor is None:
            return entry[0]
        tensors.append(tensor)
        kwargs.update(entry[3] if len(entry) == 4 else {})
    try:
        kwargs = {name: _with_tensors(value, made) for name, value in kwargs.items()}
    except _NotMade as missing:
        return str(missing)
    if tensors:
        layer(one_or_list(tensors), **kwargs)
    return None


class _NotMade(Exception):
    """A tensor that a call needs comes from a layer, here named, that has to be called before."""


def _with_tensors(value: Any, made: dict[str, Layer]) -> Any:
    """A keyword's value, in which newer Keras has places where tensors go; _NotMade if one isn't there yet."""
    if not isinstance(value, list):
        return value
    if not (len(value) in (3, 4) and isinstance(value[0], str) and value[0] in made and isinstance(value[1], int)):
        return [_with_tensors(one, made) for one in value]
    tensor = _tensor(value, made)
    if tensor is None:
        raise _NotMade(value[0])
    return tensor


def _tensor(entry: Any, made: dict[str, Layer]) -> Any:
    """The tensor at [layer name, node index, tensor index], or None if that call isn't made yet."""
    name, node_index, tensor_index = entry[:3]
    if name not in made:
        raise unknown_name("layer in a model config", name, made)
    nodes = made[name].inbound_nodes
    if not isinstance(node_index, int) or node_index >= len(nodes):
        return None
    return nodes[node_index].output_tensors[tensor_index]


def _ends(places: Any, made: dict[str, Layer]) -> list[Any]:
    """The tensors of 'input_layers' or 'output_layers' (a single place may stand without its outer list)."""
    if isinstance(places, dict):
        places = list(places.values())
    if places and isinstance(places[0], str):
        places = [places]
    tensors = [_tensor(place, made) for place in places]
    if any(x is None for x in tensors):
        raise ValueError(f"Malformed model config: {shortened(places)} names a call that no layer makes.")
    return tensors
