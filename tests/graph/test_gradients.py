"""Derivatives as graph: what depends on what, shared parts, intermediate tensors, derivatives of derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.graph import gradients, topological


def at(outputs: list[Any], feeds: dict[Any, Any]) -> list[np.ndarray]:
    return K.function(list(feeds), outputs)(list(feeds.values()))


def test_none_for_what_the_loss_does_not_depend_on() -> None:
    x, y, n = K.placeholder((2,)), K.placeholder((2,)), K.placeholder((2,), dtype="int32")
    z = K.exp(x)
    first, second, third, later = K.gradients(K.sum(z), [x, y, n, z + 1])
    assert first is not None and second is None and third is None and later is None


def test_none_through_ops_without_derivative() -> None:
    x = K.placeholder((2, 3))
    for y in (
        K.stop_gradient(x),
        K.argmax(x),
        K.round(x),
        K.shape(x),
        K.cast(x, "int32"),
        K.greater(x, 0),
        K.zeros_like(x),
        K.cast(K.shape(x), "float32"),
        K.random_uniform(K.shape(x)),
    ):
        assert K.gradients(K.sum(K.cast(y, "float32")), [x]) == [None]


def test_stop_gradient_stops_one_path_only() -> None:
    x = K.placeholder((2,))
    (slope,) = K.gradients(x * K.stop_gradient(x), [x])
    assert at([slope], {x: [3.0, 4.0]})[0].tolist() == [3, 4]


def test_the_sum_of_the_loss_is_meant() -> None:
    x = K.placeholder((2, 2))
    (slope,) = K.gradients(x * x, x)
    assert at([slope], {x: [[1.0, 2.0], [3.0, 4.0]]})[0].tolist() == [[2, 4], [6, 8]]


def test_shared_parts_add_up() -> None:
    x = K.placeholder((2,))
    y = K.exp(x)
    z = y * y + y * x + y
    (slope,) = K.gradients(z, [x])
    a = np.array([0.5, -1.0])
    np.testing.assert_allclose(at([slope], {x: a})[0], 2 * np.exp(2 * a) + np.exp(a) * (a + 2), 1e-6)


def test_one_tensor_in_both_places() -> None:
    x = K.placeholder((2, 2))
    for y, slope in (
        (x * x, lambda a: 2 * a),
        (x - x, np.zeros_like),
        (K.dot(x, x), lambda a: a.sum(1) + a.sum(0)[:, None]),
        (K.concatenate([x, x]), lambda a: np.full_like(a, 2)),
        (K.maximum(x, x), np.ones_like),
    ):
        a = np.array([[1.0, 2.0], [3.0, 4.0]])
        np.testing.assert_allclose(at(K.gradients(y, [x]), {x: a})[0], slope(a))


def test_with_respect_to_intermediate_tensors() -> None:
    x = K.placeholder((2,))
    y = K.square(x)
    z = K.square(y) + y
    of_y, of_x, of_z = K.gradients(z, [y, x, z])
    got = at([of_y, of_x, of_z], {x: [2.0, 3.0]})
    np.testing.assert_allclose(got, [[9, 19], [36, 114], [1, 1]])


def test_of_the_loss_itself_and_of_a_variable() -> None:
    v = K.variable([2.0, 3.0])
    (itself,) = K.gradients(v, [v])
    (square,) = K.gradients(K.sum(v * v), [v])
    assert K.eval(itself).tolist() == [1, 1] and K.eval(square).tolist() == [4, 6]


def test_fourth_derivative() -> None:
    x = K.placeholder(())
    y = K.sin(x) * K.exp(x)
    for _ in range(4):
        (y,) = K.gradients(y, [x])
    np.testing.assert_allclose(at([y], {x: 0.3})[0], -4 * np.exp(0.3) * np.sin(0.3), 1e-5)


def test_hessian_times_vector_through_a_network() -> None:
    rng = np.random.RandomState(0)
    x, v = K.placeholder((None, 3), dtype="float64"), K.placeholder((3, 4), dtype="float64")
    w, b = K.variable(rng.randn(3, 4), "float64"), K.variable(rng.randn(4), "float64")
    loss = K.mean(K.square(K.softmax(K.tanh(K.dot(x, w) + b))))
    (slope,) = K.gradients(loss, [w])
    (curved,) = K.gradients(K.sum(slope * v), [w])
    a, d = rng.randn(5, 3), rng.randn(3, 4)
    got = at([curved], {x: a, v: d})[0]
    start = K.get_value(w)
    ends = []
    for h in (1e-5, -1e-5):
        K.set_value(w, start + h * d)
        ends.append(at([slope], {x: a})[0])
    np.testing.assert_allclose(got, (ends[0] - ends[1]) / 2e-5, 1e-5, 1e-9)


@pytest.mark.parametrize(
    "shapes", [((2, 3), (3,)), ((2, 3), (1, 1)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 1, 3), (4, 1)), ((1,), ())]
)
def test_broadcasting_is_undone(shapes: tuple[Any, Any]) -> None:
    a, b = (K.placeholder(s) for s in shapes)
    rng = np.random.RandomState(0)
    p, q = (rng.rand(*s) for s in shapes)
    da, db = at(K.gradients(a * b, [a, b]), {a: p, b: q})
    assert da.shape == shapes[0] and db.shape == shapes[1]
    full = np.broadcast_shapes(*shapes)
    np.testing.assert_allclose(da.sum(), np.broadcast_to(q, full).sum(), 1e-5)
    np.testing.assert_allclose(db.sum(), np.broadcast_to(p, full).sum(), 1e-5)


def test_broadcasting_is_undone_when_only_the_run_tells() -> None:
    a, b = K.placeholder((None, None)), K.placeholder((None, None))
    da, db = K.gradients(a * b, [a, b])
    p, q = np.ones((4, 1)), np.arange(3.0).reshape(1, 3)
    got = at([da, db], {a: p, b: q})
    assert got[0].tolist() == [[3.0]] * 4 and got[1].tolist() == [[4.0, 4.0, 4.0]]


def test_mixed_dtypes() -> None:
    x, y = K.placeholder((2,), dtype="float32"), K.placeholder((2,), dtype="float64")
    dx, dy = K.gradients(K.sum(x * y), [x, y])
    assert (dx.dtype, dy.dtype) == ("float32", "float64")
    np.testing.assert_allclose(at([dx, dy], {x: [1.0, 2.0], y: [3.0, 4.0]}), [[3, 4], [1, 2]])


def test_a_seed_holds_everything_else_fixed() -> None:
    """The derivative that an op's own rule needs is partial, though the tensors depend on each other."""
    x = K.placeholder((2,))
    y = x * 3
    of_x, of_y = gradients(x * y, [x, y], seed=y)
    (total,) = gradients(x * y, [x])
    got = at([of_x, of_y, total], {x: [1.0, 2.0]})
    assert [a.tolist() for a in got] == [[9, 36], [3, 12], [6, 12]]


