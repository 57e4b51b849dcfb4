"""The convolutions as compiled tasks (kernels/convolution.c): products of windows, read where they lie in the image,
with the kernel in panels. What is to be done stands in plans, arrays of whole numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from ..device.tasks import Task
from ..graph import Spec
from .window_tasks import (
    BLOCKS,
    LANES,
    MOVE,
    PARTS,
    PLAIN,
    TILE,
    Finish,
    Source,
    array,
    backward_axes,
    box,
    cells_of,
    forward_axes,
    merged,
    trimmed,
)
from .windows import Window, element_strides, lines_of

PRODUCT = 0.011  # nanoseconds that a multiplication takes on one thread
PACK = 0.1  # nanoseconds to pack a number of the kernel,
STORE = 0.04  # and to store one of the result
BLOCK = 288  # rows of a panel of the kernel that stay in the first-level cache
TOGETHER = 96  # positions that are done together at least, of several samples if need be
SHARE = 2 * TILE  # positions at least that a thread takes of a single sample
SHORT = 16  # sums that are best made at once at the ends of lines
HELD = 1 << 16  # numbers of image and result that stay in the second-level cache
ADDED = 192  # positions whose products are added up in registers, for the kernel's gradient
SUMS = 1 << 20  # numbers in all blocks' sums of a kernel's gradient
PACKED = 16  # rows of the kernel that are packed in one go
FEW_COLUMNS, FEW_FILTERS = 4, 16  # where vectors of columns would be too empty


def _runs(places: Sequence[tuple[int, int]], channels: int) -> list[list[int]]:
    """Cells (place in the window, row in the kernel) as pieces without gaps: place, length, row."""
    runs: list[list[int]] = []
    for place, row in places:
        if runs and runs[-1][0] + runs[-1][1] == place and runs[-1][2] + runs[-1][1] == row:
            runs[-1][1] += channels
        else:
            runs.append([place, channels, row])
    return runs


def _blocks(runs: Sequence[list[int]]) -> list[int]:
    """Pieces as blocks: the number of blocks; then for each block the number of its pieces, and the pieces."""
    rows = sum(length for _, length, _ in runs)
    blocks = max(-(-rows // BLOCK), 1)
    cuts = [rows * i // blocks // LANES * LANES for i in range(1, blocks)]
    made: list[list[list[int]]] = [[]]
    done = 0
    for place, length, row in runs:
        while length:
            room = cuts[len(made) - 1] - done if len(made) <= len(cuts) else length
            taken = min(length, room)
            made[-1].append([place, taken, row])
            place, length, row, done = place + taken, length - taken, row + taken, done + taken
            if taken == room and len(made) <= len(cuts):
                made.append([])
    return [len(made), *(word for block in made for word in (len(block), *itertools.chain(*block)))]


def room(kernel: Spec, backward: bool) -> list[Spec]:
    """The kernel in panels."""
    shape: Any = kernel.shape
    *size, channels, filters = shape
    rows, columns = (filters, channels) if backward else (channels, filters)
    return [Spec((prod(size) * rows * _width(columns),), kernel.dtype)]


def _width(columns: int) -> int:
    """Of all panels."""
    return -(-columns // LANES) * LANES


def forward(window: Window, x: Any, kernel: Any, y: Any, packed: Any, finish: Finish = PLAIN) -> list[Task]:
    """y from x."""
    return _convolution(window, x, kernel, y, packed, backward=False, finish=finish)


def input_gradient(window: Window, g: Any, kernel: Any, dx: Any, packed: Any) -> list[Task]:
    """The gradient for x from that for y."""
    return _convolution(window, g, kernel, dx, packed, backward=True)


def _convolution(window: Window, x: Any, kernel: Any, y: Any, packed: Any, backward: bool,
                 finish: Finish = PLAIN) -> list[Task]:
    found = _plan(window, Layout.of(x), Layout.of(y), kernel.shape, backward)
    few, samples, channels, columns = found.few, x.shape[0], x.shape[-1], y.shape[-1]
    width = columns if few else _width(columns)
    row_step, column_step = (1, channels) if backward else (columns, 1)
    pack = Task("convolution", "pack_kernel",
                (kernel, packed, channels, row_step, columns, column_step, few, found.cells),
                len(found.cells) // 4 * -(-channels // PACKED), PACK * found.rows * width)
    time = samples * (PRODUCT * found.work * width + MOVE * found.copied) + STORE * y.size
    words = (x, packed, y, found.plan, few, finish.bias, finish.relu)
    if samples == 1 and not found.copied:  # threads have no samples to share, but the lines of one
        return [pack, _by_lines(y, words, time, found.parts > 1)]
    return [pack, Task("convolution", "convolution", words, samples, time,
                       4 * found.together * found.copied, samples=True)]


class Layout(NamedTuple):
    """How an array lies in memory, wherever that is."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int

    @classmethod
    def of(cls, x: Any) -> Layout:
        """That of an array."""
        return cls(x.shape, x.strides, x.itemsize)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


class _Plan(NamedTuple):
    """What C is told: the plan, and which cells of the kernel are packed. The rows of these, the parts of the output,
    the multiplications for a column of a sample, the samples that are done together, and the numbers of a sample's
    copy."""

    plan: Any
    cells: Any
    rows: int
    parts: int
    work: int
    together: int
    copied: int
    few: bool


