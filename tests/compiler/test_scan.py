"""Recurrences in programs: against the same steps written out, through derivatives, pruning and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpukeras import backend as K
from gpukeras.compiler.lower import Lowering
from gpukeras.compiler.scan import Unrolled
from gpukeras.graph import apply
from gpukeras.ops.broadcasting import BroadcastTo
from gpukeras.ops.convert import cast
from gpukeras.ops.scan import scan

pytestmark = pytest.mark.usefixtures("_float64")
Step = Callable[[Any, Any], Any]


@pytest.fixture(params=["folded", "kept"])
def _float64(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Double precision; once as it is, and once as for large arrays, where repeated numbers are not folded."""
    if request.param == "kept":
        fold = Lowering._folds
        monkeypatch.setattr(Lowering, "_folds", staticmethod(
            lambda op, outs: not isinstance(op, BroadcastTo) and fold(op, outs)))
    K.set_floatx("float64")
    np.random.seed(3)
    yield
    K.set_floatx("float32")


def written_out(step: Step, sequences: list[Any], initial: list[Any], steps: int) -> Any:
    """What `scan` gives, with every step a part of the graph."""
    states = [list(initial)]
    outputs = []
    for t in range(steps):
        made, new = step([x[t] for x in sequences], states[-1])
        outputs.append(made)
        states.append(new)
    return [K.stack(list(o)) for o in zip(*outputs)], [K.stack(list(h)) for h in zip(*states)]


def agree(step: Step, shapes: list[tuple[int, ...]], states: list[tuple[int, ...]], more: list[Any] = [],  # noqa: B006
          second: bool = True) -> None:
    """Values, first and second derivatives, in a program and in the interpreter."""
    rng = np.random.RandomState(1)
    steps = shapes[0][0]
    xs = [K.placeholder((None,) * len(s)) for s in shapes]
    hs = [K.placeholder((None,) * len(s)) for s in states]
    values = [rng.uniform(-1, 1, s) for s in [*shapes, *states]]
    wrt = [*xs, *hs, *more]

    def graph(outputs: Any, kept: Any) -> list[Any]:
        outs = [*outputs, *kept]
        draw = np.random.RandomState(2)
        rs = [K.constant(draw.uniform(-1, 1, s)) for s in sizes]
        loss = sum(K.sum(o * r) for o, r in zip(outs, rs))
        grads = K.gradients(loss, wrt)
        found = [*outs, *(g for g in grads if g is not None)]
        if second:
            slope = sum(K.sum(g * g) for g in grads if g is not None)
            found += [g for g in K.gradients(slope, wrt) if g is not None]
        return found

    plain = written_out(step, xs, hs, steps)
    sizes = [a.shape for a in K.function([*xs, *hs], [*plain[0], *plain[1]])(values)]
    expected = K.function([*xs, *hs], graph(*plain))(values)
    f = K.function([*xs, *hs], graph(*scan(step, xs, hs)))
    for got in (f(values), f(values), interpreted(f, values)):
        assert len(got) == len(expected)
        for a, b in zip(got, expected):
            np.testing.assert_allclose(a, b, 1e-9, 1e-9)


def interpreted(f: Any, values: Any) -> Any:
    with K.debugging():
        return f(values)


def loops(f: Any, *values: Any) -> list[Unrolled]:
    """The recurrences in the program for these values."""
    arrays = [np.asarray(v) for v in values]
    steps = f.program([a.shape for a in arrays], arrays).plan.steps
    return [s.op for s in steps if isinstance(s.op, Unrolled)]


W = [[0.3, -0.7], [1.1, 0.2]]


def test_a_recurrent_layer() -> None:
    kernel, recurrent, bias = K.variable(W), K.variable(np.array(W).T), K.variable([0.1, -0.2])

    def step(xs: Any, hs: Any) -> Any:
        h = K.tanh(K.dot(xs[0], kernel) + K.dot(hs[0], recurrent) + bias)
        return [h], [h]
    agree(step, [(4, 3, 2)], [(3, 2)], [kernel, recurrent, bias])


