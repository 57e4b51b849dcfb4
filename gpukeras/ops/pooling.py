"""Maximum and average over windows, channels last, in any number of dimensions. Gradients gather: each cell's sum has
a fixed order. They are linear in the incoming gradient, so gradients of any order exist."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from ..device import FLOATS, blocks, launch, xp
from ..device.tasks import Task
from ..graph import ROW, Apply, Call, Op, Spec, Tensor, apply, frozen, is_float
from .windows import Window, element_strides, lines_of

COST = 0.15  # nanoseconds for a cell that a window sees, compiled for a CPU


@frozen
class _Pooling(Op):
    """What the pooling ops share: they are row-wise, and their kernels take x with its strides. A copy without gaps, of
    an image with the channels first, would read as scattered as the kernel itself."""

    window: Window
    kernel_types = FLOATS

    def _pooled(self, x: Spec) -> Spec:
        if len(x.shape) != len(self.window.size) + 2:
            raise ValueError(f"expected an input with {len(self.window.size) + 2} axes, got shape {x.shape}")
        return Spec((x.shape[0], *self.window.output_space(x.shape[1:-1]), x.shape[-1]), x.dtype)

    def _launch(self, kernel: str, threads: int, image: Any, strided: Any, *arrays: Any) -> list[Call]:
        """The kernel on `arrays`, its windows standing on `image`; `strided` is the array whose strides it takes."""
        if not threads:
            return []
        unrolled: dict[str, Any] = {"TILE": 2} if self.window.size == (2, 2) and self._side_by_side() else {}
        return [launch("pooling", kernel, image.dtype, blocks(threads), *arrays, image.shape[0], image.shape[-1],
                       *element_strides(strided), *self.window.geometry(image.shape[1:-1]), **unrolled)]

    def _task(self, image: Any, *words: Any) -> list[Task]:
        """The task of the op's name, its windows standing on `image`; a unit is a sample."""
        space = image.shape[1:-1]
        cells = prod(self.window.size) * prod(self.window.output_space(space))  # type: ignore[arg-type]
        return [Task("pooling", self.name, (*words, *self.window.geometry(space)), image.shape[0],
                     COST * image.shape[0] * image.shape[-1] * cells, 32 * prod(self.window.size), samples=True)]

    def _tiled(self, space: Sequence[int]) -> int:
        """1 if every cell is seen by just one window."""
        fits = self._side_by_side() and all(n % size == 0 for n, size in zip(space, self.window.size))
        return int(fits and self.window.covers(space))

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of float32 with at most three spatial axes, where there are elements."""
        return super().takes_tasks(ins, outs) and len(outs[0].shape) <= 5 and outs[0].size > 0

    def _side_by_side(self) -> bool:
        """Whether windows neither overlap nor leave gaps."""
        return self.window.strides == self.window.size and set(self.window.dilation) == {1}

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


@frozen
class _OverWindows(_Pooling):
    """x (samples, *space, channels) -> one number of each window, by a task and a kernel named as the op."""

    packed = ()
    c_family = "pooling"
    gapless = ()

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One. Of a single sample the units are lines."""
        x, y = ins[0], outs[0]
        axis, lines, line = lines_of(y)
        words = (x, *element_strides(x), x.shape[-1], y)
        if len(y) == 1:
            return [task._replace(units=lines, samples=False, stretch=line, reads=self._reads(x, axis))
                    for task in self._task(x, *words, line, axis)]
        return self._task(x, *words, y[0].size, -1)

    def _reads(self, x: Any, axis: int) -> int:
        """The numbers of x, if it has no gaps, that a line of windows on this axis of three is moved by, and sees none
        beyond them; 0 if it does."""
        first, lines, line = lines_of(x)
        own = axis - 5 + x.ndim
        if first != axis or self.window.reach(own) > self.window.strides[own] or self.window.pads(lines, own)[0]:
            return 0
        return self.window.strides[own] * line

    def infer(self, *ins: Spec) -> Spec:
        """(samples, *positions, channels)."""
        return self._pooled(ins[0])

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, a thread for each window."""
        return self._launch(self.name, outs[0].size, ins[0], ins[0], ins[0], outs[0])


@frozen
class MaxPool(_OverWindows):
    """x (samples, *space, channels) -> the largest of each window."""

    name = "max_pool"

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Cell by cell of the window."""
        x, y = ins[0], outs[0]
        lowest = -np.inf if is_float(x.dtype.name) else np.iinfo(x.dtype).min
        calls: list[Call] = [(y.fill, (lowest,))]
        for tap in self.window.taps(x.shape[1:-1]):
            seen = y[(slice(None), *tap.outputs)]
            calls.append((partial(xp.maximum, out=seen), (seen, x[(slice(None), *tap.inputs)])))
        return calls

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """To the first largest cell of each window."""
        return [apply(MaxPoolGradient(self.window), grads[0], node.inputs[0], node.outputs[0])]


@frozen
class _AtMaximum(_Pooling):
    """Walks the windows of x and finds, in each, the first cell that equals y."""

    packed = (0, 2)

    def _rooms(self, y: Spec) -> list[Spec]:
        return [Spec(y.shape, "bool"), Spec(y.shape, "bool"), y]

    def _walk(self, x: Any, y: Any, found: Any, open_: Any) -> Any:
        """For each tap: the calls that set `found`, then input and output slices."""
        for tap in self.window.taps(x.shape[1:-1]):
            cells, seen = (slice(None), *tap.inputs), (slice(None), *tap.outputs)
            hit, left = found[seen], open_[seen]
            yield [(xp.equal, (x[cells], y[seen], hit)), (xp.logical_and, (hit, left, hit)),
                   (xp.logical_xor, (left, hit, left))], cells, seen


