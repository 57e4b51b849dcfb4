"""RNN: any cell, walked along the steps of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import backend as K
from ...engine.input_spec import InputSpec
from ...engine.layer import Layer
from ...engine.node import to_list
from ...utils.generic_utils import has_arg
from ..by_name import deserialize
from ..holder import Holder
from .stacked import StackedRNNCells, state_sizes


class RNN(Holder):
    """Walks a cell along sequences: (batch, steps, ...) to the last output (batch, units), or with
    `return_sequences` to all of them, (batch, steps, units).

    A cell has ``call(inputs, states)``, which returns a step's output and a list of the new states, and `state_size`,
    a number or a tuple of them, the first of which is the output's size. If it is a Layer, its weights are the RNN's.
    Its `call` may also take `training` and `constants`. A list of cells is a stack: each reads the output below.

    - `return_state`: the last states follow the output, as a list;
    - `go_backwards`: from the last step to the first; all outputs then come in that order;
    - `stateful`: a batch begins with the states in which the one before ended, sample by sample. The batch size must be
      known (`batch_input_shape`, `batch_shape`). `reset_states` starts over;
    - `unroll`: only changes what masked steps put out, see `K.rnn`; the number of steps must be known.

    Call it with `initial_state` (a tensor or a list), and with `constants` (likewise) for the cell. These may be
    outputs of other layers, and may also follow the input in one list.
    """

    def __init__(self, cell: Any, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, **kwargs: Any) -> None:
        _take_input_dim(kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        for needed in ("call", "state_size"):
            if not hasattr(cell, needed):
                raise ValueError(f"The cell of an RNN needs a `call` and a `state_size`, but {cell!r} has no "
                                 f"`{needed}`.")
        super().__init__(**kwargs)
        self.supports_masking = True
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.unroll = go_backwards, unroll
        self.stateful = stateful
        self.input_spec: Any = [InputSpec(ndim=3)]
        self.state_spec: Any = None
        self.constants_spec: Any = None
        self._states: list[Any] | None = None
        self._num_constants: int | None = None

    def _inside(self) -> list[Layer]:
        return [self.cell] if isinstance(self.cell, Layer) else []

    # ------------------------------------------------------------------------------------------------------ states
    @property
    def _state_sizes(self) -> list[int]:
        return state_sizes(self.cell)

    @property
    def states(self) -> list[Any]:
        """The variables that hold the states between batches, if the layer is stateful; else None for each."""
        return [None] * len(self._state_sizes) if self._states is None else self._states

    @states.setter
    def states(self, states: list[Any]) -> None:
        self._states = states

    def _state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        """The shapes of the states of a batch."""
        return [(batch, size) for size in self._state_sizes]

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """Zeros for every sample."""
        zero = K.expand_dims(K.sum(K.zeros_like(inputs), axis=tuple(range(1, K.ndim(inputs)))))
        return [K.tile(zero, [1, size]) for size in self._state_sizes]

    def reset_states(self, states: Any = None) -> None:
        """Sets the states of a stateful layer to zeros, or to an array each. AttributeError if it isn't stateful,
        ValueError if the batch size is unknown or arrays don't fit."""
        if not self.stateful:
            raise AttributeError(f"Layer '{self.name}' keeps no states: it must be stateful. Make it with "
                                 "stateful=True.")
        batch = self.input_spec[0].shape[0] if self.input_spec[0].shape else None
        if not batch:
            raise ValueError(f"Layer '{self.name}' is stateful, so it must know its batch size. Give the first layer "
                             "of a Sequential `batch_input_shape`, such as batch_input_shape=(32, 5, 2) for batches of "
                             "32, or an Input `batch_shape`.")
        shapes = self._state_shapes(batch)
        if self._states is None or self._states[0] is None:
            self._states = [K.zeros(shape) for shape in shapes]
        if states is None:
            values = [K.get_value(K.zeros(shape)) for shape in shapes]
        else:
            values = list(states) if isinstance(states, (list, tuple)) else [states]
        if len(values) != len(shapes):
            raise ValueError(f"Layer '{self.name}' has {len(shapes)} states, but reset_states was given {len(values)}.")
        for i, (value, shape) in enumerate(zip(values, shapes)):
            if tuple(getattr(value, "shape", ())) != shape:
                raise ValueError(f"Layer '{self.name}': state {i} has shape {shape}, but reset_states was given "
                                 f"{tuple(getattr(value, 'shape', ()))}.")
        for variable, value in zip(self._states, values):
            K.set_value(variable, value)

    # ------------------------------------------------------------------------------------------------------ shapes
    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape, with `return_state` followed by those of the states."""
        if isinstance(input_shape, list):
            input_shape = input_shape[0]
        states: list[Any] = self._state_shapes(input_shape[0])
        output = states[0] if not self.return_sequences else (input_shape[0], input_shape[1], *states[0][1:])
        return [output, *states] if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any) -> Any:  # type: ignore[override]
        """The input's mask if all outputs are returned; states have none."""
        if isinstance(mask, list):
            mask = mask[0]
        output = mask if self.return_sequences else None
        return [output, *[None] * len(self.states)] if self.return_state else output

    # ------------------------------------------------------------------------------------------------------ calling
    def build(self, input_shape: Any) -> None:
        """Builds the cell for one step of the input (and for the constants), and makes the states of a stateful
        layer."""
        shapes = list(input_shape) if isinstance(input_shape, list) else [input_shape]
        shape = tuple(shapes[0])
        constants = shapes[len(shapes) - self._num_constants:] if self._num_constants else []
        self._set_input_spec(shape)
        step = (shape[0], *shape[2:])
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell._scope = self._weight_scope()
            with K.origin(self.cell.name):
                self.cell.build([step, *constants] if self._num_constants is not None else step)
            self.cell.built = True
        self._check_states(shapes[1:len(shapes) - len(constants)])
        self.state_spec = self._make_state_spec(shape)
        if self.stateful:
            self.reset_states()
        self.built = True

    def _set_input_spec(self, shape: tuple[Any, ...]) -> None:
        self.input_spec[0] = InputSpec(shape=(shape[0] if self.stateful else None, None, *shape[2:]))

    def _make_state_spec(self, shape: tuple[Any, ...]) -> list[InputSpec]:
        return [InputSpec(shape=(None, size)) for size in self._state_sizes]

    def _check_states(self, shapes: Sequence[Any]) -> None:
        """ValueError unless initial states have the cell's sizes."""
        sizes = [shape[-1] for shape in shapes]
        if shapes and (len(sizes) != len(self._state_sizes)
                       or any(a is not None and a != b for a, b in zip(sizes, self._state_sizes))):
            raise ValueError(f"Layer '{self.name}' has states of the sizes {self._state_sizes}, but an initial state "
                             f"of the sizes {sizes} was passed.")

    def assert_input_compatibility(self, inputs: Any) -> None:
        """ValueError unless the input, and the initial states after it, fit."""
        if not isinstance(inputs, list):
            return super().assert_input_compatibility(inputs)
        super().assert_input_compatibility(inputs[0])
        states = inputs[1:len(inputs) - (self._num_constants or 0)]
        for i, (x, spec) in enumerate(zip(states, to_list(self.state_spec or []))):
            wrong = spec.complaint(x)
            if wrong:
                raise ValueError(f"Initial state {i} is incompatible with layer '{self.name}': {wrong} (state of shape "
                                 f"{K.int_shape(x)}).")

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        """Applies the layer; initial states and constants that come from layers become inputs of the call."""
        inputs, initial_state, constants = self._standardize_args(inputs, initial_state, constants)
        more = [*(initial_state or []), *(constants or [])]
        if not more:
            return super().__call__(inputs, **kwargs)
        if constants:
            if not has_arg(self.cell.call, "constants"):
                raise ValueError(f"Layer '{self.name}' was called with constants, but its cell, a "
                                 f"{type(self.cell).__name__}, has a call() without `constants`.")
            self._num_constants = len(constants)
            self.constants_spec = [InputSpec(shape=K.int_shape(x)) for x in constants]
        from_layers = [K.is_keras_tensor(x) for x in more]
        if any(from_layers) != all(from_layers):
            raise ValueError(f"Layer '{self.name}': its initial state and constants come partly from layers and partly "
                             "not. Keras tensors can't be mixed with others here: wrap them into layers.")
        if all(from_layers):
            return super().__call__([inputs, *more], **kwargs)
        if initial_state:
            kwargs["initial_state"] = initial_state
            self._check_states([K.int_shape(x) for x in initial_state])
        if constants:
            kwargs["constants"] = constants
            self._build_for([inputs, *constants])
        return super().__call__(inputs, **kwargs)

    def _standardize_args(self, inputs: Any, initial_state: Any, constants: Any) -> tuple[Any, Any, Any]:
        """Input, list of initial states and list of constants (None where there are none), however they came."""
        if isinstance(inputs, (list, tuple)) and not (initial_state or constants):
            count = self._num_constants or 0
            inputs = list(inputs)
            constants = inputs[len(inputs) - count:] or None
            inputs, initial_state = inputs[0], inputs[1:len(inputs) - count] or None
        return inputs, _list_or_none(initial_state), _list_or_none(constants)

    def call(self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None,
             constants: Any = None) -> Any:
        """The output(s); states are handed on if the layer is stateful."""
        if isinstance(inputs, (list, tuple)):
            inputs, initial_state, constants = self._standardize_args(inputs, initial_state, constants)
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(inputs)
        if len(initial_state) != len(self.states):
            raise ValueError(f"Layer '{self.name}' has {len(self.states)} states, but was passed {len(initial_state)} "
                             "initial states.")
        if self.unroll and K.int_shape(inputs)[1] in (None, 1):
            raise ValueError(f"Layer '{self.name}': can't unroll a loop over {K.int_shape(inputs)[1]} steps. With "
                             "unroll=True the number of steps must be known and more than one: give the first layer a "
                             "complete input_shape (an Embedding `input_length`), or leave unroll out.")
        if self._policy is not None:
            initial_state = [K.cast(x, K.dtype(inputs)) for x in initial_state]
        draw_dropout_masks(self.cell, inputs, training)
        last, outputs, states = self._walk(inputs, list(initial_state), mask, training, constants)
        if self.stateful:
            self.add_update([K.update(old, new) for old, new in zip(self.states, states)],
                            self._inputs_at_work or inputs)
        output = outputs if self.return_sequences else last
        if not self.return_state:
            return output
        return [K.identity(output) if any(output is h for h in states) else output, *states]

    def _walk(self, inputs: Any, initial_state: list[Any], mask: Any, training: Any,
              constants: Any) -> tuple[Any, Any, list[Any]]:
        """Last output, all outputs, last states."""
        kwargs: dict[str, Any] = {"training": training} if has_arg(self.cell.call, "training") else {}
        if constants:
            kwargs["constants"] = list(constants)

        def step(x: Any, states: list[Any]) -> Any:
            return self.cell.call(x, states, **kwargs)

        return K.rnn(step, inputs, initial_state, go_backwards=self.go_backwards, mask=mask, unroll=self.unroll,
                     input_length=K.int_shape(inputs)[1])

    def _output_word(self, x: Any, index: int, masked: bool) -> str | None:
        """Of loops, from which TensorFlow reads arrays of tensors and the last states."""
        if self.unroll and not (index == 0 and self.return_sequences):
            return None
        if index:
            return f"while/Exit_{index + 1}"
        return f"transpose_{1 + masked}" if self.return_sequences else "TensorArrayReadV3"

    # ------------------------------------------------------------------------------------------------------ configs
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the cell as class name and config."""
        config = {**super().get_config(), "return_sequences": self.return_sequences, "return_state": self.return_state,
                  "go_backwards": self.go_backwards, "stateful": self.stateful, "unroll": self.unroll}
        if self._num_constants is not None:
            config["num_constants"] = self._num_constants
        return {**config, **self._cell_config()}

    def _cell_config(self) -> dict[str, Any]:
        return {"cell": {"class_name": type(self.cell).__name__, "config": self.cell.get_config()}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new layer from `get_config`'s result; the cell's class is looked up among layers and custom objects."""
        config = known_arguments(config)
        cell = config.pop("cell")
        count = config.pop("num_constants", None)
        several = isinstance(cell, list)
        cells = [deserialize(c, custom_objects=custom_objects) for c in (cell if several else [cell])]
        layer = cls(cells if several else cells[0], **config)
        layer._num_constants = count
        return layer