def test_states_that_begin_with_zeros() -> None:
    """Larger than what is folded to a constant, forwards and (the derivatives of states) backwards."""
    kernel = K.variable(np.random.RandomState(4).normal(size=(12, 12)) * 0.3)

    def step(xs: Any, hs: Any) -> Any:
        h = K.tanh(K.dot(hs[0], kernel) + xs[0])
        return [h], [h]
    x = K.placeholder((None, None, 12))
    zeros = K.zeros_like(x[0])
    value = np.random.RandomState(5).normal(size=(4, 8, 12))
    found = []
    for outputs in (scan(step, [x], [zeros])[0], written_out(step, [x], [zeros], 4)[0]):
        grads = K.gradients(K.sum(outputs[0] ** 2), [x, kernel])
        more = K.gradients(K.sum(grads[0] ** 2), [x, kernel])
        found.append(K.function([x], [outputs[0], *grads, *more])([value]))
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, 1e-9, 1e-9)


def test_a_constant_used_in_several_ways() -> None:
    kernel = K.variable(W)

    def step(xs: Any, hs: Any) -> Any:
        h = K.dot(xs[0], kernel) * hs[0] + K.dot(hs[0], kernel) + K.sum(kernel)
        return [K.dot(h, kernel[:, :1])], [h * 0.5]
    agree(step, [(3, 2, 2)], [(2, 2)], [kernel])


def test_the_same_derivative_for_a_sequence_and_a_constant() -> None:
    c = K.variable([0.3, 0.4])
    agree(lambda xs, hs: ([xs[0] + c], [hs[0] * xs[0] + c]), [(3, 2)], [(2,)], [c])


def test_results_that_are_inputs_or_constants() -> None:
    c = K.variable([0.3, 0.4])
    agree(lambda xs, hs: ([xs[0], hs[1], c, xs[0]], [hs[1], hs[0], xs[0]]), [(4, 2)], [(2,), (2,), (2,)], [c])


def test_several_sequences_and_views_of_them() -> None:
    def step(xs: Any, hs: Any) -> Any:
        rows = K.reshape(xs[0], (-1, 2))  # needs memory without gaps
        h = hs[0] + K.dot(K.transpose(xs[1]), rows)
        return [K.concatenate([h, h * 2], 0)], [h]
    agree(step, [(3, 2, 2, 2), (3, 4, 2)], [(2, 2)])


def test_a_sequence_with_gaps_is_read_anew_at_every_run() -> None:
    x = K.placeholder((None, 3, 2))
    walked = K.permute_dimensions(x, (1, 0, 2))
    f = K.function([x], [scan(lambda xs, hs: ([K.reshape(xs[0], (-1,)) * 2], []), [walked], [])[0][0]])
    for seed in (1, 2):
        value = np.random.RandomState(seed).normal(size=(4, 3, 2))
        np.testing.assert_allclose(f([value])[0], value.transpose(1, 0, 2).reshape(3, 8) * 2)


def test_loops_within_loops() -> None:
    kernel = K.variable(W)

    def inner(xs: Any, hs: Any) -> Any:
        h = K.tanh(K.dot(hs[0], kernel) + xs[0])
        return [h], [h]

    def step(xs: Any, hs: Any) -> Any:
        _, states = scan(inner, [xs[0]], [hs[0]])
        return [], [states[0][-1]]

    x, h = K.placeholder((3, 4, 2, 2)), K.placeholder((2, 2))
    last = scan(step, [x], [h])[1][0][-1]
    flat = scan(inner, [K.reshape(x, (12, 2, 2))], [h])[1][0][-1]
    rng = np.random.RandomState(0)
    values = [rng.normal(size=(3, 4, 2, 2)), rng.normal(size=(2, 2))]
    for a, b in zip(*(K.function([x, h], [y, *K.gradients(K.sum(y * y), [x, h, kernel])])(values)
                      for y in (last, flat))):
        np.testing.assert_allclose(a, b, 1e-10, 1e-10)


def test_whole_numbers_are_states_without_derivatives() -> None:
    x = K.placeholder((None, 2))

    def step(xs: Any, hs: Any) -> Any:
        return [xs[0] * K.cast(hs[0], "float64")], [hs[0] + 1]
    outputs, states = scan(step, [x], [K.constant(0, "int32")])
    f = K.function([x], [outputs[0], states[0], *K.gradients(K.sum(outputs[0]), [x])])
    out, count, slope = f([np.ones((3, 2))])
    assert out[:, 0].tolist() == slope[:, 0].tolist() == [0, 1, 2] and count.tolist() == [0, 1, 2, 3]
    assert count.dtype == np.int32


