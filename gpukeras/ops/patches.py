"""Windows as elements of a tensor, and the way back; and zeros around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import FLOATS, xp
from ..device.tasks import Task
from ..graph import MIX, ROW, Apply, Call, Op, Spec, Tensor, apply, frozen
from . import convolution_kernels as kernels
from . import copies
from .slicing import Slice
from .windows import Window


@frozen
class Patches(Op):
    """x (samples, *space, channels) -> (samples, *positions, *size, channels): each window's cells, without padding."""

    window: Window
    name = "patches"
    kernel_types = FLOATS
    packed = ()
    c_family = copies.FAMILY
    gapless = ()

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Always."""
        return copies.takes_copy(*outs)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One copy."""
        return copies.copy(outs[0], self.window.columns(ins[0], ins[0].shape[1:-1]), samples=True)

    def infer(self, *ins: Spec) -> Spec:
        """The shape above."""
        x = ins[0]
        if len(x.shape) != len(self.window.size) + 2:
            raise ValueError(f"expected an input with {len(self.window.size) + 2} axes, got shape {x.shape}")
        return Spec((x.shape[0], *self.window.output_space(x.shape[1:-1]), *self.window.size, x.shape[-1]), x.dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One copy."""
        return [(xp.copyto, (outs[0], self.window.columns(ins[0], ins[0].shape[1:-1])))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, the same copy."""
        return kernels.im2col(self.window, ins[0], outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Added up where the cells came from."""
        return [apply(FoldPatches(self.window), grads[0], node.inputs[0])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


@frozen
class FoldPatches(Op):
    """(patches, like x) -> x with every window's cells added to where they come from."""

    window: Window
    name = "fold_patches"
    shape_only = (1,)
    kernel_types = FLOATS
    packed = (0,)

    def infer(self, *ins: Spec) -> Spec:
        """The shape of x."""
        return Spec(ins[1].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Cell by cell of the window."""
        calls: list[Call] = [(outs[0].fill, (0,))]
        for tap in self.window.taps(outs[0].shape[1:-1]):
            cells = outs[0][(slice(None), *tap.inputs)]
            calls.append((xp.add, (cells, ins[0][(slice(None), *tap.outputs, *tap.place)], cells)))
        return calls

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, in which each cell gathers."""
        return kernels.col2im(self.window, ins[0], outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The patches."""
        return [apply(Patches(self.window), grads[0]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


@frozen
class Pad(Op):
    """Zeros before and after each axis: `pads` has a pair of counts for each."""

    pads: tuple[tuple[int, int], ...]
    name = "pad"
    c_family = copies.FAMILY
    gapless = ()

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Always, but for very many axes."""
        return copies.takes_copy(*outs)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """Zeros, then the input in its place."""
        samples = self.pads[:1] == ((0, 0),)
        inside = outs[0][tuple(slice(*i) for i in self._inside())]
        return [*copies.fill(outs[0], 0, samples), *copies.copy(inside, ins[0], samples)]

    def infer(self, *ins: Spec) -> Spec:
        """The larger shape."""
        if len(self.pads) != len(ins[0].shape):
            raise ValueError(f"expected an input with {len(self.pads)} axes, got shape {ins[0].shape}")
        return Spec(tuple(None if d is None else d + sum(p) for d, p in zip(ins[0].shape, self.pads)), ins[0].dtype)

    def _inside(self) -> tuple[tuple[int | None, int | None, None], ...]:
        return tuple((before or None, -after or None, None) for before, after in self.pads)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Zeros, then the input in its place."""
        return [(outs[0].fill, (0,)), (xp.copyto, (outs[0][tuple(slice(*i) for i in self._inside())], ins[0]))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The inner part."""
        return [apply(Slice(self._inside()), grads[0])]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise if no samples are added."""
        return ROW if self.pads[0] == (0, 0) else MIX


def pad(x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
    """Zeros around a tensor."""
    return apply(Pad(tuple((int(a), int(b)) for a, b in pads)), x)


def patches(x: Tensor, size: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """Each window's cells as axes of their own."""
    return apply(Patches(Window(size, strides, "valid", (1,) * len(size))), x)
