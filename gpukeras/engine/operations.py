"""Operations between layers: `x * 2 + y`, `K.concatenate([x, y])`, outside of any layer.

Newer Keras makes layers of such operations by itself, and so it is here: where a layer is called on a tensor that was
made of layers' outputs, or such a tensor is a model's output, a layer stands in for what was done.
"""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..graph import Placeholder
from ..graph.substitute import substitute
from .layer import Layer
from .node import TensorHistory, as_shape_list, history_of, masks_of, one_or_list, shapes_of, to_list
from .tracing import at_work


class Operations(Layer):
    """Stands for what was made of `sources`, which layers made."""

    _autocast = False
    _keeps_dtype = True

    def __init__(self, sources: list[Any], made: Any) -> None:
        super().__init__()
        self._sources, self._made, self.built = sources, made, True

    def call(self, inputs: Any) -> Any:
        """The same operations on others."""
        return substitute(self._made, dict(zip(self._sources, to_list(inputs))))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: what became of a mask is not known."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape that the operations make of others."""
        places = [K.placeholder(shape, dtype=K.dtype(x)) for shape, x in zip(as_shape_list(input_shape), self._sources)]
        return K.int_shape(self.call(places))

    def get_config(self) -> dict[str, Any]:
        """There is none."""
        raise NotImplementedError(f"'{self.name}' stands for operations between layers, which no file holds. Make a "
                                  "layer of them: Lambda(lambda t: ...)(tensor), with a function that has a name")


def became_output(tensor: Any) -> bool:
    """Whether the tensor has a history now, as the output of a layer that stands for the operations behind it."""
    sources = _sources(tensor) if K.is_tensor(tensor) and at_work() is None else None
    if not sources:
        return False
    layer = Operations(sources, tensor)
    layer._add_inbound_node(one_or_list(sources), tensor, masks_of(sources), None, shapes_of(sources),
                            [K.int_shape(tensor)])
    return True


def history_for(tensor: Any) -> TensorHistory | None:
    """Where a tensor comes from: a layer, or one that stands for operations between layers."""
    found = history_of(tensor)
    return found if found is not None or not became_output(tensor) else history_of(tensor)


def _sources(tensor: Any) -> list[Any] | None:
    """The outputs of layers that a tensor is made of; None if it is made of something else that must be fed."""
    found: list[Any] = []
    pending, seen = [tensor], {tensor}
    while pending:
        x = pending.pop()
        if history_of(x) is not None:
            found.append(x)
            continue
        if isinstance(x, Placeholder) and x.default is None and not getattr(x, "is_learning_phase", False):
            return None
        new = [t for t in dict.fromkeys(x.producer.inputs if x.producer is not None else ()) if t not in seen]
        seen.update(new)
        pending += reversed(new)
    return found