@frozen
class MaxPoolGradient(_AtMaximum):
    """(g, x, y) -> g put to the first largest cell of each window."""

    name = "max_pool_gradient"
    contiguous = (0,)
    c_family = "pooling"
    gapless = (0, 2)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One."""
        g, x, y = ins
        return self._task(x, g, x, *element_strides(x), y, outs[0], x.shape[-1], self._tiled(x.shape[1:-1]))

    def infer(self, *ins: Spec) -> Spec:
        """The shape of x."""
        return Spec(ins[1].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Two masks and a product."""
        return self._rooms(ins[2])

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Cell by cell of the window; each window gives its gradient once."""
        (g, x, y), dx, (found, open_, part) = ins, outs[0], scratch
        calls: list[Call] = [(dx.fill, (0,)), (open_.fill, (True,))]
        for find, cells, seen in self._walk(x, y, found, open_):
            target = dx[cells]
            calls += [*find, (xp.multiply, (g[seen], found[seen], part[seen])), (xp.add, (target, part[seen], target))]
        return calls

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel: a thread for each window where these lie side by side, else for each cell."""
        (g, x, y), dx = ins, outs[0]
        if not self._side_by_side():
            return self._launch("max_pool_gradient", dx.size, x, x, g, x, y, dx)
        tiles = [-(-(n + self.window.pads(n, a)[0]) // self.window.size[a]) for a, n in enumerate(x.shape[1:-1])]
        return self._launch("max_pool_gradient_tiles", x.shape[0] * prod(tiles) * x.shape[-1], x, x, g, x, y, dx)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """What lies at those cells; the choice of cells does not vary smoothly."""
        return [apply(MaxPoolPick(self.window), grads[0], *node.inputs[1:]), None, None]


@frozen
class MaxPoolPick(_AtMaximum):
    """(h, x, y) -> for each window, h at the first largest cell of x."""

    name = "max_pool_pick"

    def infer(self, *ins: Spec) -> Spec:
        """The shape of y."""
        return Spec(ins[2].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Two masks and a product."""
        return self._rooms(ins[2])

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Cell by cell of the window."""
        (h, x, y), out, (found, open_, part) = ins, outs[0], scratch
        calls: list[Call] = [(out.fill, (0,)), (open_.fill, (True,))]
        for find, cells, seen in self._walk(x, y, found, open_):
            calls += [*find, (xp.multiply, (h[cells], found[seen], part[seen])),
                      (xp.add, (out[seen], part[seen], out[seen]))]
        return calls

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, a thread for each window."""
        return self._launch("max_pool_pick", outs[0].size, ins[1], ins[1], *ins, outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Put back to those cells."""
        return [apply(MaxPoolGradient(self.window), grads[0], *node.inputs[1:]), None, None]


@frozen
class AveragePool(_OverWindows):
    """x -> the mean of the real cells of each window; padding does not count."""

    name = "average_pool"

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Cell by cell of the window, then divided by the number of cells."""
        x, y = ins[0], outs[0]
        calls: list[Call] = [(y.fill, (0,))]
        for tap in self.window.taps(x.shape[1:-1]):
            seen = y[(slice(None), *tap.outputs)]
            calls.append((xp.add, (seen, x[(slice(None), *tap.inputs)], seen)))
        return [*calls, (xp.divide, (y, _cells(self.window, x.shape[1:-1], y.dtype), y))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Spread evenly."""
        return [apply(AveragePoolGradient(self.window), grads[0], node.inputs[0])]


@frozen
class AveragePoolGradient(_Pooling):
    """(g, like x) -> g spread evenly over the real cells of each window."""

    name = "average_pool_gradient"
    shape_only = (1,)
    contiguous = (0,)
    packed = ()
    c_family = "pooling"

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One."""
        dx = outs[0]
        return self._task(dx, ins[0], dx, dx.shape[-1], self._tiled(dx.shape[1:-1]))

    def infer(self, *ins: Spec) -> Spec:
        """The shape of x."""
        return Spec(ins[1].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The shares."""
        return [ins[0]]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Divided by the number of cells, then cell by cell of the window."""
        dx, share = outs[0], scratch[0]
        space = dx.shape[1:-1]
        calls: list[Call] = [(xp.divide, (ins[0], _cells(self.window, space, dx.dtype), share)), (dx.fill, (0,))]
        for tap in self.window.taps(space):
            cells = dx[(slice(None), *tap.inputs)]
            calls.append((xp.add, (cells, share[(slice(None), *tap.outputs)], cells)))
        return calls

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, a thread for each cell; the strides are those of g."""
        return self._launch("average_pool_gradient", outs[0].size, outs[0], ins[0], ins[0], outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The average."""
        return [apply(AveragePool(self.window), grads[0]), None]


def _cells(window: Window, space: Sequence[int], dtype: Any) -> Any:
    """The number of real cells that each window sees, shaped to divide (samples, *positions, channels)."""
    counts: Any = np.zeros((*window.output_space(space), 1), dtype)
    for tap in window.taps(space):
        counts[tap.outputs] += 1
    return xp.asarray(counts)


def pool(x: Tensor, size: tuple[int, ...], strides: tuple[int, ...], padding: str, mode: str) -> Tensor:
    """The largest ('max') or the mean ('avg') of each window."""
    window = Window(size, strides, padding, (1,) * len(size))
    return apply(MaxPool(window) if mode == "max" else AveragePool(window), x)
