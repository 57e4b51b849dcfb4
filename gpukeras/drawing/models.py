"""Drawings of models: a box for each layer, arrows between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import backend as K
from .layout import Layout, Link, lay_out
from .model_graph import Graph, Item, graph_of
from .scene import Box, Path, Picture, Point, Text, text_width
from .scene import Item as Shape

_DIRECTIONS = ("TB", "LR", "BT", "RL")
_MARGIN = 12.0
_FRAME = 14.0  # between the frame of a model and what is in it
_LABEL = 24.0  # the strip of a frame that has its name
_ARROW = 7.0
_GREY, _INK = "#5b6372", "#1f2430"

# (fill, border) by what a layer does; the first word of a row that is part of its class's name decides
_COLOURS = {
    "InputLayer": ("#eef0f3", "#a3abb8"),
    "Activation ReLU Softmax ELU": ("#fdf0d5", "#d9ae53"),
    "Pool": ("#dcefe3", "#6fae86"),
    "Conv LocallyConnected": ("#dbe8f9", "#6c97cf"),
    "LSTM GRU RNN Bidirectional Recurrent": ("#e9e0f6", "#9d80cd"),
    "Normalization": ("#f8e0e6", "#cf8299"),
    "Dropout Noise": ("#f2f2ec", "#b0b09c"),
    "Add Subtract Multiply Average Maximum Minimum Concatenate Dot Merge": ("#f9e3d3", "#d3935f"),
    "Attention": ("#e9e0f6", "#9d80cd"),
    "Embedding": ("#ddf0f1", "#66aab0"),
    "Dense": ("#dbe8f9", "#6c97cf"),
    "Reshape Flatten Permute Repeat Padding Cropping Sampling": ("#eef0f3", "#a3abb8"),
}
_OTHER = ("#f4f1fb", "#a79cc4")


class Options(NamedTuple):
    """What to show; see `draw_model`."""

    shapes: bool
    names: bool
    dtypes: bool
    activations: bool
    trainable: bool
    rankdir: str


class _Block(NamedTuple):
    """Something drawn, with its left upper corner at (0, 0); where arrows may end and begin, across the flow, from
    the middle."""

    width: float
    height: float
    shapes: list[Shape]
    enter: list[float]
    leave: list[float]
    framed: bool = False


def draw_model(model: Any, show_shapes: bool = False, show_layer_names: bool = True, rankdir: str = "TB",
               expand_nested: bool = False, show_dtype: bool = False, show_layer_activations: bool = False,
               show_trainable: bool = False) -> Picture:
    """A drawing of the model's layers, which a notebook shows and `save` writes; needs nothing but gpukeras.

    `rankdir` is the direction of the flow: 'TB' (top to bottom), 'LR' (left to right), 'BT' or 'RL'. `expand_nested`
    draws models within the model in frames. The rest says what the boxes show. ValueError for another `rankdir`, and
    for a stack of layers whose input shape is not known.

    >>> from gpukeras.layers import Dense
    >>> from gpukeras.models import Sequential
    >>> draw_model(Sequential([Dense(2, input_shape=(3,), name="only")], name="line"))
    <Picture of line, 116 x 140>
    """
    if rankdir not in _DIRECTIONS:
        raise ValueError(f"rankdir must be one of {', '.join(_DIRECTIONS)}, got {rankdir!r}")
    options = Options(show_shapes, show_layer_names, show_dtype, show_layer_activations, show_trainable, rankdir)
    drawn = _network(graph_of(model, expand_nested), options, None)
    return Picture(drawn.width + 2 * _MARGIN, drawn.height + 2 * _MARGIN, _moved(drawn.shapes, _MARGIN, _MARGIN),
                   str(model.name))


def _network(graph: Graph, options: Options, label: str | None) -> _Block:
    """A model's layers, laid out; with a label, in a frame whose border they are joined to."""
    blocks = [_network(item.inner, options, str(item.layer.name)) if item.inner else _card(item, options)
              for item in graph.items]
    links = [Link(e.start, e.end, blocks[e.start].leave[e.output], blocks[e.end].enter[e.input])
             for e in graph.edges]
    sideways = options.rankdir in ("LR", "RL")
    sizes = [(b.height, b.width) if sideways else (b.width, b.height) for b in blocks]
    enter: list[int] = []  # nodes on the border of the frame
    leave: list[int] = []
    if label is not None:
        strip = {"TB": (_LABEL, _FRAME), "BT": (_FRAME, _LABEL)}.get(options.rankdir, (_FRAME, _FRAME))
        for ports, ends, length in ((enter, graph.inputs, strip[0]), (leave, graph.outputs, strip[1])):
            for end in ends:
                ports.append(len(sizes))
                sizes.append((1.0, length))
                links.append(Link(len(sizes) - 1, end, 0.0, blocks[end].enter[0]) if ports is enter else
                             Link(end, len(sizes) - 1, blocks[end].leave[0], 0.0))
    plan = lay_out(sizes, links, enter, leave, graph.outputs)
    turn = _turn(options.rankdir, plan)
    width, height = (plan.height, plan.width) if sideways else (plan.width, plan.height)
    shapes: list[Shape] = []
    for block, middle in zip(blocks, plan.middles):
        x, y = turn(middle)
        shapes += _moved(block.shapes, x - block.width / 2, y - block.height / 2)
    for link, curve in zip(links, plan.curves):
        pointed = link.end < len(blocks) and not blocks[link.end].framed
        if len(curve) > 1:
            shapes += _arrow([turn(point) for point in curve], pointed)
    for port in (*enter, *leave):
        (x, y), half = plan.middles[port], sizes[port][1] / 2
        shapes.append(Path((turn((x, y - half)), turn((x, y + half))), _GREY))
    if label is None:
        return _Block(width, height, shapes, [0.0], [0.0])
    return _framed(label, width, height, shapes, [plan.middles[i][0] for i in enter],
                   [plan.middles[i][0] for i in leave], sideways)