def draw_dropout_masks(cell: Any, inputs: Any, training: Any) -> None:
    """Lets a cell, or the cells of a stack, draw the masks that all steps of this call share."""
    if isinstance(cell, StackedRNNCells):
        for one in cell.cells:
            draw_dropout_masks(one, inputs, training)
    for name in ("_generate_dropout_mask", "_generate_recurrent_dropout_mask"):
        if hasattr(cell, name):
            getattr(cell, name)(inputs, training=training)


_NEUTRAL = {"time_major": False, "zero_output_for_mask": False, "use_cudnn": "auto", "seed": None}
"""Arguments that later Keras writes, and the values at which they say nothing."""


def known_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """A copy of a config without what later Keras writes of things that don't exist here; ValueError where one is
    used."""
    for name, neutral in _NEUTRAL.items():
        if config.get(name, neutral) not in (neutral, None):
            raise ValueError(f"A recurrent layer's config has {name}={config[name]!r}, which is not supported.")
    return {k: v for k, v in config.items() if k not in _NEUTRAL}


def _list_or_none(x: Any) -> list[Any] | None:
    if x is None:
        return None
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _take_input_dim(kwargs: dict[str, Any]) -> None:
    """Keras 1's `input_dim` and `input_length` as `input_shape`."""
    length = kwargs.pop("input_length", None)
    if kwargs.get("input_dim") is not None and "input_shape" not in kwargs:
        kwargs["input_shape"] = (length, kwargs.pop("input_dim"))
