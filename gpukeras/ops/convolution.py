"""Convolution in any number of dimensions, channels last. The three ops (forward, input gradient, kernel gradient)
are each other's derivatives, so gradients of any order exist.

The bodies copy a few samples' windows into a cache-sized tile of columns and multiply it with the kernel as a matrix
(im2col); the columns of a whole batch never exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..device import xp
from ..graph import MIX, REDUCE, ROW, Apply, Call, Op, Spec, Tensor, apply, size_of
from .linalg import dot
from .shape import reshape
from .windows import Window

TILE = 1 << 18  # elements of a tile of columns: a megabyte of float32


@dataclass(frozen=True)
class _Windowed(Op):
    """What the convolutions share."""

    window: Window

    def _tile(self, x: Spec, per_sample: int) -> int:
        return max(1, min(int(x.shape[0] or 1), TILE // max(per_sample, 1)))

    def _columns(self, x: Spec) -> tuple[int | None, ...]:
        """The shape of one sample's columns."""
        return (*self.window.output_space(x.shape[1:-1]), *self.window.size, x.shape[-1])

    def _scratch(self, x: Spec) -> list[Spec]:
        """A tile of columns, and of padded input if there is padding."""
        columns = self._columns(x)
        tile = self._tile(x, size_of(columns))
        space: Any = x.shape[1:-1]
        padded = [sum(self.window.pads(n, a)) + n for a, n in enumerate(space)]
        rooms = [Spec((tile, *columns), x.dtype)]
        return rooms if self.window.covers(space) else [*rooms, Spec((tile, *padded, x.shape[-1]), x.dtype)]

    def _gather(self, x: Any, start: int, count: int, scratch: Sequence[Any]) -> list[Call]:
        """The windows of some samples into the tile."""
        space = x.shape[1:-1]
        source, calls = x[start:start + count], []
        if len(scratch) > 1:
            padded = scratch[1][:count]
            inside = tuple(slice(self.window.pads(n, a)[0], self.window.pads(n, a)[0] + n) for a, n in enumerate(space))
            calls.append((xp.copyto, (padded[(slice(None), *inside)], source)))
            source = padded
        return [*calls, (xp.copyto, (scratch[0][:count], self.window.columns(source, space)))]


