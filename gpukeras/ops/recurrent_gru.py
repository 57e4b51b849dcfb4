"""Gated recurrent unit (Cho et al. 2014), in its two forms: the reset gate before the product, or after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import blas, products, threads, xp
from ..device.tasks import Task
from ..graph import Apply, Call, Spec, Tensor, apply, frozen
from .recurrent import Gates, _Recurrence, by_gate, hold, of, states_spec


@frozen
class _GRU(_Recurrence):
    """What the ops and their derivatives share. The gates stand in Keras's order: z (update), r (reset), h (candidate).

    With one dropout factor for all gates, the part of the state that is carried over is multiplied by it too; with a
    factor for each gate it is not. So do Keras's implementations 2 and 1.
    """

    recurrent_activation: str = "hard_sigmoid"
    gates = 3

    def _names(self) -> list[str]:
        return [self.recurrent_activation, self.recurrent_activation, self.activation]

    def _sizes3(self, z: Any) -> tuple[int, int, int]:
        time, samples, width = z.shape
        return time, samples, width // 3

    def _mix(self, carried: Any, update: Any, candidate: Any, after: Any) -> list[Call]:
        """The new state: z carried + (1 - z) candidate."""
        return [(xp.subtract, (carried, candidate, after)), (xp.multiply, (after, update, after)),
                (xp.add, (after, candidate, after))]

    def _unmix(self, g: Any, carried: Any, y: Any, d: Any, through: Any, q: Any) -> list[Call]:
        """From g, the derivative by the new state: d for update and candidate, and what goes through to `carried`."""
        units = g.shape[-1]
        update, candidate = y[:, :units], y[:, 2 * units:]
        return [(xp.subtract, (carried, candidate, q)), (xp.multiply, (q, g, d[:, :units])),
                (xp.multiply, (g, update, through)), (xp.subtract, (g, through, d[:, 2 * units:]))]

    def _carried(self, before: Any, drop: Any, room: Any) -> tuple[Any, list[Call]]:
        """The state that is carried over, dropped if there is one factor for all; and the calls that make it."""
        if self.drops != 1:
            return before, []
        return room[0], [(xp.multiply, (before, drop[0], room[0]))]


@frozen
class GRUSequence(_GRU):
    """(z, kernel, h[, mask][, drop]) -> (gates, states, last h). At each step, with z = [zu, zr, zc] and the kernel's
    columns likewise,

        u, r = recurrent_activation(zu + h Ku), ... (zr + h Kr),   c = activation(zc + (r h) Kc),   h = u h + (1 - u) c.

    z and gates are (time, samples, 3 * units), states (time + 1, samples, units) with the initial h in front.
    Derivatives flow from `states` and the last; gates are there for the derivative's sake.
    """

    name = "gru_sequence"
    gapless = (0,)
    packs = 1
    in_place = (0,)

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """Gates, all states, and the last."""
        (time, samples, units), dtype = self._sizes(ins, 1), ins[0].dtype
        last = Spec((samples, units), dtype)
        return Spec((time, samples, ins[1].shape[1]), dtype), states_spec(time, samples, units, dtype), last

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """A state of one step, the products for two gates and for the third, and see `_rooms`."""
        (time, samples, units), dtype = self._sizes3(ins[0]), ins[0].dtype
        state = Spec((samples, units), dtype)
        two = Spec((2, samples, units) if self.drops > 1 else (samples, 2 * units), dtype)
        return [state, state, two, *self._rooms(time, samples, units, dtype)[1:]]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each part of the samples, for each step: product, two gates; product, candidate; the new state."""
        (z, kernel, h), (gates, states, last), (reset, third, two, *rest) = ins[:3], outs, scratch
        (mask, drop), skip = self._extras(ins), rest[-1] if self.masked else None
        dropped = rest[0] if self.drops else None
        time, samples, units = self._sizes3(z)
        first = slice(2 * units)
        activate = Gates(self._names()[:2], samples, units, z.dtype).activate()
        squash = Gates([self.activation], samples, units, z.dtype).activate()

        def part(p: slice) -> list[Call]:
            made: list[Call] = []
            own = two[:, p] if self.drops > 1 else two[p]
            factors, room, s, q = of(drop, p), of(dropped, p), reset[p], third[p]
            for step, place in self._places(time):
                g, x, before, after = gates[place, p], z[place, p], states[step, p], states[step + 1, p]
                ends, pre, candidate = g[:, first], x[:, first], g[:, 2 * units:]
                made += self._multiply(before, kernel[:, first], factors, room, own)
                made.append((xp.add, (by_gate(pre, 2), own, by_gate(ends, 2)) if self.drops > 1 else (pre, own, ends)))
                made += activate(ends, ends)
                source = carried = room[0] if self.drops == 1 else before
                if self.drops > 1:
                    source = room[2]
                    made.append((xp.multiply, (before, factors[2], source)))
                made += [(xp.multiply, (g[:, units:2 * units], source, s)), blas.gemm(s, kernel[:, 2 * units:], q),
                         (xp.add, (x[:, 2 * units:], q, candidate)), *squash(candidate, candidate),
                         *self._mix(carried, g[:, :units], candidate, after)]
                made += hold(after, before, of(skip, (place, p)))
            return made

        parts = [part(p) for p in self._parts(time, samples, units)]
        return self._walk(parts, h, states, last, mask, skip)

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """As `scratch`, without the mask."""
        return self.scratch(ins, outs)[:3 + bool(self.drops)]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """For each step two products and two kernels."""
        (z, kernel, h), (gates, states, last), (reset, third, two, *rest) = ins[:3], outs, room
        (mask, drop), dropped = self._extras(ins), rest[0] if self.drops else None
        units = h.shape[-1]

        def at(step: int, place: int) -> list[Call]:
            before, after = states[step], states[step + 1]
            return [*self._product(before, kernel[:, :2 * units], dropped, two),
                    self._launch("gru_gates", h, z[place], two, before, drop, gates[place], reset),
                    blas.gemm(reset, kernel[:, 2 * units:], third),
                    self._launch("gru_forward", h, z[place], third, of(mask, place), drop, dropped, before,
                                 gates[place], after)]

        return self._forward([(h, states, last)], drop, dropped, at)

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The packed kernel, and a sample's reset state for all threads."""
        return [*super().tasks_room(ins, outs), Spec(ins[1].shape[:1], "float32")]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The kernel is packed, then all of time."""
        (z, kernel, h), (gates, *states), (packed, reset) = ins[:3], outs, room
        walk = self._task_walk(ins, z)
        return [walk.pack(kernel, packed, 2, 1), walk.task("gru_forward", packed, h, *states, z, gates, reset)]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By GRUSequenceGradient."""
        _, kernel, _, *extras = node.inputs
        op = GRUSequenceGradient(self.activation, self.go_backwards, self.masked, self.drops, self.recurrent_activation)
        dz, dh, dkernel = apply(op, *grads[1:], *node.outputs[:2], kernel, *extras)
        return [dz, dkernel, dh, *[None] * len(extras)]