def _framed(label: str, width: float, height: float, shapes: list[Shape], enter: list[float], leave: list[float],
            sideways: bool) -> _Block:
    """What is in a frame, with the frame around it and the label in its left upper corner."""
    room = text_width(label, 12, bold=True) + 2 * _FRAME
    if sideways:
        whole, tall = max(width, room), height + 2 * _LABEL  # even, so that lines run straight on
        left, up = (whole - width) / 2, _LABEL
        shift, middle = up, tall / 2
    else:
        left, up = max(_FRAME, room - min(enter, default=0.0)), 0.0  # no line through the label
        whole, tall = width + 2 * left, height
        shift, middle = left, whole / 2
    frame: list[Shape] = [Box(0, 0, whole, tall, "#f8f9fb", "#9aa3b2", 8), Text(10, 16, label, 12, _GREY, True)]
    return _Block(whole, tall, frame + _moved(shapes, left, up), [x + shift - middle for x in enter] or [0.0],
                  [x + shift - middle for x in leave] or [0.0], True)


def _card(item: Item, options: Options) -> _Block:
    """The box of one layer: its class, and under it what the options ask for."""
    layer = item.layer
    kind, name = describe(layer)
    marks = []
    if options.activations and getattr(layer, "activation", None) is not None:
        marks.append(activation_name(layer.activation))
    if options.dtypes:
        marks.append(dtype_of(layer))
    if options.trainable:
        marks.append("trainable" if layer.trainable else "frozen")
    fill, border = next((colour for words, colour in _COLOURS.items() if any(w in kind for w in words.split())),
                        _OTHER)
    rows = [(kind, "".join(f" · {mark}" for mark in marks), 13.0, True)]
    if options.names:
        rows.append((name, "", 11.0, False))
    if options.shapes:
        for end in ("input", "output"):
            for k, text in enumerate(shapes_at(layer, end)):
                rows.append((f"{end}: {text}" if k == 0 else text, "", 11.0, False))
    width = max(text_width(text, size, bold) + text_width(mark, 11) for text, mark, size, bold in rows)
    width = max(84.0, width + 24)
    shapes: list[Shape] = []
    y = 7.0
    for text, mark, size, bold in rows:
        y += size + 3
        if not mark:
            shapes.append(Text(width / 2, y - 3, text, size, _INK if bold else _GREY, bold, "middle"))
            continue
        x = (width - text_width(text, size, bold) - text_width(mark, 11)) / 2
        shapes.append(Text(x, y - 3, text, size, _INK, bold))
        shapes.append(Text(x + text_width(text, size, bold), y - 3, mark, 11, _GREY))
    height = y + 6
    return _Block(width, height, [Box(0, 0, width, height, fill, border, 5), *shapes], [0.0], [0.0])


