"""Recurrences: a step, given as graph, applied along the first axis of sequences, with states handed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..graph import (
    MIX,
    Apply,
    Op,
    Placeholder,
    Spec,
    Tensor,
    apply,
    constant,
    frozen,
    gradients,
    is_float,
    made_inside,
    topological,
)
from .broadcasting import BroadcastLike, BroadcastTo, zeros_like
from .convert import as_tensor, cast
from .elementwise import Elementwise, add
from .linalg import Contract
from .random import Random
from .reduce import reduce
from .shape import reshape, shape_of
from .slicing import reverse

Step = Callable[[list[Tensor], list[Tensor]], tuple[Sequence[Any], Sequence[Any]]]
"""(one element of each sequence, states) -> (outputs, new states)."""


class Body:
    """One step as graph. `sequences` and `states` are the tensors that stand for a step's inputs; `constants` are
    tensors made outside that the step reads. From these come `outputs`, which are stacked over the steps, `sums`, which
    are added up, and the `new_states`. Two bodies are equal only if they are one object."""

    def __init__(self, sequences: Sequence[Tensor], states: Sequence[Tensor], outputs: Sequence[Tensor],
                 sums: Sequence[Tensor], new_states: Sequence[Tensor], nodes: Sequence[Apply]):
        self.sequences, self.states = tuple(sequences), tuple(states)
        self.outputs, self.sums, self.new_states = tuple(outputs), tuple(sums), tuple(new_states)
        self.nodes = tuple(nodes)  # whatever depends on a step's inputs was made by one of these
        self.constants = closed_over(self.results, [*sequences, *states], nodes)

    @property
    def results(self) -> tuple[Tensor, ...]:
        """All that a step makes, in the order of the recurrence's outputs."""
        return (*self.outputs, *self.sums, *self.new_states)

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        """What a step reads, in the order of the recurrence's inputs."""
        return (*self.sequences, *self.states, *self.constants)


def closed_over(results: Sequence[Tensor], leaves: Sequence[Tensor], nodes: Sequence[Apply]) -> tuple[Tensor, ...]:
    """The tensors that don't depend on `leaves`, are no constants, and that `results` are made of."""
    given, inside = set(leaves), set(leaves)
    own = []
    for node in nodes:
        if any(t in inside for t in node.inputs) and not any(t in given for t in node.outputs):
            own.append(node)
            inside.update(node.outputs)
    wanted = dict.fromkeys(results)
    for node in reversed(own):
        if any(t in wanted for t in node.outputs):
            wanted.update(dict.fromkeys(node.inputs))
    return tuple(t for t in wanted if t not in inside and t.const is None)


