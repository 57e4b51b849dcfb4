"""The arithmetic of windows: arguments of convolutions and poolings, and the lengths that go in and come out."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import backend as K

_PADDINGS = ("valid", "same", "causal")


def normalize_tuple(value: int | Sequence[int], n: int, name: str) -> tuple[int, ...]:
    """`n` integers: a single one stands for all. ValueError, naming argument `name`, for anything else.

    >>> normalize_tuple(3, 2, "kernel_size"), normalize_tuple([1, 2], 2, "strides")
    ((3, 3), (1, 2))
    """
    entries: Any = (value,) * n if _whole(value) else value
    entries = tuple(entries) if hasattr(entries, "__iter__") else ()
    if len(entries) != n or not all(_whole(entry) for entry in entries):
        raise ValueError(f"`{name}` must be an integer or a tuple of {n} integers, got {value!r}.")
    return tuple(int(entry) for entry in entries)


def _whole(value: Any) -> bool:
    """Whether a value is an integer, perhaps NumPy's, or a float without a fraction."""
    if isinstance(value, float):
        return value.is_integer()
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def normalize_data_format(value: str | None) -> str:
    """'channels_last' or 'channels_first', in lower case; None means the global setting."""
    return K.normalize_data_format(value)


def normalize_padding(value: str) -> str:
    """'valid', 'same' or 'causal', in lower case; ValueError for anything else.

    >>> normalize_padding("SAME")
    'same'
    """
    padding = str(value).lower()
    if padding not in _PADDINGS:
        raise ValueError(f"`padding` must be one of {', '.join(map(repr, _PADDINGS))}, got {value!r}.")
    return padding


def conv_output_length(input_length: int | None, filter_size: int, padding: str, stride: int,
                       dilation: int = 1) -> int | None:
    """How many windows of `filter_size` cells, `dilation` apart, fit along an axis in steps of `stride`.

    'same' and 'causal' pad to one window for each cell, 'full' adds every window that touches one cell. None (not
    known) gives None. ValueError for an unknown padding.

    >>> conv_output_length(28, 5, "valid", 1), conv_output_length(28, 5, "same", 2)
    (24, 14)
    """
    if input_length is None:
        return None
    reach = (filter_size - 1) * dilation
    gain = _choose(padding, valid=-reach, same=0, causal=0, full=reach)
    return -((input_length + gain) // -stride)


def conv_input_length(output_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """The shortest axis on which a convolution has `output_length` windows ('valid', 'same' or 'full').

    >>> conv_input_length(24, 5, "valid", 1)
    28
    """
    pad = _choose(padding, valid=0, same=filter_size // 2, full=filter_size - 1)
    return None if output_length is None else (output_length - 1) * stride + filter_size - 2 * pad


def deconv_length(dim_size: Any, stride_size: int, kernel_size: int, padding: str,
                  output_padding: int | None = None, dilation: int = 1) -> Any:
    """The length that a transposed convolution makes of an axis; `dim_size` may be a tensor. None gives None.

    With `output_padding` (newer Keras): that much longer than the shortest possible. `dilation` (newer Keras) is the
    distance between the kernel's cells.

    >>> deconv_length(14, 2, 3, "same"), deconv_length(14, 2, 3, "valid")
    (28, 29)
    """
    if dim_size is None:
        return None
    kernel_size = (kernel_size - 1) * dilation + 1
    if output_padding is None:
        return dim_size * stride_size + _choose(padding, valid=max(kernel_size - stride_size, 0), same=0,
                                                full=2 - stride_size - kernel_size)
    pad = _choose(padding, valid=0, same=kernel_size // 2, full=kernel_size - 1)
    return (dim_size - 1) * stride_size + kernel_size - 2 * pad + output_padding


def _choose(padding: str, **by_padding: int) -> int:
    """The value for a padding, or a ValueError that lists those there are."""
    if padding not in by_padding:
        raise ValueError(f"padding must be one of {', '.join(map(repr, by_padding))}, got {padding!r}.")
    return by_padding[padding]


def convert_kernel(kernel: Any) -> np.ndarray:
    """A copy of a kernel (*size, inputs, outputs), 3 to 5 axes, turned round along its window axes.

    It makes a convolution's kernel of a correlation's and the other way round, as files written with Theano need.

    >>> convert_kernel([[[1]], [[2]]]).ravel().tolist()
    [2, 1]
    """
    array = np.asarray(kernel)
    if not 3 <= array.ndim <= 5:
        raise ValueError(f"convert_kernel takes kernels with 3, 4 or 5 axes, got shape {array.shape}.")
    return np.flip(array, tuple(range(array.ndim - 2))).copy()