def describe(layer: Any) -> tuple[str, str]:
    """The class of a layer and its name; for a wrapper, with those of what it wraps in brackets."""
    kind, name = type(layer).__name__, str(layer.name)
    inner: Any = getattr(layer, "layer", None)
    if hasattr(inner, "name"):
        kind, name = f"{kind}({type(inner).__name__})", f"{name}({inner.name})"
    return kind, name


def dtype_of(layer: Any) -> str:
    """The layer's dtype, or the one in force where it has none."""
    return str(getattr(layer, "dtype", None) or K.floatx())


def activation_name(activation: Any) -> str:
    """What to call an activation: a function, or a layer."""
    return str(getattr(activation, "name", None) or getattr(activation, "__name__", None)
               or type(activation).__name__)


def shapes_at(layer: Any, end: str) -> list[str]:
    """The shapes at the 'input' or 'output' end of a layer, one text each; "multiple" where its calls differ."""
    try:
        shape = getattr(layer, f"{end}_shape")
    except AttributeError:
        return ["multiple"]
    return [str(one) for one in (shape if isinstance(shape, list) else [shape])]


def _arrow(curve: list[Point], pointed: bool) -> list[Shape]:
    """A line along a curve, with a point at its end."""
    if not pointed:
        return [Path(tuple(curve), _GREY, curved=True)]
    (px, py), (x, y) = curve[-2], curve[-1]
    far = max(abs(x - px) + abs(y - py), 1e-9)
    dx, dy = (x - px) / far, (y - py) / far  # the last stretch is level or upright
    neck = x - 0.8 * _ARROW * dx, y - 0.8 * _ARROW * dy
    back = x - _ARROW * dx, y - _ARROW * dy
    side = 0.45 * _ARROW
    head = ((x, y), (back[0] - side * dy, back[1] + side * dx), (back[0] + side * dy, back[1] - side * dx))
    return [Path((*curve[:-1], neck), _GREY, curved=True), Path(head, fill=_GREY)]


def _turn(rankdir: str, plan: Layout) -> Callable[[Point], Point]:
    """How a point of a layout that flows downward moves to flow as `rankdir` says."""
    return {"TB": lambda p: p,
            "BT": lambda p: (p[0], plan.height - p[1]),
            "LR": lambda p: (p[1], p[0]),
            "RL": lambda p: (plan.height - p[1], p[0])}[rankdir]


def _moved(shapes: list[Shape], x: float, y: float) -> list[Shape]:
    """The shapes, further right and down."""
    found: list[Shape] = []
    for shape in shapes:
        if isinstance(shape, Path):
            found.append(Path(tuple((a + x, b + y) for a, b in shape.points), shape.stroke, shape.width, shape.fill,
                              shape.curved))
        elif isinstance(shape, Box):
            found.append(Box(shape.x + x, shape.y + y, shape.width, shape.height, shape.fill, shape.stroke,
                             shape.radius))
        elif isinstance(shape, Text):
            found.append(Text(shape.x + x, shape.y + y, shape.text, shape.size, shape.fill, shape.bold, shape.anchor))
    return found
