"""Long short-term memory (Hochreiter and Schmidhuber 1997; with a forget gate, Gers et al. 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device import blas, threads, xp
from ..device.tasks import Task
from ..graph import Apply, Call, Spec, Tensor, apply, frozen
from .recurrent import Gates, _Recurrence, by_gate, hold, of, states_spec


@frozen
class _LSTM(_Recurrence):
    """What the op and its derivative share. The gates stand in Keras's order: i (input), f (forget), c (candidate),
    o (output)."""

    recurrent_activation: str = "hard_sigmoid"
    gates = 4

    def _names(self) -> list[str]:
        outer, inner = self.recurrent_activation, self.activation
        return [outer, outer, inner, outer]

    def _gates(self, p: slice, units: int, dtype: Any) -> tuple[Gates, Gates]:
        """The activations for a part of the samples: of the gates, each in a block of its own, and of the cell."""
        rows = p.stop - p.start
        return Gates(self._names(), rows, units, dtype, apart=True), Gates([self.activation], rows, units, dtype)


@frozen
class LSTMSequence(_LSTM):
    """(z, kernel, h, c[, mask][, drop]) -> (gates, states, cells, last h, last c). At each step

        i, f, g, o = the activations of z + h kernel,   c = f c + i g,   h = o activation(c).

    z and gates are (time, samples, 4 * units), states and cells (time + 1, samples, units) with the initial h and c in
    front. Derivatives flow from `states` and the last ones; gates and cells are there for the derivative's sake.
    """

    name = "lstm_sequence"
    gapless = (0,)
    packs = 1
    in_place = (0,)

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """Gates, all states, all cells, and the last of both."""
        (time, samples, units), dtype = self._sizes(ins, 2), ins[0].dtype
        states, last = states_spec(time, samples, units, dtype), Spec((samples, units), dtype)
        return Spec((time, samples, ins[1].shape[1]), dtype), states, states, last, last

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The kernel gate by gate, two states of one step, a step's gates, and see `_rooms`."""
        (time, samples, units), dtype = _sizes(ins[0]), ins[0].dtype
        state = Spec((samples, units), dtype)
        return [Spec((4, units, units), dtype), state, state, Spec((samples, 4 * units), dtype),
                *self._rooms(time, samples, units, dtype)[1:]]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """For each part of the samples, for each step: product, sum, activations, cell, state. Meanwhile each gate has
        a block of its own."""
        (z, kernel, h, c), (gates, states, cells, *last) = ins[:4], outs
        kernels, spare, squashed, blocks, *rest = scratch
        (mask, drop), skip = self._extras(ins), rest[-1] if self.masked else None
        dropped = rest[0] if self.drops else None
        time, samples, units = _sizes(z)

        def part(p: slice) -> list[Call]:
            made: list[Call] = []
            activate, squash = (g.activate() for g in self._gates(p, units, z.dtype))
            y, q, t, factors, room = apart(blocks[p]), spare[p], squashed[p], of(drop, p), of(dropped, p)
            i, f, candidate, o = y
            for step, place in self._places(time):
                (before, after), (old, new) = ((a[step, p], a[step + 1, p]) for a in (states, cells))
                source = before
                if self.drops:
                    source = room if self.drops > 1 else room[0]
                    made.append((xp.multiply, (before, factors if self.drops > 1 else factors[0], source)))
                made += [(blas.matmul, (source, kernels, y)), (xp.add, (by_gate(z[place, p], 4), y, y)),
                         *activate(y, y), (xp.multiply, (f, old, new)), (xp.multiply, (i, candidate, q)),
                         (xp.add, (new, q, new)),
                         *squash(new, t), (xp.multiply, (o, t, after)), (xp.copyto, (by_gate(gates[place, p], 4), y))]
                made += [*hold(new, old, of(skip, (place, p))), *hold(after, before, of(skip, (place, p)))]
            return made

        parts = self._parts(time, samples, units)
        return [(xp.copyto, (kernels, by_gate(kernel, 4))), (xp.copyto, (states[0], h)), (xp.copyto, (cells[0], c)),
                *self._skips(mask, skip),
                *threads.together([part(p) for p in parts]),
                (xp.copyto, (last[0], states[time])), (xp.copyto, (last[1], cells[time]))]

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """A product and the dropped states."""
        return self._rooms(*_sizes(ins[0]), ins[0].dtype)[:1 + bool(self.drops)]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """For each step a product and a kernel."""
        (z, kernel, h, c), (gates, states, cells, *last) = ins[:4], outs
        (mask, drop), dropped = self._extras(ins), room[1] if self.drops else None

        def at(step: int, place: int) -> list[Call]:
            return [*self._product(states[step], kernel, dropped, room[0]),
                    self._launch("lstm_forward", h, z[place], room[0], of(mask, place), drop, dropped, states[step],
                                 cells[step], gates[place], states[step + 1], cells[step + 1])]

        return self._forward([(h, states, last[0]), (c, cells, last[1])], drop, dropped, at)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The kernel is packed, then all of time."""
        (z, kernel, h, c), (gates, states, cells, *last) = ins[:4], outs
        walk = self._task_walk(ins, z)
        return [walk.pack(kernel, room[0], 4),
                walk.task("lstm_forward", room[0], h, states, last[0], c, cells, last[1], z, gates)]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By LSTMSequenceGradient."""
        _, kernel, _, _, *extras = node.inputs
        op = LSTMSequenceGradient(self.activation, self.go_backwards, self.masked, self.drops,
                                  self.recurrent_activation)
        dz, dh, dc, dkernel = apply(op, grads[1], *grads[3:], *node.outputs[:3], kernel, *extras)
        return [dz, dkernel, dh, dc, *[None] * len(extras)]