ELEMENTARY: list[Step] = [lambda x, h: x * h, lambda x, h: K.tanh(x + h), lambda x, h: h - x,
                          lambda x, h: K.dot(x, M) + h, lambda x, h: K.concatenate([x[:, 1:], h[:, :1]]),
                          lambda x, h: K.sum(x, 0, keepdims=True) * h,
                          lambda x, h: K.maximum(x, h), lambda x, h: K.reshape(K.transpose(x), (-1, 2)) + h]
M = np.array(W)


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, len(ELEMENTARY) - 1), st.integers(0, 9), st.integers(0, 9)), min_size=1,
                max_size=7), st.integers(0, 9), st.integers(1, 4))
def test_random_bodies(recipe: list[tuple[int, int, int]], which: int, steps: int) -> None:
    constant = K.variable([[0.5, -0.3], [0.2, 0.9]])

    def step(xs: Any, hs: Any) -> Any:
        made = [xs[0], hs[0], hs[1], constant]
        for op, a, b in recipe:
            made.append(ELEMENTARY[op](made[a % len(made)], made[b % len(made)]))
        return [made[-1]], [K.tanh(made[which % len(made)]), made[-1] * 0.5]
    agree(step, [(steps, 2, 2)], [(2, 2), (2, 2)], [constant], second=False)


# What a program keeps ------------------------------------------------------------------------------------------
def test_nothing_is_computed_for_nobody() -> None:
    x, h, kernel = K.placeholder((5, 3, 2)), K.placeholder((3, 2)), K.variable(W)

    def step(xs: Any, hs: Any) -> Any:
        new = K.tanh(K.dot(hs[0], kernel) + xs[0])
        return [new * 3, K.exp(xs[0])], [new, hs[1] + xs[0]]
    outputs, states = scan(step, [x], [h, h])
    values = np.ones((5, 3, 2)), np.ones((3, 2))
    only, = loops(K.function([x, h], [outputs[1]]), *values)
    assert [x.kind for x in only.inputs] == ["sequence"] and len(only.roots) == 1
    second, = loops(K.function([x, h], [states[1]]), *values)
    assert len(second.results["state"]) == 1 and not second.results["output"]
    forward, backward = loops(K.function([x, h], K.gradients(K.sum(states[0][-1]), [kernel])), *values)
    assert len(forward.results["state"]) == 1 and not forward.results["output"]
    assert len(backward.results["output"]) == 1  # a factor of the kernel's gradient, not x's gradient


def test_a_kernel_gradient_is_one_product_of_all_steps() -> None:
    x, h, kernel = K.placeholder((5, 3, 2)), K.placeholder((3, 2)), K.variable(W)
    _, states = scan(lambda xs, hs: ([], [K.tanh(K.dot(hs[0], kernel) + xs[0])]), [x], [h])
    f = K.function([x, h], K.gradients(K.sum(states[0][-1]), [kernel]))
    names = [s.op.name for s in f.program([(5, 3, 2), (3, 2)]).plan.steps]
    assert names.count("contract_samples") == 1
    assert all(not op.results["sum"] for op in loops(f, np.ones((5, 3, 2)), np.ones((3, 2))))


def products(f: Any, *values: Any) -> tuple[int, list[int]]:
    """How many matrix products a program makes outside of its recurrences, and in a step of each of them."""
    arrays = [np.asarray(v) for v in values]
    steps = f.program([a.shape for a in arrays], arrays).plan.steps

    def count(found: Any) -> int:
        return sum(s.op.name == "matmul" for s in found)
    return count(steps), [count(s.op.plan.steps) for s in steps if isinstance(s.op, Unrolled)]


def test_products_that_need_not_wait_are_made_of_all_steps() -> None:
    x, h, kernel = K.placeholder((5, 3, 2)), K.placeholder((3, 2)), K.variable(W)
    values = np.ones((5, 3, 2)), np.ones((3, 2))

    def step(xs: Any, hs: Any) -> Any:
        new = K.tanh(K.dot(xs[0], kernel) + K.dot(hs[0], kernel))
        return [K.dot(new, kernel), new, K.dot(xs[0], kernel)], [new]
    outputs, states = scan(step, [x], [h])
    assert products(K.function([x, h], [states[0]]), *values) == (1, [1])
    assert products(K.function([x, h], outputs), *values) == (2, [1])
    f = K.function([x, h], K.gradients(K.sum(states[0][-1]), [x]))
    # Outside: of x, once for both ways; of all states; x's derivative. In a step: the state's, the state's derivative.
    assert products(f, *values) == (3, [1, 1])
    both = K.function([x, h], K.gradients(K.sum(states[0][-1]), [x, kernel]))
    assert [len(op.results["output"]) for op in loops(both, *values)] == [0, 1]  # what both are made of, once
    agree(step, [(4, 3, 2)], [(3, 2)], [kernel])


