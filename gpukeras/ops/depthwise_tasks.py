"""The depthwise convolutions as compiled tasks (kernels/depthwise.c). A filter, which is a pair of channel and
multiplier, is called a column: they are numbered as they lie in memory."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod
from typing import Any

from ..device.tasks import Task
from ..graph import Spec
from .window_tasks import (
    BLOCKS,
    LANES,
    MOVE,
    TILE,
    Axis,
    Source,
    array,
    backward_axes,
    box,
    cells_of,
    forward_axes,
    merged,
    trimmed,
)
from .windows import Window, element_strides

PRODUCT = 0.05  # nanoseconds that a multiplication takes on one thread
ALONE = 1.0  # nanoseconds that it takes where there are fewer columns than a vector has
TOGETHER = 48  # positions of several samples that are done together at least, if a sample has fewer
HELD = 1 << 16  # numbers of image and gradient that stay in the second-level cache


def _cost(columns: int) -> float:
    return PRODUCT if columns >= LANES else ALONE


def forward(window: Window, x: Any, kernel: Any, y: Any) -> list[Task]:
    """y from x."""
    return _depthwise(forward_axes(window, x.shape[1:-1]), x, kernel, y, kernel.shape[-1], 1)


def input_gradient(window: Window, g: Any, kernel: Any, dx: Any) -> list[Task]:
    """The gradient for x from that for y."""
    return _depthwise(backward_axes(window, dx.shape[1:-1]), g, kernel, dx, 1, kernel.shape[-1])


def _depthwise(axes: Sequence[Sequence[Axis]], x: Any, kernel: Any, y: Any, repeat: int, folded: int) -> list[Task]:
    inside = trimmed(axes, x)
    source = Source.of(x, merged(inside), repeat)
    samples, columns = x.shape[0], x.shape[-1] * repeat
    size = (*(1,) * (5 - kernel.ndim), *kernel.shape[:-2])
    parts: list[list[int]] = []
    work = 0
    for part in itertools.product(*merged(inside)):
        cells = [(place, 1, (cell[0] * size[1] + cell[1]) * size[2] + cell[2])
                 for cell, place in cells_of(part, source.steps)]
        parts.append([*box(part, source, element_strides(y)[1:4]), len(cells), *itertools.chain(*cells)])
        work += prod(axis.positions for axis in part) * (len(cells) + 1)
    output = prod(y.shape[1:])
    together = min(samples, max(-(-TOGETHER * len(parts) // (output // y.shape[-1])), 1))
    plan = array([output, columns, folded, together, *source.words, len(parts),
                  *(word for part in parts for word in (len(part) + 1, *part))])
    room = together * source.room + (TILE * columns if folded > 1 else 0)
    return [Task("depthwise", "depthwise", (x, kernel, y, plan), samples,
                 samples * (_cost(columns) * work * columns + MOVE * source.room), 4 * room, samples=True)]


def kernel_gradient_room(x: Spec, dk: Spec) -> list[Spec]:
    """The sums of blocks of samples, if there are several."""
    blocks = min(x.shape[0] or 0, BLOCKS)
    return [Spec((blocks, *dk.shape), dk.dtype)] if blocks > 1 else []


def kernel_gradient(window: Window, x: Any, g: Any, dk: Any, room: Sequence[Any]) -> list[Task]:
    """The gradient for the kernel: over blocks of samples, then their sum."""
    axes = forward_axes(window, x.shape[1:-1])
    source = Source.of(x, axes, dk.shape[-1])
    only = [places[0] for places in axes]
    samples, columns, positions = x.shape[0], g.shape[-1], prod(axis.positions for axis in only)
    blocks, target = (len(room[0]), room[0]) if room else (1, dk)
    together = min(-(-samples // blocks), -(-TOGETHER // positions))
    chunk = min(-(-together * positions // 2) * 2, max(HELD // (2 * columns), TOGETHER))
    first = box(only, source, (0, 0, 0))
    cells = [first[3] + place for _, place in cells_of(only, source.steps)]
    plan = array([blocks, 1, columns, together, chunk, *first[:3], *first[4:7], *source.words, len(cells), *cells])
    time = samples * (_cost(columns) * positions * dk.size + MOVE * source.room)
    tasks = [Task("depthwise", "depthwise_kernel_gradient", (x, g, target, plan, samples), blocks, time,
                  32 * chunk + 4 * together * source.room)]
    if room:
        tasks.append(Task("depthwise", "add_blocks", (target, blocks, dk.size, dk), dk.size, 0.1 * target.size))
    return tasks
