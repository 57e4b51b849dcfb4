"""Depthwise convolution: every channel has filters of its own. As with `convolution`, the three ops are each other's
derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..device import FLOATS, REDUCTIONS, blocks, launch, xp
from ..device.tasks import Task
from ..graph import MIX, REDUCE, ROW, Apply, Call, Op, Spec, Tensor, apply, frozen
from . import depthwise_tasks, window_tasks
from .reduce import add_parts, sum_dtype
from .windows import Tap, Window, element_strides

_MOST_THREADS, _MOST_CHUNKS = 2**17, 1024  # for the kernel's gradient: enough to fill any GPU


def _split(y: Any, multiplier: int) -> Any:
    """(..., channels * multiplier) as (..., channels, multiplier)."""
    return y.reshape((*y.shape[:-1], y.shape[-1] // multiplier, multiplier))


def _at(x: Any, tap: Tap) -> Any:
    return x[(slice(None), *tap.inputs)]


def _launch(window: Window, kernel: str, grid: Any, image: Any, multiplier: int, *arrays: Any,
            numbers: Sequence[int] = (), geometry: Sequence[int] = ()) -> Call:
    """The kernel on windows over `image`. The commonest windows are compiled for their size."""
    (stride, *more), unrolled = window.strides, {}
    if window.size == (3, 3) and window.dilation == (1, 1) and more == [stride] and stride <= 2:
        unrolled = {"SIZE": 3, "STRIDE": stride}
    return launch("depthwise", kernel, image.dtype, grid, *arrays, image.shape[0], image.shape[-1], multiplier,
                  *numbers, *(geometry or window.geometry(image.shape[1:-1])), **unrolled)


def _slide(window: Window, image: Any, multiplier: int, x: Any, kernel: Any, y: Any, backwards: bool = False,
           geometry: Sequence[int] = ()) -> Call:
    """The forward kernel: y from x, with strides of its own; a thread makes four outputs of a line."""
    threads = y.size // y.shape[-2] * -(-y.shape[-2] // 4)
    return _launch(window, "depthwise_forward", blocks(threads), image, multiplier, x, kernel, y,
                   numbers=(int(backwards), *element_strides(x)), geometry=geometry)


@frozen
class _Depthwise(Op):
    """What the three ops share."""

    window: Window
    kernel_types = FLOATS
    c_family = "depthwise"
    gapless = (1,)

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """See window_tasks.py."""
        return window_tasks.takes(self.window, ins[0], ins[1], outs[0])


@frozen
class Depthwise(_Depthwise):
    """(x, kernel) -> y: x (samples, *space, channels), kernel (*size, channels, multiplier), y (samples, *positions,
    channels * multiplier)."""

    name = "depthwise_convolution"
    packed = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The shape of y."""
        x, kernel = ins
        if len(x.shape) != len(kernel.shape):
            raise ValueError(f"expected an input with {len(kernel.shape)} axes, got shape {x.shape}")
        channels, multiplier = kernel.shape[-2:]
        if None not in (x.shape[-1], channels) and x.shape[-1] != channels:
            raise ValueError(f"the input has {x.shape[-1]} channels, the kernel is for {channels}")
        assert channels is not None and multiplier is not None
        return Spec((x.shape[0], *self.window.output_space(x.shape[1:-1]), channels * multiplier), x.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One product."""
        return [outs[0]]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Cell by cell of the window: y += x kernel[cell]."""
        x, kernel = ins
        y, product = (_split(a, kernel.shape[-1]) for a in (outs[0], scratch[0]))
        calls: list[Call] = [(outs[0].fill, (0,))]
        for tap in self.window.taps(x.shape[1:-1]):
            seen, part = y[(slice(None), *tap.outputs)], product[(slice(None), *tap.outputs)]
            calls += [(xp.multiply, (_at(x, tap)[..., None], kernel[tap.place], part)), (xp.add, (seen, part, seen))]
        return calls

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel."""
        (x, kernel), y = ins, outs[0]
        return [_slide(self.window, x, kernel.shape[-1], x, kernel, y)] if y.size else []

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """See depthwise_tasks.py."""
        return depthwise_tasks.forward(self.window, ins[0], ins[1], outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By the other two ops."""
        x, kernel = node.inputs
        return [apply(DepthwiseInputGradient(self.window), grads[0], kernel, x),
                apply(DepthwiseKernelGradient(self.window), x, grads[0], kernel)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return MIX if carries[1] else ROW


@frozen
class DepthwiseInputGradient(_Depthwise):
    """(g, kernel, like x) -> the derivative for x."""

    name = "depthwise_input_gradient"
    shape_only = (2,)
    contiguous = (0,)

    def infer(self, *ins: Spec) -> Spec:
        """The shape of x."""
        return Spec(ins[2].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One product, and its sum over the multiplier."""
        g = ins[0]
        return [g, Spec((*g.shape[:-1], outs[0].shape[-1]), g.dtype)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Cell by cell: x += sum over the multiplier of g kernel[cell]."""
        kernel, dx = ins[1], outs[0]
        g, product = (_split(a, kernel.shape[-1]) for a in (ins[0], scratch[0]))
        calls: list[Call] = [(dx.fill, (0,))]
        for tap in self.window.taps(dx.shape[1:-1]):
            place = (slice(None), *tap.outputs)
            cells = _at(dx, tap)
            calls += [(xp.multiply, (g[place], kernel[tap.place], product[place])),
                      (REDUCTIONS["sum"], (product[place], -1, None, scratch[1][place])),
                      (xp.add, (cells, scratch[1][place], cells))]
        return calls

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel: the forward one, backwards, where that will do; else a thread gathers for each cell."""
        g, kernel, dx = ins[0], ins[1], outs[0]
        if not dx.size:
            return []
        if set(self.window.strides) == {1} and kernel.shape[-1] == 1:
            return [_slide(self.window, dx, 1, g, kernel, dx, True, self._mirrored(dx.shape[1:-1]))]
        return [_launch(self.window, "depthwise_input_gradient", blocks(dx.size), dx, kernel.shape[-1], g, kernel, dx)]

    def _mirrored(self, space: Sequence[int]) -> tuple[int, ...]:
        """The geometry of windows over g that are moved by 1 and together make dx."""
        straight = self.window.geometry(space)
        cells, positions, size, strides, dilation, before = (straight[i:i + 3] for i in range(0, 18, 3))
        return (*positions, *cells, *size, *strides, *dilation,
                *((n - 1) * d - b for n, d, b in zip(size, dilation, before)))

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """See depthwise_tasks.py."""
        return depthwise_tasks.input_gradient(self.window, ins[0], ins[1], outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The op is linear in g and in the kernel."""
        g, kernel, _ = node.inputs
        return [apply(Depthwise(self.window), grads[0], kernel),
                apply(DepthwiseKernelGradient(self.window), grads[0], g, kernel), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return MIX if carries[1] else ROW


@frozen
class DepthwiseKernelGradient(_Depthwise):
    """(x, g, like kernel) -> the derivative for the kernel."""

    name = "depthwise_kernel_gradient"
    shape_only = (2,)
    contiguous = (1,)
    packed = (1,)

    def infer(self, *ins: Spec) -> Spec:
        """The shape of the kernel."""
        return Spec(ins[2].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One product."""
        return [ins[1]]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Cell by cell: the sum over samples and positions of x g."""
        x, dk = ins[0], outs[0]
        g, product = (_split(a, dk.shape[-1]) for a in (ins[1], scratch[0]))
        axes = tuple(range(x.ndim - 1))
        calls: list[Call] = [(dk.fill, (0,))]
        for tap in self.window.taps(x.shape[1:-1]):
            place = (slice(None), *tap.outputs)
            calls += [(xp.multiply, (_at(x, tap)[..., None], g[place], product[place])),
                      (REDUCTIONS["sum"], (product[place], axes, None, dk[tap.place]))]
        return calls

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """A kernel for each chunk of positions."""
        return [Spec((_chunks(ins[1].shape, outs[0].size)[0], outs[0].size), sum_dtype(outs[0].dtype))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel for sums over chunks of rows of positions, one that adds them up."""
        (x, g, _), dk, part = ins, outs[0], room[0]
        if not dk.size:
            return []
        chunks, rows = _chunks(g.shape, dk.size)
        sums = _launch(self.window, "depthwise_kernel_gradient", (blocks(dk.size), chunks), x, dk.shape[-1], x, g, part,
                       numbers=(rows, *element_strides(x)))
        return [sums, add_parts(part, dk)]

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Partial sums."""
        return depthwise_tasks.kernel_gradient_room(ins[0], outs[0])

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """See depthwise_tasks.py."""
        return depthwise_tasks.kernel_gradient(self.window, ins[0], ins[1], outs[0], room)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The op is linear in x and in g."""
        x, g, _ = node.inputs
        return [apply(DepthwiseInputGradient(self.window), g, grads[0], x),
                apply(Depthwise(self.window), x, grads[0]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Reducing: a sum over the samples."""
        return REDUCE if carries[0] and carries[1] else MIX


def _chunks(positions: Sequence[Any], outputs: int) -> tuple[int, int]:
    """How many chunks the rows of (samples, *positions, filters) are dealt to, and how many rows go to each."""
    rows = prod(positions[:-2])
    wanted = max(1, min(rows, _MOST_CHUNKS, _MOST_THREADS // max(outputs, 1)))
    size = max(-(-rows // wanted), 1)
    return max(-(-rows // size), 1), size


def depthwise(x: Tensor, kernel: Tensor, strides: tuple[int, ...], padding: str, dilation: tuple[int, ...]) -> Tensor:
    """Every channel of x convolved with its own filters."""
    size: Any = kernel.shape[:-2]
    return apply(Depthwise(Window(size, strides, padding, dilation)), x, kernel)