@lru_cache(256)  # a program asks for each several times, and networks repeat themselves
def _plan(window: Window, x: Layout, y: Layout, kernel: tuple[int, ...], backward: bool) -> _Plan:
    axes = backward_axes(window, y.shape[1:-1]) if backward else forward_axes(window, x.shape[1:-1])
    channels, columns = x.shape[-1], y.shape[-1]
    size = (*(1,) * (5 - len(kernel)), *kernel[:-2])
    few = columns <= FEW_COLUMNS and channels % LANES == 0
    inside = trimmed(axes, x, 1 if few else PARTS)  # the tiles for few columns are best left whole
    source = Source.of(x, merged(inside))
    parts: list[list[int]] = []
    cells: list[int] = []
    work = before = 0
    for whole, cut in zip(itertools.product(*axes), itertools.product(*inside)):
        rows = {cell: i * channels for i, (cell, _) in enumerate(cells_of(whole, source.steps))}
        for cell, row in rows.items():
            place = (cell[0] * size[1] + cell[1]) * size[2] + cell[2]
            cells += [place * kernel[-2] * kernel[-1], before, len(rows) * channels, row]
        for part in itertools.product(*cut):
            runs = _runs([(place, rows[cell]) for cell, place in cells_of(part, source.steps)], channels)
            parts.append([*box(part, source, element_strides(y)[1:4]), before, len(rows) * channels, *_blocks(runs)])
            work += prod(axis.positions for axis in part) * max(sum(run[1] for run in runs), 1)
        before += len(rows) * channels
    held, output = HELD // (channels + columns), prod(y.shape[1:])
    together = min(x.shape[0], max(-(-TOGETHER * len(parts) // (output // columns)), 1))
    chunk = -(-max(held, 4 * TILE) // TILE) * TILE
    plan = array([output, columns, together, chunk, *source.words, len(parts),
                  *(word for part in parts for word in (len(part) + 1, *part))])
    return _Plan(plan, array(cells), before, len(parts), work, together, source.room, few)


def _by_lines(y: Any, words: tuple[Any, ...], nanoseconds: float, bordered: bool) -> Task:
    """The lines of a single sample's output. Where their ends see other cells than the rest, these are tiles of their
    own, so there should be some together."""
    axis, lines, line = lines_of(y)
    columns = y.shape[-1]
    grain = max(-(-SHARE * columns // line), SHORT // min(-(-columns // LANES), 2) if bordered else 1)
    return Task("convolution", "convolution_lines", (*words, axis, line), lines, nanoseconds, grain=grain, stretch=line)


def _turned(kernel: Sequence[int]) -> bool:
    """Whether a kernel's gradient is made for few filters."""
    return kernel[-1] <= FEW_FILTERS and kernel[-2] % LANES == 0


def _split(samples: int, kernel: Sequence[int], turned: bool) -> tuple[int, int]:
    """How a kernel's gradient is cut: into blocks of samples, and parts of the kernel's rows."""
    blocks = max(1, min(samples, BLOCKS, SUMS // prod(kernel)))
    return blocks, 1 if turned else max(1, min(BLOCKS // blocks, prod(kernel[:-1]) // (4 * TILE)))


def kernel_gradient_room(x: Spec, dk: Spec) -> list[Spec]:
    """The sums of blocks of samples, if there are several."""
    kernel: Any = dk.shape
    turned = _turned(kernel)
    blocks = _split(x.shape[0] or 0, kernel, turned)[0]
    return [Spec((blocks, *kernel), dk.dtype)] if blocks > 1 or turned else []


def kernel_gradient(window: Window, x: Any, g: Any, dk: Any, room: Sequence[Any]) -> list[Task]:
    """The gradient for the kernel: over blocks of samples, then their sum."""
    axes = forward_axes(window, x.shape[1:-1])
    source = Source.of(x, axes)
    only = [places[0] for places in axes]
    turned = _turned(dk.shape)
    samples, columns, positions = x.shape[0], g.shape[-1], [axis.positions for axis in only]
    blocks, parts = _split(samples, dk.shape, turned)
    together = min(-(-samples // blocks), -(-ADDED // prod(positions)))
    count = together * prod(positions)
    chunk = -(-count // -(-count // ADDED) // 4) * 4
    first = box(only, source, (0, 0, 0))
    places = [first[3] + place for _, place in cells_of(only, source.steps)]
    if turned:
        runs = _runs([(place, i * x.shape[-1]) for i, place in enumerate(places)], x.shape[-1])
        cells = [len(runs), *(word for run in runs for word in run[:2])]
    else:
        cells = [len(places), *places]
    plan = array([blocks, parts, columns, together, chunk, *positions, *first[4:7], *source.words, *cells])
    target = room[0] if room else dk
    rows, width = dk.size // columns, max(columns, 4) if turned else _width(columns)
    block = samples // blocks if blocks > 1 and parts == 1 and samples % blocks == 0 else 0
    tasks = [Task("convolution", "kernel_gradient_few" if turned else "kernel_gradient",
                  (x, g, target, plan, samples, block), samples if block else blocks * parts,
                  samples * (PRODUCT * prod(positions) * rows * width + MOVE * parts * source.room),
                  chunk * (32 + 4 * 2 * LANES) + 4 * together * source.room, samples=block > 0, block=max(block, 1))]
    if turned:
        tasks.append(Task("convolution", "add_turned", (target, blocks, rows, columns, dk), rows, 2.0 * target.size))
    elif blocks > 1:
        tasks.append(Task("convolution", "add_blocks", (target, blocks, dk.size, dk), dk.size, 0.1 * target.size))
    return tasks