def test_ones_for_all_steps_multiply_nothing() -> None:
    x, y = K.placeholder((5, 3, 40)), K.placeholder((3, 40))
    ones = K.in_train_phase(lambda: K.dropout(K.ones_like(y), 0.5), K.ones_like(y))
    out = scan(lambda xs, hs: ([K.exp(xs[0] * ones)], []), [x], [])[0]
    only, = loops(K.function([x, y], out), np.ones((5, 3, 40)), np.ones((3, 40)))
    assert [x.kind for x in only.inputs] == ["sequence"]
    assert [s.op.name for s in only.plan.steps if s.op.name != "gaps"] == ["exp"]


def test_steps_share_their_memory() -> None:
    x = K.placeholder((None, 100))
    f = K.function([x], scan(lambda xs, hs: ([K.sum(K.exp(xs[0] * 2) * xs[0])], []), [x], [])[0])
    sizes = [f.program([(n, 100)]).plan.size for n in (2, 50)]
    assert sizes[1] - sizes[0] < 1000  # a step's temporaries are 800 bytes each


def test_no_dropout_outside_of_training() -> None:
    x = K.placeholder((None, 4, 8))

    def step(xs: Any, hs: Any) -> Any:
        return [K.in_train_phase(lambda: K.dropout(xs[0], 0.5), xs[0])], []
    out = scan(step, [x], [])[0][0]
    assert out._uses_learning_phase
    f = K.function([x, K.learning_phase()], [out])
    value = np.ones((3, 4, 8))
    names = [s.op.name for s in f.program([value.shape, ()], [value, 0]).plan.steps]
    assert not any("random" in n for n in names)
    np.testing.assert_array_equal(f([value, 0])[0], value)
    assert set(np.unique(f([value, 1])[0])) == {0.0, 2.0}


def test_random_numbers_are_new_at_every_step_and_the_same_in_the_derivative() -> None:
    x = K.placeholder((None, None, 50))
    out = scan(lambda xs, hs: ([K.dropout(xs[0], 0.5, seed=1) * hs[0]], [hs[0] * 1]), [x], [K.constant(3.0)])[0][0]
    f = K.function([x], [out, *K.gradients(K.sum(out), [x])])
    first, slope = f([np.ones((4, 3, 50))])
    np.testing.assert_array_equal(first, slope)
    assert len({row.tobytes() for row in first.reshape(-1, 50)}) == 12
    assert not np.array_equal(first, f([np.ones((4, 3, 50))])[0])


def test_random_numbers_in_loops_within_loops() -> None:
    x = K.placeholder((None, None, None))

    def step(xs: Any, hs: Any) -> Any:
        return [scan(lambda ys, _: ([K.dropout(ys[0] * K.ones_like(ys[0]), 0.5)], []), [xs[0]], [])[0][0]], []
    out = scan(step, [x], [])[0][0]
    value, slope = K.function([x], [out, *K.gradients(K.sum(out), [x])])([np.ones((3, 4, 40))])
    np.testing.assert_array_equal(value, slope)
    assert len({row.tobytes() for row in value.reshape(-1, 40)}) == 12


def test_random_numbers_of_a_shape_known_beforehand() -> None:
    x = K.placeholder((4, 30))
    out = scan(lambda xs, hs: ([K.random_normal((30,)) + xs[0] * 0], []), [x], [])[0][0]
    drawn = K.function([x], [out])([np.ones((4, 30))])[0]
    assert len(np.unique(drawn)) == 120


