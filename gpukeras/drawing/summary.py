"""The table that `model.summary()` prints, and counts of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import backend as K


def count_params(weights: Iterable[Any]) -> int:
    """The number of scalars in the given variables, each variable counted once."""
    return int(sum(K.count_params(w) for w in {id(w): w for w in weights}.values()))


def print_summary(model: Any, line_length: int | None = None, positions: Sequence[float] | None = None,
                  print_fn: Callable[[str], Any] = print) -> None:
    """Prints a table of the model's layers: name and class, output shape, number of parameters.

    A model that is more than a chain gets a fourth column, "Connected to". `positions` are the right ends of
    the columns, as shares of `line_length` or in characters.
    """
    chain = _is_chain(model)
    width = line_length or (65 if chain else 98)
    ends = [float(p) for p in positions or ([.45, .85, 1.] if chain else [.33, .55, .67, 1.])]
    columns = [int(width * p) if ends[-1] <= 1 else int(p) for p in ends]
    titles, rows = summary_rows(model)

    def row(*fields: Any) -> None:
        line = ""
        for i, (text, end) in enumerate(zip(fields, columns)):
            line = (line[:-1] + " " if i else "") + str(text)
            line = line[:end].ljust(end)
        print_fn(line)

    print_fn("_" * width)
    row(*titles)
    for i, (name, shape, params, *more) in enumerate(rows):
        print_fn(("_" if i else "=") * width)
        given = more[0] if more else []
        row(name, shape, params, *(given[:1] or [""] if more else []))
        for name in given[1:]:
            row("", "", "", name)
    print_fn("=" * width)
    for name, count in summary_counts(model).items():
        print_fn(f"{name}: {count:,}")
    print_fn("_" * width)


def summary_rows(model: Any) -> tuple[list[str], list[list[Any]]]:
    """What `print_summary` tabulates: the titles, and a row for each layer; its last field is a list if the model is
    more than a chain."""
    chain = _is_chain(model)
    titles = ["Layer (type)", "Output Shape", "Param #"] + ([] if chain else ["Connected to"])
    unbuilt = "unbuilt" if getattr(model, "_is_graph_network", True) else "0 (unused)"
    return titles, [[f"{layer.name} ({type(layer).__name__})", _shape_text(layer), _params_text(layer, unbuilt),
                     *([] if chain else [_givers(model, layer)])] for layer in model.layers]


def summary_counts(model: Any) -> dict[str, int]:
    """The numbers of parameters under the summary's table."""
    trainable, frozen = count_params(_trained_weights(model)), count_params(model.non_trainable_weights)
    return {"Total params": trainable + frozen, "Trainable params": trainable, "Non-trainable params": frozen}


def _trained_weights(model: Any) -> Iterable[Any]:
    """The weights training changes: those chosen at compile time, if the model is compiled. A Sequential counts them as
    they are now, as in Keras 2.0.9, where it was compiled as another model inside of it."""
    collected = getattr(model, "_collected_trainable_weights", None)
    if collected is None or any(kind.__name__ == "Sequential" for kind in type(model).__mro__):
        return model.trainable_weights  # type: ignore[no-any-return]
    model._check_trainable_weights_consistency()
    return collected  # type: ignore[no-any-return]


def _is_chain(model: Any) -> bool:
    """Whether each layer feeds just the next, and none stands twice."""
    if type(model).__name__ == "Sequential":
        return True
    nodes = [node for level in model.nodes_by_depth.values() for node in level]
    single = all(len(level) == 1 and len(level[0].inbound_layers) <= 1
                 for level in model.nodes_by_depth.values())
    return single and len({node.outbound_layer for node in nodes}) == len(nodes)


def _shape_text(layer: Any) -> str:
    """The output shape, or "multiple" where calls differ in it."""
    try:
        return str(layer.output_shape)
    except AttributeError:
        return "multiple" if getattr(layer, "inbound_nodes", None) else "?"


def _params_text(layer: Any, unbuilt: str) -> str:
    """The number of parameters; a layer that isn't built, for want of an input shape or of a call, has none."""
    return str(layer.count_params()) if layer.built else unbuilt


def _givers(model: Any, layer: Any) -> list[str]:
    """The inputs of the layer's calls in this model, as name[node][tensor]."""
    inside = {node for level in model.nodes_by_depth.values() for node in level}
    return [f"{giver.name}[{index}][{tensor}]" for node in layer.inbound_nodes if node in inside
            for giver, index, tensor in zip(node.inbound_layers, node.node_indices, node.tensor_indices)]
