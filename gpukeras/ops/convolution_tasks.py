"""The convolutions as compiled tasks (kernels/convolution.c): what is to be done, as plans of whole numbers.

A convolution is a product of its windows, read where they lie in the image, with the kernel in panels. The gradient for
its input is as many convolutions with stride 1 as the stride has places: each makes the inputs at that place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..device.tasks import Task
from ..graph import Spec
from .windows import Window, element_strides

LANES = 16  # of the widest processor's vectors: the memory for panels is enough for any
PRODUCT = 0.011  # nanoseconds that a multiplication takes on one thread
MOVE = 0.3  # nanoseconds to copy a number
BLOCK = 288  # rows of a panel of the kernel that stay in the first-level cache
TOGETHER = 96  # positions that are done together at least, of several samples if need be
HELD = 1 << 16  # numbers of image and result that stay in the second-level cache
ADDED = 192  # positions whose products are added up in registers, for the kernel's gradient
SUMS = 1 << 20  # numbers in all blocks' sums of a kernel's gradient
BLOCKS = 16  # of samples, for it
TILE = 12  # rows: chunks are of whole tiles
FEW_COLUMNS, FEW_FILTERS = 4, 8  # for which vectors of columns would be too empty
PARTS = 64  # that a convolution is cut into at most, so that no window sees padding

Triple = tuple[int, ...]


class Axis(NamedTuple):
    """An axis of space in one part of a convolution: the positions, the first one's window and the step to the next, the
    place of the first result and the step to the next; and the cells of the kernel (their number, their place in the
    window) in the order of their places."""

    positions: int
    start: int
    stride: int
    to: int
    to_step: int
    cells: tuple[tuple[int, int], ...]

    def sees(self) -> tuple[int, int]:
        """The first and the last cell of the image that any window has."""
        if not self.cells:
            return 0, 0
        places = [self.start + place for _, place in self.cells]
        return min(places), max(places) + (self.positions - 1) * self.stride

    def trimmed(self, length: int) -> list[Axis]:
        """Parts in each of which all windows see the same cells of an image of this length, and nothing else."""
        seen = [(max(-((self.start + place) // self.stride), 0),
                 min((length - 1 - self.start - place) // self.stride + 1, self.positions)) for _, place in self.cells]
        seen = [(first, max(first, last)) for first, last in seen]
        cuts = sorted({0, self.positions, *(cut for ends in seen for cut in ends if cut < self.positions)})
        return [Axis(end - cut, self.start + cut * self.stride, self.stride, self.to + cut * self.to_step, self.to_step,
                     tuple(cell for cell, (first, last) in zip(self.cells, seen) if first <= cut < last))
                for cut, end in zip(cuts, cuts[1:])]


def _geometry(window: Window, space: Sequence[int]) -> list[Triple]:
    """Cells, positions, size, strides, dilation and padding, each for three axes."""
    numbers = window.geometry(space)
    return [numbers[i:i + 3] for i in range(0, 18, 3)]


def _forward_axes(window: Window, space: Sequence[int]) -> list[list[Axis]]:
    """For each axis of three, its one part."""
    return [[Axis(positions, -before, stride, 0, 1, tuple((k, k * dilation) for k in range(size)))]
            for _, positions, size, stride, dilation, before in zip(*_geometry(window, space))]


def _backward_axes(window: Window, space: Sequence[int]) -> list[list[Axis]]:
    """For each axis of three, the places of the stride that there are in the input."""
    axes = []
    for cells, _, size, stride, dilation, before in zip(*_geometry(window, space)):
        places = []
        for place in range(min(stride, cells)):
            phase = (place + before) % stride
            seen = sorted(((phase - k * dilation) // stride, k) for k in range(size) if (phase - k * dilation) % stride == 0)
            places.append(Axis(-(-(cells - place) // stride), (place + before) // stride, 1, place, stride,
                               tuple((k, at) for at, k in seen)))
        axes.append(places)
    return axes


class Source(NamedTuple):
    """The image that the windows are read from, as the C code's Image."""

    words: tuple[int, ...]
    steps: Triple  # along three axes, as it is read
    origin: int  # of the first cell that is no padding
    room: int  # numbers for one sample's copy; 0 without

    @classmethod
    def of(cls, x: Any, axes: Sequence[Sequence[Axis]]) -> Source:
        """An array's, with the padding that these axes see."""
        steps = element_strides(x)
        space = (*(1,) * (5 - x.ndim), *x.shape[1:-1])
        ends = [[end for axis in places for end in axis.sees()] for places in axes]
        before = [max(-min(seen), 0) for seen in ends]
        padded = [b + max(n, max(seen) + 1) for b, n, seen in zip(before, space, ends)]
        channels, copied = x.shape[-1], padded != [*space] or (steps[4] != 1 and x.shape[-1] > 1)
        read = (padded[1] * padded[2] * channels, padded[2] * channels, channels) if copied else steps[1:4]
        sample = prod(padded) * channels if copied else steps[0]
        origin = sum(b * s for b, s in zip(before, read))
        words = (int(copied), *space, channels, *steps, *before, *padded, sample)
        return cls(words, read, origin, sample if copied else 0)


