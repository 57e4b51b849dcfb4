"""Locally connected layers: like convolutions, but every position has filters of its own."""

from __future__ import annotations

import math
from typing import Any

from .. import backend as K
from ..engine.input_spec import InputSpec
from ..legacy import interfaces
from .conv import Filters, Sizes
from .parts import add_part_weight


class _LocallyConnected(Filters):
    """What they share: no padding, a kernel (positions, cells of a window * channels, filters) and a bias for every
    position, so every size of the input must be known."""

    _paddings = ("valid",)

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias for inputs of the sizes of `input_shape`."""
        if None in input_shape[1:]:
            raise ValueError(f"Layer '{self.name}' has weights for every position, so it must know every size of its "
                             f"input, got {tuple(input_shape)}. Give the first layer a complete input_shape.")
        channels = self._known_channels(input_shape)
        output_shape = self.compute_output_shape(input_shape)
        self._positions = tuple(output_shape[axis] for axis in self._axes)
        self.kernel_shape = (math.prod(self._positions), math.prod(self.kernel_size) * channels, self.filters)
        self.kernel = add_part_weight(self, "kernel", self.kernel_shape)
        if self.use_bias:
            self.bias = add_part_weight(self, "bias", (*self._positions, self.filters))
        self.input_spec = InputSpec(ndim=self.rank + 2, axes=dict(enumerate(input_shape[1:], 1)))
        self.built = True


class LocallyConnected1D(_LocallyConnected):
    """Filters over the steps of sequences, other ones at every position; (batch, steps, channels) to (batch, new
    steps, filters).

    `kernel` is (new steps, kernel_size * channels, filters), `bias` (new steps, filters). Raises ValueError for any
    padding but 'valid'.

    >>> LocallyConnected1D(64, 3).compute_output_shape((None, 10, 32))
    (None, 8, 64)
    """

    @interfaces.legacy_conv1d_support
    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = 1, padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(1, filters, kernel_size, strides, padding, data_format, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)

    def _apply(self, inputs: Any) -> Any:
        return K.local_conv1d(inputs, self.kernel, self.kernel_size, self.strides, self.data_format)


class LocallyConnected2D(_LocallyConnected):
    """Filters over images, other ones at every position; output shapes as of a Conv2D without padding.

    `kernel` is (new rows * new columns, rows * columns * channels, filters), where a window's cells stand as in the
    input: (row, column, channel), or (channel, row, column) with channels first; `bias` is (new rows, new columns,
    filters). Raises ValueError for any padding but 'valid'.

    >>> LocallyConnected2D(64, (3, 3)).compute_output_shape((None, 32, 32, 3))
    (None, 30, 30, 64)
    """

    @interfaces.legacy_conv2d_support
    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = (1, 1), padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(2, filters, kernel_size, strides, padding, data_format, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)

    def _apply(self, inputs: Any) -> Any:
        return K.local_conv2d(inputs, self.kernel, self.kernel_size, self.strides, self._positions, self.data_format)
