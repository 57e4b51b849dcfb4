"""Convolution in any number of dimensions, channels last. The three ops (forward, input gradient, kernel gradient)
are each other's derivatives, so gradients of any order exist.

The bodies copy a few samples' windows into a cache-sized tile of columns and multiply it with the kernel as a matrix
(im2col); the columns of a whole batch never exist. The samples are dealt to threads (device/threads.py). On a GPU,
convolution_kernels.py decides how it is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..device import FLOATS, blas, gemm, threads, xp
from ..device.tasks import Task
from ..graph import MIX, REDUCE, ROW, Apply, Call, Op, Spec, Tensor, apply, frozen, size_of
from . import convolution_kernels as kernels
from . import convolution_tasks, window_tasks, winograd_tasks
from .linalg import dot
from .shape import reshape
from .windows import Window

TILE = 1 << 18  # elements of a tile of columns: a megabyte of float32
MOVE = 0.7  # nanoseconds that an element of columns takes on one core, to decide about threads


@frozen
class _Windowed(Op):
    """What the convolutions share."""

    window: Window
    kernel_types = FLOATS
    c_family = "convolution"
    gapless = (1,)

    @property
    def c_further(self) -> tuple[str, ...]:  # type: ignore[override]
        """That of winograd_tasks.py."""
        return (winograd_tasks.FAMILY,) if winograd_tasks.fits(self.window) else ()

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """See window_tasks.py."""
        return window_tasks.takes(self.window, ins[0], ins[1], outs[0])

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """Values of one type; windows with one to three axes."""
        return super().takes_kernel(ins) and ins[0].dtype == ins[1].dtype and 1 <= len(self.window.size) <= 3

    def _parts(self, x: Any, kernel: Any) -> list[slice]:
        """How the samples are dealt to threads; of both, only the shapes matter."""
        columns = x.shape[0] * size_of(self._columns(x))
        return threads.deal(x.shape[0], columns * (blas.PRODUCT * kernel.shape[-1] + MOVE))

    def _tile(self, samples: int, parts: Sequence[slice], per_sample: int) -> int:
        return max(1, min(-(-samples // len(parts)), TILE // max(per_sample, 1)))

    def _columns(self, x: Any) -> tuple[int | None, ...]:
        """The shape of one sample's columns."""
        return (*self.window.output_space(x.shape[1:-1]), *self.window.size, x.shape[-1])

    def _scratch(self, x: Any, kernel: Any) -> list[Spec]:
        """For each part a tile of columns, and of padded input if there is padding."""
        columns, parts = self._columns(x), self._parts(x, kernel)
        tile = self._tile(x.shape[0], parts, size_of(columns))
        space: Any = x.shape[1:-1]
        padded = [sum(self.window.pads(n, a)) + n for a, n in enumerate(space)]
        rooms = [Spec((tile, *columns), x.dtype)]
        if not self.window.covers(space):
            rooms.append(Spec((tile, *padded, x.shape[-1]), x.dtype))
        return len(parts) * rooms

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


