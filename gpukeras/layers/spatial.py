"""What layers on sequences, images and volumes share: their two layouts and the sizes of their outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import backend as K
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from ..utils.conv_utils import conv_output_length, normalize_tuple

Size = Any  # of an axis: an int, or None where it isn't known


class Spatial(Layer):
    """Base of layers on (batch, `rank` spatial axes, channels), or channels first.

    A subclass says what becomes of an axis of known size (`_new_size`) and of the channels (`_new_channels`). A
    sequence (rank 1) has its channels last whatever the setting for images, and its config speaks of the layout only
    where that is not so.
    """

    def __init__(self, rank: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rank = rank
        default = "channels_last" if rank == 1 else None
        self.data_format: str = self._checked(K.normalize_data_format, data_format or default)
        self.input_spec = InputSpec(ndim=rank + 2)

    @property
    def _channels_first(self) -> bool:
        return self.data_format == "channels_first"

    @property
    def _channel_axis(self) -> int:
        return 1 if self._channels_first else -1

    @property
    def _axes(self) -> tuple[int, ...]:
        """The spatial axes."""
        first = 2 if self._channels_first else 1
        return tuple(range(first, first + self.rank))

    def _shape(self, batch: Size, sizes: Sequence[Size], channels: Size) -> tuple[Size, ...]:
        return (batch, channels, *sizes) if self._channels_first else (batch, *sizes, channels)

    def _known_channels(self, input_shape: Sequence[Size]) -> int:
        """The number of channels, or a ValueError if it isn't known."""
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(f"Layer '{self.name}' must know the number of its input's channels, which is axis "
                             f"{self._channel_axis} with data_format='{self.data_format}', but the input has shape "
                             f"{tuple(input_shape)}. Give the first layer a complete input_shape.")
        result: int = channels
        return result

    def _new_size(self, axis: int, size: Any) -> Any:
        """What becomes of the spatial axis number `axis` (from 0) if it has `size` cells."""
        return size

    def _new_channels(self, channels: Size) -> Size:
        return channels

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape; ValueError if an input of this shape doesn't fit."""
        if len(input_shape) != self.rank + 2:
            raise ValueError(f"Layer '{self.name}' takes inputs with {self.rank + 2} axes, got shape "
                             f"{tuple(input_shape)}.")
        sizes = [input_shape[axis] for axis in self._axes]
        new = [None if size is None else self._new_size(i, size) for i, size in enumerate(sizes)]
        return self._shape(input_shape[0], new, self._new_channels(input_shape[self._channel_axis]))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        said = self.rank > 1 or self._channels_first
        return {**super().get_config(), **({"data_format": self.data_format} if said else {})}

    def _checked(self, check: Callable[..., Any], *args: Any) -> Any:
        """``check(*args)``, whose ValueError is told to speak of this layer."""
        try:
            return check(*args)
        except ValueError as wrong:
            raise ValueError(f"Layer '{self.name}': {wrong}") from None

    def _per_axis(self, argument: str, value: Any, least: int = 1, count: int | None = None) -> tuple[int, ...]:
        """One integer for each spatial axis, none below `least`."""
        numbers = self._checked(normalize_tuple, value, count or self.rank, argument)
        if min(numbers) < least:
            raise ValueError(f"Layer '{self.name}': {argument} must be at least {least} along every axis, got {value}.")
        result: tuple[int, ...] = numbers
        return result

    def _checked_padding(self, value: Any, allowed: Sequence[str]) -> str:
        """The padding in lower case, if it is one of those that this layer knows."""
        padding = str(value).lower()
        if padding not in allowed:
            raise ValueError(f"Layer '{self.name}': padding of a {type(self).__name__} must be "
                             f"{' or '.join(map(repr, allowed))}, got {value!r}.")
        return padding

    def _windows(self, argument: str, axis: int, size: int, stride: int, padding: str, dilation: int = 1) -> int:
        """The number of windows along a spatial axis; ValueError if not even one fits. `argument` is their size's
        name."""
        window = getattr(self, argument)[axis]
        count = conv_output_length(size, window, padding, stride, dilation) or 0
        if count < 1:
            spread = f", dilated to {(window - 1) * dilation + 1}," if dilation > 1 else ""
            raise ValueError(f"Layer '{self.name}': a window of {window} cells{spread} does not fit into axis "
                             f"{self._axes[axis]} of its input, which has {size}. Use a smaller {argument}, "
                             "padding='same', or fewer layers that shrink the input before.")
        return count
