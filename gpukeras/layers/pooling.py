"""Pooling: the largest or the mean of windows, or of the whole sequence, image or volume, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..legacy import interfaces
from .spatial import Spatial

Sizes = int | Sequence[int]


class _Pooling(Spatial):
    """One number for each window and channel; windows of `pool_size` cells, `strides` apart (None: side by side)."""

    _mode = ""

    def __init__(self, rank: int, pool_size: Sizes, strides: Sizes | None, padding: str, data_format: str | None,
                 **kwargs: Any) -> None:
        super().__init__(rank, data_format, **kwargs)
        self.pool_size = self._per_axis("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else self._per_axis("strides", strides)
        self.padding = self._checked_padding(padding, ("valid", "same"))

    def call(self, inputs: Any) -> Any:
        """The pooled inputs."""
        self.compute_output_shape(K.int_shape(inputs))  # refuses what doesn't fit in the layer's own words
        return self._pooling_function(inputs=inputs, pool_size=self.pool_size, strides=self.strides,
                                      padding=self.padding, data_format=self.data_format)

    def _pooling_function(self, inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str) -> Any:
        """The pooled inputs; for classes of one's own, which pool otherwise."""
        pool = (K.pool1d, K.pool2d, K.pool3d)[self.rank - 1]
        return pool(inputs, pool_size, strides, padding, data_format, self._mode)

    def _new_size(self, axis: int, size: Any) -> Any:
        return self._windows("pool_size", axis, size, self.strides[axis], self.padding)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, in the order that Keras 2 writes them in."""
        config = super().get_config()
        layout = {name: config.pop(name) for name in ("data_format",) if name in config}
        names = ("strides", "pool_size", "padding") if self.rank == 1 else ("pool_size", "padding", "strides")
        return {**config, **{name: getattr(self, name) for name in names}, **layout}


class _Pooling1D(_Pooling):
    @interfaces.legacy_pooling1d_support
    def __init__(self, pool_size: Sizes = 2, strides: Sizes | None = None, padding: str = "valid", *,
                 data_format: str | None = "channels_last", **kwargs: Any) -> None:
        super().__init__(1, pool_size, strides, padding, data_format, **kwargs)

    def call(self, inputs: Any) -> Any:
        """The pooled inputs. What a class of one's own pools, as for Keras 2, are images with a single column."""
        if type(self)._pooling_function is _Pooling._pooling_function:
            return super().call(inputs)
        axis = 2 if self.data_format == "channels_last" else 3
        pooled = self._pooling_function(inputs=K.expand_dims(inputs, axis), pool_size=(*self.pool_size, 1),
                                        strides=(*self.strides, 1), padding=self.padding,
                                        data_format=self.data_format)
        return K.squeeze(pooled, axis)