@frozen
class Convolution(_Windowed):
    """(x, kernel) -> y: x (samples, *space, channels), kernel (*size, channels, filters)."""

    name = "convolution"
    contiguous = (1,)
    packs = 1

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
        return self._scratch(*ins)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each part, for each tile: gather, multiply."""
        (x, kernel), y = ins, outs[0]
        matrix = kernel.reshape(-1, kernel.shape[-1])

        def multiply(x: Any, y: Any, rooms: Sequence[Any]) -> list[Call]:
            calls: list[Call] = [(rooms[1].fill, (0,))] if len(rooms) > 1 else []
            tile = rooms[0].shape[0]
            for start in range(0, x.shape[0], tile):
                count = min(tile, x.shape[0] - start)
                calls += self._gather(x, start, count, rooms)
                columns = rooms[0][:count].reshape(-1, matrix.shape[0])
                calls.append((xp.dot, (columns, matrix, y[start:start + count].reshape(-1, matrix.shape[1]))))
            return calls

        parts = self._parts(x, kernel)
        return threads.together([multiply(x[p], y[p], rooms) for p, rooms in zip(parts, _shared(scratch, parts))])

    packed = (1,)

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Columns, where they are needed."""
        return [] if kernels.is_flat(self.window) else kernels.columns_room(self.window, ins[0])

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """See convolution_kernels.py."""
        if kernels.is_flat(self.window):
            return kernels.forward(self.window, ins[0], ins[1], outs[0])
        return kernels.by_columns(self.window, "y", ins[0], outs[0], ins[1], room[0])

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The kernel in panels."""
        if winograd_tasks.serves(self.window, ins[0], outs[0]):
            return winograd_tasks.room(ins[0], outs[0])
        return convolution_tasks.room(ins[1], backward=False)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """See convolution_tasks.py and winograd_tasks.py."""
        way: Any = winograd_tasks if winograd_tasks.serves(self.window, ins[0], outs[0]) else convolution_tasks
        return way.forward(self.window, ins[0], ins[1], outs[0], room[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By the other two ops."""
        x, kernel = node.inputs
        return [apply(ConvolutionInputGradient(self.window), grads[0], kernel, x),
                apply(ConvolutionKernelGradient(self.window), x, grads[0], kernel)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return MIX if carries[1] else ROW


@frozen
class ConvolutionInputGradient(_Windowed):
    """(g, kernel, like x) -> the derivative for x; as a layer, transposed convolution."""

    name = "convolution_input_gradient"
    shape_only = (2,)
    contiguous = (0, 1)
    packs = 1

    def infer(self, *ins: Spec) -> Spec:
        """The shape of x."""
        g, kernel, x = ins
        expected = Convolution(self.window).infer(x, Spec(kernel.shape, x.dtype)).shape
        if any(None not in (a, b) and a != b for a, b in zip(g.shape[1:], expected[1:])):
            raise ValueError(f"an output of shape {x.shape} would need an input of shape {expected}, got {g.shape}")
        return Spec(x.shape, g.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """For each part a tile of columns; or of windows that are one row high, and of g with its rows first."""
        (g, kernel, _), x = ins, outs[0]
        if not self._by_rows(kernel):
            padding = 1 if self.window.covers(x.shape[1:-1]) else 2  # type: ignore[arg-type]
            return self._scratch(x, kernel)[::padding]
        parts, (rows, windows) = self._parts(x, kernel), self._row_windows(g, kernel)
        tile = self._tile(x.shape[0] or 0, parts, rows * size_of(windows))
        rooms = [Spec((tile * rows * size_of(windows),), g.dtype)]
        return len(parts) * (rooms if tile == 1 else [*rooms, Spec((tile * size_of(g.shape[1:]),), g.dtype)])

    def _by_rows(self, kernel: Any) -> bool:
        """Whether `_add_rows` can be taken (the rows that a window's row meets as it moves lie one after the other) and
        is the faster: in 3x3 windows by a tenth to a half, but at half the speed if there is only one channel."""
        return len(self.window.size) == 2 and self.window.strides[0] == 1 and kernel.shape[-2] > 1

    def _row_windows(self, g: Any, kernel: Any) -> tuple[int, tuple[int, ...]]:
        """The number of input rows, padding counted in, and what there is for each: for each position along it the
        cells of a window one row high."""
        return g.shape[1] - 1 + self.window.reach(0), (g.shape[2], kernel.shape[1] * kernel.shape[2])

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each part, for each tile: multiply, then add each window cell to where it came from."""
        (g, kernel, _), dx = ins, outs[0]
        part = self._add_rows if self._by_rows(kernel) else self._add_columns
        parts = self._parts(dx, kernel)
        return threads.together([part(g[p], kernel, dx[p], rooms) for p, rooms in zip(parts, _shared(scratch, parts))])

    @property
    def packed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The kernel; and g where it is multiplied as a matrix."""
        return (1,) if kernels.is_flat(self.window) else (0, 1)

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Columns, where they are needed."""
        return [] if kernels.is_flat(self.window) else kernels.columns_room(self.window, outs[0])

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """See convolution_kernels.py."""
        if kernels.is_flat(self.window):
            return kernels.input_gradient(self.window, ins[0], ins[1], outs[0])
        return kernels.by_columns(self.window, "x", outs[0], ins[0], ins[1], room[0])

    def _add_columns(self, g: Any, kernel: Any, dx: Any, rooms: Sequence[Any]) -> list[Call]:
        matrix, space = kernel.reshape(-1, kernel.shape[-1]).T, dx.shape[1:-1]
        calls: list[Call] = [(dx.fill, (0,))]
        tile = rooms[0].shape[0]
        for start in range(0, dx.shape[0], tile):
            count = min(tile, dx.shape[0] - start)
            columns, part = rooms[0][:count], dx[start:start + count]
            rows = g[start:start + count].reshape(-1, matrix.shape[0])
            calls.append((xp.dot, (rows, matrix, columns.reshape(-1, matrix.shape[1]))))
            for tap in self.window.taps(space):
                cells = part[(slice(None), *tap.inputs)]
                calls.append((xp.add, (cells, columns[(slice(None), *tap.outputs, *tap.place)], cells)))
        return calls

    def _add_rows(self, g: Any, kernel: Any, dx: Any, rooms: Sequence[Any]) -> list[Call]:
        """The products of the kernel's rows add up in windows one row high, (rows, samples, positions, cells), so that
        only these have to be added cell by cell."""
        rows, windows = self._row_windows(g, kernel)
        per_sample = rows * size_of(windows)
        tile = rooms[0].size // per_sample
        calls: list[Call] = []
        for start in range(0, dx.shape[0], tile):
            count = min(tile, dx.shape[0] - start)
            part, source = dx[start:start + count], g[start:start + count].swapaxes(0, 1)
            if count > 1:
                turned = rooms[1][:source.size].reshape(source.shape)
                calls.append((xp.copyto, (turned, source)))
                source = turned
            sums = rooms[0][:count * per_sample].reshape(rows, count, *windows)
            calls.append((sums[g.shape[1]:].fill, (0,)))
            for i, row in enumerate(kernel):
                first = i * self.window.dilation[0]
                calls.append(gemm(source.reshape(-1, g.shape[-1]), row.reshape(-1, g.shape[-1]).T,
                                  sums[first:first + g.shape[1]].reshape(-1, windows[-1]), float(i > 0)))
            above = self.window.pads(dx.shape[1], 0)[0]
            calls += self._add_cells(sums[above:above + dx.shape[1]].swapaxes(0, 1), part)
        return calls

    def _add_cells(self, sums: Any, dx: Any) -> list[Call]:
        """Each cell of the windows along a row to where it came from."""
        window, channels = self.window, dx.shape[-1]
        along = Window(window.size[1:], window.strides[1:], window.padding, window.dilation[1:])
        calls: list[Call] = []
        for tap in along.taps(dx.shape[2:3]):
            cells = dx[:, :, tap.inputs[0]]
            seen = sums[:, :, tap.outputs[0], tap.place[0] * channels:(tap.place[0] + 1) * channels]
            if not calls and window.strides[1] == 1:
                calls = [(xp.copyto, (cells, seen)), (dx[:, :, tap.inputs[0].stop:].fill, (0,))]  # it begins at 0
            else:
                calls += [] if calls else [(dx.fill, (0,))]
                calls.append((xp.add, (cells, seen, cells)))
        return calls or [(dx.fill, (0,))]  # a wide dilation may see nothing but padding

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The kernel in panels."""
        if winograd_tasks.serves(self.window, ins[0], outs[0]):
            return winograd_tasks.room(ins[0], outs[0])
        return convolution_tasks.room(ins[1], backward=True)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """See convolution_tasks.py and winograd_tasks.py."""
        way: Any = winograd_tasks if winograd_tasks.serves(self.window, ins[0], outs[0]) else convolution_tasks
        return way.input_gradient(self.window, ins[0], ins[1], outs[0], room[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The op is linear in g and in the kernel."""
        g, kernel, _ = node.inputs
        return [apply(Convolution(self.window), grads[0], kernel),
                apply(ConvolutionKernelGradient(self.window), grads[0], g, kernel), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return MIX if carries[1] else ROW


@frozen
class ConvolutionKernelGradient(_Windowed):
    """(x, g, like kernel) -> the derivative for the kernel."""

    name = "convolution_kernel_gradient"
    shape_only = (2,)
    contiguous = (1,)
    flow = (((0, 1), (4,)), ((4,), (3,)))

    def infer(self, *ins: Spec) -> Spec:
        """The shape of the kernel."""
        return Spec(ins[2].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """See `_scratch`; and a kernel for each part but the first."""
        return self._scratch(ins[0], outs[0]) + (len(self._parts(ins[0], outs[0])) - 1) * [outs[0]]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each part, for each tile: gather, multiply and add up; then the parts' sums are added, in order."""
        x, g, dk = ins[0], ins[1], outs[0]

        def add_up(x: Any, g: Any, total: Any, rooms: Sequence[Any]) -> list[Call]:
            total = total.reshape(-1, total.shape[-1])
            calls: list[Call] = [(rooms[1].fill, (0,))] if len(rooms) > 1 else []
            tile = rooms[0].shape[0]
            for start in range(0, x.shape[0], tile):
                count = min(tile, x.shape[0] - start)
                calls += self._gather(x, start, count, rooms)
                columns = rooms[0][:count].reshape(-1, total.shape[0])
                rows = g[start:start + count].reshape(-1, total.shape[1])
                calls.append(gemm(columns.T, rows, total, float(start > 0)))
            return calls

        parts = self._parts(x, dk)
        rooms, sums = scratch[:len(scratch) - len(parts) + 1], [dk, *scratch[len(scratch) - len(parts) + 1:]]
        calls = threads.together([add_up(x[p], g[p], total, room)
                                  for p, total, room in zip(parts, sums, _shared(rooms, parts))])
        return [*calls, *((xp.add, (dk, total, dk)) for total in sums[1:])] if x.shape[0] else [(dk.fill, (0,))]

    packed = (1,)

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Partial sums, or columns."""
        if kernels.is_flat(self.window):
            return kernels.kernel_gradient_room(ins[1], outs[0])
        return kernels.columns_room(self.window, ins[0])

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """See convolution_kernels.py."""
        if kernels.is_flat(self.window):
            return kernels.kernel_gradient(self.window, ins[0], ins[1], outs[0], room[0])
        return kernels.by_columns(self.window, "kernel", ins[0], ins[1], outs[0], room[0])

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Partial sums."""
        if winograd_tasks.sums_kernel(self.window, ins[0], ins[1]):
            return winograd_tasks.kernel_gradient_room(ins[0], ins[1])
        return convolution_tasks.kernel_gradient_room(ins[0], outs[0])

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """See convolution_tasks.py and winograd_tasks.py."""
        if winograd_tasks.sums_kernel(self.window, ins[0], ins[1]):
            return winograd_tasks.kernel_gradient(self.window, ins[0], ins[1], outs[0], room[0])
        return convolution_tasks.kernel_gradient(self.window, ins[0], ins[1], outs[0], room)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The op is linear in x and in g."""
        x, g, _ = node.inputs
        return [apply(ConvolutionInputGradient(self.window), g, grads[0], x),
                apply(Convolution(self.window), x, grads[0]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Reducing: a sum over the samples."""
        return REDUCE if carries[0] and carries[1] else MIX


def _shared(scratch: Sequence[Any], parts: Sequence[slice]) -> Iterator[Sequence[Any]]:
    """The scratch of each part."""
    each = len(scratch) // len(parts)
    return (scratch[i * each:(i + 1) * each] for i in range(len(parts)))


def convolution(x: Tensor, kernel: Tensor, strides: tuple[int, ...], padding: str, dilation: tuple[int, ...]) -> Tensor:
    """The convolution (in fact cross-correlation, as everywhere in this field) of x with a kernel; a kernel of one
    cell is a plain matrix product."""
    size: Any = kernel.shape[:-2]
    if set(size) <= {1} and set(strides) <= {1}:
        if None not in (x.shape[-1], kernel.shape[-2]) and x.shape[-1] != kernel.shape[-2]:
            raise ValueError(f"convolution: the input has {x.shape[-1]} channels, the kernel is for {kernel.shape[-2]}")
        return dot(x, reshape(kernel, kernel.shape[-2:]))
    return apply(Convolution(Window(size, strides, padding, dilation)), x, kernel)


def transposed_convolution(x: Tensor, kernel: Tensor, like: Tensor, strides: tuple[int, ...], padding: str,
                           dilation: tuple[int, ...]) -> Tensor:
    """The derivative of a convolution, as a map of its own: x has the shape of the convolution's output, the result
    the shape of `like`; kernel (*size, channels of the result, channels of x)."""
    size: Any = kernel.shape[:-2]
    window = Window(size, strides, padding, dilation)
    return apply(ConvolutionInputGradient(window), x, kernel, like)
