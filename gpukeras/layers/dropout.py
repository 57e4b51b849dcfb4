"""Dropout of single elements, and of whole channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from ..legacy import interfaces
from .parts import share


class Dropout(Layer):
    """In training sets a share `rate` of the inputs to 0 and divides the others by 1 - rate; else does
    nothing.

    `noise_shape` is the shape of the random mask, broadcast over the input (None = that axis's size):
    dimensions of 1 are dropped together. Source: Srivastava et al., JMLR 15 (2014), p. 1929.
    """

    @interfaces.legacy_dropout_support
    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = share(self, "rate", rate)
        self.noise_shape = noise_shape
        self.seed = seed
        self.supports_masking = True

    def _get_noise_shape(self, inputs: Any) -> Any:
        """The shape of the random mask for these inputs, or None for their own."""
        if self.noise_shape is None:
            return None
        sizes = K.shape(inputs)
        return tuple(sizes[axis] if size is None else size for axis, size in enumerate(self.noise_shape))

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Inputs with some set to 0, in training."""
        if not 0.0 < self.rate < 1.0:
            return inputs
        return K.in_train_phase(
            lambda: K.dropout(inputs, self.rate, self._get_noise_shape(inputs), seed=self.seed), inputs,
            training=training)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}


class SpatialDropout1D(Dropout):
    """Dropout of whole channels of (batch, steps, channels). Source: Tompson et al., 2014, arXiv:1411.4280.
    """

    @interfaces.legacy_dropout_support
    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def _get_noise_shape(self, inputs: Any) -> Any:
        sizes = K.shape(inputs)
        return (sizes[0], 1, sizes[2])


class _SpatialDropout(Dropout):
    """Dropout of whole channels of images or volumes."""

    _rank = 0

    @interfaces.legacy_spatialdropoutNd_support
    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.data_format = K.normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self._rank)

    def _get_noise_shape(self, inputs: Any) -> Any:
        sizes, ones = K.shape(inputs), (1,) * (self._rank - 2)
        if self.data_format == "channels_first":
            return (sizes[0], sizes[1], *ones)
        return (sizes[0], *ones, sizes[self._rank - 1])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "data_format": self.data_format}


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole feature maps of (batch, rows, columns, channels), or channels first.

    Source: Tompson et al., 2014, arXiv:1411.4280.
    """

    _rank = 4


class SpatialDropout3D(_SpatialDropout):
    """Dropout of whole feature maps of (batch, depth, rows, columns, channels), or channels first."""

    _rank = 5
