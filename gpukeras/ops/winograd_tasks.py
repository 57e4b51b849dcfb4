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
from ..graph import Spec
from .window_tasks import LANES, array
from .windows import Window, element_strides

FAMILY, VARIABLE = "winograd", "GPUKERAS_WINOGRAD"
PLACES = 16  # of a tile, transformed
TILES = 48  # done together (BLOCK of kernels/winograd.c)
APART = 16  # numbers between the matrices of places
SAVED = 0.6  # of the plain multiplications there are left at most
REUSED = 8192  # numbers of the kernel's matrix, for each of which there is a tile at least: transforming it takes time
PRODUCT, MOVE = 0.009, 0.045  # nanoseconds that a multiplication takes on one thread, and to transform a number
KERNEL = 0.09  # nanoseconds to transform the kernel, for each number of the result
FEW = 8  # tiles at least that a thread takes of a single sample


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
    return min(channels, filters) >= LANES and PLACES * tiles <= SAVED * 9 * rows * columns and channels * filters <= REUSED * tiles


def room(x: Spec, y: Spec) -> list[Spec]:
    """The transformed kernel."""
    channels, filters = x.shape[-1], y.shape[-1]
    assert channels is not None and filters is not None
    return [Spec((PLACES * (channels * _width(filters) + APART),), x.dtype)]


def forward(window: Window, x: Any, kernel: Any, y: Any, transformed: Any) -> list[Task]:
    """y from x."""
    before = [window.pads(n, axis)[0] for axis, n in enumerate(x.shape[1:-1])]
    return _convolution(before, x, kernel, y, transformed, turned=False)


def input_gradient(window: Window, g: Any, kernel: Any, dx: Any, transformed: Any) -> list[Task]:
    """The gradient for x from that for y: a convolution with the turned kernel, where all of a window but its corner
    may be padding."""
    before = [2 - window.pads(n, axis)[0] for axis, n in enumerate(dx.shape[1:-1])]
    return _convolution(before, g, kernel, dx, transformed, turned=True)


def _convolution(before: list[int], x: Any, kernel: Any, y: Any, transformed: Any, turned: bool) -> list[Task]:
    (samples, *space, channels), (*places, filters) = x.shape, y.shape[1:]
    down, across = map(_halved, places)
    sample_step, _, *steps = element_strides(x)
    plan = array([*space, channels, sample_step, *steps, *before, *places, filters, down, across])
    channel_step, filter_step = (1, channels) if turned else (filters, 1)
    width = _width(filters)
    transform = Task(FAMILY, "transform_kernel",
                     (kernel, transformed, channels, channel_step, filters, filter_step, turned), channels,
                     KERNEL * PLACES * channels * width)
    words = (x, transformed, y, plan)
    time = samples * down * across * PLACES * (PRODUCT * channels * width + MOVE * (channels + width))
    needed = 4 * PLACES * (TILES * (channels + width) + 2 * APART)
    if samples == 1:  # threads have no samples to share, but the rows of one
        return [transform, Task(FAMILY, "winograd_rows", words, places[0], time, needed, grain=2 * -(-FEW // across),
                                block=2)]
    return [transform, Task(FAMILY, "winograd", words, samples, time, needed, samples=True)]


def _halved(length: int) -> int:
    return -(-length // 2)


def _width(filters: int) -> int:
    """Of all panels."""
    return -(-filters // LANES) * LANES
