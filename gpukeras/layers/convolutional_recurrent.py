"""Convolutional recurrent layers, for sequences of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from .. import regularizers
from ..engine.input_spec import InputSpec
from ..legacy import interfaces
from .parts import add_part_weight, in_order, part_configs, set_parts, share, whole_number
from .recurrent.arguments import CellArguments, of_cell
from .recurrent.legacy import ConvRecurrent2D as ConvRecurrent2D
from .recurrent.rnn import RNN, known_arguments
from .spatial import Spatial

Sizes = int | Sequence[int]


class ConvLSTM2DCell(Spatial):
    """One step of a ConvLSTM2D for a batch of images. Gates and states as in `LSTMCell`, with convolutions for
    products: that of the input as asked for, that of the state with 'same' padding and strides 1."""

    _parts = ("activation", "recurrent_activation", "kernel_initializer", "recurrent_initializer", "bias_initializer",
              "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint",
              "recurrent_constraint", "bias_constraint")
    _arguments = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "use_bias",
                  "unit_forget_bias", "dropout", "recurrent_dropout")
    activation: Any
    recurrent_activation: Any
    bias: Any = None

    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes, padding: str, data_format: str | None,
                 dilation_rate: Sizes, use_bias: bool, unit_forget_bias: bool, dropout: float,
                 recurrent_dropout: float, **parts: Any) -> None:
        super().__init__(2, data_format)
        self.filters = whole_number(self, "filters", filters)
        self.kernel_size = self._per_axis("kernel_size", kernel_size)
        self.strides = self._per_axis("strides", strides)
        self.padding = self._checked_padding(padding, ("valid", "same"))
        self.dilation_rate = self._per_axis("dilation_rate", dilation_rate)
        self.use_bias = use_bias
        self.unit_forget_bias = unit_forget_bias
        self.dropout = share(self, "dropout", dropout)
        self.recurrent_dropout = share(self, "recurrent_dropout", recurrent_dropout)
        set_parts(self, **parts)
        self.state_size = (self.filters, self.filters)
        self._dropout_mask: list[Any] | None = None
        self._recurrent_dropout_mask: list[Any] | None = None

    def build(self, input_shape: Any) -> None:
        """Makes the kernels (rows, columns, channels, 4 filters) and the bias (4 filters,)."""
        channels = self._known_channels(input_shape)
        self.kernel = add_part_weight(self, "kernel", (*self.kernel_size, channels, 4 * self.filters))
        self.recurrent_kernel = add_part_weight(
            self, "recurrent_kernel", (*self.kernel_size, self.filters, 4 * self.filters), "recurrent")
        if self.use_bias:
            self.bias = add_part_weight(self, "bias", (4 * self.filters,))
            if self.unit_forget_bias:  # as in Keras 2.0.9: whatever the initializer, 1 for the forget gate, 0 else
                K.set_value(self.bias, [float(i // self.filters == 1) for i in range(4 * self.filters)])
        self.built = True

    def _new_size(self, axis: int, size: Any) -> Any:
        return self._windows("kernel_size", axis, size, self.strides[axis], self.padding, self.dilation_rate[axis])

    def _new_channels(self, channels: Any) -> Any:
        return self.filters

    def input_conv(self, x: Any) -> Any:
        """The part of all gates' sums that comes from the input."""
        def convolve(x: Any, kernel: Any) -> Any:
            return K.conv2d(x, kernel, self.strides, self.padding, self.data_format, self.dilation_rate)

        z = self._by_gate(x, self.kernel, self._dropout_mask, convolve)
        return z if self.bias is None else K.bias_add(z, self.bias, data_format=self.data_format)

    def recurrent_conv(self, x: Any) -> Any:
        """The part of all gates' sums that comes from the state."""
        def convolve(x: Any, kernel: Any) -> Any:
            return K.conv2d(x, kernel, padding="same", data_format=self.data_format)

        return self._by_gate(x, self.recurrent_kernel, self._recurrent_dropout_mask, convolve)

    def _by_gate(self, x: Any, kernel: Any, masks: list[Any] | None, convolve: Any) -> Any:
        if masks is None:
            return convolve(x, kernel)
        cut = [kernel[:, :, :, i * self.filters:(i + 1) * self.filters] for i in range(4)]
        return K.concatenate([convolve(x * m, k) for m, k in zip(masks, cut)], axis=self._channel_axis)

    def gates(self, z: Any, states: Sequence[Any]) -> Any:
        """Output and new states from the input's part of the sums."""
        z = z + self.recurrent_conv(states[0])
        before = (slice(None),) * (1 if self._channels_first else 3)
        i, f, c, o = (z[(*before, slice(k * self.filters, (k + 1) * self.filters))] for k in range(4))
        carry = self.recurrent_activation(f) * states[1] + self.recurrent_activation(i) * self.activation(c)
        output = self.recurrent_activation(o) * self.activation(carry)
        return output, [output, carry]

    def call(self, inputs: Any, states: Sequence[Any]) -> Any:
        """Images, output and carry to output and new states."""
        return self.gates(self.input_conv(inputs), states)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in self._arguments},
                **part_configs(self, self._parts)}


