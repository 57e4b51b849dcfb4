"""Models drawn as graphs: by Graphviz through pydot where both are there, else by gpukeras itself."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module, util
from typing import Any

from ..drawing.model_graph import Graph, graph_of
from ..drawing.models import activation_name, describe, draw_model, dtype_of
from .extras import need

_OWN = ("svg", "png")  # what needs no Graphviz
_FINE, _LARGE = 1.5, 4_000_000  # pixels of a PNG for each unit, where no dpi is given; 1 if the area is larger
_DPI = 96  # at which a pixel is a unit


def model_to_dot(model: Any, show_shapes: bool = False, show_layer_names: bool = True, rankdir: str = "TB",
                 expand_nested: bool = False, dpi: float | None = None, subgraph: bool = False,
                 show_dtype: bool = False, show_layer_activations: bool = False, show_trainable: bool = False) -> Any:
    """The graph of a model's layers, as a pydot.Dot.

    `show_shapes`, `show_dtype`, `show_layer_activations` and `show_trainable` add what they say, `show_layer_names` the
    names; `rankdir` is 'TB' for a drawing from top to bottom, 'LR' from left to right; `expand_nested` draws models
    within the model in frames (with `subgraph`, this one is drawn as such a frame); `dpi` sets the resolution.
    ImportError without pydot.
    """
    pydot = need("pydot", "plot", "Drawing a model")
    graph = graph_of(model, expand_nested)
    dot = pydot.Cluster(graph_name=str(id(model)), label=model.name) if subgraph else pydot.Dot()
    dot.set("rankdir", rankdir)
    dot.set("concentrate", True)
    if dpi is not None:
        dot.set("dpi", dpi)
    dot.set_node_defaults(shape="record")
    options = show_shapes, show_layer_names, show_dtype, show_layer_activations, show_trainable
    _draw(pydot, dot, graph, "", options)
    return dot


def _draw(pydot: Any, dot: Any, graph: Graph, prefix: str, options: tuple[bool, ...]) -> tuple[list[str], list[str]]:
    """Draws the layers of a model into `dot`; the names of its first and last ones, for edges from outside."""
    ends: list[tuple[list[str], list[str]]] = []  # of each item
    for item in graph.items:
        name = f"{prefix}{id(item.layer)}"
        if item.inner:
            frame = pydot.Cluster(graph_name=name, label=item.layer.name)
            ends.append(_draw(pydot, frame, item.inner, f"{name}.", options))
            dot.add_subgraph(frame)
        else:
            dot.add_node(pydot.Node(_quoted(name), label=_quoted(_label(item.layer, *options))))
            ends.append(([name], [name]))
    for start, output, end, number in graph.edges:
        dot.add_edge(pydot.Edge(_quoted(ends[start][1][output]), _quoted(ends[end][0][number])))
    return [ends[i][0][0] for i in graph.inputs], [ends[i][1][0] for i in graph.outputs]


def _label(layer: Any, shapes: bool, names: bool, dtypes: bool, activations: bool, trainable: bool) -> str:
    """What stands in a layer's box, in the language of Graphviz's records."""
    kind, name = describe(layer)
    label = _escaped(f"{name}: {kind}" if names else kind)
    if activations and getattr(layer, "activation", None) is not None:
        label += f"\\n{_escaped(activation_name(layer.activation))}"
    if dtypes:
        label += f"\\n{_escaped(dtype_of(layer))}"
    if trainable:
        label += "\\ntrainable" if layer.trainable else "\\nfrozen"
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
               rankdir: str = "TB", expand_nested: bool = False, dpi: float | None = None, show_dtype: bool = False,
               show_layer_activations: bool = False, show_trainable: bool = False) -> Any:
    """Draws a model to a file, of the kind that its name ends with, or PNG.

    A '.svg' needs nothing but gpukeras, and a '.png' Pillow. Where Graphviz and pydot are installed they draw the PNG,
    as in Keras, and also '.pdf' and whatever else Graphviz writes: ImportError without them. A '.dot' file, Graphviz's
    own text, needs pydot alone. The options are those of `model_to_dot`; `rankdir` may also be 'BT' or 'RL'. What is
    returned shows the picture in a notebook. `utils.draw_model` returns gpukeras's drawing without writing a file.
    """
    path = os.fspath(to_file)
    kind = os.path.splitext(path)[1][1:].lower() or "png"
    shown: Any = None
    if kind == "svg" or (kind in _OWN and not _graphviz()):
        shown = draw_model(model, show_shapes, show_layer_names, rankdir, expand_nested, show_dtype,
                           show_layer_activations, show_trainable)
        if dpi is not None and not dpi > 0:
            raise ValueError(f"dpi must be a positive number, got {dpi!r}")
        usual = _FINE if kind != "svg" and shown.width * shown.height < _LARGE else 1.0
        shown.save(path, usual if dpi is None else dpi / _DPI)
    else:
        dot = model_to_dot(model, show_shapes, show_layer_names, rankdir, expand_nested, dpi, show_dtype=show_dtype,
                           show_layer_activations=show_layer_activations, show_trainable=show_trainable)
        if kind != "dot" and shutil.which("dot") is None:
            raise ImportError(f"Drawing a model as {kind} needs the program `dot`: install Graphviz (apt install "
                              "graphviz, brew install graphviz, or from graphviz.org). Files named ….svg and ….png are "
                              "drawn without it, and ….dot needs only pydot.")
        dot.write(path, format="raw" if kind == "dot" else kind)
    if "IPython" in sys.modules and kind in ("png", "jpg", "jpeg", "svg"):
        display = import_module("IPython.display")
        return display.SVG(filename=path) if kind == "svg" else display.Image(filename=path)
    return shown


def _graphviz() -> bool:
    """Whether both pydot and the program `dot` are there."""
    try:
        found = util.find_spec("pydot") is not None
    except ValueError:  # what stands for it in sys.modules is no module that could be found
        found = False
    return found and shutil.which("dot") is not None
