"""Layer: the contract between a model and everything that can stand in it, written by this library or by
users.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

from .. import backend as K
from .. import constraints, initializers, regularizers
from ..backend.session import Initialization
from ..backend.settings import weight_name
from ..drawing.summary import count_params
from ..graph import is_float, origin, weights_read_as
from ..graph.static_shape import StaticShape, plain_shape
from ..utils import keras1
from ..utils.generic_utils import has_arg
from . import at_once
from .adding import Adding
from .budget import charge
from .calls import Called
from .computing import Computing
from .connections import Connected
from .held import Holding
from .input_spec import InputSpec, check_inputs
from .node import as_shape_list, one_or_list, to_snake_case, unique
from .tracing import Trace, working


class Layer(Adding, Called, Computing, Connected, Holding):
    """Base class of all layers.

    A layer of your own writes some of these methods:

    - ``build(input_shape)`` makes the weights with `add_weight`; called once, before the first call;
    - ``call(inputs, ...)`` makes the output tensor(s) with backend functions. Parameters named `mask` and
      `training` are optional;
    - ``compute_output_shape(input_shape)`` if the shape can't be read off the result of `call`;
    - ``compute_mask(inputs, mask)`` if it changes masks; set ``supports_masking = True`` to pass them on
      unchanged;
    - ``get_config()`` if it has constructor arguments, so that a model with it can be rebuilt.

    Keywords of the constructor: `name` (unique in a model), `trainable`, `weights` (arrays to start from),
    and for the first layer of a Sequential `input_shape` (without batch axis), `input_dim` (the same for
    vectors), `batch_size`, `batch_input_shape` and `dtype`. A `dtype` of 'mixed_float16' (or a `Policy`) is every
    layer's to take: see `mixed_precision`.

    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight(name='factor', shape=(input_shape[-1],), initializer='ones')
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> Scale(name='scale').name
    'scale'
    """

    input_spec: InputSpec | Sequence[InputSpec | None] | None = None
    supports_masking = False
    trainable = True
    stateful = False
    built = False
    dtype: str | None = None
    batch_input_shape: tuple[int | None, ...]
    activity_regularizer: Any = None
    _made_on: Sequence[Any] = ()  # layers that it was made on, as Keras 1's Merge may be
    _scope: str = ""  # what the names of the weights begin with, if a layer that holds this one says so

    def __init__(self, **kwargs: Any) -> None:
        self._check_keywords(kwargs)
        self.name: str = kwargs.get("name") or self._default_name()
        self.trainable = kwargs.get("trainable", True)
        self.inbound_nodes, self.outbound_nodes = [], []
        self._trainable_weights: list[Any] = []
        self._non_trainable_weights: list[Any] = []
        self._begin_shelves()
        self._inputs_at_work: list[Any] | None = None
        self._forced_learning_phase = False
        self._initial_weights = kwargs.get("weights")
        self._take_policy(kwargs)
        shape = self._first_shape(kwargs)
        if shape is not None:
            self.batch_input_shape = shape
            self.dtype = self.dtype or kwargs.get("dtype") or kwargs.get("input_dtype") or K.floatx()

    _keywords = frozenset({"input_shape", "input_dim", "batch_input_shape", "batch_size", "dtype", "name",
                           "trainable",
                           "weights", "input_dtype", "autocast"})

    def _check_keywords(self, kwargs: dict[str, Any]) -> None:
        """TypeError, with the nearest argument there is, for a keyword that nobody took."""
        unknown = sorted(set(kwargs) - self._keywords)
        if not unknown:
            return
        import difflib
        import inspect

        own = {p for c in type(self).__mro__ if c is not object
               for p in inspect.signature(c).parameters}
        known = self._keywords | own - {"self", "args", "kwargs"}
        near = difflib.get_close_matches(unknown[0], sorted(known), n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise TypeError(f"{type(self).__name__}: keyword argument not understood: `{unknown[0]}`.{hint}")

    def _first_shape(self, kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
        """The batch shape said by the constructor's keywords, if any."""
        if kwargs.get("batch_input_shape") is not None:
            return plain_shape(kwargs["batch_input_shape"])
        shape = kwargs.get("input_shape")
        if shape is None and kwargs.get("input_dim") is not None:
            if not hasattr(kwargs["input_dim"], "__int__"):
                raise TypeError(f"{type(self).__name__} '{self.name}': input_dim must be a number, got "
                                f"{kwargs['input_dim']!r}. Write input_shape={kwargs['input_dim']!r}")
            shape = (kwargs["input_dim"],)
        if isinstance(shape, int):
            raise TypeError(f"{type(self).__name__} '{self.name}': input_shape must be a tuple such as "
                            f"({shape},), got the number {shape}.")
        return None if shape is None else (kwargs.get("batch_size"), *plain_shape(shape))

    def _default_name(self) -> str:
        """'dense_1', 'dense_2', ...: the class's name and a number of its own."""
        kind = type(self).__name__
        return f"{to_snake_case(kind)}_{K.get_uid(kind)}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{getattr(self, 'name', '?')}'>"

    @property
    def _inbound_nodes(self) -> list[Any]:
        """`inbound_nodes`, by the name of Keras 2.1.3 and later."""
        return self.inbound_nodes

    @_inbound_nodes.setter
    def _inbound_nodes(self, nodes: list[Any]) -> None:
        self.inbound_nodes = nodes

    @property
    def _outbound_nodes(self) -> list[Any]:
        """`outbound_nodes`, by the name of Keras 2.1.3 and later."""
        return self.outbound_nodes

    @_outbound_nodes.setter
    def _outbound_nodes(self, nodes: list[Any]) -> None:
        self.outbound_nodes = nodes

    # ------------------------------------------------------------------------------------------ what users
    # override

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs of `input_shape` (a list of shapes where there are several inputs)."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs (a tensor or a list) for the inputs; the base class passes them on."""
        return inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs: the inputs' own if the layer supports masking, else None.

        TypeError if there is a mask and the layer can't handle one.
        """
        if self.supports_masking:
            return mask
        if any(m is not None for m in (mask if isinstance(mask, (list, tuple)) else [mask])):
            raise TypeError(f"Layer '{self.name}' does not support masking, but was passed a mask: {mask}. "
                            "Masks come from Masking and from Embedding(mask_zero=True).")
        return None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output shape for an input shape, both with batch axis; the base class says: the same."""
        if hasattr(self, "get_output_shape_for"):
            warnings.warn(f"Layer class {type(self).__name__} has Keras 1's `get_output_shape_for`, which "
                          "Keras 2 does not call. Rename it to `compute_output_shape`.", stacklevel=2)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data; neither weights nor connections."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if hasattr(self, "batch_input_shape"):
            config["batch_input_shape"] = self.batch_input_shape
        return {**config, **self._dtype_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer from `get_config`'s result."""
        return cls(**config)

    # -----------------------------------------------------------------------------------------------------
    # weights

    @keras1.shape_first
    def add_weight(self, name: Any = None, shape: Any = None, dtype: str | None = None,
                   initializer: Any = None,
                   regularizer: Any = None, trainable: bool = True, constraint: Any = None,
                   experimental_autocast: bool = True) -> Any:
        """A new weight of the layer, as a variable.

        Without `initializer` it is 'glorot_uniform' for floats and 'zeros' for integers. The shape may also
        come first, as in newer and older Keras: ``add_weight((3, 2), initializer='zeros')``. Raises
        ValueError if the shape has unknown dimensions. Under a mixed policy `call` reads the weight in the dtype it
        computes in, unless `experimental_autocast` (newer Keras's name) is False.
        """
        if isinstance(name, (tuple, list)):  # shape first, then perhaps a name or an initializer
            name, shape, second = None, name, shape
            if isinstance(second, str) and (initializer is not None or not _names_initializer(second)):
                name = second
            elif second is not None:
                initializer = second
        shape = (shape,) if isinstance(shape, int) else tuple(shape or ())
        name = name or f"weight_{len(self._trainable_weights) + len(self._non_trainable_weights) + 1}"
        if None in shape:
            raise ValueError(f"Layer '{self.name}': weight '{name}' would have shape {shape}. The size of "
                             "the layer's input must be known: give the first layer a complete input_shape.")
        dtype = dtype or (K.floatx() if self._policy is None else self._policy.variable_dtype)
        make = initializers.get(initializer or ("glorot_uniform" if "float" in dtype else "zeros"))
        draw = partial(make, shape, dtype=dtype) if has_arg(make, "dtype") else partial(make, shape)
        from_file = charge(self.name, name, shape)
        weight = K.variable(initializers.Zeros()(shape, dtype=dtype) if from_file else draw(), dtype=dtype,
                            name=weight_name(self._weight_scope(), name), constraint=constraints.get(constraint))
        weight.initializer = Initialization(weight, draw)
        weight.adapts = experimental_autocast and is_float(dtype)
        if regularizer is not None:
            self.add_loss(regularizers.get(regularizer)(weight))
        (self._trainable_weights if trainable else self._non_trainable_weights).append(weight)
        return weight

    def _weight_scope(self) -> str:
        """What the names of its weights begin with if it is built outside of all calls."""
        return self._scope or self.name

    @property
    def trainable_weights(self) -> list[Any]:
        """Variables that training changes, the layer's own and those of layers it keeps; none if it is frozen."""
        held = self._weights_held("trainable_weights") if self.trainable else []
        own = self._trainable_weights if self.trainable else []
        held = [*self._variables_held(True), *held] if self.trainable else held
        return unique([*own, *held]) if held else own

    @trainable_weights.setter
    def trainable_weights(self, weights: list[Any]) -> None:
        self._trainable_weights = weights

    @property
    def non_trainable_weights(self) -> list[Any]:
        """Variables that training leaves alone; all of them if the layer is frozen."""
        own = self._non_trainable_weights
        own = own if self.trainable else [*self._trainable_weights, *own]
        held = self._weights_held("non_trainable_weights" if self.trainable else "weights")
        kept = [*([] if self.trainable else self._variables_held(True)), *self._variables_held(False)]
        return unique([*own, *kept, *held]) if held or kept else own

    @non_trainable_weights.setter
    def non_trainable_weights(self, weights: list[Any]) -> None:
        self._non_trainable_weights = weights

    @property
    def weights(self) -> list[Any]:
        """All variables, trainable ones first."""
        return self.trainable_weights + self.non_trainable_weights

    @property
    def variables(self) -> list[Any]:
        """`weights`, by its other name in newer Keras."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Any]:
        """`trainable_weights`, by its other name in newer Keras."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        """`non_trainable_weights`, by its other name in newer Keras."""
        return self.non_trainable_weights

    def get_weights(self) -> list[Any]:
        """The values of `weights` as NumPy arrays (copies)."""
        return K.batch_get_value(self.weights)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the values of `weights`; ValueError, before anything is changed, unless number and shapes fit.
        """
        self._assign(self.weights, list(weights))

    def _assign(self, variables: list[Any], values: list[Any]) -> None:
        """Checks values against variables, then writes them."""
        if len(variables) != len(values):
            raise ValueError(f"Layer '{self.name}' has {len(variables)} weights, but set_weights was given "
                             f"{len(values)} arrays.")
        for variable, value in zip(variables, values):
            expected, got = K.int_shape(variable), getattr(value, "shape", None)
            if got is not None and tuple(got) != tuple(expected):
                raise ValueError(f"Layer '{self.name}': weight '{variable.name}' has shape {expected}, but "
                                 f"set_weights was given an array of shape {tuple(got)}.")
        K.batch_set_value(list(zip(variables, values)))

    def count_params(self) -> int:
        """The number of scalars in all weights; RuntimeError if the layer isn't built yet."""
        if not self.built:
            raise RuntimeError(f"The weights of layer '{self.name}' don't exist yet, so they can't be "
                               "counted. Call the layer on a tensor, or "
                               f"`{self.name}.build(batch_input_shape)`.")
        return count_params(self.weights)

    @property
    def uses_learning_phase(self) -> bool:
        """Whether an output differs between training and test; may be set to force it."""
        return self._forced_learning_phase or any(x._uses_learning_phase for node in self.inbound_nodes
                                                  for x in node.output_tensors)

    @uses_learning_phase.setter
    def uses_learning_phase(self, value: bool) -> None:
        self._forced_learning_phase = value

    # -----------------------------------------------------------------------------------------------------
    # calling

    def assert_input_compatibility(self, inputs: Any) -> None:
        """ValueError unless `inputs` fit `input_spec`."""
        check_inputs(self, inputs)

    def _build_for(self, inputs: Any) -> None:
        """Builds the layer for these inputs if need be, and loads the weights given to the constructor."""
        if not self.built:
            self.assert_input_compatibility(inputs)
            with weights_read_as(None), working(Trace()), self._naming():
                # As a layer built in another's call: regularizers see weights as they are, and what is called here, on
                # inputs of its own, is part of no `call`.
                self.build(one_or_list([StaticShape(s) for s in self._shapes_read(inputs)]))
            self.built = True
            if self._initial_weights is not None:
                self.set_weights(self._initial_weights)
        self.assert_input_compatibility(inputs)

    def _declared_shapes(self, input_shape: Any) -> list[tuple[int | None, ...]] | None:
        """What `compute_output_shape` says, or None for a class that leaves it to what `call` returns."""
        silent = type(self).compute_output_shape is Layer.compute_output_shape
        if silent and not hasattr(self, "get_output_shape_for"):
            return None
        return as_shape_list(self.compute_output_shape(_static(input_shape)))

    @staticmethod
    def _node_key(layer: Layer, node_index: int) -> str:
        """How networks name a call: unique because layer names are."""
        return f"{layer.name}_ib-{node_index}"

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Applies the layer to a tensor or a list of tensors and returns its output(s).

        Builds the layer first if need be. Keywords (and further positional arguments) go to `call`. Called on arrays
        it computes at once, as in TensorFlow 2, and returns constants: `numpy()` of one is its array.
        """
        if not hasattr(self, "_per_input_losses"):
            raise RuntimeError(f"{type(self).__name__} did not call super().__init__() in its constructor.")
        if at_once.has_values(inputs):
            return at_once.run(self, inputs, self._named(args, kwargs))
        inputs = self._unpacked(list(inputs) if isinstance(inputs, (list, tuple)) else inputs)
        kwargs = self._named(args, kwargs)
        with origin(self.name):
            self._build_for(inputs)
            if "states" in kwargs:  # a cell makes one step: an output and states, and no node
                return self._compute(inputs, **kwargs)
            return self._record_call(inputs, kwargs)


def _static(shape: Any) -> Any:
    """A shape with the method `as_list` that TensorFlow's have; of several inputs a list of plain tuples, since layers
    for Keras 2 tell by `type(input_shape[0]) is tuple` that there are several."""
    return [tuple(s) for s in shape] if isinstance(shape, list) else StaticShape(shape)


def _names_initializer(name: str) -> bool:
    """Whether a string is an initializer's name rather than a weight's."""
    try:
        initializers.get(name)
    except ValueError:
        return False
    return True
