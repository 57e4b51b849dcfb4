"""Functions of TensorFlow that take more than a line: made of K's, for `names`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from .. import backend as K
from .. import optimizers
from ..ops import convert
from ..ops.shape import known_number, numbers


def as_tensor(value: Any, dtype: str | None = None) -> Any:
    """Tensors as they are, numbers and arrays as constants: of `dtype`, else whole numbers as int32, others as floats,
    and arrays in their own dtype."""
    return convert.as_tensor(value, dtype)


def alike(*values: Any) -> list[Any]:
    """Tensors of one dtype: numbers and arrays take that of the tensors beside them.

    >>> [t.dtype for t in alike(K.constant(1.0), np.zeros(2))]
    ['float32', 'float32']
    """
    return convert.unify(*values)


def sizes(x: Any) -> list[Any]:
    """The lengths of all axes, those that are not known yet as tensors."""
    return [K.shape(x)[i] if n is None else n for i, n in enumerate(K.int_shape(x))]


def lengths(given: Any) -> list[Any]:
    """The numbers of a shape (a sequence, a vector, or a single one) one by one, as tensors only where they are not
    known."""
    found = ((n, known_number(n)) if K.is_tensor(n) else (n, int(n)) for n in numbers(given))
    return [n if known is None else known for n, known in found]


def pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: float = 0) -> Any:
    """`paddings` (before, after) for each axis; modes 'CONSTANT', 'REFLECT', 'SYMMETRIC'.

    >>> K.eval(pad(K.constant([1., 2., 3.]), [[1, 2]], 'REFLECT')).tolist()
    [2.0, 1.0, 2.0, 3.0, 2.0, 1.0]
    """
    mode = mode.upper()
    if mode not in ("CONSTANT", "REFLECT", "SYMMETRIC"):
        raise ValueError(f"tf.pad: mode must be 'CONSTANT', 'REFLECT' or 'SYMMETRIC', got {mode!r}")
    x = as_tensor(tensor)
    for axis, (before, after) in enumerate(np.asarray(paddings).tolist()):
        if not before and not after:
            continue
        at = (slice(None),) * axis
        if mode == "CONSTANT":
            edge = K.zeros_like(x[(*at, slice(0, 1))]) + K.cast(constant_values, K.dtype(x))
            sides = [K.repeat_elements(edge, n, axis) if n else None for n in (before, after)]
        else:
            skip = 1 if mode == "REFLECT" else 0
            end = -1 if skip else None
            sides = [K.reverse(x[(*at, slice(skip, before + skip))], axis) if before else None,
                     K.reverse(x[(*at, slice(-after - skip, end))], axis) if after else None]
        x = K.concatenate([part for part in (sides[0], x, sides[1]) if part is not None], axis)
    return x


def split(value: Any, num_or_size_splits: Any, axis: int = 0, num: int | None = None, name: str | None = None) -> Any:
    """Parts along an axis: so many equal ones, or of the sizes in a list. Where the length is not known, and turns out
    to have no equal parts, the last one is longer."""
    value = as_tensor(value)
    axis %= K.ndim(value)
    size, parts, before = K.int_shape(value)[axis], num_or_size_splits, (slice(None),) * axis
    if isinstance(parts, int):
        if size is None:
            each = K.shape(value)[axis] // parts
            starts = [each * i for i in range(parts)]
            return [value[(*before, slice(a, b))] for a, b in zip(starts, [*starts[1:], None])]
        if size % parts:
            raise ValueError(f"tf.split: axis {axis} of shape {K.int_shape(value)} has no {parts} equal parts")
        parts = [size // parts] * parts
    ends = np.cumsum(parts).tolist()
    return [value[(*before, slice(end - n, end))] for n, end in zip(parts, ends)]


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Any:
    """Products over one axis of each: `axes=1` (last of `a`, first of `b`) or a pair of axes."""
    a, b = alike(a, b)
    pair = [K.ndim(a) - 1, 0] if isinstance(axes, int) and axes == 1 else axes
    pair = [one[0] if isinstance(one, (list, tuple)) and len(one) == 1 else one for one in pair] \
        if isinstance(pair, (list, tuple)) and len(pair) == 2 else None
    if pair is None or not all(isinstance(one, int) for one in pair):
        raise NotImplementedError(f"tf.tensordot: axes must be 1 or name one axis of each tensor here, got {axes!r}")
    last, first = pair[0] % K.ndim(a), pair[1] % K.ndim(b)
    a = K.permute_dimensions(a, (*(i for i in range(K.ndim(a)) if i != last), last))
    b = K.permute_dimensions(b, (first, *(i for i in range(K.ndim(b)) if i != first)))
    length, *rest = K.int_shape(b)
    if K.ndim(b) == 1:
        return K.squeeze(K.dot(a, K.expand_dims(b, -1)), -1)
    if K.ndim(b) == 2:
        return K.dot(a, b)
    if None in rest:
        raise NotImplementedError(f"tf.tensordot: the second tensor needs a known shape, got {K.int_shape(b)}")
    found = K.dot(a, K.reshape(b, (length, prod(d for d in rest if d is not None))))
    shape = sizes(found)[:-1]
    return K.reshape(found, (*shape, *rest))


def norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False,
         name: str | None = None) -> Any:
    """The Euclidean norm, or with `ord` 1 or infinity the sum or the largest of the absolute values."""
    x = as_tensor(tensor)
    if ord in ("euclidean", 2):
        return K.sqrt(K.sum(K.square(x), axis, keepdims))
    if ord not in (1, np.inf):
        raise NotImplementedError(f"tf.norm: ord must be 'euclidean', 1, 2 or infinity here, got {ord!r}")
    return (K.sum if ord == 1 else K.max)(K.abs(x), axis, keepdims)


def moments(x: Any, axes: Any, keepdims: bool = False, keep_dims: bool = False, name: str | None = None) -> Any:
    """Mean and variance."""
    x, axes, keep = as_tensor(x), list(axes) if isinstance(axes, (list, tuple)) else axes, keepdims or keep_dims
    return K.mean(x, axes, keep), K.var(x, axes, keep)


def weighted_crossentropy(labels: Any = None, logits: Any = None, pos_weight: Any = None, name: str | None = None,
                          targets: Any = None) -> Any:
    """The crossentropy of yes and no from logits, elementwise, in which a yes counts `pos_weight` times.

    >>> round(float(K.eval(weighted_crossentropy(K.constant([1.]), K.constant([0.]), 2.))[0]), 4)  # twice log 2
    1.3863
    """
    y, x = alike(targets if labels is None else labels, logits)
    return (1 - y) * x + (1 + (pos_weight - 1) * y) * K.softplus(-x)


def depth_to_space(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Any:
    """Channels as the pixels of blocks: (n, h, w, c * b * b) to (n, h * b, w * b, c).

    >>> K.eval(depth_to_space(K.constant([[[[1., 2., 3., 4.]]]]), 2))[0, :, :, 0].tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    x, b = as_tensor(input), block_size
    only_channels_last("depth_to_space", data_format)
    n, (h, w) = -1, sizes(x)[1:3]
    depth = channels(x) // (b * b)
    x = K.permute_dimensions(K.reshape(x, (n, h, w, b, b, depth)), (0, 1, 3, 2, 4, 5))
    return K.reshape(x, (n, h * b, w * b, depth))


