"""The simple recurrence: one gate, which is the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import threads, xp
from ..device.tasks import Task
from ..graph import Apply, Call, Spec, Tensor, apply, frozen
from .recurrent import Gates, _Recurrence, hold, of, states_spec


@frozen
class SimpleRNNSequence(_Recurrence):
    """(z, kernel, h[, mask][, drop]) -> (states, last): h = activation(z + h kernel) at each step. z is (time, samples,
    units), states (time + 1, samples, units) with the initial h in front, last the state after the last step."""

    name = "simple_rnn_sequence"
    gapless = (0,)
    packs = 1

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """All states, and the last."""
        time, samples, units = self._sizes(ins, 1)
        return states_spec(time, samples, units, ins[0].dtype), Spec((samples, units), ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """See `_rooms`."""
        time, samples, units = ins[0].shape
        return self._rooms(time, samples, units, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each part of the samples, for each step: product, sum, activation."""
        (z, kernel, h), (states, last), (product, *rest) = ins[:3], outs, scratch
        (mask, drop), skip = self._extras(ins), rest[-1] if self.masked else None
        time, samples, units = z.shape
        activate = Gates(self._names(), samples, units, z.dtype).activate()

        def part(p: slice) -> list[Call]:
            made: list[Call] = []
            for step, place in self._places(time):
                before, after = states[step, p], states[step + 1, p]
                made += self._multiply(before, kernel, of(drop, p), of(rest[0], p) if self.drops else None, product[p])
                made += [(xp.add, (z[place, p], product[p], after)), *activate(after, after)]
                made += hold(after, before, of(skip, (place, p)))
            return made

        parts = [part(p) for p in self._parts(time, samples, units)]
        return self._walk(parts, h, states, last, mask, skip)

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """A product and the dropped states."""
        return self.scratch(ins, outs)[:1 + bool(self.drops)]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """For each step a product and a kernel."""
        (z, kernel, h), (states, last) = ins[:3], outs
        (mask, drop), dropped = self._extras(ins), room[1] if self.drops else None

        def at(step: int, place: int) -> list[Call]:
            return [*self._product(states[step], kernel, dropped, room[0]),
                    self._launch("simple_forward", h, z[place], room[0], of(mask, place), drop, dropped, states[step],
                                 states[step + 1])]

        return self._forward([(h, states, last)], drop, dropped, at)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The kernel is packed, then all of time."""
        walk = self._task_walk(ins, ins[0])
        return [walk.pack(ins[1], room[0], 1), walk.task("simple_forward", room[0], ins[2], *outs, ins[0])]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By SimpleRNNSequenceGradient."""
        _, kernel, _, *extras = node.inputs
        op = SimpleRNNSequenceGradient(self.activation, self.go_backwards, self.masked, self.drops)
        dz, dh, dkernel = apply(op, *grads, node.outputs[0], kernel, *extras)
        return [dz, dkernel, dh, *[None] * len(extras)]


@frozen
class SimpleRNNSequenceGradient(_Recurrence):
    """(dstates, dlast, states, kernel[, mask][, drop]) -> (dz, dh, dkernel)."""

    name = "simple_rnn_sequence_gradient"
    gapless = (2,)
    _kernel = 3

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """The shapes of z, h and the kernel."""
        states, kernel = ins[2:4]
        time, samples, units = states.shape
        return (Spec((None if time is None else time - 1, samples, units), states.dtype),
                Spec((samples, units), states.dtype), Spec(kernel.shape, states.dtype))

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The transposed kernel, a state's derivative, a mask, and see `_kernel_room`."""
        (time, samples, units), dtype = outs[0].shape, ins[0].dtype
        return [Spec((units, units), dtype), Spec((samples, units), dtype),
                *([Spec((time, samples, 1), "bool")] if self.masked else []),
                *self._kernel_room(time, samples, units, dtype)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Backwards: the slope of the activation, the product with the transposed kernel; the kernel's at the end."""
        dstates, dlast, states, kernel = ins[:4]
        (dz, dh, dkernel), (transposed, back, *rest) = outs, scratch
        mask, drop = self._extras(ins)
        skip = rest.pop(0) if self.masked else None
        time, samples, units = dz.shape
        slopes = Gates(self._names(), samples, units, dz.dtype).slopes()

        def part(p: slice) -> list[Call]:
            made: list[Call] = []
            for step, place in reversed(self._places(time)):
                d, g, b = dz[place, p], dh[p], back[p]
                made += [(xp.add, (g, dstates[step + 1, p], g)), *slopes(states[step + 1, p], d),
                         (xp.multiply, (d, g, d))]
                made += hold(d, 0, of(skip, (place, p)))
                made += self._multiply_back(d, transposed, of(drop, p), None, b if self.masked else g)
                made += hold(g, b, of(mask, (place, p, None)))
            return [*made, (xp.add, (dh[p], dstates[0, p], dh[p]))]

        parts = self._parts(time, samples, units)
        return [(xp.copyto, (transposed, kernel.T)), (xp.copyto, (dh, dlast)), *self._skips(mask, skip),
                *threads.together([part(p) for p in parts]),
                *self._kernel_gradient(states[:time], dz, drop, dkernel, rest)]

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What comes back from a product, what a skipped step hands on, and see `_kernel_room`."""
        time, samples, units = outs[0].shape
        state = Spec((samples, units), ins[0].dtype)
        return [state, state, *self._kernel_room(time, samples, units, ins[0].dtype)]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """For each step a kernel and a product."""
        dstates, dlast, states, kernel = ins[:4]
        (dz, dh, dkernel), (back, keep, *rest) = outs, room
        mask, drop = self._extras(ins)

        def at(step: int, place: int) -> list[Call]:
            return [self._launch("simple_backward", dh, states[step + 1], dstates[step + 1], back, of(mask, place),
                                 drop, keep, dz[place]),
                    *self._product_back(dz[place], kernel, back)]

        return [*self._backward(dlast, dstates, dh, (back, keep), drop, 1, at),
                *self._kernel_gradient(states[:len(dz)], dz, drop, dkernel, rest)]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The transposed kernel is packed, then all of time, then the kernel's gradient."""
        (dstates, dlast, states, kernel), (dz, dh, dkernel) = ins[:4], outs
        walk = self._task_walk(ins, dz)
        return [walk.pack(kernel, room[0], 1, transposed=True),
                walk.task("simple_backward", room[0], dstates, dlast, dh, dz, states),
                walk.kernel_gradient(states, dz, dkernel, 0, 1)]
