"""Translations of recurrences: one Scan each, whose body is the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import Apply, Tensor, origin
from ..ops import elementwise as o
from ..ops.broadcasting import BroadcastLike, BroadcastTo
from ..ops.joining import Concatenate
from ..ops.linalg import matmul
from ..ops.recurrent_gru import GRUSequence
from ..ops.recurrent_gru_after import GRUSequenceResetAfter
from ..ops.recurrent_lstm import LSTMSequence
from ..ops.recurrent_simple import SimpleRNNSequence
from ..ops.scan import Recurrence, scan
from ..ops.shape import InsertAxes, expand_dims
from ..ops.slicing import reverse
from .exporter import Exporter, translates

ACTIVATIONS = {"linear": lambda x: x, "relu": o.relu, "sigmoid": o.sigmoid, "tanh": o.tanh,
               "hard_sigmoid": lambda x: o.minimum(o.maximum(x * 0.2 + 0.5, 0), 1)}


@translates(Recurrence)
def recurrence(e: Exporter, node: Apply) -> list[str]:
    """Scan. Of each state it puts out the last and, stacked, those after each step."""
    body = node.op.body
    if body.sums:
        raise e.refuse("the derivative of a recurrence has no translation to ONNX")
    walked, carried = len(body.sequences), len(body.states)
    names = [e.name(t) for t in node.inputs]
    leaves = [*body.states, *body.sequences]
    with e.inner("step", leaves) as step:
        for tensor, name in zip(body.constants, names[walked + carried:]):
            e.alias(tensor, name)
        results = [*body.new_states, *body.outputs, *body.new_states]
        e.walk(results)
        for t in results:
            e.result(t, e.fresh("result"), t.shape)
    made = e.add("Scan", *names[walked:walked + carried], *names[:walked], count=len(results), body=step,
                 states=carried, num_scan_inputs=walked)
    made = [made] if isinstance(made, str) else made
    last, outputs, after = made[:carried], made[carried:len(results) - carried], made[len(results) - carried:]
    states = []
    for first, stacked, end in zip(names[walked:], after, last):
        states.append(e.add("Concat", e.add("Unsqueeze", first, e.ints([0])), stacked, axis=0))
        e.states[states[-1]] = stacked, end
    return [*outputs, *states]


class _Step:
    """What the recurrences that are one op here share: sequences in the order in which they are walked, and the state
    on its way into the product."""

    def __init__(self, e: Exporter, node: Apply, states: int, more: int = 0):
        self.op = node.op
        self.kernel, self.initial = node.inputs[1], node.inputs[2:2 + states]
        extras = list(node.inputs[2 + states + more:])
        sequences = [node.inputs[0], *([extras[0]] if self.op.masked else [])]
        self.sequences = [reverse(x, (0,)) for x in sequences] if self.op.go_backwards else sequences
        self.drop = extras[-1] if self.op.drops and not _are_ones(e, extras[-1]) else None
        self.units: Any = self.kernel.shape[0]

    def activate(self, x: Tensor) -> Tensor:
        """The activation of the candidate."""
        return ACTIVATIONS[self.op.activation](x)

    def gate(self, x: Tensor) -> Tensor:
        """The activation of a gate."""
        return ACTIVATIONS[self.op.recurrent_activation](x)

    def parts(self, x: Tensor, count: int) -> list[Tensor]:
        """(samples, count * units), gate by gate."""
        return [x[:, i * self.units:(i + 1) * self.units] for i in range(count)]

    def dropped(self, h: Tensor, gate: int = 0) -> Tensor:
        """The state as it goes into the product for a gate."""
        return h if self.drop is None else h * self.drop[gate if self.op.drops > 1 else 0]

    def sums(self, x: Tensor, h: Tensor, count: int) -> list[Tensor]:
        """What goes into the first gates: their parts of x, plus the state times the kernel."""
        if self.drop is None or self.op.drops == 1:
            whole = count == self.op.gates
            kernel, seen = (t if whole else t[:, :count * self.units] for t in (self.kernel, x))
            return self.parts(seen + matmul(self.dropped(h), kernel), count)
        pairs = zip(self.parts(x, count), self.parts(self.kernel, count))
        return [z + matmul(self.dropped(h, i), kernel) for i, (z, kernel) in enumerate(pairs)]

    def walk(self, step: Any) -> Any:
        """Each state over all steps; `step(x, states)` makes the new ones, which a mask may hold back."""
        def held(xs: list[Tensor], states: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            new: Sequence[Tensor] = step(xs[0], states)
            if self.op.masked:
                new = [o.where(expand_dims(xs[1], -1), a, b) for a, b in zip(new, states)]
            return [], list(new)
        return scan(held, self.sequences, self.initial).states


def _are_ones(e: Exporter, t: Tensor) -> bool:
    """Whether a tensor holds nothing but ones, however many: what dropout leaves to inference."""
    t = e.meant(t)
    if t.producer is None:
        return t.const is not None and bool((t.const == 1).all())
    inputs = t.producer.inputs
    if isinstance(t.producer.op, Concatenate):
        return all(_are_ones(e, x) for x in inputs)
    return isinstance(t.producer.op, (BroadcastLike, BroadcastTo, InsertAxes)) and _are_ones(e, inputs[0])


@translates(SimpleRNNSequence)
def simple_rnn(e: Exporter, node: Apply) -> list[Any]:
    """h = activation(z + h kernel)."""
    with origin(node.origin or ""):
        s = _Step(e, node, 1)
        (states,) = s.walk(lambda x, h: [s.activate(x + matmul(s.dropped(h[0]), s.kernel))])
        return e.rewrite(states, states[-1])


@translates(LSTMSequence)
def lstm(e: Exporter, node: Apply) -> list[Any]:
    """i, f, g, o = the activations of z + h kernel; c = f c + i g; h = o activation(c)."""
    with origin(node.origin or ""):
        s = _Step(e, node, 2)

        def step(x: Tensor, states: Sequence[Tensor]) -> Sequence[Tensor]:
            h, c = states
            i, f, g, out = s.sums(x, h, 4)
            c = s.gate(f) * c + s.gate(i) * s.activate(g)
            return s.gate(out) * s.activate(c), c

        states, cells = s.walk(step)
        return [None, *e.rewrite(states, cells, states[-1], cells[-1])]


@translates(GRUSequence)
def gru(e: Exporter, node: Apply) -> list[Any]:
    """u, r = gates of z + h K; c = activation(z + (r h) K); h = u h + (1 - u) c."""
    with origin(node.origin or ""):
        s = _Step(e, node, 1)

        def step(x: Tensor, states: Sequence[Tensor]) -> Sequence[Tensor]:
            h = states[0]
            u, r = map(s.gate, s.sums(x, h, 2))
            c = s.activate(x[:, 2 * s.units:] + matmul(r * s.dropped(h, 2), s.kernel[:, 2 * s.units:]))
            carried = s.dropped(h) if s.op.drops == 1 else h
            return [u * carried + (1 - u) * c]

        (states,) = s.walk(step)
        return [None, *e.rewrite(states, states[-1])]


@translates(GRUSequenceResetAfter)
def gru_reset_after(e: Exporter, node: Apply) -> list[Any]:
    """q = h K + bias; u, r = gates of z + q; c = activation(z + r q); h = u h + (1 - u) c."""
    with origin(node.origin or ""):
        s, bias = _Step(e, node, 1, more=1), node.inputs[3]

        def step(x: Tensor, states: Sequence[Tensor]) -> Sequence[Tensor]:
            h = states[0]
            zu, zr, zc = s.parts(x, 3)
            qu, qr, qc = s.sums(expand_dims(bias, 0), h, 3)
            u, r = s.gate(zu + qu), s.gate(zr + qr)
            carried = s.dropped(h) if s.op.drops == 1 else h
            return [u * carried + (1 - u) * s.activate(zc + r * qc)]

        (states,) = s.walk(step)
        made = e.rewrite(states, states[-1])
        return [None, made[0], None, made[1]]
