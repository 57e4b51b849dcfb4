"""Models drawn as graphs, with pydot and Graphviz."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from .extras import need


def model_to_dot(model: Any, show_shapes: bool = False, show_layer_names: bool = True, rankdir: str = "TB",
                 expand_nested: bool = False, dpi: int | None = None, subgraph: bool = False,
                 show_dtype: bool = False) -> Any:
    """The graph of a model's layers, as a pydot.Dot.

    `show_shapes` and `show_dtype` add what goes in and comes out, `show_layer_names` the names; `rankdir` is 'TB' for
    a drawing from top to bottom, 'LR' from left to right; `expand_nested` draws models within the model in frames
    (with `subgraph`, this one is drawn as such a frame); `dpi` sets the resolution. ImportError without pydot.
    """
    pydot = need("pydot", "plot", "Drawing a model")
    dot = pydot.Cluster(graph_name=str(id(model)), label=model.name) if subgraph else pydot.Dot()
    dot.set("rankdir", rankdir)
    dot.set("concentrate", True)
    if dpi is not None:
        dot.set("dpi", dpi)
    dot.set_node_defaults(shape="record")
    _draw(pydot, dot, model, "", (show_shapes, show_layer_names, show_dtype, expand_nested))
    return dot


def _draw(pydot: Any, dot: Any, model: Any, prefix: str, options: tuple[bool, bool, bool, bool]) -> tuple[Any, Any]:
    """Draws the layers of a model into `dot`; the names of its first and last ones, for edges from outside."""
    if not model.built:
        model.build()
    ends: dict[Any, tuple[list[str], list[str]]] = {}
    for layer in model._graph.layers:
        if options[3] and hasattr(layer, "_graph"):
            frame = pydot.Cluster(graph_name=f"{prefix}{id(layer)}", label=layer.name)
            ends[layer] = _draw(pydot, frame, layer, f"{prefix}{id(layer)}.", options)
            dot.add_subgraph(frame)
        else:
            name = f"{prefix}{id(layer)}"
            dot.add_node(pydot.Node(_quoted(name), label=_quoted(_label(layer, *options[:3]))))
            ends[layer] = [name], [name]
    drawn = set()
    for node in model._graph.nodes:
        for giver in node.inbound_layers:
            for edge in ((a, b) for a in ends[giver][1] for b in ends[node.outbound_layer][0]):
                if edge not in drawn:
                    drawn.add(edge)
                    dot.add_edge(pydot.Edge(*map(_quoted, edge)))
    first = [name for layer in model.input_layers for name in ends[layer][0]]
    return first, [name for layer in model.output_layers for name in ends[layer][1]]


def _label(layer: Any, shapes: bool, names: bool, dtypes: bool) -> str:
    """What stands in a layer's box, in the language of Graphviz's records."""
    from .. import backend as K
    from ..layers import Wrapper

    name, kind = layer.name, type(layer).__name__
    if isinstance(layer, Wrapper):
        name, kind = f"{name}({layer.layer.name})", f"{kind}({type(layer.layer).__name__})"
    label = _escaped(f"{name}: {kind}" if names else kind)
    if dtypes:
        label += f"\\n{getattr(layer, 'dtype', None) or K.floatx()}"
    if shapes:
        label += f"\n|{{input:|output:}}|{{{{{_shape(layer, 'input')}}}|{{{_shape(layer, 'output')}}}}}"
    return label


def _shape(layer: Any, end: str) -> str:
    """The shape at one end of a layer; "multiple" where its calls differ in it."""
    try:
        return _escaped(str(getattr(layer, f"{end}_shape")))
    except AttributeError:
        return "multiple"


def _escaped(text: str) -> str:
    """Text without the characters that mean something in a record."""
    return "".join("\\" + c if c in "\\{}|<>\"" else c for c in text)


def _quoted(text: str) -> str:
    return '"' + text + '"'


def plot_model(model: Any, to_file: Any = "model.png", show_shapes: bool = False, show_layer_names: bool = True,
               rankdir: str = "TB", expand_nested: bool = False, dpi: int | None = None, show_dtype: bool = False
               ) -> Any:
    """Draws a model (see `model_to_dot`) to a file, of the kind that its name ends with, or PNG.

    A '.dot' file is Graphviz's own text, and needs pydot alone; anything else needs the program `dot` of Graphviz:
    ImportError if it is missing. In a notebook a picture is returned too, to be shown.
    """
    dot = model_to_dot(model, show_shapes, show_layer_names, rankdir, expand_nested, dpi, show_dtype=show_dtype)
    kind = os.path.splitext(to_file)[1][1:].lower() or "png"
    try:
        dot.write(os.fspath(to_file), format="raw" if kind == "dot" else kind)
    except FileNotFoundError as error:
        folder = os.path.dirname(to_file) or "."
        if not os.path.isdir(folder):
            raise
        raise ImportError("Drawing a model needs the program `dot`: install Graphviz (apt install graphviz, brew "
                          "install graphviz, or from graphviz.org). A file named ….dot needs only pydot.") from error
    if "IPython" in sys.modules and kind in ("png", "jpg", "jpeg"):
        return import_module("IPython.display").Image(filename=os.fspath(to_file))
    return None
