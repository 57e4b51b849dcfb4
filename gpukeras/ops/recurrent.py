"""Recurrences over a whole sequence, each as one op with a derivative written by hand: what they share.
The recurrences are in recurrent_simple.py, recurrent_lstm.py and recurrent_gru.py.

The input is what a product made of all time steps at once, with time as the first axis: a step then reads and writes
memory without gaps, makes one product with the states and passes over its result in cache. States are kept with the
initial one in front, (time + 1, samples, units), so those before and those after the steps are both views, and the
gradient for the recurrent kernel is one product at the end. Samples are independent: they are dealt to threads
(device/threads.py), each of which goes through all of time. On a GPU a step is a product and a kernel or two of
kernels/recurrent.cu, launched one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..device import FLOATS, REDUCTIONS, blas, blocks, launch, products, threads, xp
from ..graph import Call, Op, Spec, frozen, is_float
from .recurrent_tasks import Walk, packed_spec, served

ACTIVATIONS = ("linear", "relu", "sigmoid", "hard_sigmoid", "tanh")
"""What the bodies know, in the order of kernels/recurrent.cu."""

PASS = 1.5  # nanoseconds that the passes over a step's gates take for an element, to decide about threads
LEAST = 8  # samples that a thread gets at least: products of fewer rows are slow


class _Parts(NamedTuple):
    """An activation as passes: min(max(before x, lowest), highest), its tanh if `squashed`, times scale, plus shift."""

    before: float = 1.0
    lowest: float = -np.inf
    highest: float = np.inf
    squashed: bool = False
    scale: float = 1.0
    shift: float = 0.0


_PARTS = {"linear": _Parts(), "relu": _Parts(lowest=0.0), "tanh": _Parts(squashed=True),
          "sigmoid": _Parts(before=0.5, squashed=True, scale=0.5, shift=0.5),
          "hard_sigmoid": _Parts(lowest=-2.5, highest=2.5, scale=0.2, shift=0.5)}


class Gates:
    """The activations of gates, and their derivatives, for arrays (samples, gates * units), where the gates lie side by
    side, or with `apart` (gates, samples, units), where each has its own block of memory.

    Elementwise factors are kept in arrays of that very shape: NumPy passes over equal layouts much faster than it
    broadcasts a row.
    """

    def __init__(self, names: Sequence[str], samples: int, units: int, dtype: Any, apart: bool = False):
        self._names, self._units, self._dtype, self._apart = names, units, dtype, apart
        self._shape = (len(names), samples, units) if apart else (samples, len(names) * units)

    def _factors(self, values: Sequence[float], neutral: float) -> Any:
        """One factor a gate, as an array; a number if all are equal; None if they change nothing."""
        if len(set(values)) == 1:
            return None if values[0] == neutral else values[0]
        line = np.reshape(values, (-1, 1, 1)) if self._apart else np.repeat(values, self._units)
        return xp.asarray(np.ascontiguousarray(np.broadcast_to(line, self._shape), self._dtype))

    def _runs(self, kinds: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Neighbours of one kind, and where they are."""
        runs, at = [], 0
        for kind, group in groupby(kinds):
            end = at + len(list(group))
            runs.append((kind, slice(at, end) if self._apart else (..., slice(at * self._units, end * self._units))))
            at = end
        return runs

    def activate(self) -> Any:
        """A function of (source, out) that lists the calls."""
        parts = [_PARTS[n] for n in self._names]
        before, lowest, highest, _, scale, shift = (
            self._factors([p[i] for p in parts], neutral) for i, neutral in enumerate(_PARTS["linear"]))
        runs = self._runs([p.squashed for p in parts])

        def calls(source: Any, out: Any) -> list[Call]:
            made: list[Call] = []

            def passes(*steps: tuple[Any, Any]) -> None:
                nonlocal source
                for function, factor in steps:
                    if factor is not None:
                        made.append((partial(function, out=out), (source, _rows(factor, out))))
                        source = out

            passes((xp.multiply, before), (xp.maximum, lowest), (xp.minimum, highest))
            for squashed, place in runs:
                if squashed:
                    made.append((xp.tanh, (source[place], out[place])))
                elif source is not out:
                    made.append((xp.copyto, (out[place], source[place])))
            source = out
            passes((xp.multiply, scale), (xp.add, shift))
            return made
        return calls

    def slopes(self) -> Any:
        """A function of (results of the activations, out) that lists the calls for the derivatives.

        The smooth ones and hard_sigmoid are (a - y) y + b; of hard_sigmoid's, which is positive where it was not cut
        off and 0 elsewhere, `ceil` makes 1 and 0.
        """
        smooth = ("tanh", "sigmoid", "hard_sigmoid")
        top = self._factors([0.0 if n == "tanh" else 1.0 for n in self._names], np.nan)
        scale = self._factors([0.2 if n == "hard_sigmoid" else 1.0 for n in self._names], 1.0)
        shift = self._factors([1.0 if n == "tanh" else 0.0 for n in self._names], 0.0)
        runs = self._runs(self._names)

        def calls(y: Any, out: Any) -> list[Call]:
            made: list[Call] = []
            if any(kind in smooth for kind, _ in runs):
                made += [(xp.subtract, (_rows(top, out), y, out)), (xp.multiply, (out, y, out))]
            for kind, place in runs:
                part = out[place]
                if kind == "hard_sigmoid":
                    made.append((xp.ceil, (part, part)))
                elif kind == "relu":
                    made.append((xp.sign, (y[place], part)))
                elif kind == "linear":
                    made.append((part.fill, (1,)))
            made += [(function, (out, _rows(factor, out), out)) for function, factor in
                     ((xp.multiply, scale), (xp.add, shift)) if factor is not None]
            return made
        return calls


