"""Keras 1's way to make one tensor of several: the layer Merge and the function merge, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..engine.layer import Layer
from ..engine.node import as_shape_list
from ..engine.own_functions import FunctionName
from ..utils.generic_utils import has_arg, unknown_name
from .by_name import deserialize
from .lambda_layer import _kind, _named
from .merge import Add, Average, Concatenate, Dot, Maximum, Multiply

_SAME_SHAPE = {"sum": Add, "mul": Multiply, "ave": Average, "max": Maximum}
_MODES = (*_SAME_SHAPE, "concat", "dot", "cos")
_FUNCTIONS = ("mode", "output_shape", "output_mask")


def _warn(name: str) -> None:
    warnings.warn(f"`{name}` is from Keras 1. In Keras 2 write `add`, `multiply`, `average`, `maximum`, `concatenate` "
                  "or `dot` of keras.layers, or a Lambda layer.", UserWarning, stacklevel=3)


class Merge(Layer):
    """One tensor of several, as `mode` says: 'sum', 'mul', 'ave', 'max', 'concat' (along `concat_axis`), 'dot' and
    'cos' (over `dot_axes`; of two vectors, (batch, 1)), or a function of the list of tensors.

    With `layers`, a list of layers or models that have their inputs, the layer is called on their outputs at once, and
    may begin a Sequential; `node_indices` and `tensor_indices` say which outputs, if there are several. Without, call
    it on a list of tensors. A function gets `arguments` as keywords (and `mask`, if it has such a parameter). Its
    output's shape is read off the result; `output_shape` (a tuple without the batch axis, or a function of the list of
    shapes) is taken where the result leaves sizes unknown. `output_mask` is the mask of its output, or a function of
    the list of masks.

    Stored, a function is its name, as in a Lambda layer: pass it in `custom_objects` when you load.

    Raises ValueError for an unknown mode and for shapes that don't fit, TypeError for fewer than two inputs.
    """

    layers: list[Layer] | None

    @property
    def _made_on(self) -> Sequence[Layer]:  # type: ignore[override]
        return self.layers or ()

    def __init__(self, layers: Any = None, mode: Any = "sum", concat_axis: int = -1, dot_axes: Any = -1,
                 output_shape: Any = None, output_mask: Any = None, arguments: dict[str, Any] | None = None,
                 node_indices: Sequence[int] | None = None, tensor_indices: Sequence[int] | None = None,
                 name: str | None = None) -> None:
        _warn("Merge")
        self._set_up(mode, concat_axis, dot_axes, output_shape, output_mask, arguments, name)
        if not layers:
            return
        if not isinstance(layers, (list, tuple)) or len(layers) < 2:
            raise TypeError(f"Merge '{self.name}' needs a list of at least 2 layers, got {layers!r:.200}.")
        self.layers = list(layers)
        self(self._outputs_of(layers, node_indices or [0] * len(layers), tensor_indices or [0] * len(layers)))

    def _set_up(self, mode: Any, concat_axis: int, dot_axes: Any, output_shape: Any, output_mask: Any,
                arguments: dict[str, Any] | None, name: str | None) -> None:
        Layer.__init__(self, name=name)
        if not callable(mode) and mode not in _MODES:
            raise unknown_name("merge mode", mode, _MODES)
        self.mode = mode
        self.concat_axis = concat_axis
        self.dot_axes = dot_axes
        self._output_shape = tuple(output_shape) if isinstance(output_shape, (tuple, list)) else output_shape
        self._output_mask = output_mask
        self.arguments = dict(arguments or {})
        self.layers = None
        self.supports_masking = True
        self._merging: Any = None if callable(mode) else self._keras2()

    def _keras2(self) -> Layer:
        """The layer of Keras 2 that does what `mode` says."""
        if self.mode in _SAME_SHAPE:
            result: Layer = _SAME_SHAPE[self.mode](name=self.name)
            return result
        if self.mode == "concat":
            return Concatenate(axis=self.concat_axis, name=self.name)
        return Dot(axes=self.dot_axes, normalize=self.mode == "cos", name=self.name)

    def _outputs_of(self, layers: Sequence[Layer], nodes: Sequence[int], tensors: Sequence[int]) -> list[Any]:
        for layer in layers:
            if not layer.inbound_nodes:
                raise ValueError(f"Merge '{self.name}': layer '{layer.name}' has no output yet. Give the first layer "
                                 "of a model its input_shape=, and call other layers first.")
        return [layer.inbound_nodes[n].output_tensors[t] for layer, n, t in zip(layers, nodes, tensors)]

    def build(self, input_shape: Any) -> None:
        """Checks number and shapes of the inputs."""
        shapes = as_shape_list(input_shape)
        if len(shapes) < 2:
            raise TypeError(f"Merge '{self.name}' must be called on a list of at least 2 tensors, got one of shape "
                            f"{input_shape}.")
        if self.mode in _SAME_SHAPE and not _one_shape(shapes):
            raise ValueError(f"Merge '{self.name}': mode '{self.mode}' needs inputs of one shape, got {shapes}.")
        if self._merging is not None:
            self._merging.build(shapes)
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The merged tensor."""
        if self._merging is not None:
            return self._merging.call(inputs)
        extra = {"mask": mask} if has_arg(self.mode, "mask") else {}
        return self.mode(inputs, **{**self.arguments, **extra})

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """What the mode makes of the masks; for a function, what `output_mask` says."""
        if mask is None or all(m is None for m in mask):
            return None
        if self._merging is not None:
            return self._merging.compute_mask(inputs, mask)
        return self._output_mask(mask) if callable(self._output_mask) else self._output_mask

    def _declared_shapes(self, input_shape: Any) -> Any:
        if callable(self.mode) and self._output_shape is None:
            return None
        return as_shape_list(self.compute_output_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the merged tensor."""
        shapes = as_shape_list(input_shape)
        if self._merging is not None:
            return self._merging.compute_output_shape(shapes)
        if callable(self._output_shape):
            return tuple(self._output_shape(shapes))
        if self._output_shape is not None:
            return (shapes[0][0], *self._output_shape)
        return K.int_shape(self.call([K.placeholder(shape=s) for s in shapes]))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments without the layers, functions by name."""
        config = {"name": self.name, "concat_axis": self.concat_axis, "dot_axes": self.dot_axes,
                  "arguments": self.arguments}
        for key, value in zip(_FUNCTIONS, (self.mode, self._output_shape, self._output_mask)):
            config[key] = FunctionName.of(value) if callable(value) else value
            config[f"{key}_type"] = _kind(value) if callable(value) else "raw"
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Merge:
        """A layer from a config; the layers that a Sequential's config holds with it are made anew too.

        ValueError if a function is neither in this process nor in `custom_objects`; stored bytecode is never run.
        """
        config = dict(config)
        for key in _FUNCTIONS:
            if config.pop(f"{key}_type", "raw") != "raw":
                config[key] = _found(key, config[key], config.get("name", "merge"), custom_objects)
        if config.get("layers"):
            entries = config["layers"]
            made: list[Any] = []
            for entry in entries:  # the same entry again is the same layer again: names are unique
                first = entries.index(entry)
                made.append(made[first] if first < len(made) else deserialize(entry, custom_objects=custom_objects))
            config["layers"] = made
        return cls(**config)


def _one_shape(shapes: Sequence[Sequence[int | None]]) -> bool:
    """Whether the shapes agree where they are known."""
    return len({len(s) for s in shapes}) == 1 and all(len(set(sizes) - {None}) <= 1 for sizes in zip(*shapes))


def _found(key: str, stored: Any, layer_name: str, custom_objects: dict[str, Any] | None) -> Any:
    found = _named(stored, layer_name if key == "mode" else f"{layer_name}/{key}", custom_objects)
    if callable(found):
        return found
    if key == "output_shape":
        return None  # it is read off the result
    named = isinstance(stored, str) and stored != "<lambda>"
    wanted = stored if named else layer_name if key == "mode" else f"{layer_name}/{key}"
    raise ValueError(f"Merge '{layer_name}': its {key} is a function, of which the name is stored and no code. Pass it "
                     f"when loading: custom_objects={{{wanted!r}: function}}.")


def merge(inputs: Sequence[Any], mode: Any = "sum", concat_axis: int = -1, dot_axes: Any = -1, output_shape: Any = None,
          output_mask: Any = None, arguments: dict[str, Any] | None = None, name: str | None = None) -> Any:
    """One tensor of a list of tensors, as by Merge."""
    _warn("merge")
    layer = Merge.__new__(Merge)  # past the warning of the class
    layer._set_up(mode, concat_axis, dot_axes, output_shape, output_mask, arguments, name)
    return layer(list(inputs))
