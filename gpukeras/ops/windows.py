"""The geometry of windows that slide over the spatial axes of a tensor (samples, *space, channels)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..device import xp
from ..graph import Shape, frozen

Slices = tuple[slice, ...]


class Tap(NamedTuple):
    """One place within the window: which inputs it sees, and which outputs see something there."""

    place: tuple[int, ...]
    inputs: Slices
    outputs: Slices


@frozen
class Window:
    """A window of `size` cells, `dilation` apart, moved by `strides`; `padding` is 'valid' (inside only) or 'same'
    (as many outputs as inputs / strides; the odd cell of padding comes at the end)."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    dilation: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid' or 'same', got {self.padding!r}")
        if min((*self.size, *self.strides, *self.dilation), default=1) < 1:
            raise ValueError(f"window size {self.size}, strides {self.strides} and dilation {self.dilation} must be at "
                             "least 1")

    def reach(self, axis: int) -> int:
        """The number of input cells from the first to the last that the window sees."""
        return (self.size[axis] - 1) * self.dilation[axis] + 1

    def output_space(self, space: Sequence[int | None]) -> Shape:
        """The number of window positions along each axis."""
        return tuple(None if n is None else self._positions(n, a) for a, n in enumerate(space))

    def _positions(self, length: int, axis: int) -> int:
        stride = self.strides[axis]
        if self.padding == "same":
            return -(-length // stride)
        if length < self.reach(axis):
            raise ValueError(f"a window of {self.reach(axis)} cells does not fit into an axis of length {length}: use "
                             "padding='same', a smaller window, or a larger input")
        return (length - self.reach(axis)) // stride + 1

    def pads(self, length: int, axis: int) -> tuple[int, int]:
        """Cells of padding before and after the axis."""
        if self.padding == "valid":
            return 0, 0
        total = max((self._positions(length, axis) - 1) * self.strides[axis] + self.reach(axis) - length, 0)
        return total // 2, total - total // 2

    def taps(self, space: Sequence[int]) -> Iterator[Tap]:
        """Every place within the window that ever lies on an input, in row-major order."""
        for place in itertools.product(*map(range, self.size)):
            ranges = [self._range(place[a], n, a) for a, n in enumerate(space)]
            if all(r is not None for r in ranges):
                yield Tap(place, *zip(*ranges))

    def _range(self, place: int, length: int, axis: int) -> tuple[slice, slice] | None:
        stride = self.strides[axis]
        shift = place * self.dilation[axis] - self.pads(length, axis)[0]
        first = max(-(shift // stride), 0)
        last = min((length - 1 - shift) // stride, self._positions(length, axis) - 1)
        if last < first:
            return None
        start = first * stride + shift
        return slice(start, start + (last - first) * stride + 1, stride), slice(first, last + 1)

    def covers(self, space: Sequence[int]) -> bool:
        """True if no window sees padding."""
        return all(self.pads(n, a) == (0, 0) for a, n in enumerate(space))

    def geometry(self, space: Sequence[int]) -> tuple[int, ...]:
        """What kernels take (kernels/window.cuh): space, positions, size, strides, dilation and the padding before,
        each for three axes; where there are fewer, the first ones have length 1."""
        positions: Any = self.output_space(space)
        before = [self.pads(n, a)[0] for a, n in enumerate(space)]
        ones, zeros = [1] * (3 - len(space)), [0] * (3 - len(space))
        return (*ones, *space, *ones, *positions, *ones, *self.size, *ones, *self.strides, *ones, *self.dilation,
                *zeros, *before)

    def columns(self, x: Any, space: Sequence[int]) -> Any:
        """A view (samples, *positions, *size, channels) of padded input: each window's cells."""
        step = x.strides[1:-1]
        positions = self.output_space(space)
        shape = (x.shape[0], *positions, *self.size, x.shape[-1])
        strides = (x.strides[0], *(s * k for s, k in zip(step, self.strides)),
                   *(s * d for s, d in zip(step, self.dilation)), x.strides[-1])
        return xp.lib.stride_tricks.as_strided(x, shape, strides)


def element_strides(x: Any) -> tuple[int, ...]:
    """The steps of an array (samples, *space, channels) along samples, three spatial axes and channels, counted in
    elements; axes of space that it does not have get 0."""
    steps = [s // x.itemsize for s in x.strides]
    return (steps[0], *[0] * (5 - len(steps)), *steps[1:])


def lines_of(y: Any) -> tuple[int, int, int]:
    """The lines of one sample of an array without gaps (samples, *space, channels): the axis on which they follow each
    other, the first of three that has several cells; their number; and how many numbers each has."""
    axis = next((i for i, cells in enumerate(y.shape[1:-1]) if cells > 1), 0)
    return axis + 5 - y.ndim, y.shape[1 + axis], y[0].size // y.shape[1 + axis]