@frozen
class LSTMSequenceGradient(_LSTM):
    """(dstates, dlast_h, dlast_c, gates, states, cells, kernel[, mask][, drop]) -> (dz, dh, dc, dkernel)."""

    name = "lstm_sequence_gradient"
    gapless = (3, 4, 5)
    _kernel = 6

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """The shapes of z, h, c and the kernel."""
        gates, states, kernel = ins[3], ins[4], ins[6]
        state = Spec(states.shape[1:], gates.dtype)
        return Spec(gates.shape, gates.dtype), state, state, Spec(kernel.shape, gates.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The transposed kernel, a step's gates, slopes and derivatives, three states of a step, dropout's way back, a
        mask, and `_kernel_room`."""
        (time, samples, units), dtype = _sizes(outs[0]), ins[0].dtype
        state, wide = Spec((samples, units), dtype), Spec((samples, 4 * units), dtype)
        return [Spec((4 * units, units), dtype), wide, wide, wide, state, state, state,
                *([Spec((4, samples, units), dtype)] if self.drops > 1 else []),
                *([Spec((time, samples, 1), "bool")] if self.masked else []),
                *self._kernel_room(time, samples, units, dtype)]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Backwards, step by step: the derivatives by the gates, times their slopes; back through cell and product. The
        kernel's gradient at the end."""
        dstates, dlast_h, dlast_c, gates, states, cells, kernel = ins[:7]
        (dz, dh, dc, dkernel), (transposed, values, slopes, products, squashed, spare, inner, *rest) = outs, scratch
        mask, drop = self._extras(ins)
        spread = rest.pop(0) if self.drops > 1 else None
        skip = rest.pop(0) if self.masked else None
        time, samples, units = _sizes(dz)

        def part(p: slice) -> list[Call]:
            made: list[Call] = []
            outer, cell = self._gates(p, units, dz.dtype)
            slope, squash, bend = outer.slopes(), cell.activate(), cell.slopes()
            y, s, w = (apart(a[p]) for a in (values, slopes, products))
            (i, f, candidate, o), (di, df, dcandidate, do) = y, w
            gh, gc, t, q = dh[p], dc[p], squashed[p], spare[p]
            e = inner[p] if self.masked else gc
            for step, place in reversed(self._places(time)):
                d = dz[place, p]
                made += [(xp.copyto, (y, by_gate(gates[place, p], 4))),
                         (xp.add, (gh, dstates[step + 1, p], gh)), *squash(cells[step + 1, p], t), *bend(t, q),
                         (xp.multiply, (gh, t, do)), (xp.multiply, (gh, o, t)), (xp.multiply, (q, t, q)),
                         (xp.add, (gc, q, e)), (xp.multiply, (e, candidate, di)),
                         (xp.multiply, (e, cells[step, p], df)), (xp.multiply, (e, i, dcandidate)),
                         *slope(y, s), (xp.multiply, (w, s, by_gate(d, 4)))]
                live = of(mask, (place, p, None))
                made += [(xp.multiply, (e, f, q if self.masked else gc)), *hold(gc, q, live),
                         *hold(d, 0, of(skip, (place, p))),
                         *self._multiply_back(d, transposed, of(drop, p), of(spread, p), q if self.masked else gh),
                         *hold(gh, q, live)]
            return [*made, (xp.add, (gh, dstates[0, p], gh))]

        parts = self._parts(time, samples, units)
        return [(xp.copyto, (transposed, kernel.T)), (xp.copyto, (dh, dlast_h)), (xp.copyto, (dc, dlast_c)),
                *self._skips(mask, skip), *threads.together([part(p) for p in parts]),
                *self._kernel_gradient(states[:time], dz, drop, dkernel, rest)]

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What comes back from a product, what a skipped step hands on, and see `_kernel_room`."""
        (time, samples, units), dtype = _sizes(outs[0]), ins[0].dtype
        back = (4, samples, units) if self.drops > 1 else (samples, units)
        return [Spec(back, dtype), Spec((samples, units), dtype), *self._kernel_room(time, samples, units, dtype)]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """For each step a kernel and a product."""
        dstates, dlast_h, dlast_c, gates, states, cells, kernel = ins[:7]
        (dz, dh, dc, dkernel), (back, keep, *rest) = outs, room
        mask, drop = self._extras(ins)

        def at(step: int, place: int) -> list[Call]:
            return [self._launch("lstm_backward", dh, gates[place], cells[step], cells[step + 1], dstates[step + 1],
                                 back, of(mask, place), drop, keep, dc, dz[place]),
                    *self._product_back(dz[place], kernel, back)]

        return [(xp.copyto, (dc, dlast_c)), *self._backward(dlast_h, dstates, dh, (back, keep), drop, 4, at),
                *self._kernel_gradient(states[:len(dz)], dz, drop, dkernel, rest)]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The transposed kernel is packed, then all of time, then the kernel's gradient."""
        (dstates, dlast_h, dlast_c, gates, states, cells), (dz, dh, dc, dkernel) = ins[:6], outs
        walk = self._task_walk(ins, dz)
        return [walk.pack(ins[6], room[0], 4, transposed=True),
                walk.task("lstm_backward", room[0], dstates, dlast_h, dh, dlast_c, dc, dz, gates, cells),
                walk.kernel_gradient(states, dz, dkernel, 0, 4)]


def apart(a: Any) -> Any:
    """The memory of (samples, 4 * units) as (4, samples, units)."""
    return a.reshape(4, len(a), a.shape[1] // 4)


def _sizes(z: Any) -> tuple[int, int, int]:
    """Time, samples, units."""
    time, samples, width = z.shape
    return time, samples, width // 4
