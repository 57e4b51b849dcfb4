"""Convolution, pooling, padding and resizing of images, signals and volumes, and batch normalisation.

Inside, channels come last; `data_format='channels_first'` is a transposed view on the way in and out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import HALVES, Tensor, canonical_axes, constant, known_as, named
from ..ops import broadcasting as b
from ..ops import convert, joining, linalg, normalization
from ..ops import convolution as c
from ..ops import depthwise as d
from ..ops import elementwise as e
from ..ops import patches as p
from ..ops import pooling as pooling_ops
from ..ops import reduce as r
from ..ops import shape as s
from .settings import normalize_data_format
from .tensors import shape as dynamic_shape

__all__ = ["batch_normalization", "conv1d", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose",
           "depthwise_conv1d", "depthwise_conv2d", "local_conv1d", "local_conv2d", "normalize_batch_in_training",
           "pool1d", "pool2d", "pool3d", "resize_images", "resize_volumes", "separable_conv1d", "separable_conv2d",
           "spatial_2d_padding", "spatial_3d_padding", "temporal_padding"]

Ints = Any  # an int, or a sequence with one for each spatial axis


def _ints(value: Ints, rank: int, name: str) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, int) else tuple(int(v) for v in value)
    if len(values) != rank:
        raise ValueError(f"{name} needs {rank} numbers, got {value!r}")
    return values


def _channels_last(x: Tensor, layout: str) -> Tensor:
    return x if layout == "channels_last" else s.transpose(x, (0, *range(2, x.ndim), 1))


def _to_layout(x: Tensor, layout: str) -> Tensor:
    return x if layout == "channels_last" else s.transpose(x, (0, x.ndim - 1, *range(1, x.ndim - 1)))


# Convolution ---------------------------------------------------------------------------------------------------
def _conv(rank: int, x: Any, kernel: Tensor, strides: Ints, padding: str, data_format: str | None,
          dilation_rate: Ints) -> Tensor:
    layout = normalize_data_format(data_format)
    strides, dilation = _ints(strides, rank, "strides"), _ints(dilation_rate, rank, "dilation_rate")
    if max(strides) > 1 and max(dilation) > 1:
        raise ValueError(f"strides={strides} and dilation_rate={dilation} can't both be larger than 1")
    x, kernel = convert.unify(_rank_checked(convert.as_float(x), rank + 2, f"conv{rank}d"), kernel)
    y = c.convolution(_channels_last(x, layout), kernel, strides, padding, dilation)
    return _to_layout(named(y, "convolution/Squeeze") if rank == 1 else y, layout)


def _rank_checked(x: Tensor, rank: int, what: str) -> Tensor:
    if x.ndim != rank:
        raise ValueError(f"{what} needs an input with {rank} axes, got shape {x.shape}")
    return x


def conv1d(x: Any, kernel: Tensor, strides: Ints = 1, padding: str = "valid", data_format: str | None = None,
           dilation_rate: Ints = 1) -> Tensor:
    """1-D convolution of x (samples, steps, channels) with a kernel (size, channels, filters); padding 'valid', 'same'
    or 'causal' (an output sees no later input)."""
    if padding == "causal":
        before = _ints(dilation_rate, 1, "dilation_rate")[0] * (int(kernel.shape[0] or 1) - 1)
        layout = normalize_data_format(data_format)
        time = 1 if layout == "channels_last" else 2
        x = p.pad(convert.as_float(x), [(before, 0) if a == time else (0, 0) for a in range(3)])
        padding = "valid"
    return _conv(1, x, kernel, strides, padding, data_format, dilation_rate)


def conv2d(x: Any, kernel: Tensor, strides: Ints = (1, 1), padding: str = "valid", data_format: str | None = None,
           dilation_rate: Ints = (1, 1)) -> Tensor:
    """2-D convolution of x (samples, rows, columns, channels) with a kernel (rows, columns, channels, filters)."""
    return _conv(2, x, kernel, strides, padding, data_format, dilation_rate)


def conv3d(x: Any, kernel: Tensor, strides: Ints = (1, 1, 1), padding: str = "valid", data_format: str | None = None,
           dilation_rate: Ints = (1, 1, 1)) -> Tensor:
    """3-D convolution of x (samples, *space, channels) with a kernel (*size, channels, filters)."""
    return _conv(3, x, kernel, strides, padding, data_format, dilation_rate)


def _conv_transpose(rank: int, x: Any, kernel: Tensor, output_shape: Any, strides: Ints, padding: str,
                    data_format: str | None, dilation_rate: Ints) -> Tensor:
    layout = normalize_data_format(data_format)
    x, kernel = convert.unify(_rank_checked(convert.as_float(x), rank + 2, f"conv{rank}d_transpose"), kernel)
    like = b.broadcast_to(convert.as_tensor(0, x.dtype), output_shape)  # only its shape is read
    y = c.transposed_convolution(_channels_last(x, layout), kernel, _channels_last(like, layout),
                                 _ints(strides, rank, "strides"), padding,
                                 _ints(dilation_rate, rank, "dilation_rate"))
    return _to_layout(y, layout)


def conv2d_transpose(x: Any, kernel: Tensor, output_shape: Any, strides: Ints = (1, 1), padding: str = "valid",
                     data_format: str | None = None, dilation_rate: Ints = (1, 1)) -> Tensor:
    """Transposed 2-D convolution to `output_shape` (batch axis included; entries may be tensors); kernel (rows,
    columns, filters, channels of x)."""
    return _conv_transpose(2, x, kernel, output_shape, strides, padding, data_format, dilation_rate)


def conv3d_transpose(x: Any, kernel: Tensor, output_shape: Any, strides: Ints = (1, 1, 1), padding: str = "valid",
                     data_format: str | None = None, dilation_rate: Ints = (1, 1, 1)) -> Tensor:
    """Transposed 3-D convolution to `output_shape`; kernel (*size, filters, channels of x)."""
    return _conv_transpose(3, x, kernel, output_shape, strides, padding, data_format, dilation_rate)


def _depthwise(rank: int, x: Any, kernel: Tensor, strides: Ints, padding: str, dilation_rate: Ints,
               layout: str) -> Tensor:
    what = f"depthwise convolution in {rank} dimensions"
    x, kernel = convert.unify(_rank_checked(convert.as_float(x), rank + 2, what), kernel)
    return d.depthwise(_channels_last(x, layout), kernel, _ints(strides, rank, "strides"), padding,
                       _ints(dilation_rate, rank, "dilation_rate"))


def depthwise_conv1d(x: Any, depthwise_kernel: Tensor, strides: Ints = 1, padding: str = "valid",
                     data_format: str | None = None, dilation_rate: Ints = 1) -> Tensor:
    """Each channel convolved with its own filters; kernel (size, channels, multiplier)."""
    layout = normalize_data_format(data_format)
    return _to_layout(_depthwise(1, x, depthwise_kernel, strides, padding, dilation_rate, layout), layout)


def depthwise_conv2d(x: Any, depthwise_kernel: Tensor, strides: Ints = (1, 1), padding: str = "valid",
                     data_format: str | None = None, dilation_rate: Ints = (1, 1)) -> Tensor:
    """Each channel convolved with its own filters; kernel (rows, columns, channels, multiplier)."""
    layout = normalize_data_format(data_format)
    return _to_layout(_depthwise(2, x, depthwise_kernel, strides, padding, dilation_rate, layout), layout)


def _separable(rank: int, x: Any, depthwise_kernel: Tensor, pointwise_kernel: Tensor, strides: Ints, padding: str,
               data_format: str | None, dilation_rate: Ints) -> Tensor:
    layout = normalize_data_format(data_format)
    y = _depthwise(rank, x, depthwise_kernel, strides, padding, dilation_rate, layout)
    ones = (1,) * rank
    return _to_layout(c.convolution(y, pointwise_kernel, ones, "valid", ones), layout)


def separable_conv1d(x: Any, depthwise_kernel: Tensor, pointwise_kernel: Tensor, strides: Ints = 1,
                     padding: str = "valid", data_format: str | None = None, dilation_rate: Ints = 1) -> Tensor:
    """Depthwise convolution, then a mix of the channels; kernels (size, channels, multiplier) and (1, channels *
    multiplier, filters)."""
    return _separable(1, x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate)


@known_as("separable_conv2d")
def separable_conv2d(x: Any, depthwise_kernel: Tensor, pointwise_kernel: Tensor, strides: Ints = (1, 1),
                     padding: str = "valid", data_format: str | None = None, dilation_rate: Ints = (1, 1)) -> Tensor:
    """Depthwise convolution, then a mix of the channels; kernels (rows, columns, channels, multiplier) and (1, 1,
    channels * multiplier, filters)."""
    return _separable(2, x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate)


def local_conv1d(inputs: Tensor, kernel: Tensor, kernel_size: Ints, strides: Ints,
                 data_format: str | None = None) -> Tensor:
    """1-D convolution whose weights differ from step to step: kernel (output steps, size * channels, filters)."""
    layout = normalize_data_format(data_format)
    return _local(1, inputs, kernel, kernel_size, strides, kernel.shape[:1], layout)


def local_conv2d(inputs: Tensor, kernel: Tensor, kernel_size: Ints, strides: Ints, output_shape: Any,
                 data_format: str | None = None) -> Tensor:
    """2-D convolution whose weights differ from place to place: kernel (output rows * columns, size * channels,
    filters), a patch's cells in the order of the layout; `output_shape` is (rows, columns)."""
    layout = normalize_data_format(data_format)
    return _local(2, inputs, kernel, kernel_size, strides, output_shape, layout)


