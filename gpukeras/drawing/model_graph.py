"""The graph of a model's layers as drawings show it: one item a layer, models within it as graphs of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Edge(NamedTuple):
    """From an item to another (places in `Graph.items`): which output goes to which input."""

    start: int
    output: int
    end: int
    input: int


@dataclass
class Item:
    """One layer; with `inner`, the graph of the model that it is, or that it wraps."""

    layer: Any
    inner: Graph | None = None


@dataclass
class Graph:
    """The layers of a model and what flows between them; `inputs` and `outputs` are places in `items`."""

    model: Any
    items: list[Item] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)


def graph_of(model: Any, expand_nested: bool = False) -> Graph:
    """The graph of a model. ValueError for a stack of layers whose input shape is not known yet, TypeError for what is
    no model. A pair of layers has one edge for each output and input that it joins, whatever the number of calls."""
    if not hasattr(model, "_graph"):
        raise TypeError(f"Only a model can be drawn (Sequential, Model), got {model!r}")
    if not model.built and model._is_graph_network:
        model.build()
    if not model._is_graph_network:  # what `call` does with the layers is not known
        return Graph(model, [Item(model, None)], [], [0], [0])
    found = Graph(model, [Item(layer, _inner(layer, expand_nested)) for layer in model._graph.layers])
    place = {item.layer: i for i, item in enumerate(found.items)}
    edges: dict[Edge, None] = {}
    for node in model._graph.nodes:
        end = place[node.outbound_layer]
        for number, (giver, output) in enumerate(zip(node.inbound_layers, node.tensor_indices)):
            edges[_edge(found, place[giver], output, end, number)] = None
    found.edges = list(edges)
    found.inputs = [place[layer] for layer in model.input_layers]
    found.outputs = [place[layer] for layer in model.output_layers]
    return found


def _inner(layer: Any, expand: bool) -> Graph | None:
    model = layer if hasattr(layer, "_graph") else getattr(layer, "layer", None)
    return graph_of(model, True) if expand and getattr(model, "_is_graph_network", False) else None


def _edge(graph: Graph, start: int, output: int, end: int, number: int) -> Edge:
    """An edge; a single box has one place where arrows begin and one where they end."""
    giver, taker = graph.items[start].inner, graph.items[end].inner
    return Edge(start, output if giver and output < len(giver.outputs) else 0, end,
                number if taker and number < len(taker.inputs) else 0)
