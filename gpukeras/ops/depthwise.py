"""Depthwise convolution: every channel has filters of its own. As with `convolution`, the three ops are each other's
derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..device import REDUCTIONS, xp
from ..graph import MIX, REDUCE, ROW, Apply, Call, Op, Spec, Tensor, apply
from .windows import Tap, Window


def _split(y: Any, multiplier: int) -> Any:
    """(..., channels * multiplier) as (..., channels, multiplier)."""
    return y.reshape((*y.shape[:-1], y.shape[-1] // multiplier, multiplier))


def _at(x: Any, tap: Tap) -> Any:
    return x[(slice(None), *tap.inputs)]


@dataclass(frozen=True)
class Depthwise(Op):
    """(x, kernel) -> y: x (samples, *space, channels), kernel (*size, channels, multiplier), y (samples, *positions,
    channels * multiplier)."""

    window: Window
    name = "depthwise_convolution"

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

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By the other two ops."""
        x, kernel = node.inputs
        return [apply(DepthwiseInputGradient(self.window), grads[0], kernel, x),
                apply(DepthwiseKernelGradient(self.window), x, grads[0], kernel)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return MIX if carries[1] else ROW


@dataclass(frozen=True)
class DepthwiseInputGradient(Op):
    """(g, kernel, like x) -> the derivative for x."""

    window: Window
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

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The op is linear in g and in the kernel."""
        g, kernel, _ = node.inputs
        return [apply(Depthwise(self.window), grads[0], kernel),
                apply(DepthwiseKernelGradient(self.window), grads[0], g, kernel), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return MIX if carries[1] else ROW


@dataclass(frozen=True)
class DepthwiseKernelGradient(Op):
    """(x, g, like kernel) -> the derivative for the kernel."""

    window: Window
    name = "depthwise_kernel_gradient"
    shape_only = (2,)
    contiguous = (1,)

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

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The op is linear in x and in g."""
        x, g, _ = node.inputs
        return [apply(DepthwiseInputGradient(self.window), g, grads[0], x),
                apply(Depthwise(self.window), x, grads[0]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Reducing: a sum over the samples."""
        return REDUCE if carries[0] and carries[1] else MIX


def depthwise(x: Tensor, kernel: Tensor, strides: tuple[int, ...], padding: str, dilation: tuple[int, ...]) -> Tensor:
    """Every channel of x convolved with its own filters."""
    size: Any = kernel.shape[:-2]
    return apply(Depthwise(Window(size, strides, padding, dilation)), x, kernel)