def _places(axes: Sequence[Axis], steps: Triple) -> Iterator[tuple[tuple[int, ...], int]]:
    """The cells of the kernel that a part has, and their places in the window."""
    for cells in itertools.product(*(axis.cells for axis in axes)):
        yield tuple(k for k, _ in cells), sum(place * step for (_, place), step in zip(cells, steps))


def _runs(places: Sequence[tuple[int, int]], channels: int) -> list[list[int]]:
    """Cells, each with its place in the window and its row in the kernel, as pieces without gaps: place, length, row."""
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


def _array(numbers: Sequence[int]) -> np.ndarray:
    return np.array(numbers, np.int64)


def takes(window: Window, *specs: Spec) -> bool:
    """Whether there are tasks: windows of one to three axes, float32, no empty arrays."""
    return 1 <= len(window.size) <= 3 and all(s.dtype == "float32" and 0 not in s.shape for s in specs)


def room(kernel: Spec, backward: bool) -> list[Spec]:
    """The kernel in panels."""
    *size, channels, filters = kernel.shape
    rows, columns = (filters, channels) if backward else (channels, filters)
    return [Spec((prod(size) * rows * _width(columns),), kernel.dtype)]


def _width(columns: int) -> int:
    """Of all panels."""
    return -(-columns // LANES) * LANES


def forward(window: Window, x: Any, kernel: Any, y: Any, packed: Any) -> list[Task]:
    """y from x."""
    return _convolution(_forward_axes(window, x.shape[1:-1]), x, kernel, y, packed, backward=False)


def input_gradient(window: Window, g: Any, kernel: Any, dx: Any, packed: Any) -> list[Task]:
    """The gradient for x from that for y."""
    return _convolution(_backward_axes(window, dx.shape[1:-1]), g, kernel, dx, packed, backward=True)


def _convolution(axes: Sequence[Sequence[Axis]], x: Any, kernel: Any, y: Any, packed: Any, backward: bool) -> list[Task]:
    length = (*(1,) * (5 - x.ndim), *x.shape[1:-1])
    trimmed = [[axis.trimmed(n) for axis in places] for places, n in zip(axes, length)]
    if prod(sum(map(len, places)) for places in trimmed) > PARTS:
        trimmed = [[[axis] for axis in places] for places in axes]
    source = Source.of(x, [[*itertools.chain(*places)] for places in trimmed])
    channels, columns = x.shape[-1], y.shape[-1]
    size = (*(1,) * (5 - kernel.ndim), *kernel.shape[:-2])
    few = columns <= FEW_COLUMNS and channels % LANES == 0
    parts: list[list[int]] = []
    cells: list[int] = []
    work = before = 0
    for whole, cut in zip(itertools.product(*axes), itertools.product(*trimmed)):
        rows = {cell: i * channels for i, (cell, _) in enumerate(_places(whole, source.steps))}
        for cell, row in rows.items():
            place = (cell[0] * size[1] + cell[1]) * size[2] + cell[2]
            cells += [place * kernel.shape[-2] * kernel.shape[-1], before, len(rows) * channels, row]
        for part in itertools.product(*cut):
            runs = _runs([(place, rows[cell]) for cell, place in _places(part, source.steps)], channels)
            parts.append([*_box(part, source, element_strides(y)[1:4]), before, len(rows) * channels, *_blocks(runs)])
            work += prod(axis.positions for axis in part) * max(sum(run[1] for run in runs), 1)
        before += len(rows) * channels
    samples, width = x.shape[0], columns if few else _width(columns)
    held, output = HELD // (channels + columns), prod(y.shape[1:])
    together = min(samples, max(-(-TOGETHER * len(parts) // (output // columns)), 1))
    chunk = -(-max(held, 4 * TILE) // TILE) * TILE
    plan = _array([output, columns, together, chunk, *source.words, len(parts),
                   *(word for part in parts for word in (len(part) + 1, *part))])
    row_step, column_step = (1, channels) if backward else (columns, 1)
    pack = Task("convolution", "pack_kernel", (kernel, packed, channels, row_step, columns, column_step, few, _array(cells)),
                before, MOVE * before * width)
    return [pack, Task("convolution", "convolution", (x, packed, y, plan, few), samples,
                       samples * (PRODUCT * work * width + MOVE * source.room), 4 * together * source.room, samples=True)]


def _box(part: Sequence[Axis], source: Source, to_steps: Triple) -> list[int]:
    """The positions of a part: their number along each axis, and the places of their windows and of their outputs."""
    start = sum(axis.start * step for axis, step in zip(part, source.steps))
    return [*(axis.positions for axis in part),
            source.origin + start, *(axis.stride * step for axis, step in zip(part, source.steps)),
            sum(axis.to * step for axis, step in zip(part, to_steps)),
            *(axis.to_step * step for axis, step in zip(part, to_steps))]


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
    axes = _forward_axes(window, x.shape[1:-1])
    source = Source.of(x, axes)
    only = [places[0] for places in axes]
    turned = _turned(dk.shape)
    samples, columns, positions = x.shape[0], g.shape[-1], [axis.positions for axis in only]
    blocks, parts = _split(samples, dk.shape, turned)
    together = min(-(-samples // blocks), -(-ADDED // prod(positions)))
    count = together * prod(positions)
    chunk = -(-count // -(-count // ADDED) // 4) * 4
    box = _box(only, source, (0, 0, 0))
    places = [box[3] + place for _, place in _places(only, source.steps)]
    if turned:
        runs = _runs([(place, i * x.shape[-1]) for i, place in enumerate(places)], x.shape[-1])
        cells = [len(runs), *(word for run in runs for word in run[:2])]
    else:
        cells = [len(places), *places]
    plan = _array([blocks, parts, columns, together, chunk, *positions, *box[4:7], *source.words, *cells])
    target = room[0] if room else dk
    rows, width = dk.size // columns, max(columns, 4) if turned else _width(columns)
    tasks = [Task("convolution", "kernel_gradient_few" if turned else "kernel_gradient", (x, g, target, plan, samples),
                  blocks * parts, samples * (PRODUCT * prod(positions) * rows * width + MOVE * parts * source.room),
                  chunk * (32 + 4 * 2 * LANES) + 4 * together * source.room)]
    if turned:
        tasks.append(Task("convolution", "add_turned", (target, blocks, rows, columns, dk), rows, 2.0 * blocks * dk.size))
    elif blocks > 1:
        tasks.append(Task("convolution", "add_blocks", (target, blocks, dk.size, dk), dk.size, 0.1 * blocks * dk.size))
    return tasks
