"""Convolutions of 3x3 windows by Winograd's minimal filtering, as compiled tasks (kernels/winograd.c): 16
multiplications where there would be 36, for outputs in tiles of 2x2.

Whether a layer is done so depends on its shapes only, not on the number of samples: a row has the same bits in any
batch. `GPUKERAS_WINOGRAD=off` leaves all layers to the plain way."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from ..device import tasks
from ..device.tasks import Task
from ..graph import Spec, size_of
from .window_tasks import BLOCKS, LANES, PLAIN, Finish, array
from .windows import Window, element_strides

FAMILY, VARIABLE = "winograd", "GPUKERAS_WINOGRAD"
PLACES = 16  # of a tile, transformed
TILES, SUMMED = 48, 64  # done together (BLOCK and SUMMED of kernels/winograd.c)
APART = 16  # numbers between the matrices of places
SAVED = 0.6  # of the plain multiplications there are left at most
REUSED = 8192  # numbers of the kernel's matrix, for each of which there is a tile at least: transforming it takes time
PRODUCT, MOVE = 0.009, 0.045  # nanoseconds that a multiplication takes on one thread, and to transform a number
KERNEL = 0.09  # nanoseconds to transform the kernel, for each number of the result
FEW = 8  # tiles at least that a thread takes of a single sample, where it takes them by rows
CHUNK = 6  # tiles of which it takes a multiple, where it does not
SUMS = 5 << 17  # numbers in all blocks' sums of a kernel's gradient, or in
LEAST_BLOCKS = 4  # of them, so that threads have something to share, if these do not have more than
MOST_SUMS = 5 << 20


@cache
def enabled() -> bool:
    """Whether the environment leaves it on. ValueError if the variable holds anything but 'on' and 'off'."""
    value = os.environ.get(VARIABLE, "").strip().lower() or "on"
    if value not in ("on", "off"):
        raise ValueError(f"{VARIABLE} must be 'on' or 'off', got {value!r}")
    return value == "on"


def fits(window: Window) -> bool:
    """Whether it is 3x3 and moves by one."""
    return window.size == (3, 3) and window.strides == window.dilation == (1, 1)


def serves(window: Window, x: Any, y: Any) -> bool:
    """Whether y (samples, rows, columns, filters) is made of x so: it must be the faster, by the rule that the
    measurements in docs/architecture.md gave. Of both, arrays or Specs, only the shapes matter."""
    if not fits(window) or not enabled() or not tasks.ready(FAMILY):
        return False
    (rows, columns, filters), channels = y.shape[1:], x.shape[-1]
    tiles = _halved(rows) * _halved(columns)
    return min(channels, filters) >= LANES and PLACES * tiles <= SAVED * 9 * rows * columns \
        and channels * filters <= REUSED * tiles


def room(x: Spec, y: Spec) -> list[Spec]:
    """The transformed kernel."""
    return [Spec((PLACES * _matrix(x, y),), x.dtype)]


def forward(window: Window, x: Any, kernel: Any, y: Any, transformed: Any, finish: Finish = PLAIN) -> list[Task]:
    """y from x. Of a y of which the largest are stored, only the shape matters."""
    before = [window.pads(n, axis)[0] for axis, n in enumerate(x.shape[1:-1])]
    return _convolution(before, x, kernel, y, transformed, turned=False, finish=finish)


def input_gradient(window: Window, g: Any, kernel: Any, dx: Any, transformed: Any) -> list[Task]:
    """The gradient for x from that for y: a convolution with the turned kernel, where all of a window but its corner
    may be padding."""
    before = [2 - window.pads(n, axis)[0] for axis, n in enumerate(dx.shape[1:-1])]
    return _convolution(before, g, kernel, dx, transformed, turned=True)


def sums_kernel(window: Window, x: Any, g: Any) -> bool:
    """Whether the gradient for the kernel is made so: the samples must be enough to share."""
    return serves(window, x, g) and _blocks(x, g) >= LEAST_BLOCKS \
        and LEAST_BLOCKS * PLACES * _matrix(x, g) <= MOST_SUMS


def kernel_gradient_room(x: Spec, g: Spec) -> list[Spec]:
    """The sums of blocks of samples."""
    return [Spec((_blocks(x, g), PLACES * _matrix(x, g)), x.dtype)]


def kernel_gradient(window: Window, x: Any, g: Any, dk: Any, sums: Any) -> list[Task]:
    """The gradient for the kernel: over blocks of samples, then their sum."""
    samples, blocks, (channels, filters) = x.shape[0], len(sums), dk.shape[2:]
    before = [window.pads(n, axis)[0] for axis, n in enumerate(x.shape[1:-1])]
    block = samples // blocks if samples % blocks == 0 else 0
    down, across = map(_halved, g.shape[1:-1])
    plan = array([*_geometry(before, x, g), down, across, False])
    return [Task(FAMILY, "winograd_kernel_gradient", (x, g, sums, plan, samples, blocks, block),
                 samples if block else blocks, _time(x, g, down * across), _room(SUMMED, x, g), samples=block > 0,
                 block=max(block, 1)),
            Task(FAMILY, "winograd_kernel_sum", (sums, blocks, channels, filters, dk), channels, 0.1 * sums.size)]


def _blocks(x: Any, g: Any) -> int:
    """Of the samples, whose sums are kept apart; all of one size if they can be."""
    samples = x.shape[0]
    tiles = samples * _halved(g.shape[1]) * _halved(g.shape[2])
    most = min(samples, BLOCKS, max(min(SUMS // (PLACES * _matrix(x, g)), tiles // (2 * SUMMED)), LEAST_BLOCKS))
    even = max(i for i in range(1, most + 1) if samples % i == 0)
    return even if even >= LEAST_BLOCKS else most


def _convolution(before: list[int], x: Any, kernel: Any, y: Any, transformed: Any, turned: bool,
                 finish: Finish = PLAIN) -> list[Task]:
    samples, channels, filters, pooled = x.shape[0], x.shape[-1], y.shape[-1], finish.largest is not None
    down, across = finish.largest.shape[1:-1] if pooled else map(_halved, y.shape[1:-1])
    channel_step, filter_step = (1, channels) if turned else (filters, 1)
    transform = Task(FAMILY, "transform_kernel",
                     (kernel, transformed, channels, channel_step, filters, filter_step, turned), channels,
                     KERNEL * PLACES * _matrix(x, y))
    plan = array([*_geometry(before, x, y), down, across, pooled])
    words = (x, transformed, finish.largest if pooled else y, plan, finish.bias, finish.relu)
    time, needed = _time(x, y, down * across), _room(TILES, x, y)
    if samples == 1 and pooled:  # threads have no samples to share, but the tiles of one
        return [transform, Task(FAMILY, "winograd_tiles", words, down * across, time, needed,
                                grain=CHUNK, stretch=filters)]
    if samples == 1:
        return [transform, Task(FAMILY, "winograd_rows", words, down, time, needed, grain=-(-FEW // across),
                                stretch=2 * size_of(y.shape[2:]))]
    return [transform, Task(FAMILY, "winograd", words, samples, time, needed, samples=True)]


def _geometry(before: list[int], x: Any, y: Any) -> list[int]:
    """What the words of the C code's Plan begin with."""
    sample_step, _, *steps = element_strides(x)
    return [*x.shape[1:], sample_step, *steps, *before, *y.shape[1:]]


def _time(x: Any, y: Any, tiles: int) -> float:
    """Nanoseconds that all products and what is around them take on one thread, for so many tiles of a sample."""
    channels, width = x.shape[-1], _width(y.shape[-1])
    return y.shape[0] * tiles * PLACES * (PRODUCT * channels * width + MOVE * (channels + width))


def _room(tiles: int, x: Any, y: Any) -> int:
    """Bytes that a thread needs for so many tiles of both."""
    return 4 * PLACES * (tiles * (x.shape[-1] + _width(y.shape[-1])) + 2 * APART)


def _matrix(x: Any, y: Any) -> int:
    """Numbers of the kernel at one place, and what sets the next apart."""
    return x.shape[-1] * _width(y.shape[-1]) + APART


def _halved(length: int) -> int:
    return -(-length // 2)


def _width(filters: int) -> int:
    """Of all panels."""
    return -(-filters // LANES) * LANES