class ConvRNN2D(RNN):
    """Base of recurrent layers whose states are images: (batch, steps, rows, columns, channels), or channels before
    rows with `data_format='channels_first'`."""

    cell: ConvLSTM2DCell
    filters = of_cell("filters")
    kernel_size = of_cell("kernel_size")
    strides = of_cell("strides")
    padding = of_cell("padding")
    data_format = of_cell("data_format")
    dilation_rate = of_cell("dilation_rate")
    kernel = of_cell("kernel")
    recurrent_kernel = of_cell("recurrent_kernel")
    bias = of_cell("bias")

    def __init__(self, cell: ConvLSTM2DCell, *args: Any, **kwargs: Any) -> None:
        self.implementation = kwargs.pop("implementation", 0)  # in configs; it changes nothing
        super().__init__(cell, *args, **kwargs)
        self.input_spec = [InputSpec(ndim=5)]

    def _image_shape(self, input_shape: Any) -> Any:
        """The shape of an output for the shape of the input sequence."""
        return self.cell.compute_output_shape((input_shape[0], *input_shape[2:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape, with `return_state` followed by those of the states."""
        if isinstance(input_shape, list):
            input_shape = input_shape[0]
        image = self._image_shape(input_shape)
        output = (image[0], input_shape[1], *image[1:]) if self.return_sequences else image
        return [output, image, image] if self.return_state else output

    def _state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        return [self._image_shape((batch, *self.input_spec[0].shape[1:]))] * 2

    def _make_state_spec(self, shape: tuple[Any, ...]) -> list[InputSpec]:
        return [InputSpec(shape=(None, *self._image_shape(shape)[1:]))] * 2

    def _check_states(self, shapes: Sequence[Any]) -> None:
        if shapes and len(shapes) != 2:
            raise ValueError(f"Layer '{self.name}' has 2 states, but was passed {len(shapes)} initial states.")

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """Zeros for every sample."""
        first = K.zeros_like(inputs[:, 0])
        blank = K.constant(0.0, dtype=K.dtype(inputs), shape=K.int_shape(self.cell.kernel)[:-1] + (self.filters,))
        zeros = K.conv2d(first, blank, self.strides, self.padding, self.data_format, self.dilation_rate)
        return [zeros, zeros]

    def _walk(self, inputs: Any, initial_state: list[Any], mask: Any, training: Any,
              constants: Any) -> tuple[Any, Any, list[Any]]:
        """Last output, all outputs, last states."""
        self._draw_masks(inputs, training)
        return K.rnn(self.cell.call, inputs, initial_state, go_backwards=self.go_backwards, mask=mask,
                     unroll=self.unroll)

    def _draw_masks(self, inputs: Any, training: Any) -> None:
        def draw(like: Any, rate: float) -> list[Any] | None:
            if not 0 < rate < 1:
                return None
            ones = K.ones_like(like)
            return [K.in_train_phase(lambda: K.dropout(ones, rate), ones, training=training) for _ in range(4)]

        self.cell._dropout_mask = draw(inputs[:, 0], self.cell.dropout)
        self.cell._recurrent_dropout_mask = draw(self.get_initial_state(inputs)[0], self.cell.recurrent_dropout)

    def _cell_config(self) -> dict[str, Any]:
        own = {k: v for k, v in self.cell.get_config().items() if k not in ("name", "trainable", "dtype")}
        own["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return {"implementation": self.implementation, **in_order(self, own)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new layer from `get_config`'s result."""
        return cls(**known_arguments(config))


class ConvLSTM2D(CellArguments, ConvRNN2D):
    """An LSTM whose products are convolutions (Shi et al., 2015, arXiv:1506.04214, without the cell's feedback):
    sequences of images (batch, steps, rows, columns, channels) to images of `filters` channels.

    `kernel` is (rows, columns, channels, 4 filters), `recurrent_kernel` (rows, columns, filters, 4 filters), `bias`
    (4 filters,), in the order i, f, c, o. For the other arguments see `Conv2D`, `RNN` and `LSTM`.

    >>> ConvLSTM2D(8, 3, return_sequences=True).compute_output_shape((None, 5, 10, 10, 1))
    (None, 5, 8, 8, 8)
    """

    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")

    @interfaces.legacy_convlstm2d_support
    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Sizes = (1, 1), activation: Any = "tanh",
                 recurrent_activation: Any = "hard_sigmoid", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", unit_forget_bias: bool = True, kernel_regularizer: Any = None,
                 recurrent_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None,
                 return_sequences: bool = False, go_backwards: bool = False, stateful: bool = False,
                 dropout: float = 0.0, recurrent_dropout: float = 0.0, return_state: bool = False,
                 unroll: bool = False, **kwargs: Any) -> None:
        cell = ConvLSTM2DCell(
            filters, kernel_size, strides, padding, data_format, dilation_rate, use_bias, unit_forget_bias, dropout,
            recurrent_dropout, activation=activation or "linear",
            recurrent_activation=recurrent_activation or "linear", kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer, kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint, bias_constraint=bias_constraint)
        super().__init__(cell, return_sequences, return_state, go_backwards, stateful, unroll, **kwargs)
        self.activity_regularizer = regularizers.get(activity_regularizer)

    # What Keras 2.0.9's layer, which has no cell, let a subclass call or replace one by one.

    def get_constants(self, inputs: Any, training: Any = None) -> list[Any]:
        """Dropout masks, four of the inputs and four of the state; 1 where nothing is dropped."""
        self._draw_masks(inputs, training)
        ones = [1.0] * 4
        return [self.cell._dropout_mask or ones, self.cell._recurrent_dropout_mask or ones]

    def input_conv(self, x: Any, w: Any, b: Any = None, padding: str = "valid") -> Any:
        """An image convolved as the inputs are, with an optional bias."""
        y = K.conv2d(x, w, self.strides, padding, self.data_format, self.dilation_rate)
        return y if b is None else K.bias_add(y, b, data_format=self.data_format)

    def recurrent_conv(self, x: Any, w: Any) -> Any:
        """An image convolved as the state is."""
        return K.conv2d(x, w, padding="same", data_format=self.data_format)

    def step(self, inputs: Any, states: Sequence[Any]) -> Any:
        """One step: an image, output and carry (what follows them is left out) to output and new states."""
        return self.cell.call(inputs, states[:2])