class _Pooling2D(_Pooling):
    @interfaces.legacy_pooling2d_support
    def __init__(self, pool_size: Sizes = (2, 2), strides: Sizes | None = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(2, pool_size, strides, padding, data_format, **kwargs)


class _Pooling3D(_Pooling):
    @interfaces.legacy_pooling3d_support
    def __init__(self, pool_size: Sizes = (2, 2, 2), strides: Sizes | None = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(3, pool_size, strides, padding, data_format, **kwargs)


class MaxPooling1D(_Pooling1D):
    """The largest of each window of steps, channel by channel: (batch, steps, channels) to (batch, windows, channels).

    Raises ValueError if no window fits.

    >>> MaxPooling1D(3).compute_output_shape((None, 10, 4))
    (None, 3, 4)
    """

    _mode = "max"


class MaxPooling2D(_Pooling2D):
    """The largest of each window of an image, channel by channel. Raises ValueError if no window fits.

    >>> MaxPooling2D((2, 3)).compute_output_shape((None, 10, 12, 4))
    (None, 5, 4, 4)
    >>> MaxPooling2D(3, strides=2, padding="same").compute_output_shape((None, 5, 7, 4))
    (None, 3, 4, 4)
    """

    _mode = "max"


class MaxPooling3D(_Pooling3D):
    """The largest of each window of a volume, channel by channel. Raises ValueError if no window fits.

    >>> MaxPooling3D().compute_output_shape((None, 6, 8, 10, 3))
    (None, 3, 4, 5, 3)
    """

    _mode = "max"


class AveragePooling1D(_Pooling1D):
    """The mean of each window of steps, channel by channel; with 'same' padding, of those steps that exist.

    >>> AveragePooling1D(2, strides=1).compute_output_shape((None, 10, 4))
    (None, 9, 4)
    """

    _mode = "avg"


class AveragePooling2D(_Pooling2D):
    """The mean of each window of an image, channel by channel; with 'same' padding, of those cells that exist.

    >>> AveragePooling2D(2, padding="same").compute_output_shape((None, 5, 7, 4))
    (None, 3, 4, 4)
    """

    _mode = "avg"


class AveragePooling3D(_Pooling3D):
    """The mean of each window of a volume, channel by channel; with 'same' padding, of those cells that exist.

    >>> AveragePooling3D().compute_output_shape((None, 6, 8, 10, 3))
    (None, 3, 4, 5, 3)
    """

    _mode = "avg"


class _GlobalPooling(Spatial):
    """One number for each channel; with `keepdims` (newer than Keras 2.0.9) in axes of length 1."""

    def __init__(self, rank: int, data_format: str | None, keepdims: bool, **kwargs: Any) -> None:
        super().__init__(rank, data_format, **kwargs)
        self.keepdims = keepdims

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, channels), or with `keepdims` the input's shape with 1 for all spatial axes."""
        channels = input_shape[self._channel_axis]
        return self._shape(input_shape[0], (1,) * self.rank if self.keepdims else (), channels)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `keepdims`, which Keras 2.0.9 does not know, only if it is on."""
        return {**super().get_config(), **({"keepdims": True} if self.keepdims else {})}


class _GlobalPooling1D(_GlobalPooling):
    def __init__(self, *, data_format: str | None = "channels_last", keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(1, data_format, keepdims, **kwargs)


class _GlobalPooling2D(_GlobalPooling):
    @interfaces.legacy_global_pooling_support
    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(2, data_format, keepdims, **kwargs)


class _GlobalPooling3D(_GlobalPooling):
    @interfaces.legacy_global_pooling_support
    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(3, data_format, keepdims, **kwargs)


class _Largest(_GlobalPooling):
    """Mixed in: the largest of each channel."""

    def call(self, inputs: Any) -> Any:
        """(batch, channels)."""
        return K.max(inputs, axis=list(self._axes), keepdims=self.keepdims)


class _Mean(_GlobalPooling):
    """Mixed in: the mean of each channel."""

    def call(self, inputs: Any) -> Any:
        """(batch, channels)."""
        return K.mean(inputs, axis=list(self._axes), keepdims=self.keepdims)


class GlobalMaxPooling1D(_Largest, _GlobalPooling1D):
    """The largest over all steps: (batch, steps, channels) to (batch, channels)."""


class GlobalMaxPooling2D(_Largest, _GlobalPooling2D):
    """The largest over all rows and columns: (batch, rows, columns, channels) to (batch, channels)."""


class GlobalMaxPooling3D(_Largest, _GlobalPooling3D):
    """The largest over the whole volume: (batch, depth, rows, columns, channels) to (batch, channels)."""


class GlobalAveragePooling1D(_GlobalPooling1D):
    """The mean over all steps: (batch, steps, channels) to (batch, channels). With a mask, which Keras 2.0.9 refuses
    here, as in newer Keras: the mean over the steps that it keeps."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """(batch, channels)."""
        axis = self._axes[0]
        if mask is None:
            return K.mean(inputs, axis=axis, keepdims=self.keepdims)
        kept = K.expand_dims(K.cast(mask, K.dtype(inputs)), 3 - axis)
        return K.sum(inputs * kept, axis=axis, keepdims=self.keepdims) / K.sum(kept, axis=axis, keepdims=self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: there are no steps any more."""
        return None


class GlobalAveragePooling2D(_Mean, _GlobalPooling2D):
    """The mean over all rows and columns: (batch, rows, columns, channels) to (batch, channels)."""


class GlobalAveragePooling3D(_Mean, _GlobalPooling3D):
    """The mean over the whole volume: (batch, depth, rows, columns, channels) to (batch, channels)."""


# Keras's short names.
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (GlobalAveragePooling1D, GlobalAveragePooling2D,
                                                     GlobalAveragePooling3D)
