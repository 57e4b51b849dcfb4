"""Translations of what slides windows over space: convolution, pooling, patches.

Here channels come last, in ONNX first; a transposition on the way in and one on the way out, which cancel between
layers where nothing lies between them, and which runtimes push through what does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph import Apply, Tensor
from ..ops.convolution import Convolution, ConvolutionInputGradient
from ..ops.depthwise import Depthwise
from ..ops.patches import Patches
from ..ops.pooling import AveragePool, MaxPool
from ..ops.windows import Window
from .exporter import Exporter, translates
from .shapes import lengths


def channels_first(e: Exporter, name: str, rank: int) -> str:
    """(samples, *space, channels) as (samples, channels, *space)."""
    return e.transpose(name, (0, rank - 1, *range(1, rank - 1)))


def channels_last(e: Exporter, name: str, rank: int) -> str:
    """(samples, channels, *space) as (samples, *space, channels)."""
    return e.transpose(name, (0, *range(2, rank), 1))


def padding(e: Exporter, window: Window, space: Sequence[int | None]) -> dict[str, Any]:
    """The attributes that say what lies around the input."""
    if window.padding == "valid":
        return {"pads": [0, 0] * len(space)}
    pads = []
    for axis, length in enumerate(space):
        if length is not None:
            pads.append(window.pads(length, axis))
        elif window.strides[axis] == 1:
            pads.append(window.pads(window.reach(axis), axis))  # it doesn't depend on the length
        else:
            if set(window.dilation) != {1}:
                raise e.refuse("padding='same' with strides and dilation on an axis of unknown length has no "
                               "translation to ONNX: give the input a complete shape")
            return {"auto_pad": "SAME_UPPER"}
    return {"pads": [*(p[0] for p in pads), *(p[1] for p in pads)]}


def _slide(e: Exporter, node: Apply, kind: str, *more: str, **attributes: Any) -> str:
    x, window = node.inputs[0], node.op.window
    shared = {"kernel_shape": list(window.size), "strides": list(window.strides),
              **padding(e, window, x.shape[1:-1]), **attributes}
    y = e.add(kind, channels_first(e, e.name(x), x.ndim), *more, **shared)
    return channels_last(e, y, x.ndim)


@translates(Convolution)
def convolution(e: Exporter, node: Apply) -> str:
    """Conv with kernels (filters, channels, *size)."""
    kernel, rank = node.inputs[1], node.inputs[1].ndim
    turned = e.transpose(e.name(kernel), (rank - 1, rank - 2, *range(rank - 2)))
    return _slide(e, node, "Conv", turned, dilations=list(node.op.window.dilation))


@translates(Depthwise)
def depthwise(e: Exporter, node: Apply) -> str:
    """Conv in as many groups as there are channels."""
    kernel, rank = node.inputs[1], node.inputs[1].ndim
    channels: Any = kernel.shape[-2]
    turned = e.transpose(e.name(kernel), (rank - 2, rank - 1, *range(rank - 2)))
    flat = e.reshape(turned, (channels * (kernel.shape[-1] or 0), 1, *node.op.window.size))
    return _slide(e, node, "Conv", flat, dilations=list(node.op.window.dilation), group=channels)


@translates(MaxPool)
def max_pool(e: Exporter, node: Apply) -> str:
    """MaxPool."""
    return _slide(e, node, "MaxPool")


@translates(AveragePool)
def average_pool(e: Exporter, node: Apply) -> str:
    """AveragePool; padding doesn't count."""
    return _slide(e, node, "AveragePool", count_include_pad=0)


@translates(ConvolutionInputGradient)
def transposed_convolution(e: Exporter, node: Apply) -> str:
    """ConvTranspose: all that the windows touch, and of that the part that is asked for."""
    x, kernel, like = node.inputs
    window, rank = node.op.window, x.ndim
    if set(window.dilation) != {1}:
        raise e.refuse("a transposed convolution with dilation has no translation to ONNX")
    turned = e.transpose(e.name(kernel), (rank - 1, rank - 2, *range(rank - 2)))
    source = channels_first(e, e.name(x), rank)
    space, wanted = x.shape[1:-1], like.shape[1:-1]
    shared: dict[str, Any] = {"kernel_shape": list(window.size), "strides": list(window.strides)}
    if None in space or None in wanted:
        return _cut(e, e.add("ConvTranspose", source, turned, **shared,
                             output_padding=[s - 1 for s in window.strides]), x, like, window)
    before, after, more = [], [], []
    for axis, (have, want) in enumerate(zip(space, wanted)):
        assert have is not None and want is not None
        first = window.pads(want, axis)[0]
        left = (have - 1) * window.strides[axis] + window.reach(axis) - first - want
        before.append(first)
        after.append(max(left, 0))
        more.append(max(-left, 0))
    return channels_last(e, e.add("ConvTranspose", source, turned, **shared, pads=[*before, *after],
                                  output_padding=more), rank)


def _cut(e: Exporter, full: str, x: Tensor, like: Tensor, window: Window) -> str:
    """The part of the full result that has the shape of `like`, where lengths are known only when the model runs."""
    rank = x.ndim
    space = e.ints(range(1, rank - 1))
    have, want = (e.add("Gather", lengths(e, t), space) for t in (x, like))
    start = e.ints([0] * (rank - 2))
    if window.padding == "same":
        reach = e.ints([window.reach(a) - s for a, s in enumerate(window.strides)])
        touched = e.add("Add", e.add("Mul", have, e.ints(window.strides)), reach)
        spare = e.add("Max", e.add("Sub", touched, want), start)
        start = e.add("Div", spare, e.ints([2]))
    part = e.add("Slice", channels_last(e, full, rank), start, e.add("Add", start, want), space)
    return part


@translates(Patches)
def patches(e: Exporter, node: Apply) -> str:
    """For each axis the places that windows see, gathered; then positions and cells sorted."""
    x, window = node.inputs[0], node.op.window
    space = x.shape[1:-1]
    if None in space:
        raise e.refuse("op 'patches' needs a known input shape to be translated to ONNX")
    name, rank = e.name(x), len(space)
    for axis, positions in enumerate(window.output_space(space)):
        starts = np.arange(positions)[:, None] * window.strides[axis]
        cells = np.arange(window.size[axis]) * window.dilation[axis]
        name = e.add("Gather", name, e.constant(starts + cells, "int64"), axis=1 + 2 * axis)
    return e.transpose(name, (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1))
