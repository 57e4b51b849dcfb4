"""From input and output tensors to the graph of layer calls between them, with an order to run it in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from .layer import Layer
from .node import Node, TensorHistory, history_of


class GraphMap:
    """Layers and calls of a network. Depth is the distance to the outputs: the greatest runs first."""

    def __init__(self, node_keys: Iterable[str] = ()):
        self.layers: list[Layer] = []
        self.layers_by_depth: dict[int, list[Layer]] = {}
        self.nodes_by_depth: dict[int, list[Node]] = {}
        self.node_keys = set(node_keys)
    @property
    def nodes(self) -> list[Node]:
        """Every call, in an order in which its inputs are there."""
        return [node for depth in sorted(self.nodes_by_depth, reverse=True)
                for node in self.nodes_by_depth[depth]]


def trace(name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> GraphMap:
    """The graph between `inputs` and `outputs` of the network `name`.

    Raises RuntimeError for cycles, for an output that needs more than the inputs, and for layer names used
    twice.
    """
    postorder, first_seen, keys = _walk(outputs)
    depth_of_node: dict[Node, int] = {}
    depth_of_layer: dict[Layer, int] = {}
    for node in reversed(postorder):
        # A layer stands where its earliest call stands, and later calls of it move there too: the order of
        # layers, hence of the weights in files, depends on it.
        depth = max(depth_of_node.setdefault(node, 0), depth_of_layer.get(node.outbound_layer, 0))
        depth_of_node[node] = depth_of_layer[node.outbound_layer] = depth
        for giver, index in zip(node.inbound_layers, node.node_indices):
            assert giver is not None and index is not None
            before = giver.inbound_nodes[index]
            depth_of_node[before] = max(depth + 1, depth_of_node.get(before, 0))
    found = GraphMap(keys)
    for node, depth in depth_of_node.items():
        found.nodes_by_depth.setdefault(depth, []).append(node)
    for layer in sorted(depth_of_layer, key=lambda one: (-depth_of_layer[one], first_seen[one])):
        found.layers_by_depth.setdefault(depth_of_layer[layer], []).append(layer)
        found.layers.append(layer)
    _check_connected(found, inputs)
    _check_names(name, found.layers)
    return found


def _walk(outputs: Sequence[Any]) -> tuple[list[Node], dict[Layer, int], set[str]]:
    """Depth-first from the outputs: calls (inputs before users), layers as first met, keys of calls."""
    postorder: list[Node] = []
    first_seen: dict[Layer, int] = {}
    keys: set[str] = set()
    finished: set[Node] = set()
    for tensor in outputs:
        start = history_of(tensor)
        assert start is not None
        path: list[tuple[Node, Any]] = []  # the calls being explored, each with what is left of its inputs
        open_nodes: set[Node] = set()
        pending: TensorHistory | None = start
        while pending is not None or path:
            if pending is not None:
                layer, index = pending.layer, pending.node_index
                node, pending = layer.inbound_nodes[index], None
                if node in open_nodes:
                    raise RuntimeError(f"The output of layer '{layer.name}' is an input of its own: the "
                                       "graph of layers has a cycle.")
                if node in finished:
                    continue
                keys.add(Layer._node_key(layer, index))
                first_seen.setdefault(layer, len(first_seen))
                open_nodes.add(node)
                path.append((node, iter(_givers(node))))
            node, rest = path[-1]
            pending = next(rest, None)
            if pending is None:
                path.pop()
                open_nodes.discard(node)
                finished.add(node)
                postorder.append(node)
    return postorder, first_seen, keys


def _givers(node: Node) -> list[TensorHistory]:
    """Where the inputs of a call come from."""
    found = []
    for i, giver in enumerate(node.inbound_layers):
        index, number = node.node_indices[i], node.tensor_indices[i]
        if giver is None or index is None or number is None:
            raise ValueError(f"Input {i} of layer '{node.outbound_layer.name}' ({node.input_tensors[i]!r}) "
                             "was not made by a layer. Wrap backend operations into a layer: Lambda(lambda "
                             "x: ...)(tensor); or feed a fixed tensor with Input(tensor=...).")
        found.append(TensorHistory(giver, index, number))
    return found


def _check_connected(graph: GraphMap, inputs: Sequence[Any]) -> None:
    """Every call must be computable from the inputs."""
    there = set(inputs)
    reached: list[str] = []
    for node in graph.nodes:
        for x in node.input_tensors:
            if x not in there:
                users = [n.outbound_layer.name for n in graph.nodes if x in n.input_tensors and n is not node]
                at = users[0] if users and not node.inbound_layers else node.outbound_layer.name
                raise RuntimeError(f"Graph disconnected: cannot obtain the value of {x!r}, which layer "
                                   f"'{at}' needs, from the inputs {[t.name for t in inputs]}. Layers "
                                   f"reached before: {reached}. Is an Input missing from the model's inputs?")
        there.update(node.output_tensors)
        reached.append(node.outbound_layer.name)


def _check_names(network: str, layers: Sequence[Layer]) -> None:
    """Names are how files and outputs address layers, so each may stand for one layer only."""
    names = [layer.name for layer in layers]
    counts = Counter(names)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise RuntimeError(f"The name '{twice[0]}' is used {counts[twice[0]]} times in the model "
                           f"'{network}'. All layer names should be unique; this model has {names}.")