def _local(rank: int, x: Tensor, kernel: Tensor, size: Ints, strides: Ints, positions: Any, layout: str) -> Tensor:
    """A matrix product for each position. The input need not say how many there are; of more than that the first are
    taken."""
    cells = p.patches(_channels_last(x, layout), _ints(size, rank, "kernel_size"), _ints(strides, rank, "strides"))
    if cells.shape[1:1 + rank] != tuple(positions):
        cells = cells[(slice(None), *(slice(n) for n in positions))]
    if layout == "channels_first":
        last = cells.ndim - 1
        cells = s.transpose(cells, (*range(1 + rank), last, *range(1 + rank, last)))
    places, inputs, filters = kernel.shape
    samples = s.shape_of(cells)[0] if None in cells.shape[1:] else -1
    rows = s.transpose(s.reshape(cells, [samples, places, inputs]), (1, 0, 2))
    y = s.transpose(linalg.matmul(rows, kernel), (1, 0, 2))
    return _to_layout(s.reshape(y, [-1, *positions, filters]), layout)


# Pooling -------------------------------------------------------------------------------------------------------
def _pool(rank: int, x: Any, pool_size: Ints, strides: Ints, padding: str, data_format: str | None,
          pool_mode: str) -> Tensor:
    if pool_mode not in ("max", "avg"):
        raise ValueError(f"pool_mode must be 'max' or 'avg', got {pool_mode!r}")
    layout = normalize_data_format(data_format)
    x = _rank_checked(convert.as_float(x), rank + 2, f"pool{rank}d")
    y = pooling_ops.pool(_channels_last(x, layout), _ints(pool_size, rank, "pool_size"),
                         _ints(strides, rank, "strides"), padding, pool_mode)
    if layout == "channels_first" and rank > 1:
        return named(_to_layout(y, layout), "transpose_1")
    word = {"max": "MaxPool", "avg": "AvgPool"}[pool_mode]
    return _to_layout(named(y, {1: "Squeeze", 2: word, 3: f"{word}3D"}[rank]), layout)


