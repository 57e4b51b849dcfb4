"""Convolutions that treat channels one by one: depthwise, and separable = depthwise, then a mixing of channels."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..legacy import interfaces
from .conv import Conv1D, Conv2D, Filters, Sizes, _Conv
from .parts import add_part_weight, in_order, set_parts, whole_number


class _Depthwise(_Conv):
    """What they share: `depthwise_kernel`, (*kernel_size, channels, depth_multiplier), in place of a kernel."""

    _parts: tuple[str, ...] = ("activation", "bias_initializer", "bias_regularizer", "activity_regularizer",
                               "bias_constraint", "depthwise_initializer", "depthwise_regularizer",
                               "depthwise_constraint")
    _arguments: tuple[str, ...] = (*Filters._arguments, "dilation_rate", "depth_multiplier")

    def _set_depthwise(self, depth_multiplier: int, **parts: Any) -> None:
        self.depth_multiplier = whole_number(self, "depth_multiplier", depth_multiplier)
        set_parts(self, **parts)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, at the end those that other convolutions don't have."""
        config = super().get_config()
        own = {name: config.pop(name) for name in list(config) if name.startswith(("depth", "point"))}
        return {**in_order(self, config, Conv2D), **own}

    def _add_kernels(self, channels: int) -> None:
        self.depthwise_kernel = add_part_weight(self, "depthwise_kernel",
                                                (*self.kernel_size, channels, self.depth_multiplier), "depthwise")


class _Separable(_Depthwise):
    """Depthwise, then pointwise: `pointwise_kernel` is (1, ..., channels * depth_multiplier, filters)."""

    _parts = (*_Depthwise._parts, "pointwise_initializer", "pointwise_regularizer", "pointwise_constraint")

    def _add_kernels(self, channels: int) -> None:
        super()._add_kernels(channels)
        shape = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = add_part_weight(self, "pointwise_kernel", shape, "pointwise")

    def _apply(self, inputs: Any) -> Any:
        one = self.rank == 1
        return (K.separable_conv1d if one else K.separable_conv2d)(
            inputs, self.depthwise_kernel, self.pointwise_kernel, self.strides[0] if one else self.strides,
            self.padding, self.data_format, self.dilation_rate[0] if one else self.dilation_rate)


class SeparableConv1D(_Separable, Conv1D):
    """Depthwise separable convolution of sequences (newer than Keras 2.0.9); see SeparableConv2D.

    >>> SeparableConv1D(8, 3, padding="same").compute_output_shape((None, 10, 4))
    (None, 10, 8)
    """

    _paddings = Filters._paddings

    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = 1, padding: str = "valid",
                 data_format: str | None = "channels_last", dilation_rate: Sizes = 1, depth_multiplier: int = 1,
                 activation: Any = None, use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, pointwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None,
                 pointwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any) -> None:
        Conv1D.__init__(self, filters, kernel_size, strides, padding, dilation_rate, activation, use_bias,
                        bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                        activity_regularizer=activity_regularizer, bias_constraint=bias_constraint,
                        data_format=data_format, **kwargs)
        self._set_depthwise(depth_multiplier, depthwise_initializer=depthwise_initializer,
                            pointwise_initializer=pointwise_initializer, depthwise_regularizer=depthwise_regularizer,
                            pointwise_regularizer=pointwise_regularizer, depthwise_constraint=depthwise_constraint,
                            pointwise_constraint=pointwise_constraint)


class SeparableConv2D(_Separable, Conv2D):
    """Depthwise separable convolution of images: first each channel by itself, then all channels in each pixel.

    The first step makes `depth_multiplier` channels of each. `depthwise_kernel` is (rows, columns, channels,
    depth_multiplier), `pointwise_kernel` (1, 1, channels * depth_multiplier, filters).
    Source: Chollet, 2017, arXiv:1610.02357.

    >>> SeparableConv2D(8, 3, depth_multiplier=2).compute_output_shape((None, 5, 6, 4))
    (None, 3, 4, 8)
    """

    @interfaces.legacy_separable_conv2d_support
    def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = (1, 1), padding: str = "valid",
                 data_format: str | None = None, depth_multiplier: int = 1, activation: Any = None,
                 use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, pointwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None,
                 pointwise_constraint: Any = None, bias_constraint: Any = None, *,
                 dilation_rate: Sizes = (1, 1), **kwargs: Any) -> None:
        Conv2D.__init__(self, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                        bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                        activity_regularizer=activity_regularizer, bias_constraint=bias_constraint, **kwargs)
        self._set_depthwise(depth_multiplier, depthwise_initializer=depthwise_initializer,
                            pointwise_initializer=pointwise_initializer, depthwise_regularizer=depthwise_regularizer,
                            pointwise_regularizer=pointwise_regularizer, depthwise_constraint=depthwise_constraint,
                            pointwise_constraint=pointwise_constraint)