@frozen
class GRUSequenceGradient(_GRU):
    """(dstates, dlast, gates, states, kernel[, mask][, drop]) -> (dz, dh, dkernel)."""

    name = "gru_sequence_gradient"
    gapless = (2, 3)
    _kernel = 4

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """The shapes of z, h and the kernel."""
        gates, states, kernel = ins[2:5]
        return Spec(gates.shape, gates.dtype), Spec(states.shape[1:], gates.dtype), Spec(kernel.shape, gates.dtype)

    def _ends(self, time: Any, samples: Any, units: int, dtype: str) -> list[Spec]:
        """For the kernel's gradient: the reset states of all steps, its two parts, and see `_kernel_room`."""
        return [Spec((time, samples, units), dtype), Spec((units, 2 * units), dtype), Spec((units, units), dtype),
                *self._kernel_room(time, samples, units, dtype)]

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The transposed kernel, slopes, three states of one step, dropout's room and way back, a mask, and `_ends`."""
        (time, samples, units), dtype = self._sizes3(outs[0]), ins[0].dtype
        state = Spec((samples, units), dtype)
        return [Spec((3 * units, units), dtype), Spec((samples, 3 * units), dtype), state, state, state,
                *([Spec((3, samples, units), dtype)] if self.drops else []),
                *([Spec((time, samples, 1), "bool")] if self.masked else []), *self._ends(time, samples, units, dtype)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Backwards, step by step: candidate, reset gate, update gate; the kernel's gradient at the end."""
        dstates, dlast, gates, states, kernel = ins[:5]
        (dz, dh, dkernel), (transposed, slope, inner, spare, through, *rest) = outs, scratch
        mask, drop = self._extras(ins)
        spread = rest.pop(0) if self.drops else None
        skip = rest.pop(0) if self.masked else None
        time, samples, units = self._sizes3(dz)
        ends = slice(2 * units)
        slopes = Gates(self._names(), samples, units, dz.dtype).slopes()

        def part(p: slice) -> list[Call]:
            made: list[Call] = []
            g, s, b, q, e = dh[p], slope[p], inner[p], spare[p], through[p]
            factors, room = of(drop, p), of(spread, p)
            for step, place in reversed(self._places(time)):
                y, d, before = gates[place, p], dz[place, p], states[step, p]
                r, dr, dc = y[:, units:2 * units], d[:, units:2 * units], d[:, 2 * units:]
                carried, drops = self._carried(before, factors, room)
                source = carried
                made += [(xp.add, (g, dstates[step + 1, p], g)), *drops, *self._unmix(g, carried, y, d, e, q),
                         *slopes(y, s), (xp.multiply, (dc, s[:, 2 * units:], dc)),
                         blas.gemm(dc, transposed[2 * units:], b)]
                if self.drops > 1:
                    source = room[2]
                    made.append((xp.multiply, (before, factors[2], source)))
                made += [(xp.multiply, (b, source, dr)), (xp.multiply, (d[:, ends], s[:, ends], d[:, ends])),
                         (xp.multiply, (b, r, b))]
                made += hold(d, 0, of(skip, (place, p)))
                if self.drops > 1:
                    made.append((xp.multiply, (b, factors[2], b)))
                made.append((xp.add, (e, b, e)))
                if self.drops == 1:
                    made.append((xp.multiply, (e, factors[0], e)))
                made += self._multiply_back(d[:, ends], transposed[ends], factors, room, q)
                made += [(xp.add, (e, q, e if self.masked else g)), *hold(g, e, of(mask, (place, p, None)))]
            return [*made, (xp.add, (g, dstates[0, p], g))]

        parts = self._parts(time, samples, units)
        reset = rest[0]
        before = states[:time][::-1 if self.go_backwards else 1]
        sources: list[Call] = [(xp.multiply, (gates[:, :, units:2 * units], before, reset))]
        if self.drops:
            sources.append((xp.multiply, (reset, drop[-1], reset)))
        sources += hold(reset, 0, skip)
        return [(xp.copyto, (transposed, kernel.T)), (xp.copyto, (dh, dlast)), *self._skips(mask, skip),
                *threads.together([part(p) for p in parts]), *sources,
                *self._kernel_parts(states[:time], dz, drop, dkernel, rest)]

    def _kernel_parts(self, before: Any, dz: Any, drop: Any, dkernel: Any, ends: Sequence[Any]) -> list[Call]:
        """The kernel's gradient, given the reset states."""
        (reset, first, third, *room), units = ends, dkernel.shape[0]
        return [*self._kernel_gradient(before, dz[:, :, :2 * units], drop, first, room),
                *products(reset.reshape(-1, units).T, dz.reshape(-1, 3 * units)[:, 2 * units:], third),
                (xp.copyto, (dkernel[:, :2 * units], first)), (xp.copyto, (dkernel[:, 2 * units:], third))]

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What comes back from two products, what is handed on without one, and `_ends`."""
        (time, samples, units), dtype = self._sizes3(outs[0]), ins[0].dtype
        state = Spec((samples, units), dtype)
        back = Spec((2, samples, units), dtype) if self.drops > 1 else state
        return [back, state, state, *self._ends(time, samples, units, dtype)]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """For each step two kernels and two products."""
        dstates, dlast, gates, states, kernel = ins[:5]
        (dz, dh, dkernel), (back, inner, keep, *rest) = outs, room
        (mask, drop), units = self._extras(ins), dh.shape[-1]

        def at(step: int, place: int) -> list[Call]:
            d, y, before, live = dz[place], gates[place], states[step], of(mask, place)
            return [self._launch("gru_backward", dh, y, before, dstates[step + 1], back, live, drop, keep, d),
                    blas.gemm(d[:, 2 * units:], kernel[:, 2 * units:].T, inner),
                    self._launch("gru_reset_backward", dh, y, before, inner, live, drop, keep, d, rest[0][place]),
                    *self._product_back(d[:, :2 * units], kernel[:, :2 * units], back)]

        return [*self._backward(dlast, dstates, dh, (back, keep), drop, 2, at),
                *self._kernel_parts(states[:len(dz)], dz, drop, dkernel, rest)]

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The packed kernel, and the reset states of all steps."""
        return [*super().tasks_room(ins, outs), Spec((*outs[0].shape[:2], ins[4].shape[0]), "float32")]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The transposed kernel is packed, then all of time, then the kernel's gradient."""
        (dstates, dlast, gates, states), (dz, dh, dkernel), (packed, resets) = ins[:4], outs, room
        walk = self._task_walk(ins, dz)
        return [walk.pack(ins[4], packed, 2, 1, transposed=True),
                walk.task("gru_backward", packed, dstates, dlast, dh, dz, gates, states, resets),
                walk.kernel_gradient(states, dz, dkernel, 0, 2),
                walk.kernel_gradient(resets, dz, dkernel, 2, 1, ready=True)]
