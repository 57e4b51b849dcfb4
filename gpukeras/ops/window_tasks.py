"""Windows for compiled tasks (kernels/windows.h): where they lie, and where what they make lies.

A convolution is cut into parts in which all windows see the same cells: at the borders only some. The gradient for its
input is as many convolutions with stride 1 as the stride has places: each makes the inputs at that place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..graph import Spec
from .windows import Window, element_strides

LANES = 16  # of the widest processor's vectors
MOVE = 0.3  # nanoseconds to copy a number
PARTS = 64  # that a convolution is cut into at most, so that no window sees padding
BLOCKS = 16  # of samples, whose sums make a kernel's gradient
TILE = 12  # rows

Triple = tuple[int, ...]


class Finish(NamedTuple):
    """What is done to a convolution's sums before they are stored: a bias is added (an array; 0: none), and its ReLU is
    taken. With `largest`, an array, only the largest of each 2x2 are stored, there."""

    bias: Any = 0
    relu: bool = False
    largest: Any = None


PLAIN = Finish()


class Axis(NamedTuple):
    """An axis of space in one part of a convolution: the positions, the first one's window and the step to the next,
    the place of the first result and the step to the next; and the cells of the kernel (their number, their place in
    the window) in the order of their places."""

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


def forward_axes(window: Window, space: Sequence[int]) -> list[list[Axis]]:
    """For each axis of three, its one part."""
    return [[Axis(positions, -before, stride, 0, 1, tuple((k, k * dilation) for k in range(size)))]
            for _, positions, size, stride, dilation, before in zip(*_geometry(window, space))]


def backward_axes(window: Window, space: Sequence[int]) -> list[list[Axis]]:
    """For each axis of three, the places of the stride that there are in the input."""
    axes = []
    for cells, _, size, stride, dilation, before in zip(*_geometry(window, space)):
        places = []
        for place in range(min(stride, cells)):
            phase = (place + before) % stride
            seen = [(k, (phase - k * dilation) // stride) for k in range(size) if (phase - k * dilation) % stride == 0]
            places.append(Axis(-(-(cells - place) // stride), (place + before) // stride, 1, place, stride,
                               tuple(reversed(seen))))
        axes.append(places)
    return axes


class Source(NamedTuple):
    """The image that the windows are read from, as the C code's Image."""

    words: tuple[int, ...]
    steps: Triple  # along three axes, as it is read
    origin: int  # of the first cell that is no padding
    room: int  # numbers for one sample's copy; 0 without

    @classmethod
    def of(cls, x: Any, axes: Sequence[Sequence[Axis]], repeat: int = 1) -> Source:
        """An array's, with the padding that these axes see, and each channel so often."""
        steps = element_strides(x)
        space = (*(1,) * (5 - x.ndim), *x.shape[1:-1])
        ends = [[end for axis in places for end in axis.sees()] for places in axes]
        before = [max(-min(seen), 0) for seen in ends]
        padded = [b + max(n, max(seen) + 1) for b, n, seen in zip(before, space, ends)]
        copied = padded != [*space] or repeat > 1 or (steps[4] != 1 and x.shape[-1] > 1)
        cell = x.shape[-1] * repeat
        read = (padded[1] * padded[2] * cell, padded[2] * cell, cell) if copied else steps[1:4]
        sample = prod(padded) * cell if copied else steps[0]
        origin = sum(b * s for b, s in zip(before, read))
        words = (int(copied), *space, x.shape[-1], repeat, *steps, *before, *padded, sample)
        return cls(words, read, origin, sample if copied else 0)


def cells_of(axes: Sequence[Axis], steps: Triple) -> Iterator[tuple[tuple[int, ...], int]]:
    """The cells of the kernel that a part has, and their places in the window."""
    for cells in itertools.product(*(axis.cells for axis in axes)):
        yield tuple(k for k, _ in cells), sum(place * step for (_, place), step in zip(cells, steps))


def trimmed(axes: Sequence[Sequence[Axis]], x: Any, most: int = PARTS) -> list[list[list[Axis]]]:
    """The parts of each part in which no window sees padding of x; the parts themselves, if these were too many."""
    length = (*(1,) * (5 - x.ndim), *x.shape[1:-1])
    made = [[axis.trimmed(n) for axis in places] for places, n in zip(axes, length)]
    if prod(sum(map(len, places)) for places in made) > most:
        return [[[axis] for axis in places] for places in axes]
    return made


def merged(places: Sequence[Sequence[Sequence[Axis]]]) -> list[list[Axis]]:
    """All parts of each axis."""
    return [[*itertools.chain(*parts)] for parts in places]


def box(part: Sequence[Axis], source: Source, to_steps: Triple) -> list[int]:
    """The positions of a part: their number along each axis, and the places of their windows and of their outputs."""
    start = sum(axis.start * step for axis, step in zip(part, source.steps))
    return [*(axis.positions for axis in part),
            source.origin + start, *(axis.stride * step for axis, step in zip(part, source.steps)),
            sum(axis.to * step for axis, step in zip(part, to_steps)),
            *(axis.to_step * step for axis, step in zip(part, to_steps))]


def array(numbers: Sequence[int]) -> np.ndarray:
    """A plan."""
    return np.array(numbers, np.int64)


def takes(window: Window, *specs: Spec) -> bool:
    """Whether there are tasks: windows of one to three axes, float32, no empty arrays."""
    return 1 <= len(window.size) <= 3 and all(s.dtype == "float32" and 0 not in s.shape for s in specs)
