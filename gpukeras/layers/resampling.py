"""Layers that make sequences, images and volumes larger or smaller: padding, cropping, upsampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..legacy import interfaces
from .parts import in_order
from .spatial import Spatial

Pair = tuple[int, int]
# The same everywhere, or for each axis the same at both ends or (before, after).
Edges = int | Sequence[int | Sequence[int]]


class _AtEdges(Spatial):
    """Adds cells at both ends of every spatial axis, or takes them away.

    The number at an end is the attribute called like the argument: of a sequence (before, after), else a pair for
    each axis.
    """

    _argument = ""
    _sign = 1

    def _set_edges(self, value: Edges) -> None:
        setattr(self, self._argument, self._pairs(value) if self.rank > 1 else
                self._per_axis(self._argument, value, least=0, count=2))

    def _pairs(self, value: Any) -> tuple[Pair, ...]:
        entries = (value,) * self.rank if hasattr(value, "__index__") else value
        if not isinstance(entries, (tuple, list)) or len(entries) != self.rank:
            pairs = ", ".join("(before, after)" for _ in range(self.rank))
            raise ValueError(f"Layer '{self.name}': {self._argument} must be an integer, {self.rank} integers or "
                             f"{self.rank} pairs ({pairs}), got {value!r}.")
        return tuple(self._per_axis(self._argument, entry, least=0, count=2) for entry in entries)  # type: ignore[misc]

    @property
    def _edges(self) -> tuple[Pair, ...]:
        edges = getattr(self, self._argument)
        return (edges,) if self.rank == 1 else edges

    def _new_size(self, axis: int, size: Any) -> Any:
        new = size + self._sign * sum(self._edges[axis])
        if new < 0:
            raise ValueError(f"Layer '{self.name}': {self._argument} {self._edges[axis]} takes more than axis "
                             f"{self._axes[axis]} of the input has, which is {size}.")
        return new

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return in_order(self, {**super().get_config(), self._argument: getattr(self, self._argument)})


class _ZeroPadding(_AtEdges):
    """Padding with zeros."""

    _argument = "padding"
    padding: tuple[Any, ...]

    def call(self, inputs: Any) -> Any:
        """The inputs with zeros around them."""
        if self.rank == 1:
            return K.temporal_padding(inputs, self.padding)
        return (K.spatial_2d_padding if self.rank == 2 else K.spatial_3d_padding)(inputs, self.padding,
                                                                                 self.data_format)


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after the steps of (batch, steps, channels): `padding` many at each end, or (before, after).

    >>> ZeroPadding1D((1, 2)).compute_output_shape((None, 5, 4))
    (None, 8, 4)
    """

    def __init__(self, padding: int | Sequence[int] = 1, **kwargs: Any) -> None:
        super().__init__(1, **kwargs)
        self._set_edges(padding)


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images: `padding` cells on all sides, (rows, columns), or ((top, bottom), (left, right)).

    >>> ZeroPadding2D(((1, 0), (2, 2))).compute_output_shape((None, 5, 6, 3))
    (None, 6, 10, 3)
    """

    @interfaces.legacy_zeropadding2d_support
    def __init__(self, padding: Edges = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(2, data_format, **kwargs)
        self._set_edges(padding)


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes: `padding` cells on all sides, one number for each axis, or a pair for each axis.

    >>> ZeroPadding3D((1, 0, 2)).compute_output_shape((None, 5, 6, 7, 3))
    (None, 7, 6, 11, 3)
    """

    @interfaces.legacy_zeropadding3d_support
    def __init__(self, padding: Edges = (1, 1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(3, data_format, **kwargs)
        self._set_edges(padding)


class _Cropping(_AtEdges):
    """Cutting off the edges."""

    _argument = "cropping"
    _sign = -1
    cropping: tuple[Any, ...]

    def call(self, inputs: Any) -> Any:
        """The inner part of the inputs."""
        self.compute_output_shape(K.int_shape(inputs))  # refuses to crop more than there is
        kept = [slice(before, -after or None) for before, after in self._edges]
        return inputs[self._shape(slice(None), kept, slice(None))]


class Cropping1D(_Cropping):
    """Takes steps away at both ends of (batch, steps, channels): `cropping` many, or (before, after).

    >>> Cropping1D((1, 2)).compute_output_shape((None, 5, 4))
    (None, 2, 4)
    """

    def __init__(self, cropping: int | Sequence[int] = (1, 1), **kwargs: Any) -> None:
        super().__init__(1, **kwargs)
        self._set_edges(cropping)


class Cropping2D(_Cropping):
    """Cuts the edges off images: `cropping` cells on all sides, (rows, columns), or ((top, bottom), (left, right)).

    >>> Cropping2D(((2, 2), (4, 4))).compute_output_shape((None, 28, 28, 3))
    (None, 24, 20, 3)
    """

    @interfaces.legacy_cropping2d_support
    def __init__(self, cropping: Edges = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(2, data_format, **kwargs)
        self._set_edges(cropping)


class Cropping3D(_Cropping):
    """Cuts the edges off volumes: `cropping` cells on all sides, one number for each axis, or a pair for each axis.

    >>> Cropping3D(1).compute_output_shape((None, 5, 6, 7, 3))
    (None, 3, 4, 5, 3)
    """

    @interfaces.legacy_cropping3d_support
    def __init__(self, cropping: Edges = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(3, data_format, **kwargs)
        self._set_edges(cropping)


class _UpSampling(Spatial):
    """Repeating every cell along the spatial axes."""

    size: Any  # of a sequence an int, else a tuple

    def _new_size(self, axis: int, size: Any) -> Any:
        return size * (self.size if self.rank == 1 else self.size[axis])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return in_order(self, {**super().get_config(), "size": self.size})


class UpSampling1D(_UpSampling):
    """Each step of (batch, steps, channels) `size` times.

    >>> UpSampling1D(3).compute_output_shape((None, 5, 4))
    (None, 15, 4)
    """

    @interfaces.legacy_upsampling1d_support
    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(1, **kwargs)
        self.size = self._per_axis("size", size)[0]

    def call(self, inputs: Any) -> Any:
        """The repeated inputs."""
        return K.repeat_elements(inputs, self.size, axis=1)


class UpSampling2D(_UpSampling):
    """Each row and column of images ``size[0]`` and ``size[1]`` times; `interpolation` 'bilinear' (newer Keras) draws
    straight lines between them.

    >>> UpSampling2D((2, 3)).compute_output_shape((None, 4, 5, 8))
    (None, 8, 15, 8)
    """

    @interfaces.legacy_upsampling2d_support
    def __init__(self, size: int | Sequence[int] = (2, 2), data_format: str | None = None, *,
                 interpolation: str = "nearest", **kwargs: Any) -> None:
        super().__init__(2, data_format, **kwargs)
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"Layer '{self.name}': interpolation must be 'nearest' or 'bilinear', got "
                             f"{interpolation!r}.")
        self.interpolation = interpolation
        self.size = self._per_axis("size", size)

    def call(self, inputs: Any) -> Any:
        """The repeated inputs."""
        rows, columns = self.size
        return K.resize_images(inputs, rows, columns, self.data_format, self.interpolation)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        newer = {} if self.interpolation == "nearest" else {"interpolation": self.interpolation}
        return {**super().get_config(), **newer}


class UpSampling3D(_UpSampling):
    """Each cell of volumes repeated `size` times along depth, rows and columns.

    >>> UpSampling3D((1, 2, 2)).compute_output_shape((None, 3, 4, 5, 8))
    (None, 3, 8, 10, 8)
    """

    @interfaces.legacy_upsampling3d_support
    def __init__(self, size: int | Sequence[int] = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(3, data_format, **kwargs)
        self.size = self._per_axis("size", size)

    def call(self, inputs: Any) -> Any:
        """The repeated inputs."""
        depth, rows, columns = self.size
        return K.resize_volumes(inputs, depth, rows, columns, self.data_format)