# Lengths and shapes --------------------------------------------------------------------------------------------
def test_any_number_of_steps() -> None:
    x = K.placeholder((None, 2))
    out, states = scan(lambda xs, hs: ([xs[0] * 2], [hs[0] + xs[0]]), [x], [K.constant([1.0, 1.0])])
    f = K.function([x], [out[0], states[0][-1], *K.gradients(K.sum(states[0][-1] ** 2), [x])])
    for n in (3, 1, 7, 0):
        twice, total, slope = f([np.ones((n, 2))])
        assert twice.tolist() == [[2, 2]] * n and total.tolist() == [n + 1, n + 1]
        assert slope.tolist() == [[2 * (n + 1)] * 2] * n


def test_static_shapes() -> None:
    x = K.placeholder((5, None, 3))
    out, states = scan(lambda xs, hs: ([K.sum(xs[0], -1)], [hs[0]]), [x], [K.constant([1.0, 1.0])])
    assert out[0].shape == (5, None) and states[0].shape == (6, 2)


def test_sequences_of_different_lengths_are_refused() -> None:
    a, b = K.placeholder((3, 2)), K.placeholder((4, 2))
    with pytest.raises(ValueError, match="sequences of 3 and 4 steps"):
        scan(lambda xs, hs: (xs, []), [a, b], [])
    b = K.placeholder((None, 2))
    out = scan(lambda xs, hs: (xs, []), [a, b], [])[0]
    with pytest.raises(ValueError, match="sequences of 3 and 5 steps"):
        K.function([a, b], out)([np.ones((3, 2)), np.ones((5, 2))])


def test_a_state_keeps_its_shape() -> None:
    x, h = K.placeholder((3, 2)), K.placeholder((None,))
    with pytest.raises(ValueError, match=r"a state of shape \(2,\) becomes \(4,\)"):
        scan(lambda xs, hs: ([], [K.concatenate([hs[0], hs[0]])]), [x], [K.constant([1.0, 2.0])])
    _, states = scan(lambda xs, hs: ([], [K.concatenate([hs[0], hs[0]])]), [x], [h])
    with pytest.raises(ValueError, match=r"a state of shape \(2,\) becomes \(4,\)"):
        K.function([x, h], states)([np.ones((3, 2)), np.ones(2)])
    with pytest.raises(ValueError, match="given 1 states and returned 2"):
        scan(lambda xs, hs: ([], [hs[0], hs[0]]), [x], [h])


def test_a_state_keeps_its_dtype() -> None:
    x = K.placeholder((3, 2), dtype="float32")
    _, states = scan(lambda xs, hs: ([], [cast(xs[0], "float64") + cast(hs[0], "float64")]), [x],
                     [K.constant([0.0, 0.0], "float32")])
    assert K.function([x], states)([np.ones((3, 2))])[0].dtype == np.float32


def test_an_index_out_of_range_names_the_layer() -> None:
    table, rows = K.variable(np.ones((3, 2))), K.placeholder((None, 4), dtype="int32")
    with K.origin("lookup"):
        out = scan(lambda xs, hs: ([K.gather(table, xs[0])], []), [rows], [])[0]
    f = K.function([rows], out)
    f([np.zeros((2, 4))])
    with pytest.raises(IndexError, match="layer 'lookup'"):
        f([np.full((2, 4), 3)])


def test_two_uses_of_one_body_are_computed_once() -> None:
    x = K.placeholder((3, 2))
    made = scan(lambda xs, hs: ([xs[0] * 2], []), [x], [])[0][0]
    again = apply(made.producer.op, x)[0]
    assert len(loops(K.function([x], [made, again]), np.ones((3, 2)))) == 1


def test_the_interpreter_says_where_a_nan_comes_from() -> None:
    x = K.placeholder((3, 2))
    with K.origin("walk"):
        out = scan(lambda xs, hs: ([K.log(xs[0])], []), [x], [])[0]
    with K.debugging(), pytest.raises(FloatingPointError, match=r"recurrence.*\[layer 'walk'\]"):
        K.function([x], out)([-np.ones((3, 2))])


def test_stateful_update_of_a_variable_that_the_loop_reads() -> None:
    x, h = K.placeholder((3, 2)), K.variable([1.0, 1.0])
    _, states = scan(lambda xs, hs: ([], [hs[0] + xs[0]]), [x], [h])
    f = K.function([x], [states[0][-1] + h], [K.update(h, states[0][-1])])
    assert f([np.ones((3, 2))])[0].tolist() == [5, 5]
    assert f([np.ones((3, 2))])[0].tolist() == [11, 11]
    assert K.get_value(h).tolist() == [7, 7]