def pool1d(x: Any, pool_size: Ints, strides: Ints = 1, padding: str = "valid", data_format: str | None = None,
           pool_mode: str = "max") -> Tensor:
    """Maximum ('max') or mean ('avg') over windows of steps."""
    return _pool(1, x, pool_size, strides, padding, data_format, pool_mode)


def pool2d(x: Any, pool_size: Ints, strides: Ints = (1, 1), padding: str = "valid", data_format: str | None = None,
           pool_mode: str = "max") -> Tensor:
    """Maximum ('max') or mean ('avg') over windows of rows and columns."""
    return _pool(2, x, pool_size, strides, padding, data_format, pool_mode)


def pool3d(x: Any, pool_size: Ints, strides: Ints = (1, 1, 1), padding: str = "valid", data_format: str | None = None,
           pool_mode: str = "max") -> Tensor:
    """Maximum ('max') or mean ('avg') over windows of a volume."""
    return _pool(3, x, pool_size, strides, padding, data_format, pool_mode)


# Padding and resizing ------------------------------------------------------------------------------------------
def temporal_padding(x: Tensor, padding: Sequence[int] = (1, 1)) -> Tensor:
    """Zeros before and after the steps of (samples, steps, features)."""
    before, after = padding
    return p.pad(convert.as_tensor(x), [(0, 0), (before, after), (0, 0)])


def spatial_2d_padding(x: Tensor, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Tensor:
    """Zeros around rows and columns."""
    return _spatial_padding(x, padding, data_format)


def spatial_3d_padding(x: Tensor, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None) -> Tensor:
    """Zeros around a volume."""
    return _spatial_padding(x, padding, data_format)


def _spatial_padding(x: Tensor, padding: Any, data_format: str | None) -> Tensor:
    pads = [tuple(pair) for pair in padding]
    first = 1 if normalize_data_format(data_format) == "channels_last" else 2
    around = [(0, 0)] * first + pads + [(0, 0)] * (2 - first)
    return p.pad(convert.as_tensor(x), around)


def _resize(x: Tensor, factors: Sequence[int], data_format: str | None) -> Tensor:
    first = 1 if normalize_data_format(data_format) == "channels_last" else 2
    for axis, factor in enumerate(factors, first):
        x = b.repeat_elements(x, int(factor), axis) if factor != 1 else x
    return x


def resize_images(x: Tensor, height_factor: int, width_factor: int, data_format: str | None,
                  interpolation: str = "nearest") -> Tensor:
    """Rows and columns repeated ('nearest'), or the straight lines between them ('bilinear': a pixel's value stands for
    its middle, and holds up to the edge, as in TensorFlow 2)."""
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"interpolation must be 'nearest' or 'bilinear', got {interpolation!r}")
    if interpolation == "nearest":
        last = normalize_data_format(data_format) == "channels_last"
        return named(_resize(x, (height_factor, width_factor), data_format),
                     "ResizeNearestNeighbor" if last else "transpose_1")
    first = 1 if normalize_data_format(data_format) == "channels_last" else 2
    return _between(_between(x, first, height_factor), first + 1, width_factor)