class DepthwiseConv1D(_Depthwise, Conv1D):
    """Convolution of each channel of a sequence by itself, giving `depth_multiplier` channels for each (newer than
    Keras 2.0.9).

    `depthwise_kernel` is (kernel_size, channels, depth_multiplier), `bias` (channels * depth_multiplier,); output
    channel ``c * depth_multiplier + m`` comes of channel c.

    >>> DepthwiseConv1D(3, depth_multiplier=2).compute_output_shape((None, 10, 4))
    (None, 8, 8)
    """

    _arguments = tuple(name for name in _Depthwise._arguments if name != "filters")
    _paddings = Filters._paddings

    def __init__(self, kernel_size: Sizes, strides: Sizes = 1, padding: str = "valid", depth_multiplier: int = 1,
                 data_format: str | None = "channels_last", dilation_rate: Sizes = 1, activation: Any = None,
                 use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", depthwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None, bias_constraint: Any = None,
                 **kwargs: Any) -> None:
        Conv1D.__init__(self, None, kernel_size, strides, padding, dilation_rate, activation, use_bias,
                        bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                        activity_regularizer=activity_regularizer, bias_constraint=bias_constraint,
                        data_format=data_format, **kwargs)
        self._set_depthwise(depth_multiplier, depthwise_initializer=depthwise_initializer,
                            depthwise_regularizer=depthwise_regularizer, depthwise_constraint=depthwise_constraint)

    def _apply(self, inputs: Any) -> Any:
        return K.depthwise_conv1d(inputs, self.depthwise_kernel, self.strides, self.padding, self.data_format,
                                  self.dilation_rate)

    def _new_channels(self, channels: Any) -> Any:
        return None if channels is None else channels * self.depth_multiplier


class DepthwiseConv2D(_Depthwise, Conv2D):
    """Convolution of each channel of an image by itself, giving `depth_multiplier` channels for each.

    `depthwise_kernel` is (rows, columns, channels, depth_multiplier), `bias` (channels * depth_multiplier,); output
    channel ``c * depth_multiplier + m`` comes of channel c. Source: Howard et al., 2017, arXiv:1704.04861.

    >>> DepthwiseConv2D(3, depth_multiplier=2).compute_output_shape((None, 5, 6, 4))
    (None, 3, 4, 8)
    """

    _arguments = tuple(name for name in _Depthwise._arguments if name != "filters")

    @interfaces.legacy_separable_conv2d_support
    def __init__(self, kernel_size: Sizes, strides: Sizes = (1, 1), padding: str = "valid",
                 depth_multiplier: int = 1, data_format: str | None = None, activation: Any = None,
                 use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", depthwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None, bias_constraint: Any = None, *,
                 dilation_rate: Sizes = (1, 1), **kwargs: Any) -> None:
        Conv2D.__init__(self, None, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                        bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                        activity_regularizer=activity_regularizer, bias_constraint=bias_constraint, **kwargs)
        self._set_depthwise(depth_multiplier, depthwise_initializer=depthwise_initializer,
                            depthwise_regularizer=depthwise_regularizer, depthwise_constraint=depthwise_constraint)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The filters' outputs, with bias and activation; `training` changes nothing."""
        return super().call(inputs)

    def _apply(self, inputs: Any) -> Any:
        return K.depthwise_conv2d(inputs, self.depthwise_kernel, self.strides, self.padding, self.data_format,
                                  self.dilation_rate)

    def _new_channels(self, channels: Any) -> Any:
        return None if channels is None else channels * self.depth_multiplier
