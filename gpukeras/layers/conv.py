"""Convolutions over sequences, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..engine.input_spec import InputSpec
from ..legacy import interfaces
from .parts import add_part_weight, in_order, part_configs, set_parts, whole_number
from .spatial import Spatial

Sizes = int | Sequence[int]


class Filters(Spatial):
    """Base of layers that apply learned filters to windows of their input, then a bias and an activation.

    A subclass makes its weights in `build` and says in `_apply` what the filters do.
    """

    _arguments: tuple[str, ...] = ("filters", "kernel_size", "strides", "padding", "use_bias")
    _parts: tuple[str, ...] = ("activation", "kernel_initializer", "bias_initializer", "kernel_regularizer",
                               "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint")
    _paddings: tuple[str, ...] = ("valid", "same")
    filters: Any  # None where the channels decide
    bias: Any = None
    activation: Any
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any

    def __init__(self, rank: int, filters: int | None, kernel_size: Sizes, strides: Sizes = 1, padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(rank, data_format, **kwargs)
        self.filters = None if filters is None else whole_number(self, "filters", filters)
        self.kernel_size = self._per_axis("kernel_size", kernel_size)
        self.strides = self._per_axis("strides", strides)
        self.padding = self._checked_padding(padding, self._paddings)
        self.use_bias = use_bias
        set_parts(self, activation=activation, kernel_initializer=kernel_initializer,
                  bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
                  bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
                  kernel_constraint=kernel_constraint, bias_constraint=bias_constraint)

    def call(self, inputs: Any) -> Any:
        """The filters' outputs, with bias and activation."""
        self.compute_output_shape(K.int_shape(inputs))  # refuses what doesn't fit in the layer's own words
        output = self._apply(inputs)
        if self.bias is not None:
            output = K.bias_add(output, self.bias, data_format=self.data_format)
        return output if self.activation is None else self.activation(output)

    def _apply(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what its filters do: define _apply(self, "
                                  "inputs), or call.")

    def _new_size(self, axis: int, size: Any) -> Any:
        return self._windows("kernel_size", axis, size, self.strides[axis], self.padding)

    def _new_channels(self, channels: Any) -> Any:
        return self.filters

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return in_order(self, {**super().get_config(), **{name: getattr(self, name) for name in self._arguments},
                               **part_configs(self, self._parts)})


class _Conv(Filters):
    """Convolution over `rank` axes: each filter's product with every window of the input, over all channels.

    `kernel` is (*kernel_size, channels, filters), `bias` (filters,). With `dilation_rate` d a window's cells are d
    apart; strides and dilation can't both differ from 1.
    """

    _arguments = ("rank", *Filters._arguments, "dilation_rate")

    def __init__(self, rank: int, filters: int | None, kernel_size: Sizes, strides: Sizes = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Sizes = 1, activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(rank, filters, kernel_size, strides, padding, data_format, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        self.dilation_rate = self._per_axis("dilation_rate", dilation_rate)

    def build(self, input_shape: Any) -> None:
        """Makes kernel(s) and bias for the channels of `input_shape`."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(f"Layer '{self.name}': strides {self.strides} and dilation_rate {self.dilation_rate} "
                             "can't both differ from 1. Leave one of them out.")
        channels = self._known_channels(input_shape)
        self._add_kernels(channels)
        if self.use_bias:
            self.bias = add_part_weight(self, "bias", (self._new_channels(channels),))
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def _add_kernels(self, channels: int) -> None:
        self.kernel = add_part_weight(self, "kernel", (*self.kernel_size, channels, self.filters))

    def _apply(self, inputs: Any) -> Any:
        if self.rank == 1:
            return K.conv1d(inputs, self.kernel, self.strides[0], self.padding, self.data_format,
                            self.dilation_rate[0])
        convolve = K.conv2d if self.rank == 2 else K.conv3d
        return convolve(inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)

    def _new_size(self, axis: int, size: Any) -> Any:
        return self._windows("kernel_size", axis, size, self.strides[axis], self.padding, self.dilation_rate[axis])


class Conv1D(_Conv):
    """Convolution over the steps of sequences: (batch, steps, channels) to (batch, new steps, filters).

    `kernel` is (kernel_size, channels, filters). ``padding='causal'`` pads in front only, so that no output sees a
    later step (van den Oord et al., 2016, arXiv:1609.03499, section 2.1). Raises ValueError if no window fits.

    >>> Conv1D(32, 3).compute_output_shape((None, 10, 16))
    (None, 8, 32)
    """

    _arguments = (*Filters._arguments, "dilation_rate")
    _paddings = (*Filters._paddings, "causal")

    @interfaces.legacy_conv1d_support
    def __init__(self, filters: int | None, kernel_size: Sizes, strides: Sizes = 1, padding: str = "valid",
                 dilation_rate: Sizes = 1, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, *,
                 data_format: str | None = "channels_last", **kwargs: Any) -> None:
        super().__init__(1, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)


class Conv2D(_Conv):
    """Convolution over images: (batch, rows, columns, channels) to (batch, new rows, new columns, filters).

    `kernel` is (rows, columns, channels, filters) in both data formats. Raises ValueError if no window fits.

    >>> Conv2D(32, (3, 3)).compute_output_shape((None, 28, 28, 1))
    (None, 26, 26, 32)
    >>> Conv2D(32, 3, strides=2, padding="same", data_format="channels_first").compute_output_shape((8, 1, 28, 27))
    (8, 32, 14, 14)
    """

    _arguments = (*Filters._arguments, "dilation_rate")

    @interfaces.legacy_conv2d_support
    def __init__(self, filters: int | None, kernel_size: Sizes, strides: Sizes = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Sizes = (1, 1), activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(2, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)


class Conv3D(_Conv):
    """Convolution over volumes: (batch, depth, rows, columns, channels) to the same with `filters` channels.

    `kernel` is (depth, rows, columns, channels, filters) in both data formats. Raises ValueError if no window fits.

    >>> Conv3D(8, 3).compute_output_shape((None, 9, 8, 7, 1))
    (None, 7, 6, 5, 8)
    """

    _arguments = (*Filters._arguments, "dilation_rate")

    @interfaces.legacy_conv3d_support
    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = (1, 1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Sizes = (1, 1, 1), activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(3, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