def _between(x: Tensor, axis: int, factor: int) -> Tensor:
    """`factor` values for each along an axis, on the straight lines between the middles of its cells."""
    before = (slice(None),) * axis
    first, last = x[(*before, slice(0, 1))], x[(*before, slice(-1, None))]
    lower = joining.concatenate([first, x[(*before, slice(0, -1))]], axis)
    upper = joining.concatenate([x[(*before, slice(1, None))], last], axis)
    parts = []
    for i in range(factor):
        at = (i + 0.5) / factor - 0.5
        other = lower if at < 0 else upper
        parts.append(x * (1.0 - abs(at)) + other * abs(at))
    whole = joining.stack(parts, axis + 1)
    size = [None if d is None else d * factor if a == axis else d for a, d in enumerate(x.shape)]
    if sum(d is None for d in size) > 1:
        now = dynamic_shape(x)
        return s.reshape(whole, [d if d is not None else now[a] * (factor if a == axis else 1)
                                      for a, d in enumerate(size)])
    return s.reshape(whole, [-1 if d is None else d for d in size])


@known_as("concat_2")
def resize_volumes(x: Tensor, depth_factor: int, height_factor: int, width_factor: int,
                   data_format: str | None) -> Tensor:
    """Each axis of a volume repeated (nearest neighbour)."""
    return _resize(x, (depth_factor, height_factor, width_factor), data_format)


# Normalisation -------------------------------------------------------------------------------------------------
def batch_normalization(x: Tensor, mean: Tensor, var: Tensor, beta: Tensor | None, gamma: Tensor | None,
                        epsilon: float = 1e-3, axis: int = -1) -> Tensor:
    """gamma (x - mean) / sqrt(var + epsilon) + beta; None for gamma is 1, for beta 0. `axis` is where those of one
    axis belong; others are taken as they come."""
    if axis not in (-1, x.ndim - 1):
        wide = [-1 if a == axis % x.ndim else 1 for a in range(x.ndim)]
        found: list[Any] = [t if t is None or t.ndim != 1 else s.reshape(t, wide) for t in (mean, var, beta, gamma)]
        mean, var, beta, gamma = found
    scale = 1 / e.sqrt(var + epsilon)
    scale = scale if gamma is None else gamma * scale
    shift = -mean * scale if beta is None else beta - mean * scale
    return x * scale + shift


def normalize_batch_in_training(x: Tensor, gamma: Tensor | None, beta: Tensor | None, reduction_axes: Sequence[int],
                                epsilon: float = 1e-3) -> tuple[Tensor, Tensor, Tensor]:
    """x normalised with its own mean and (biased) variance over some axes; returns both as well. None for gamma is 1,
    for beta 0. An x of 16-bit floats may have a gamma and beta of float32, and has such a mean and variance then."""
    axes = canonical_axes(list(reduction_axes), x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    wide = [x.shape[a] if a in kept else 1 for a in range(x.ndim)]
    x, *given = (convert.as_float(t) for t in (x, gamma, beta) if t is not None)
    if x.dtype not in HALVES or {t.dtype for t in given} != {"float32"}:  # else as they are
        x, *given = convert.unify(x, *given)
    dtype = given[0].dtype if given else x.dtype
    scale = constant(1, dtype) if gamma is None else given.pop(0)
    shift = constant(0, dtype) if beta is None else given.pop(0)
    if len(kept) == 1 and all(t.ndim < 2 or list(t.shape) == wide for t in (scale, shift)):
        scale, shift = (s.reshape(t, [-1]) if t.ndim > 1 else t for t in (scale, shift))
        return normalization.batch_normalize(x, scale, shift, kept[0], epsilon)

    def spread(t: Tensor) -> Tensor:
        return t if t.ndim in (0, x.ndim) else s.reshape(t, wide)
    mean, var = r.mean(x, axes, keepdims=True), r.var(x, axes, keepdims=True)
    flat = [s.reshape(t, [x.shape[a] for a in kept]) if kept else s.reshape(t, ()) for t in (mean, var)]
    return batch_normalization(x, mean, var, spread(shift), spread(scale), epsilon), flat[0], flat[1]
