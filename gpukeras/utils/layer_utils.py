"""Looking at models: the summary table and counts of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


def count_params(weights: Iterable[Any]) -> int:
    """The number of scalars in the given variables, each variable counted once."""
    from .. import backend as K

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


def convert_all_kernels_in_model(model: Any) -> None:
    """Turns the kernels of all convolutions round, in place: those of a file that Theano wrote, or for one.

    Theano convolves, where everything else correlates. Separable and depthwise layers, which Theano lacked, stay.
    """
    from .. import backend as K
    from .conv_utils import convert_kernel

    kinds = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")
    K.batch_set_value([(layer.kernel, convert_kernel(K.get_value(layer.kernel))) for layer in model.layers
                       if type(layer).__name__ in kinds])


def convert_dense_weights_data_format(dense: Any, previous_feature_map_shape: Sequence[int],
                                      target_data_format: str = "channels_first") -> None:
    """Reorders the rows of a Dense layer's kernel, in place, for flattened feature maps of the other data format.

    `previous_feature_map_shape` is the shape of one sample before Flatten, in `target_data_format`.
    """
    if target_data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"target_data_format must be 'channels_first' or 'channels_last', got {target_data_format!r}")
    kernel, *bias = dense.get_weights()
    shape = tuple(previous_feature_map_shape)
    if len(shape) != 3 or shape[0] * shape[1] * shape[2] != len(kernel):
        raise ValueError(f"Layer '{dense.name}' has {len(kernel)} inputs, which are no feature maps of shape {shape}")
    if target_data_format == "channels_first":
        there, order = (*shape[1:], shape[0]), (2, 0, 1, 3)
    else:
        there, order = (shape[-1], *shape[:-1]), (1, 2, 0, 3)
    dense.set_weights([kernel.reshape(*there, -1).transpose(order).reshape(kernel.shape), *bias])


def _trained_weights(model: Any) -> Iterable[Any]:
    """The weights training changes: those chosen at compile time, if the model is compiled."""
    collected = getattr(model, "_collected_trainable_weights", None)
    if collected is not None:
        model._check_trainable_weights_consistency()
    result: Iterable[Any] = model.trainable_weights if collected is None else collected
    return result


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


def get_source_inputs(tensor: Any, layer: Any = None, node_index: int | None = None) -> list[Any]:
    """The input tensors that `tensor` is computed from, each once, under Keras 2.2's address: see `keras.engine`."""
    from ..engine.network import get_source_inputs as found

    return found(tensor, layer, node_index)
