"""The bases of recurrent layers before there were cells. Programs up to Keras 2.1.2 derive from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import backend as K
from ...engine.input_spec import InputSpec
from ...utils.conv_utils import conv_output_length, normalize_data_format, normalize_padding, normalize_tuple
from .rnn import RNN, known_arguments


class _Steps:
    """A layer's own `step`, in the place of a cell."""

    def __init__(self, layer: Recurrent):
        self.layer = layer

    @property
    def state_size(self) -> list[Any]:
        """The size of each state."""
        return [getattr(self.layer, "units", None)] * len(getattr(self.layer, "_states", None) or [None])

    def call(self, inputs: Any, states: Sequence[Any]) -> Any:
        """One step."""
        return self.layer.step(inputs, states)


class Recurrent(RNN):
    """A recurrent layer that says in ``step(inputs, states)`` what it does, and returns output and new states.

    A subclass sets `units`; its `build` makes the weights and sets `states` to a list with None for each state. It may
    define ``get_constants(inputs, training)``, a list that follows the states in every step, ``preprocess_input(inputs,
    training)``, and ``get_initial_state(inputs)``. In new programs, write a cell for `RNN`.
    """

    def __init__(self, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
                 stateful: bool = False, unroll: bool = False, implementation: int = 0, **kwargs: Any) -> None:
        super().__init__(_Steps(self), return_sequences, return_state, go_backwards, stateful, unroll, **kwargs)
        self.implementation = implementation
        self.dropout = 0.0
        self.recurrent_dropout = 0.0

    def step(self, inputs: Any, states: Any) -> Any:
        """One step's output and a list of the new states."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a step is: define step(self, inputs, "
                                  "states).")

    def get_constants(self, inputs: Any, training: Any = None) -> list[Any]:
        """What every step gets after the states; none here."""
        return []

    def preprocess_input(self, inputs: Any, training: Any = None) -> Any:
        """What is walked in place of the inputs: they themselves here."""
        return inputs

    def _walk(self, inputs: Any, initial_state: list[Any], mask: Any, training: Any,
              constants: Any) -> tuple[Any, Any, list[Any]]:
        last, outputs, states = K.rnn(
            self.step, self.preprocess_input(inputs, training=None), initial_state, go_backwards=self.go_backwards,
            mask=mask, constants=self.get_constants(inputs, training=None), unroll=self.unroll)
        if self.dropout + self.recurrent_dropout > 0:
            last._uses_learning_phase = outputs._uses_learning_phase = True
        return last, outputs, states

    def _cell_config(self) -> dict[str, Any]:
        return {"implementation": self.implementation}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new layer from `get_config`'s result."""
        return cls(**known_arguments(config))


class ConvRecurrent2D(Recurrent):
    """A `Recurrent` of which outputs and states are images: sequences (batch, steps, rows, columns, channels), or
    channels before rows with ``data_format='channels_first'``, to images of `filters` channels, whose size is that of a
    `Conv2D` with these arguments. A subclass does the rest; `ConvRNN2D` is the base that takes a cell.
    """

    def __init__(self, filters: int, kernel_size: int | Sequence[int], strides: int | Sequence[int] = (1, 1),
                 padding: str = "valid", data_format: str | None = None, dilation_rate: int | Sequence[int] = (1, 1),
                 return_sequences: bool = False, go_backwards: bool = False, stateful: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(return_sequences, go_backwards=go_backwards, stateful=stateful, **kwargs)
        self.filters = filters
        self.kernel_size = normalize_tuple(kernel_size, 2, "kernel_size")
        self.strides = normalize_tuple(strides, 2, "strides")
        self.padding = normalize_padding(padding)
        self.data_format = normalize_data_format(data_format)
        self.dilation_rate = normalize_tuple(dilation_rate, 2, "dilation_rate")
        self.input_spec = [InputSpec(ndim=5)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape, with `return_state` followed by those of the states."""
        if isinstance(input_shape, list):
            input_shape = input_shape[0]
        batch, steps, *image = input_shape
        first = self.data_format == "channels_first"
        sizes = [conv_output_length(size, self.kernel_size[i], self.padding, self.strides[i], self.dilation_rate[i])
                 for i, size in enumerate(image[1:] if first else image[:2])]
        image = [self.filters, *sizes] if first else [*sizes, self.filters]
        output = (batch, steps, *image) if self.return_sequences else (batch, *image)
        return [output, *[(batch, *image)] * len(self.states)] if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
