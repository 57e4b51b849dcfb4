"""A graph of ONNX before it is written: nodes as plain data, without what nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = Sequence["int | str | None"]


@dataclass
class Port:
    """An input or output of a graph. Of a shape, a string names an unknown dimension, None says nothing about it."""

    name: str
    dtype: str
    shape: Shape | None = None


@dataclass
class Node:
    """One use of an ONNX operator. A `Scan` has a graph for each of its steps, whose first `states` results are handed
    on from step to step; what the rest put out is stacked."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    body: Graph | None = None
    states: int = 0


@dataclass
class Graph:
    """Nodes in order, inputs before users."""

    name: str
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    def prune(self) -> set[str]:
        """Drops what no output depends on. Returns the names that are read and not made here."""
        wanted = {port.name for port in self.outputs}
        kept = []
        for node in reversed(self.nodes):
            if not wanted.intersection(node.outputs):
                continue
            kept.append(node)
            if node.body is not None:
                stays = [i < node.states or name in wanted for i, name in enumerate(node.outputs)]
                node.outputs = [x for x, stay in zip(node.outputs, stays) if stay]
                node.body.outputs = [x for x, stay in zip(node.body.outputs, stays) if stay]
                wanted |= node.body.prune()
            wanted.update(node.inputs)
        self.nodes = kept[::-1]
        made = {name for node in self.nodes for name in node.outputs}
        return wanted - made - {port.name for port in self.inputs}


def element_type(dtype: str) -> int:
    """ONNX's number for a dtype."""
    import onnx

    return onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def as_proto(graph: Graph, initializers: Mapping[str, np.ndarray]) -> Any:
    """The graph as onnx.GraphProto, with the values of those names that are constants."""
    from onnx import helper, numpy_helper

    def infos(ports: Iterable[Port]) -> list[Any]:
        return [helper.make_tensor_value_info(p.name, element_type(p.dtype), p.shape) for p in ports]

    nodes = []
    for node in graph.nodes:
        attributes = dict(node.attributes)
        if node.body is not None:
            attributes["body"] = as_proto(node.body, {})
        nodes.append(helper.make_node(node.kind, node.inputs, node.outputs, name=node.outputs[0], **attributes))
    return helper.make_graph(nodes, graph.name, infos(graph.inputs), infos(graph.outputs),
                             [numpy_helper.from_array(a, name) for name, a in initializers.items()])