@dataclass(frozen=True)
class Convolution(_Windowed):
    """(x, kernel) -> y: x (samples, *space, channels), kernel (*size, channels, filters)."""

    name = "convolution"
    contiguous = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """(samples, *positions, filters)."""
        x, kernel = ins
        if len(x.shape) != len(kernel.shape):
            raise ValueError(f"expected an input with {len(kernel.shape)} axes, got shape {x.shape}")
        if None not in (x.shape[-1], kernel.shape[-2]) and x.shape[-1] != kernel.shape[-2]:
            raise ValueError(f"the input has {x.shape[-1]} channels, the kernel is for {kernel.shape[-2]}")
        return Spec((x.shape[0], *self.window.output_space(x.shape[1:-1]), kernel.shape[-1]), x.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """See `_scratch`."""
        return self._scratch(ins[0])

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each tile: gather, multiply."""
        x, kernel = ins
        y = outs[0]
        matrix = kernel.reshape(-1, kernel.shape[-1])
        calls: list[Call] = [(scratch[1].fill, (0,))] if len(scratch) > 1 else []
        tile = scratch[0].shape[0]
        for start in range(0, x.shape[0], tile):
            count = min(tile, x.shape[0] - start)
            calls += self._gather(x, start, count, scratch)
            columns = scratch[0][:count].reshape(-1, matrix.shape[0])
            calls.append((xp.dot, (columns, matrix, y[start:start + count].reshape(-1, matrix.shape[1]))))
        return calls

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By the other two ops."""
        x, kernel = node.inputs
        return [apply(ConvolutionInputGradient(self.window), grads[0], kernel, x),
                apply(ConvolutionKernelGradient(self.window), x, grads[0], kernel)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return MIX if carries[1] else ROW


@dataclass(frozen=True)
class ConvolutionInputGradient(_Windowed):
    """(g, kernel, like x) -> the derivative for x; as a layer, transposed convolution."""

    name = "convolution_input_gradient"
    shape_only = (2,)
    contiguous = (0, 1)

    def infer(self, *ins: Spec) -> Spec:
        """The shape of x."""
        g, kernel, x = ins
        expected = Convolution(self.window).infer(x, Spec(kernel.shape, x.dtype)).shape
        if any(None not in (a, b) and a != b for a, b in zip(g.shape[1:], expected[1:])):
            raise ValueError(f"an output of shape {x.shape} would need an input of shape {expected}, got {g.shape}")
        return Spec(x.shape, g.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """A tile of columns."""
        return self._scratch(outs[0])[:1]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each tile: multiply, then add each window cell to where it came from."""
        g, kernel = ins[0], ins[1]
        dx, space = outs[0], outs[0].shape[1:-1]
        matrix = kernel.reshape(-1, kernel.shape[-1]).T
        calls: list[Call] = [(dx.fill, (0,))]
        tile = scratch[0].shape[0]
        for start in range(0, dx.shape[0], tile):
            count = min(tile, dx.shape[0] - start)
            columns, part = scratch[0][:count], dx[start:start + count]
            rows = g[start:start + count].reshape(-1, matrix.shape[0])
            calls.append((xp.dot, (rows, matrix, columns.reshape(-1, matrix.shape[1]))))
            for tap in self.window.taps(space):
                cells = part[(slice(None), *tap.inputs)]
                calls.append((xp.add, (cells, columns[(slice(None), *tap.outputs, *tap.place)], cells)))
        return calls

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The op is linear in g and in the kernel."""
        g, kernel, _ = node.inputs
        return [apply(Convolution(self.window), grads[0], kernel),
                apply(ConvolutionKernelGradient(self.window), grads[0], g, kernel), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return MIX if carries[1] else ROW


@dataclass(frozen=True)
class ConvolutionKernelGradient(_Windowed):
    """(x, g, like kernel) -> the derivative for the kernel."""

    name = "convolution_kernel_gradient"
    shape_only = (2,)
    contiguous = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The shape of the kernel."""
        return Spec(ins[2].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """See `_scratch`; and a second kernel, if there is more than one tile."""
        rooms = self._scratch(ins[0])
        return [*rooms, outs[0]] if (rooms[0].shape[0] or 0) < (ins[0].shape[0] or 0) else rooms

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each tile: gather, multiply, add up in order."""
        x, g = ins[0], ins[1]
        dk = outs[0].reshape(-1, outs[0].shape[-1])
        tile = scratch[0].shape[0]
        rooms, partial = (scratch, None) if tile >= x.shape[0] else (scratch[:-1], scratch[-1].reshape(dk.shape))
        calls: list[Call] = [(rooms[1].fill, (0,))] if len(rooms) > 1 else []
        for start in range(0, x.shape[0], tile):
            count = min(tile, x.shape[0] - start)
            calls += self._gather(x, start, count, rooms)
            columns = rooms[0][:count].reshape(-1, dk.shape[0])
            rows = g[start:start + count].reshape(-1, dk.shape[1])
            calls.append((xp.dot, (columns.T, rows, dk if start == 0 else partial)))
            if start:
                calls.append((xp.add, (dk, partial, dk)))
        return calls

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The op is linear in x and in g."""
        x, g, _ = node.inputs
        return [apply(ConvolutionInputGradient(self.window), g, grads[0], x),
                apply(Convolution(self.window), x, grads[0]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Reducing: a sum over the samples."""
        return REDUCE if carries[0] and carries[1] else MIX


def convolution(x: Tensor, kernel: Tensor, strides: tuple[int, ...], padding: str, dilation: tuple[int, ...]) -> Tensor:
    """The convolution (in fact cross-correlation, as everywhere in this field) of x with a kernel; a kernel of one
    cell is a plain matrix product."""
    size: Any = kernel.shape[:-2]
    if set(size) <= {1} and set(strides) <= {1}:
        if None not in (x.shape[-1], kernel.shape[-2]) and x.shape[-1] != kernel.shape[-2]:
            raise ValueError(f"convolution: the input has {x.shape[-1]} channels, the kernel is for {kernel.shape[-2]}")
        return dot(x, reshape(kernel, kernel.shape[-2:]))
    return apply(Convolution(Window(size, strides, padding, dilation)), x, kernel)


def transposed_convolution(x: Tensor, kernel: Tensor, like: Tensor, strides: tuple[int, ...], padding: str) -> Tensor:
    """The derivative of a convolution, as a map of its own: x has the shape of the convolution's output, the result
    the shape of `like`; kernel (*size, channels of the result, channels of x)."""
    size: Any = kernel.shape[:-2]
    window = Window(size, strides, padding, (1,) * len(size))
    return apply(ConvolutionInputGradient(window), x, kernel, like)