def space_to_depth(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Any:
    """The pixels of blocks as channels: the inverse of `depth_to_space`."""
    x, b = as_tensor(input), block_size
    only_channels_last("space_to_depth", data_format)
    n, (h, w) = -1, sizes(x)[1:3]
    depth = channels(x)
    x = K.permute_dimensions(K.reshape(x, (n, h // b, b, w // b, b, depth)), (0, 1, 3, 2, 4, 5))
    return K.reshape(x, (n, h // b, w // b, b * b * depth))


def only_channels_last(function: str, data_format: str) -> None:
    """Refuses pictures with channels first."""
    if data_format != "NHWC":
        raise NotImplementedError(f"tf.{function}: data_format must be 'NHWC' here, got {data_format!r}")


def channels(x: Any) -> int:
    """How many channels pictures have, which must be known."""
    found = K.int_shape(x)[-1]
    if found is None:
        raise ValueError(f"the number of channels of {x!r} must be known")
    return found


def conv2d(input: Any, filters: Any = None, strides: Any = 1, padding: Any = "VALID",
           data_format: str = "NHWC", dilations: Any = 1, name: str | None = None, filter: Any = None) -> Any:
    """A convolution of pictures with kernels (h, w, in, out)."""
    only_channels_last("nn.conv2d", data_format)
    x, kernel = alike(input, filters if filters is not None else filter)
    return K.conv2d(x, kernel, two(strides), padding.lower(), "channels_last", two(dilations))


def pool(mode: str) -> Callable[..., Any]:
    """`tf.nn.max_pool` ('max') or `avg_pool` ('avg') of pictures."""
    def pooled(value: Any = None, ksize: Any = 2, strides: Any = 2, padding: Any = "VALID", data_format: str = "NHWC",
               name: str | None = None, input: Any = None) -> Any:
        only_channels_last(f"nn.{mode}_pool", data_format)
        return K.pool2d(as_tensor(value if value is not None else input), two(ksize), two(strides), padding.lower(),
                        "channels_last", mode)
    return pooled


def two(steps: Any) -> tuple[int, int]:
    """Rows and columns from a number, a pair, or a list with batch and channels."""
    steps = [steps] if isinstance(steps, int) else list(steps)
    return tuple(steps[1:3] if len(steps) == 4 else steps * 2 if len(steps) == 1 else steps)


def psnr(a: Any, b: Any, max_val: float, name: str | None = None) -> Any:
    """The ratio of signal to noise of each picture, in decibels."""
    a, b = alike(a, b)
    error = K.mean(K.square(a - b), [-3, -2, -1])
    return 10.0 * K.log(max_val ** 2 / error) / float(np.log(10.0))


def dropout(x: Any, keep_prob: float | None = None, noise_shape: Any = None, seed: int | None = None,
            name: str | None = None, rate: float | None = None) -> Any:
    """Zeros for a part `rate` (or 1 - `keep_prob`) of the values, always; the others are scaled up."""
    level = rate if rate is not None else 1.0 - (1.0 if keep_prob is None else keep_prob)
    return K.dropout(as_tensor(x), level, noise_shape, seed)


def cond(pred: Any, true_fn: Any = None, false_fn: Any = None, strict: bool = False, name: str | None = None,
         fn1: Any = None, fn2: Any = None) -> Any:
    """One of two results, by a condition."""
    return K.switch(pred, true_fn or fn1, false_fn or fn2)


def optimizer(kind: str, renamed: dict[str, str], defaults: Sequence[tuple[str, float]] = ()) -> Callable[..., Any]:
    """A maker of Keras's optimizer `kind` from the arguments of TensorFlow 1's (`renamed`: theirs to Keras's, in their
    order), with their `defaults`."""
    def make(*args: Any, use_locking: bool = False, name: str | None = None, **kwargs: Any) -> Any:
        given = {**dict(zip(renamed, args)), **kwargs}
        unknown = sorted(set(given) - set(renamed))
        if unknown or len(args) > len(renamed):
            raise TypeError(f"tf.train's {kind} takes {', '.join(renamed)}; got {unknown or args!r}")
        return getattr(optimizers, kind)(**{**dict(defaults), **{renamed[k]: v for k, v in given.items()}})
    return make