def test_extremes_share_among_equals() -> None:
    x = K.placeholder((3,))
    assert at(K.gradients(K.max(x), [x]), {x: [1.0, 1.0, 0.0]})[0].tolist() == [0.5, 0.5, 0]


def test_product_with_zeros() -> None:
    x = K.placeholder((3,))
    assert at(K.gradients(K.prod(x), [x]), {x: [0.0, 2.0, 3.0]})[0].tolist() == [6, 0, 0]
    assert at(K.gradients(K.prod(x), [x]), {x: [0.0, 0.0, 3.0]})[0].tolist() == [0, 0, 0]


def test_topological_order() -> None:
    x = K.placeholder((2,))
    y = K.exp(x)
    z = y * K.sum(y)
    order = topological([z])
    assert [n.op.name for n in order] == ["exp", "sum", "multiply"]
    assert [n.op.name for n in topological([z], given=[y])] == ["sum", "multiply"]


def test_deep_graphs_do_not_recurse() -> None:
    x = K.placeholder((2,))
    y = x
    for _ in range(3000):
        y = y * 1.0001
    got = at([y, *K.gradients(y, [x])], {x: [1.0, 2.0]})
    np.testing.assert_allclose(got[1], 1.0001**3000, 1e-3)


def steps(outputs: list[Any], inputs: list[Any], values: list[Any]) -> str:
    f = K.function(inputs, outputs)
    f(values)
    (program,) = f._programs.values()
    return program.describe()


def test_what_is_not_chosen_is_not_differentiated() -> None:
    x = K.placeholder((4,))
    w = K.variable(np.ones(4))
    middle = K.in_train_phase(K.sin(x * w), K.cos(K.exp(x * w)))
    twice = K.in_train_phase(K.tanh(middle), K.in_train_phase(K.sqrt(middle), K.square(middle)))
    other = K.in_train_phase(x * w, K.exp(w))
    slopes = K.gradients(K.sum(twice) + K.sum(other * middle), [w, x])
    numbers = np.array([0.1, 0.4, 0.3, 0.2], "float32")
    for phase, plain in ((1, lambda: K.sum(K.tanh(K.sin(x * w))) + K.sum(x * w * K.sin(x * w))),
                         (0, lambda: K.sum(K.square(K.cos(K.exp(x * w)))) + K.sum(K.exp(w) * K.cos(K.exp(x * w))))):
        inputs, values = [x, K.learning_phase()], [numbers, phase]
        expected = K.gradients(plain(), [w, x])
        for found, right in zip(K.function(inputs, slopes)(values), K.function([x], expected)([numbers])):
            np.testing.assert_allclose(found, right, rtol=1e-5)
        made = steps(slopes, inputs, values)
        assert ("exp" in made) is (phase == 0) and "where" not in made
        assert made.count("\n") <= steps(expected, [x], [numbers]).count("\n")


def test_a_choice_by_a_value_is_differentiated_on_both_sides() -> None:
    x, c = K.placeholder((3,)), K.placeholder(())
    inner = K.switch(K.greater(c, 2.0), x * 5.0, x * x)
    y = K.switch(K.greater(c, 1.0), K.square(inner), inner * x)
    (slope,) = K.gradients(K.sum(y) + K.sum(inner), [x])
    (bend,) = K.gradients(K.sum(slope), [x])
    points = np.array([1.0, 2.0, 3.0])
    for condition, first, second in ((3.0, 50 * points + 5, [50.0] * 3), (1.5, 4 * points**3 + 2 * points,
                                                                         12 * points**2 + 2),
                                     (0.0, 3 * points**2 + 2 * points, 6 * points + 2)):
        found = at([slope, bend], {x: points, c: condition})
        np.testing.assert_allclose(found[0], first)
        np.testing.assert_allclose(found[1], second)
