"""Updates: every new value comes from the old ones, whatever the order and wherever the variables live."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.backend.flat import Flat
from gpukeras.compiler import debugging


@pytest.fixture(params=[False, True], ids=["compiled", "interpreted"], autouse=True)
def mode(request: pytest.FixtureRequest):
    if not request.param:
        yield
        return
    with debugging():
        yield


def values(*variables) -> list:
    return [K.get_value(v).tolist() for v in variables]


def test_swap() -> None:
    a, b = K.variable([1.0, 2.0]), K.variable([3.0, 4.0])
    f = K.function([], [], [(a, b), (b, a)])
    f([])
    assert values(a, b) == [[3, 4], [1, 2]]
    f([])
    assert values(a, b) == [[1, 2], [3, 4]]


def test_rotation_through_views_and_sums() -> None:
    a, b, c = (K.variable(np.arange(4.0).reshape(2, 2) + 10 * i) for i in range(3))
    f = K.function([], [a + b], [(a, K.transpose(b)), (b, K.reshape(c, [2, 2]) * 1), (c, a + 1)])
    old = [np.arange(4.0).reshape(2, 2) + 10 * i for i in range(3)]
    for _ in range(4):
        assert f([])[0].tolist() == (old[0] + old[1]).tolist()
        old = [old[1].T, old[2], old[0] + 1]
        assert values(a, b, c) == [o.tolist() for o in old]


def test_updated_variable_read_by_later_steps_and_returned() -> None:
    a, w = K.variable([1.0, 2.0]), K.variable([[2.0, 0.0], [0.0, 3.0]])
    new = a + 1
    later = K.dot(K.reshape(a, [1, 2]), w)
    f = K.function([], [new, a, later, K.sum(new)], [(a, new)])
    got = f([])
    assert [x.tolist() for x in got] == [[2, 3], [1, 2], [[2, 6]], 5]
    assert values(a) == [[2, 3]]
    assert f([])[1].tolist() == [2, 3]


def test_same_new_value_for_two_variables() -> None:
    a, b, x = K.variable([1.0, 2.0]), K.variable([0.0, 0.0]), K.placeholder((2,))
    new = a + x
    K.function([x], [], [(a, new), (b, new)])([[1.0, 1.0]])
    assert values(a, b) == [[2, 3], [2, 3]]


def test_variable_becomes_input_constant_or_itself() -> None:
    a, b, c, x = K.variable([1.0, 2.0]), K.variable([5.0, 5.0]), K.variable([7.0, 7.0]), K.placeholder((2,))
    K.function([x], [], [(a, x), (b, K.constant([8.0, 9.0])), (c, c)])([[3.0, 4.0]])
    assert values(a, b, c) == [[3, 4], [8, 9], [7, 7]]


def test_last_of_two_updates_wins() -> None:
    a = K.variable([1.0])
    K.function([], [], [(a, a + 1), (a, a + 10)])([])
    assert values(a) == [[11]]


def test_update_through_a_reduction_of_itself() -> None:
    a = K.variable([[1.0, 2.0], [3.0, 4.0]])
    f = K.function(
        [],
        [K.sum(a)],
        [
            (a, a / K.sum(a, 1, keepdims=True)),
        ],
    )
    assert f([])[0] == 10
    np.testing.assert_allclose(K.get_value(a), [[1 / 3, 2 / 3], [3 / 7, 4 / 7]], 1e-6)


def test_matrix_product_is_not_written_into_its_factor() -> None:
    w = K.variable([[1.0, 1.0], [0.0, 1.0]])
    f = K.function([], [], [(w, K.dot(w, w))])
    for power in (2, 4, 8):
        f([])
        assert values(w) == [[[1, power], [0, 1]]]


def test_packed_variables_and_their_views_in_one_program() -> None:
    a, b, c = K.variable([1.0, 2.0]), K.variable([[3.0, 4.0]]), K.variable(5.0)
    flat = Flat([a, b, c])
    f = K.function([], [flat.value, a, K.sum(b) * c], [(a, a * 10), (c, K.sum(flat.value))])
    assert [x.tolist() for x in f([])] == [[1, 2, 3, 4, 5], [1, 2], 35]
    assert values(a, b, c, flat.value) == [[10, 20], [[3, 4]], 15, [10, 20, 3, 4, 15]]
    g = K.function([], [a, c], flat.updates(flat.value + K.sum(a) * 0 + c))
    assert [x.tolist() for x in g([])] == [[10, 20], 15]
    assert values(a, b, c) == [[25, 35], [[18, 19]], 30]


def test_packing_after_compiling_makes_programs_anew() -> None:
    a, b = K.variable([1.0, 2.0]), K.variable([3.0])
    f = K.function([], [a + 0, K.sum(b)], [(a, a + 1)])
    f([])
    Flat([b, a])
    K.set_value(b, [30.0])
    assert [x.tolist() for x in f([])] == [[2, 3], 30]
    assert values(a, b) == [[3, 4], [30]]


def test_packed_swap() -> None:
    a, b = K.variable([1.0, 2.0]), K.variable([3.0, 4.0])
    Flat([a, b])
    f = K.function([], [], [(a, b), (b, a)])
    f([])
    assert values(a, b) == [[3, 4], [1, 2]]


def test_constraints_of_packed_variables() -> None:
    a, b = K.variable([1.0, -2.0], constraint=lambda w: w * K.cast(w >= 0, "float32")), K.variable([3.0])
    flat = Flat([a, b])
    K.function([], [], flat.updates(flat.value - 0.5))([])
    assert values(a, b) == [[0.5, 0], [2.5]]


def test_integer_counter_and_casts() -> None:
    n, m = K.variable(0, dtype="int64"), K.variable(0.0)
    f = K.function([], [n], [K.update_add(n, 1), K.update(m, n * 2)])
    for i in range(3):
        assert int(f([])[0]) == i
    assert int(K.get_value(n)) == 3 and float(K.get_value(m)) == 4.0
    assert K.get_value(n).dtype == np.int64


def test_moving_average_and_sub() -> None:
    a, b = K.variable([1.0]), K.variable([1.0])
    K.function([], [], [K.moving_average_update(a, K.constant([2.0]), 0.9), K.update_sub(b, 3)])([])
    np.testing.assert_allclose([K.get_value(a), K.get_value(b)], [[1.1], [-2]], 1e-6)


def test_relative_updates_of_one_variable_follow_each_other() -> None:
    a, b, c = K.variable([0.0]), K.variable([0.0]), K.variable([1.0])
    x = K.placeholder((1,))
    f = K.function([x], [a * 1], [
        K.update_add(a, x), K.moving_average_update(b, x * 2, 0.8), K.update_sub(a, [3.0]),
        K.moving_average_update(b, x * 20, 0.8), K.update_add(c, c), K.update_add(a, a * 10), K.update_add(c, c)])
    assert f([[1.0]])[0].tolist() == [0.0]
    np.testing.assert_allclose(values(a, b, c), [[-2], [0.8 * 0.4 + 4], [3]], 1e-6)  # as 2.0.9: c is read before
    assert f([[1.0]])[0].tolist() == [-2.0]
    np.testing.assert_allclose(values(a, b, c), [[-24], [0.64 * 4.32 + 4.32], [9]], 1e-6)


def test_an_update_listed_twice_counts_once() -> None:
    a = K.variable([0.0])
    grow, whole = K.update_add(a, [1.0]), K.update(a, [5.0])
    K.function([], [], [grow, grow])([])
    assert values(a) == [[1]]
    K.function([], [], [grow, whole])([])  # what does not start from the variable takes the place of what was before
    assert values(a) == [[5]]
    K.function([], [], [(a, a + 3), whole, grow, K.update_add(a, [10.0])])([])
    assert values(a) == [[16]]


def test_relative_updates_of_a_variable_that_is_fed() -> None:
    a, n = K.variable([1.0]), K.variable(0, dtype="int32")
    f = K.function([a], [], [K.update_add(a, [1.0]), K.update_sub(a, a * 3), K.update_add(n, 2), K.update_sub(n, 7)])
    f([[10.0]])
    assert values(a, n) == [[-19], -5]


def test_updates_that_follow_each_other_share_memory_with_others() -> None:
    a, b = K.variable([1.0]), K.variable([2.0])
    flat = Flat([a, b])
    K.function([], [], [K.update_add(a, [5.0]), *flat.updates(flat.value * 10), K.update_add(a, [1.0])])([])
    assert values(a, b) == [[7], [20]]


def test_update_of_the_wrong_rank_or_kind_is_refused() -> None:
    a = K.variable([1.0])
    with pytest.raises(ValueError, match="update of"):
        K.function([], [], [(a, K.constant(2.0))])
    with pytest.raises(ValueError, match="pair"):
        K.function([], [], [a])
    with pytest.raises(ValueError, match="pair"):
        K.function([], [], [(a + 1, a)])


@pytest.mark.parametrize("value", [[1.0, 2.0, 3.0], [1.0]])
def test_update_of_the_wrong_shape_is_refused(value: list[float]) -> None:
    a = K.variable([1.0, 2.0])
    with pytest.raises(ValueError, match="new value has shape"):
        K.function([], [], [(a, K.constant(value))])
