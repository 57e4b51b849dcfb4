"""The gated recurrent unit as cuDNN has it: the reset gate after the product, which has a bias of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import threads, xp
from ..device.tasks import Task
from ..graph import Apply, Call, Spec, Tensor, apply, frozen
from .recurrent import Gates, by_gate, hold, of, states_spec
from .recurrent_gru import _GRU
from .reduce import reduce


@frozen
class GRUSequenceResetAfter(_GRU):
    """(z, kernel, h, bias[, mask][, drop]) -> (gates, states, inner, last h). At each step, with z = [zu, zr, zc] and
    h kernel + bias = [qu, qr, qc],

        u, r = recurrent_activation(zu + qu), ... (zr + qr),   c = activation(zc + r qc),   h = u h + (1 - u) c.

    The bias is (3 * units,), inner (time, samples, units) is qc; otherwise see GRUSequence.
    """

    name = "gru_sequence_reset_after"
    gapless = (0,)
    packs = 1
    in_place = (0,)

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """Gates, all states, inner, and the last state."""
        (time, samples, units), dtype = self._sizes(ins, 1), ins[0].dtype
        width, bias = ins[1].shape[1], ins[3].shape
        if len(bias) != 1 or None not in (width, bias[0]) and bias[0] != width:
            raise ValueError(f"the recurrent bias must have shape {(width,)}, got {bias}")
        return (Spec((time, samples, width), dtype), states_spec(time, samples, units, dtype),
                Spec((time, samples, units), dtype), Spec((samples, units), dtype))

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Products side by side, and see `_rooms`."""
        (time, samples, units), dtype = self._sizes3(ins[0]), ins[0].dtype
        return [Spec((samples, 3 * units), dtype), *self._rooms(time, samples, units, dtype)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each part of the samples, for each step: product, two gates, candidate, the new state."""
        (z, kernel, h, bias), (gates, states, inner, last), (flat, product, *rest) = ins[:4], outs, scratch
        (mask, drop), skip = self._extras(ins), rest[-1] if self.masked else None
        dropped = rest[0] if self.drops else None
        time, samples, units = self._sizes3(z)
        first, second = slice(2 * units), slice(2 * units, None)
        activate = Gates(self._names()[:2], samples, units, z.dtype).activate()
        squash = Gates([self.activation], samples, units, z.dtype).activate()

        def part(p: slice) -> list[Call]:
            made: list[Call] = []
            own = product[:, p] if self.drops > 1 else product[p]
            factors, room, sums = of(drop, p), of(dropped, p), flat[p]
            for step, place in self._places(time):
                g, x, q = gates[place, p], z[place, p], inner[place, p]
                before, after = states[step, p], states[step + 1, p]
                ends, candidate = g[:, first], g[:, second]
                made += self._multiply(before, kernel, factors, room, own)
                if self.drops > 1:
                    made.append((xp.add, (own, bias.reshape(3, 1, -1), by_gate(sums, 3))))
                else:
                    made.append((xp.add, (own, bias, sums)))
                made += [(xp.copyto, (q, sums[:, second])), (xp.add, (x[:, first], sums[:, first], ends)),
                         *activate(ends, ends), (xp.multiply, (g[:, units:2 * units], q, sums[:, second])),
                         (xp.add, (x[:, second], sums[:, second], candidate)), *squash(candidate, candidate),
                         *self._mix(room[0] if self.drops == 1 else before, g[:, :units], candidate, after)]
                made += hold(after, before, of(skip, (place, p)))
            return made

        parts = [part(p) for p in self._parts(time, samples, units)]
        return self._walk(parts, h, states, last, mask, skip)

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """A product and the dropped states."""
        return self._rooms(*self._sizes3(ins[0]), ins[0].dtype)[:1 + bool(self.drops)]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """For each step a product and a kernel."""
        (z, kernel, h, bias), (gates, states, inner, last) = ins[:4], outs
        (mask, drop), dropped = self._extras(ins), room[1] if self.drops else None

        def at(step: int, place: int) -> list[Call]:
            return [*self._product(states[step], kernel, dropped, room[0]),
                    self._launch("gru_after_forward", h, z[place], room[0], bias, of(mask, place), drop, dropped,
                                 states[step], gates[place], inner[place], states[step + 1])]

        return self._forward([(h, states, last)], drop, dropped, at)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The kernel is packed, then all of time."""
        (z, kernel, h, bias), (gates, states, inner, last) = ins[:4], outs
        walk = self._task_walk(ins, z)
        return [walk.pack(kernel, room[0], 3),
                walk.task("gru_after_forward", room[0], h, states, last, z, bias, gates, inner)]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By GRUSequenceResetAfterGradient; the bias' is a sum over steps and samples."""
        _, kernel, _, _, *extras = node.inputs
        op = GRUSequenceResetAfterGradient(self.activation, self.go_backwards, self.masked, self.drops,
                                           self.recurrent_activation)
        dz, dsums, dh, dkernel = apply(op, grads[1], grads[3], *node.outputs[:3], kernel, *extras)
        return [dz, dkernel, dh, reduce("sum", dsums, (0, 1)), *[None] * len(extras)]


@frozen
class GRUSequenceResetAfterGradient(_GRU):
    """(dstates, dlast, gates, states, inner, kernel[, mask][, drop]) -> (dz, dsums, dh, dkernel), where dsums (time,
    samples, 3 * units) is the derivative by h kernel + bias."""

    name = "gru_sequence_reset_after_gradient"
    gapless = (2, 3, 4)
    _kernel = 5

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """The shapes of z, again of z, of h and the kernel."""
        gates, states, kernel = ins[2], ins[3], ins[5]
        z = Spec(gates.shape, gates.dtype)
        return z, z, Spec(states.shape[1:], gates.dtype), Spec(kernel.shape, gates.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The transposed kernel, slopes, two states of one step, dropout's room, a mask, and `_kernel_room`."""
        (time, samples, units), dtype = self._sizes3(outs[0]), ins[0].dtype
        state = Spec((samples, units), dtype)
        return [Spec((3 * units, units), dtype), Spec((samples, 3 * units), dtype), state, state,
                *([Spec((3, samples, units), dtype)] if self.drops else []),
                *([Spec((time, samples, 1), "bool")] if self.masked else []),
                *self._kernel_room(time, samples, units, dtype)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Backwards, step by step; the kernel's gradient at the end."""
        dstates, dlast, gates, states, inner, kernel = ins[:6]
        (dz, dsums, dh, dkernel), (transposed, slope, spare, through, *rest) = outs, scratch
        mask, drop = self._extras(ins)
        spread = rest.pop(0) if self.drops else None
        skip = rest.pop(0) if self.masked else None
        time, samples, units = self._sizes3(dz)
        first, second = slice(2 * units), slice(2 * units, None)
        slopes = Gates(self._names(), samples, units, dz.dtype).slopes()

        def part(p: slice) -> list[Call]:
            made: list[Call] = []
            g, s, q, e = dh[p], slope[p], spare[p], through[p]
            factors, room = of(drop, p), of(spread, p)
            for step, place in reversed(self._places(time)):
                y, d, ds = gates[place, p], dz[place, p], dsums[place, p]
                dc = d[:, second]
                carried, drops = self._carried(states[step, p], factors, room)
                made += [(xp.add, (g, dstates[step + 1, p], g)), *drops, *self._unmix(g, carried, y, d, e, q),
                         *slopes(y, s), (xp.multiply, (dc, s[:, second], dc)),
                         (xp.multiply, (dc, inner[place, p], d[:, units:2 * units])),
                         (xp.multiply, (d[:, first], s[:, first], d[:, first]))]
                made += hold(d, 0, of(skip, (place, p)))
                made += [(xp.copyto, (ds[:, first], d[:, first])),
                         (xp.multiply, (dc, y[:, units:2 * units], ds[:, second]))]
                if self.drops == 1:
                    made.append((xp.multiply, (e, factors[0], e)))
                made += self._multiply_back(ds, transposed, factors, room, q)
                made += [(xp.add, (e, q, e if self.masked else g)), *hold(g, e, of(mask, (place, p, None)))]
            return [*made, (xp.add, (g, dstates[0, p], g))]

        parts = self._parts(time, samples, units)
        return [(xp.copyto, (transposed, kernel.T)), (xp.copyto, (dh, dlast)), *self._skips(mask, skip),
                *threads.together([part(p) for p in parts]),
                *self._kernel_gradient(states[:time], dsums, drop, dkernel, rest)]

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What comes back from a product, what is handed on without one, and see `_kernel_room`."""
        (time, samples, units), dtype = self._sizes3(outs[0]), ins[0].dtype
        back = (3, samples, units) if self.drops > 1 else (samples, units)
        return [Spec(back, dtype), Spec((samples, units), dtype), *self._kernel_room(time, samples, units, dtype)]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """For each step a kernel and a product."""
        dstates, dlast, gates, states, inner, kernel = ins[:6]
        (dz, dsums, dh, dkernel), (back, keep, *rest) = outs, room
        mask, drop = self._extras(ins)

        def at(step: int, place: int) -> list[Call]:
            return [self._launch("gru_after_backward", dh, gates[place], inner[place], states[step], dstates[step + 1],
                                 back, of(mask, place), drop, keep, dz[place], dsums[place]),
                    *self._product_back(dsums[place], kernel, back)]

        return [*self._backward(dlast, dstates, dh, (back, keep), drop, 3, at),
                *self._kernel_gradient(states[:len(dz)], dsums, drop, dkernel, rest)]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The transposed kernel is packed, then all of time, then the kernel's gradient."""
        (dstates, dlast, gates, states, inner), (dz, dsums, dh, dkernel) = ins[:5], outs
        walk = self._task_walk(ins, dz)
        return [walk.pack(ins[5], room[0], 3, transposed=True),
                walk.task("gru_after_backward", room[0], dstates, dlast, dh, dsums, dz, gates, states, inner),
                walk.kernel_gradient(states, dsums, dkernel, 0, 3)]
