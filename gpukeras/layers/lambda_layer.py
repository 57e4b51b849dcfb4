"""Lambda: any function of tensors as a layer."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

from .. import backend as K
from ..engine.layer import Layer
from ..engine.node import as_shape_list, one_or_list
from ..engine.own_functions import FunctionName
from ..utils.generic_utils import get_custom_objects, has_arg


class Lambda(Layer):
    """Applies `function` to its input(s), with the keywords `arguments`.

    The output's shape is read off the result; `output_shape` (a tuple without the batch axis, or a function
    of the input shape) is taken where the result leaves sizes unknown. `mask` is a mask, or a function of
    inputs and mask. A function with a parameter `mask` gets the input's.

    In a stored model stands the name of the function only: pass the function in `custom_objects`, under that
    name or under the layer's, when you load it. The process that stored it has the function still, and needs no help.

    >>> layer = Lambda(lambda x: x ** 2)
    >>> layer.get_config()['function_type']
    'lambda'
    """

    _keeps_dtype = True

    _keeps_lists = True

    _reads_declared = True

    def __init__(self, function: Callable[..., Any], output_shape: Any = None, mask: Any = None,
                 arguments: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda '{self.name}' needs a function, got {function!r:.200}.")
        if not (output_shape is None or callable(output_shape) or isinstance(output_shape, (tuple, list))):
            raise TypeError(f"Lambda '{self.name}': output_shape must be a tuple, a list or a function, got "
                            f"{output_shape!r}.")
        self.function = function
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.supports_masking = mask is not None
        self._output_shape = tuple(output_shape) if isinstance(output_shape, (tuple, list)) else output_shape

    _counts_ops = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The function of the inputs."""
        extra = {"mask": mask} if has_arg(self.function, "mask") else {}
        return self.function(inputs, **{**self.arguments, **extra})

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """What `mask` says, whatever the input's mask."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def _declared_shapes(self, input_shape: Any) -> list[tuple[int | None, ...]] | None:
        return None if self._output_shape is None else as_shape_list(self.compute_output_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """What `output_shape` says, or what comes out for a placeholder of that shape."""
        if self._output_shape is None:
            made = self.call(one_or_list([K.placeholder(shape=s) for s in as_shape_list(input_shape)]))
            several = isinstance(made, (list, tuple))
            return [K.int_shape(x) for x in made] if several else K.int_shape(made)
        if callable(self._output_shape):
            shape = self._output_shape(input_shape)
            if not isinstance(shape, (tuple, list)):
                raise ValueError(f"Lambda '{self.name}': the output_shape function must return a tuple or a "
                                 f"list of tuples, got {shape!r}.")
            return one_or_list(as_shape_list(shape))
        return (as_shape_list(input_shape)[0][0], *self._output_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, functions by name."""
        shape, shape_type = self._output_shape, "raw"
        if callable(shape):
            shape, shape_type = FunctionName.of(shape), _kind(shape)
        return {**super().get_config(), "function": FunctionName.of(self.function),
                "function_type": _kind(self.function), "output_shape": shape,
                "output_shape_type": shape_type, "arguments": copy.copy(self.arguments)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Lambda:
        """A layer from a config. ValueError if a function is neither in this process nor in `custom_objects`.

        Bytecode, as Keras writes it for lambdas, is never run.
        """
        config = dict(config)
        name = config.get("name", "lambda")
        config["function"] = _function(config["function"], "function", name, custom_objects)
        config.pop("function_type", None)
        if config.pop("output_shape_type", "raw") != "raw":
            config["output_shape"] = _shape_function(config["output_shape"], name, custom_objects)
        for unused in ("module", "output_shape_module"):  # written by newer Keras; names nothing here
            config.pop(unused, None)
        arguments = config.get("arguments") or {}
        config["arguments"] = {k: _array(v) if isinstance(v, dict) and v.get("type") == "ndarray" else v
                               for k, v in arguments.items()}
        return cls(**config)


def _kind(function: Any) -> str:
    """Keras's two types of functions: with a name of their own, and without."""
    return "lambda" if getattr(function, "__name__", "<lambda>") == "<lambda>" else "function"


def _named(stored: Any, layer_name: str, custom_objects: dict[str, Any] | None) -> Any:
    """The function that the caller gave for a stored one, or that this process has for it, or None."""
    def given(objects: dict[str, Any]) -> Any:
        found = objects.get(stored) if isinstance(stored, str) else None
        return objects.get(layer_name) if found is None else found

    own = getattr(stored, "function", None)
    return next((f for f in (given(custom_objects or {}), own, given(get_custom_objects())) if f is not None), None)


def _function(stored: Any, what: str, layer_name: str, custom_objects: dict[str, Any] | None) -> Any:
    found = _named(stored, layer_name, custom_objects)
    if not callable(found):
        named = isinstance(stored, str) and stored != "<lambda>"
        key = stored if named else layer_name
        why = f"is stored by its name {stored!r}" if named else "is a lambda, of which no code is ever loaded"
        raise ValueError(f"Lambda '{layer_name}': its {what} {why}. Pass the function when loading: "
                         f"custom_objects={{{key!r}: function}}.")
    return found


def _shape_function(stored: Any, layer_name: str, custom_objects: dict[str, Any] | None) -> Any:
    """The output_shape function if the caller gave it; otherwise the shape is read off the result."""
    is_name = isinstance(stored, str) and stored != "<lambda>"
    found = _named(stored, f"{layer_name}/output_shape", custom_objects)
    if callable(found):
        return found
    if is_name:
        warnings.warn(f"Lambda '{layer_name}': its output_shape function {stored!r} is not in "
                      "custom_objects. The shape is inferred instead.", UserWarning, stacklevel=3)
    return None


def _array(stored: dict[str, Any]) -> Any:
    """An array argument out of a config."""
    import numpy as np  # data on the host, not tensor work

    return np.array(stored["value"])
