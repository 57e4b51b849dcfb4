"""How layer calls are recorded: one Node per call, and on every tensor the place it came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import backend as K
from ..graph import Tensor, topological
from ..graph.static_shape import plain_shape
from ..utils.generic_utils import object_list_uid, to_list, to_snake_case

if TYPE_CHECKING:
    from .layer import Layer

__all__ = ["Node", "TensorHistory", "all_none", "as_shape_list", "depends_on", "history_of", "masks_of",
           "object_list_uid", "one_or_list", "shapes_of", "source_of", "to_list", "to_snake_case"]


class TensorHistory(NamedTuple):
    """Where a tensor comes from; stands on it as `_keras_history`."""

    layer: Layer
    node_index: int
    tensor_index: int


class Node:
    """One call of a layer: the tensors that went in, where they came from, and the tensors that came out.

    Making a node hangs it into the graph: it becomes the last of `outbound_layer.inbound_nodes`, and one of
    the `outbound_nodes` of every layer that made an input. (`outbound_layer` is the layer called: the names
    are Keras's, which looks from the edge, not from the layer.)

    For each i, ``input_tensors[i]`` is output number ``tensor_indices[i]`` of call number ``node_indices[i]``
    of ``inbound_layers[i]``; all three are None for a tensor that no layer made. `arguments` are the keywords
    of the call.
    """

    def __init__(self, outbound_layer: Layer, inbound_layers: Sequence[Layer | None],
                 node_indices: Sequence[int | None], tensor_indices: Sequence[int | None],
                 input_tensors: Sequence[Any], output_tensors: Sequence[Any], input_masks: Sequence[Any],
                 output_masks: Sequence[Any], input_shapes: Sequence[Any], output_shapes: Sequence[Any],
                 arguments: dict[str, Any] | None = None) -> None:
        self.outbound_layer = outbound_layer
        self.inbound_layers = list(inbound_layers)
        self.node_indices = list(node_indices)
        self.tensor_indices = list(tensor_indices)
        self.input_tensors, self.output_tensors = list(input_tensors), list(output_tensors)
        self.input_masks, self.output_masks = list(input_masks), list(output_masks)
        self.input_shapes, self.output_shapes = list(input_shapes), list(output_shapes)
        self.arguments = arguments
        for giver in self.inbound_layers:
            if giver is not None:
                giver.outbound_nodes.append(self)
        outbound_layer.inbound_nodes.append(self)

    @classmethod
    def of_source(cls, layer: Layer, inputs: Sequence[Any], outputs: Sequence[Any]) -> Node:
        """The node of something that is fed from outside: an input layer, or a whole network's own graph."""
        return cls(layer, [], [], [], inputs, outputs, [None] * len(inputs), [None] * len(outputs),
                   shapes_of(inputs), shapes_of(outputs))

    def get_config(self) -> dict[str, Any]:
        """The node by names and numbers."""
        return {"outbound_layer": self.outbound_layer.name if self.outbound_layer else None,
                "inbound_layers": [giver.name if giver else None for giver in self.inbound_layers],
                "node_indices": self.node_indices,
                "tensor_indices": self.tensor_indices}


def history_of(tensor: Any) -> TensorHistory | None:
    """The layer call that made `tensor`, or None."""
    found = getattr(tensor, "_keras_history", None)
    return None if found is None else TensorHistory(*found)


def source_of(tensor: Any) -> str:
    """A phrase for error messages: ", from layer 'dense_1'", or nothing if no layer made the tensor."""
    made = history_of(tensor)
    name = made.layer.name if made else getattr(tensor, "origin", None)
    return f", from layer '{name}'" if name else ""


def masks_of(tensors: Any) -> Any:
    """The masks that the layers which made `tensors` gave them: one for a tensor, a list for a list."""
    found = []
    for x in to_list(tensors):
        made = history_of(x)
        found.append(made.layer.inbound_nodes[made.node_index].output_masks[made.tensor_index] if made
                     else None)
    return one_or_list(found)


def shapes_of(tensors: Iterable[Any]) -> list[tuple[int | None, ...]]:
    """The static shape of each tensor, as layers see it."""
    return [K.int_shape(x) for x in tensors]


def has_declared_axes(tensor: Any) -> bool:
    """Whether the layer that made a tensor declared other axes than its value has."""
    return K.is_tensor(tensor) and len(K.int_shape(tensor)) != K.ndim(tensor)


def as_shape_list(shape: Any) -> list[tuple[int | None, ...]]:
    """A list of shapes, whether one shape (a tuple, or a list of numbers) or several were given.

    >>> as_shape_list((None, 3)), as_shape_list([None, 3]), as_shape_list([(None, 3), (None, 4)])
    ([(None, 3)], [(None, 3)], [(None, 3), (None, 4)])
    """
    several = len(shape) > 0 and all(isinstance(s, (list, tuple)) for s in shape)
    return [plain_shape(s) for s in (shape if several else [shape])]


def unique(items: Iterable[Any]) -> list[Any]:
    """The items in order, each tensor and object once; equal numbers may be one object, and all count."""
    return list({(i,) if isinstance(x, (int, float)) else id(x): x for i, x in enumerate(items)}.values())


def one_or_list(items: list[Any]) -> Any:
    """The only item, or the list."""
    return items[0] if len(items) == 1 else items


def all_none(x: Any) -> bool:
    """True for None and for a list of nothing but None."""
    return all(item is None for item in to_list(x))


def depends_on(items: Any, tensors: Sequence[Any]) -> bool:
    """Whether one of `items` (tensors, or updates: pairs of variable and new value) is computed from
    `tensors`.
    """
    flat: list[Any] = []
    for item in items if isinstance(items, list) else [items]:
        flat.extend(item if isinstance(item, tuple) else [item])
    found = [x for x in flat if isinstance(x, Tensor)]
    wanted = set(tensors)
    return any(x in wanted for x in found) or any(x in wanted for made in topological(found)
                                                  for x in made.inputs)