def _rows(factor: Any, like: Any) -> Any:
    return factor if isinstance(factor, float) else factor[:len(like)]


@frozen
class _Recurrence(Op):
    """What the recurrences and their derivatives share. Their last inputs are, if `masked`, a mask (time, samples) of
    bools: where it is false a step leaves the states as they were; and if `drops`, the factors of recurrent dropout
    (drops, samples, units) for the states on their way into the product: 1 for all gates, or one for each.

    `go_backwards` takes the input's last step first; results stand in the order in which they were made.
    """

    activation: str
    go_backwards: bool = False
    masked: bool = False
    drops: int = 0
    kernel_types = FLOATS
    c_family = "recurrent"
    gates: ClassVar[int] = 1
    _kernel: ClassVar[int] = 1  # the place of the recurrent kernel among the inputs

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """Numbers of one type."""
        return super().takes_kernel(ins) and len({s.dtype for s in ins if s.dtype != "bool"}) == 1

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of float32."""
        return served(ins)

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """The packed kernel."""
        return [packed_spec(ins[self._kernel].shape[0], self.gates)]

    def _names(self) -> list[str]:
        """The gates' activations."""
        return [self.activation]

    def _extras(self, ins: Sequence[Any]) -> tuple[Any, Any]:
        """Mask and dropout factors, None where there are none."""
        first = len(ins) - self.masked - bool(self.drops)
        return ins[first] if self.masked else None, ins[-1] if self.drops else None

    def _sizes(self, ins: Sequence[Spec], states: int) -> tuple[Any, Any, Any]:
        """Time, samples and units of (z, kernel, so many states, ...); ValueError where shapes do not fit."""
        z, kernel, initial = ins[0], ins[1], ins[2:2 + states]
        if len(z.shape) != 3 or len(kernel.shape) != 2:
            raise ValueError(f"expected (time, samples, {self.gates} * units) and (units, {self.gates} * units), "
                             f"got {z.shape} and {kernel.shape}")
        (time, samples, width), units = z.shape, kernel.shape[0]
        width = width if units is None else self.gates * units
        mask, drop = self._extras(ins)
        wanted = [(kernel, (units, width)), (z, (None, None, width)),
                  *((s, (samples, units)) for s in initial), *([(mask, (time, samples))] if mask else []),
                  *([(drop, (self.drops, samples, units))] if drop else [])]
        for spec, shape in wanted:
            if len(spec.shape) != len(shape) or any(None not in (a, b) and a != b for a, b in zip(spec.shape, shape)):
                raise ValueError(f"expected shape {shape} for {units} units, got {spec.shape}")
        if self.drops not in (0, 1, self.gates) or not is_float(z.dtype):
            raise ValueError(f"can't work on {z.dtype} with {self.drops} dropout factors for {self.gates} gates")
        if mask and mask.dtype != "bool":
            raise ValueError(f"the mask must be bool, got {mask.dtype}")
        return time, next((s.shape[0] for s in initial if s.shape[0] is not None), samples), units

    # On NumPy ------------------------------------------------------------------------------------------------
    def _parts(self, time: int, samples: int, units: int) -> list[slice]:
        """How the samples are dealt to threads."""
        work = time * samples * self.gates * units
        return threads.deal(samples, work * (blas.PRODUCT * units + PASS), LEAST)

    def _places(self, time: int) -> list[tuple[int, int]]:
        """The number of each step, in the order in which they are made, and its place in the input."""
        return [(step, time - 1 - step if self.go_backwards else step) for step in range(time)]

    def _skips(self, mask: Any, skip: Any) -> list[Call]:
        """Where the mask is false, as a column for each step."""
        return [(xp.logical_not, (mask, skip[:, :, 0]))] if self.masked else []

    def _walk(self, parts: Sequence[Sequence[Call]], h: Any, states: Any, last: Any, mask: Any,
              skip: Any) -> list[Call]:
        """The forward pass of a recurrence with one state: the initial one in front, all parts, the last one out."""
        return [(xp.copyto, (states[0], h)), *self._skips(mask, skip), *threads.together(parts),
                (xp.copyto, (last, states[-1]))]

    def _rooms(self, time: Any, samples: Any, units: Any, dtype: str) -> list[Spec]:
        """Of the forward pass: a step's product (gate by gate if each has a dropout factor of its own), the dropped
        states, and where the mask is false."""
        wide = (self.drops, samples, units) if self.drops > 1 else (samples, self.gates * units)
        return [Spec(wide, dtype),
                *([Spec((self.drops, samples, units), dtype)] if self.drops else []),
                *([Spec((time, samples, 1), "bool")] if self.masked else [])]

    def _multiply(self, h: Any, kernel: Any, drop: Any, dropped: Any, out: Any) -> list[Call]:
        """out = h times (some gates' part of) the recurrent kernel, gate by gate if each has a dropout factor."""
        if not self.drops:
            return [blas.gemm(h, kernel, out)]
        if self.drops == 1:
            return [(xp.multiply, (h, drop[0], dropped[0])), blas.gemm(dropped[0], kernel, out)]
        count = len(out)
        return [(xp.multiply, (h, drop[:count], dropped[:count])),
                *products(dropped[:count], by_gate(kernel, count), out)]

    def _multiply_back(self, d: Any, transposed: Any, drop: Any, spread: Any, out: Any) -> list[Call]:
        """out = d, the derivative for such a product, taken back to h. `spread` (drops, samples, units) is used where
        each gate has a factor of its own."""
        if self.drops <= 1:
            back = [blas.gemm(d, transposed, out)]
            return [*back, (xp.multiply, (out, drop[0], out))] if self.drops else back
        count = len(transposed) // out.shape[-1]
        kernels = transposed.reshape(count, -1, transposed.shape[-1])
        return [*products(by_gate(d, count), kernels, spread[:count]),
                (xp.multiply, (spread[:count], drop[:count], spread[:count])),
                (REDUCTIONS["sum"], (spread[:count], 0, None, out))]

    def _kernel_room(self, time: Any, samples: Any, units: Any, dtype: str) -> list[Spec]:
        """What `_kernel_gradient` needs: states, and one gate's result."""
        states = [Spec((time, samples, units), dtype)] if self.drops or self.go_backwards else []
        return [*states, *([Spec((units, units), dtype)] if self.drops > 1 else [])]

    def _kernel_gradient(self, before: Any, d: Any, drop: Any, out: Any, room: Sequence[Any]) -> list[Call]:
        """out = the sum over steps and samples of (states before the step)' d, where d (time, samples, width) stands in
        the order of the input."""
        units = before.shape[-1]
        before = before[::-1] if self.go_backwards else before
        rows = d.reshape(-1, d.shape[-1])
        if not room:
            return products(before.reshape(-1, units).T, rows, out)
        columns = room[0].reshape(-1, units).T
        if not self.drops:
            return [(xp.copyto, (room[0], before)), *products(columns, rows, out)]
        if self.drops == 1:
            return [(xp.multiply, (before, drop[0], room[0])), *products(columns, rows, out)]
        calls: list[Call] = []
        for gate in range(d.shape[-1] // units):
            part = slice(gate * units, (gate + 1) * units)
            calls += [(xp.multiply, (before, drop[gate], room[0])), *products(columns, rows[:, part], room[1]),
                      (xp.copyto, (out[:, part], room[1]))]
        return calls

    # As compiled tasks ---------------------------------------------------------------------------------------
    def _task_walk(self, ins: Sequence[Any], z: Any) -> Walk:
        """What the tasks share. z, or its derivative, gives the sizes."""
        time, samples, width = z.shape
        inner, outer = self._activations()
        return Walk(time, samples, width // self.gates, self.gates, (inner, outer), self.go_backwards, self.drops,
                    *self._extras(ins))

    def _activations(self) -> tuple[int, int]:
        """The numbers of the candidate's activation and of the other gates'."""
        inner, outer = self.activation, getattr(self, "recurrent_activation", "hard_sigmoid")
        return ACTIVATIONS.index(inner), ACTIVATIONS.index(outer)

    # On a GPU ------------------------------------------------------------------------------------------------
    def _launch(self, kernel: str, like: Any, *arguments: Any) -> Call:
        """A kernel over (samples, units), which is the shape of `like`; arguments that are None are left out."""
        inner, outer = self._activations()
        return launch("recurrent", kernel, like.dtype, blocks(like.size), *(a for a in arguments if a is not None),
                      *like.shape, MASKED=int(self.masked), DROPS=self.drops, ACTIVATION=inner, RECURRENT=outer)

    def _forward(self, carried: Sequence[tuple[Any, Any, Any]], drop: Any, dropped: Any,
                 step: Callable[[int, int], list[Call]]) -> list[Call]:
        """The way forward, where `step` lists what is done at a step, given its number and its place in the input. Of
        each state that is carried on: the initial one, all, and the last; h is the first of them."""
        (h, states, _), made = carried[0], list[Call]()
        for begin, every, _ in carried:
            made.append((xp.copyto, (every[0], begin)))
        if self.drops:
            made.append(self._launch("drop_states", h, h, drop, dropped))
        for number, place in self._places(len(states) - 1):
            made += step(number, place)
        return [*made, *((xp.copyto, (end, every[-1])) for _, every, end in carried)]

    def _backward(self, dlast: Any, dstates: Any, dh: Any, room: tuple[Any, Any], drop: Any, gates: int,
                  step: Callable[[int, int], list[Call]]) -> list[Call]:
        """The way back to the derivative by the initial h. The room is for what comes back from the product, of so many
        gates, and for what a step hands on without it."""
        back, keep = room
        made: list[Call] = [(back.fill, (0,)), (xp.copyto, (keep, dlast))]
        for number, place in reversed(self._places(len(dstates) - 1)):
            made += step(number, place)
        return [*made, self._launch("collect", dh, dstates[0], back, drop, keep, dh, gates)]

    def _product(self, h: Any, kernel: Any, dropped: Any, out: Any) -> list[Call]:
        """out = the states, which a kernel has dropped, times the recurrent kernel."""
        if self.drops > 1:
            return products(dropped[:len(out)], by_gate(kernel, len(out)), out)
        return [blas.gemm(dropped[0] if self.drops else h, kernel, out)]

    def _product_back(self, d: Any, kernel: Any, out: Any) -> list[Call]:
        """out = d taken back through the kernel, before dropout factors are applied."""
        if self.drops > 1:
            return products(by_gate(d, len(out)), by_gate(kernel, len(out)).transpose(0, 2, 1), out)
        return [blas.gemm(d, kernel.T, out)]


def by_gate(a: Any, gates: int) -> Any:
    """(rows, gates * units) as a view (gates, rows, units)."""
    return a.reshape(len(a), gates, a.shape[1] // gates).transpose(1, 0, 2)


def states_spec(time: Any, samples: Any, units: Any, dtype: str) -> Spec:
    """Of all states, the initial one in front."""
    return Spec((None if time is None else time + 1, samples, units), dtype)


def hold(target: Any, source: Any, where: Any) -> list[Call]:
    """The samples where `where` is true from `source`; nothing to do if there is no mask."""
    return [] if where is None else [(xp.copyto, (target, source, "same_kind", where))]


def of(a: Any, index: Any) -> Any:
    """A part of mask or factors, if there are any. A slice is one of samples, the second axis."""
    return None if a is None else a[:, index] if isinstance(index, slice) else a[index]