@frozen
class Recurrence(Op):
    """The steps of a `Body`, one after the other.

    Inputs: the sequences (steps first), the initial states, the body's constants. Outputs: the body's outputs with
    an axis of steps in front; its sums; and each state (steps + 1, ...), the initial one first. The derivative is a
    recurrence that runs backwards: a step is made once more from the states that were kept.
    """

    body: Body
    name = "recurrence"

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """Shapes with the number of steps in front; all sequences must have it in common."""
        count = len(self.body.sequences)
        steps = steps_of([s.shape[0] for s in ins[:count]])
        stacked = [Spec((steps, *t.shape), t.dtype) for t in self.body.outputs]
        states = []
        for begin, new in zip(ins[count:], self.body.new_states):
            if len(begin.shape) != len(new.shape) or any(
                    None not in (a, b) and a != b for a, b in zip(begin.shape, new.shape)):
                raise ValueError(f"a state of shape {begin.shape} becomes {new.shape} after a step")
            shape = tuple(b if a is None else a for a, b in zip(begin.shape, new.shape))
            states.append(Spec((None if steps is None else steps + 1, *shape), begin.dtype))
        return (*stacked, *(Spec(t.shape, t.dtype) for t in self.body.sums), *states)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """A recurrence backwards in time."""
        return _backwards(self.body, node, grads)

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Samples are not on axis 0."""
        return MIX


def steps_of(lengths: Sequence[int | None]) -> int | None:
    """The number of steps, as far as it is known; ValueError if sequences differ in it."""
    known = {n for n in lengths if n is not None}
    if len(known) > 1:
        raise ValueError(f"sequences of {' and '.join(map(str, sorted(known)))} steps can't be walked together")
    return known.pop() if known else None


class Steps(NamedTuple):
    """What `scan` returns: outputs (steps, ...), and states (steps + 1, ...) of which the first is the initial one."""

    outputs: list[Tensor]
    states: list[Tensor]


def scan(step: Step, sequences: Sequence[Tensor], initial: Sequence[Tensor]) -> Steps:
    """Applies `step` along axis 0 of the sequences. It may read any other tensor. Random numbers that it draws are
    new at every step. ValueError if a state changes its shape.

    >>> from gpukeras import backend as K
    >>> x = K.constant([[1.], [2.], [3.]])
    >>> outputs, states = scan(lambda xs, hs: ([xs[0] * 2], [hs[0] + xs[0]]), [x], [K.constant([0.])])
    >>> K.eval(outputs[0]).ravel().tolist(), K.eval(states[0]).ravel().tolist()
    ([2.0, 4.0, 6.0], [0.0, 1.0, 3.0, 6.0])
    """
    xs = [Placeholder(x.shape[1:], x.dtype) for x in sequences]
    hs = [Placeholder(h.shape, h.dtype) for h in initial]
    for inner, outer in zip([*xs, *hs], [*sequences, *initial]):
        inner._uses_learning_phase = outer._uses_learning_phase
    with made_inside() as made:
        results, states = step(list(xs), list(hs))
        if len(states) != len(hs):
            raise ValueError(f"a step was given {len(hs)} states and returned {len(states)}")
        new = [cast(as_tensor(s, h.dtype), h.dtype) for s, h in zip(states, hs)]
        outputs = [as_tensor(t) for t in results]
    nested = {n for node in made if isinstance(node.op, Recurrence) for n in node.op.body.nodes}
    random = [n for n in made if isinstance(n.op, Random) and n not in nested]
    at_first: dict[Tensor, Tensor] = {}
    if random:
        at_first.update(zip([*xs, *hs], [*(x[0] for x in sequences), *initial]))
    drawn = [(n.outputs[0], _for_all_steps(n, sequences[0], at_first)) for n in random]
    body = Body([*xs, *(t for t, _ in drawn)], hs, outputs, [], new, made)
    parts = apply(Recurrence(body), *sequences, *(t for _, t in drawn), *initial, *body.constants)
    return Steps(list(parts[:len(outputs)]), list(parts[len(outputs):]))


def _for_all_steps(node: Apply, sequence: Tensor, at_first: dict[Tensor, Tensor]) -> Tensor:
    """The random numbers that a step draws, for all steps at once: the backward pass needs the same ones."""
    op = node.op
    lengths = [_replaced(t, dict(at_first)) for t in node.inputs]
    return apply(Random(op.kind, (None, *op.dims), op.dtype, op.seed, op.level), shape_of(sequence)[0], *lengths)


def _replaced(tensor: Tensor, new: dict[Tensor, Tensor]) -> Tensor:
    """The tensor with others in the place of some that it is made of."""
    for node in topological([tensor], list(new)):
        if any(t in new for t in node.inputs):
            made = apply(node.op, *(new.get(t, t) for t in node.inputs))
            new.update(zip(node.outputs, made if isinstance(made, tuple) else (made,)))
    return new.get(tensor, tensor)


# The derivative ------------------------------------------------------------------------------------------------
def _backwards(body: Body, node: Apply, grads: Sequence[Tensor]) -> list[Tensor | None]:
    """Derivatives for the inputs of a recurrence. A step backwards knows the derivative D for the state after the
    step, and makes that for the state before it, for the step's inputs, and its share of those for constants."""
    cut, end = len(body.outputs), len(body.outputs) + len(body.sums)
    inputs = dict(zip(body.leaves, node.inputs))
    kept = dict(zip(body.states, node.outputs[end:]))
    walked = {x: reverse(inputs[x], (0,)) for x in body.sequences}
    walked |= {h: reverse(kept[h][:-1], (0,)) for h in body.states}

    def at_step(g: Tensor) -> Tensor:
        p = Placeholder(g.shape[1:], g.dtype)
        walked[p] = reverse(g, (0,))
        return p

    with made_inside() as made:
        terms = [t * at_step(g) for t, g in zip(body.outputs, grads[:cut]) if is_float(t.dtype) and not _is_zero(g)]
        terms += [t * g for t, g in zip(body.sums, grads[cut:end]) if is_float(t.dtype) and not _is_zero(g)]
        later: dict[Tensor, Placeholder] = {}  # for each state, D
        for h, t, g in zip(body.states, body.new_states, grads[end:]):
            if is_float(h.dtype):
                later[h] = Placeholder(h.shape, h.dtype)
                terms.append(t * (later[h] if _is_zero(g) else add(later[h], at_step(g[1:]))))
        wrt = [t for t in body.leaves if is_float(t.dtype)]
        if not terms or not wrt:
            return [None] * len(node.inputs)
        loss = _sum_of([reduce("sum", t) for t in terms])
        held = [*wrt, *grads[cut:end]]  # derivatives of the sums are fixed numbers to a step, whatever they are made of
        found = dict(zip(wrt, gradients(loss, held, seed=constant(1, loss.dtype))))
        slopes = {t: g for t, g in found.items() if g is not None}
        new = [cast(slopes[h], h.dtype) if h in slopes else zeros_like(h) for h in later]
    back = _Backwards(body, slopes, walked, later, new, [*body.nodes, *made])
    begin = [zeros_like(inputs[h]) for h in later]
    parts = apply(Recurrence(back.body), *walked.values(), *begin, *back.body.constants)
    return back.derivatives(parts, grads[end:])


