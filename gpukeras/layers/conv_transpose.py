"""Transposed convolutions: the map from a convolution's output shape back to its input's."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..legacy import interfaces
from ..utils.conv_utils import deconv_length
from .conv import Conv2D, Conv3D, Filters, Sizes, _Conv
from .parts import add_part_weight


class _Transposed(_Conv):
    """What transposed convolutions share; `kernel` is (*kernel_size, filters, channels)."""

    _arguments = Filters._arguments
    output_padding: tuple[int, ...] | None = None

    def _set_output_padding(self, value: Sizes | None) -> None:
        """Checks newer Keras's argument."""
        if value is None:
            return
        self.output_padding = self._per_axis("output_padding", value, least=0)
        if any(pad >= stride for pad, stride in zip(self.output_padding, self.strides)):
            raise ValueError(f"Layer '{self.name}': output_padding {self.output_padding} must be below strides "
                             f"{self.strides} along every axis.")

    def _add_kernels(self, channels: int) -> None:
        self.kernel = add_part_weight(self, "kernel", (*self.kernel_size, self.filters, channels))

    def _apply(self, inputs: Any) -> Any:
        known, now = K.int_shape(inputs), K.shape(inputs)
        sizes = [now[axis] if known[axis] is None else known[axis] for axis in self._axes]
        shape = self._shape(now[0], [self._new_size(i, size) for i, size in enumerate(sizes)], self.filters)
        transposed = K.conv2d_transpose if self.rank == 2 else K.conv3d_transpose
        return transposed(inputs, self.kernel, shape, self.strides, self.padding, self.data_format, self.dilation_rate)

    def _new_size(self, axis: int, size: Any) -> Any:
        more = None if self.output_padding is None else self.output_padding[axis]
        return deconv_length(size, self.strides[axis], self.kernel_size[axis], self.padding, more,
                             self.dilation_rate[axis])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        said = {} if self.output_padding is None else {"output_padding": self.output_padding}
        dilated = {"dilation_rate": self.dilation_rate} if max(self.dilation_rate) > 1 else {}
        return {**super().get_config(), **said, **dilated}


class Conv2DTranspose(_Transposed, Conv2D):
    """Transposed convolution of images, also called deconvolution: makes them larger by the strides.

    (batch, rows, columns, channels) to (batch, rows * stride, columns * stride, filters) with 'same' padding; with
    'valid', larger still by what the kernel reaches beyond the stride. `kernel` is (rows, columns, filters, channels).
    Newer Keras's `output_padding` fixes the size among those that a stride leaves open, its `dilation_rate` is
    the distance between the kernel's cells.
    Source: Zeiler et al., CVPR 2010.

    >>> Conv2DTranspose(16, 3, strides=2, padding="same").compute_output_shape((None, 7, 7, 32))
    (None, 14, 14, 16)
    """

    @interfaces.legacy_deconv2d_support
    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = (1, 1), padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, *,
                 output_padding: Sizes | None = None, dilation_rate: Sizes = 1, **kwargs: Any) -> None:
        Conv2D.__init__(self, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                        activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        self._set_output_padding(output_padding)


class Conv3DTranspose(_Transposed, Conv3D):
    """Transposed convolution of volumes; see Conv2DTranspose. `kernel` is (depth, rows, columns, filters, channels).

    >>> Conv3DTranspose(4, 2, strides=(1, 2, 2)).compute_output_shape((None, 5, 6, 7, 8))
    (None, 6, 12, 14, 4)
    """

    @interfaces.legacy_conv3d_support
    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = (1, 1, 1), padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, *,
                 output_padding: Sizes | None = None, dilation_rate: Sizes = 1, **kwargs: Any) -> None:
        Conv3D.__init__(self, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                        activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        self._set_output_padding(output_padding)