class _Backwards:
    """The body of the step backwards, and what its recurrence says about the inputs of the one forwards."""

    def __init__(self, forward: Body, slopes: dict[Tensor, Tensor], walked: dict[Tensor, Tensor],
                 later: dict[Tensor, Placeholder], new_states: list[Tensor], nodes: list[Apply]):
        self.forward, self.slopes, self.walked = forward, slopes, walked
        constants = [c for c in forward.constants if c in slopes]
        self.products = {c: pairs for c in constants if (pairs := _matrix_products(slopes[c]))}
        factors = [t for pairs in self.products.values() for pair in pairs for t in pair if t not in walked]
        outputs = dict.fromkeys([*factors, *(slopes[x] for x in forward.sequences if x in slopes)])
        sums = dict.fromkeys(slopes[c] for c in constants if c not in self.products)
        self.body = Body(list(walked), list(later.values()), list(outputs), list(sums), new_states, nodes)
        self.later = later

    def derivatives(self, parts: Sequence[Tensor], state_grads: Sequence[Tensor]) -> list[Tensor | None]:
        """For each input of the recurrence forwards, from the outputs of the one backwards."""
        body, count = self.body, len(self.body.outputs)
        outputs = dict(zip(body.outputs, parts))
        sums = dict(zip(body.sums, parts[count:]))
        found: dict[Tensor, Tensor] = {}
        for leaf, g in self.slopes.items():
            if leaf in self.products:
                found[leaf] = _sum_of([apply(Contract(), *(_rows(outputs.get(t, self.walked.get(t))) for t in pair))
                                       for pair in self.products[leaf]])
            elif leaf in self.forward.sequences:
                found[leaf] = reverse(outputs[g], (0,))
            elif leaf in self.forward.constants:
                found[leaf] = sums[g]
        for h, stacked in zip(self.later, parts[count + len(body.sums):]):
            found[h] = stacked[-1]
        for h, g in zip(self.forward.states, state_grads):
            if h in found and not _is_zero(g):
                found[h] = add(found[h], g[0])
        return [found.get(leaf) for leaf in self.forward.leaves]


def _matrix_products(g: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The factors, if the tensor is a sum of products a' b: over all steps, it is then one product of all rows."""
    if g.producer is None:
        return []
    if isinstance(g.producer.op, Contract):
        a, b = g.producer.inputs
        return [(a, b)] if None not in (a.shape[-1], b.shape[-1]) else []
    if g.producer.op == Elementwise("add") and all(t.shape == g.shape for t in g.producer.inputs):
        parts = [_matrix_products(t) for t in g.producer.inputs]
        return [pair for part in parts for pair in part] if all(parts) else []
    return []


def _rows(x: Any) -> Tensor:
    """(steps, samples, n) as (steps * samples, n)."""
    return reshape(x, [-1, x.shape[-1]])


def _sum_of(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for t in terms[1:]:
        total = add(total, t)
    return total


def _is_zero(g: Tensor) -> bool:
    """True for zeros that stand for 'no derivative'."""
    made = g.producer
    if made is None or not isinstance(made.op, (BroadcastLike, BroadcastTo)):
        return False
    value = made.inputs[0].const
    return value is not None and not value.any()
