"""Function and Feed: shapes, phases, random numbers, threads, memory."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import Feed, Function, debugging
from gpukeras.compiler import function as function_module


def names(f: Function, shapes: list[Any], values: Any = ()) -> str:
    return f.program(shapes, values).describe()


# Shapes --------------------------------------------------------------------------------------------------------
def test_smaller_last_batch_is_a_second_program() -> None:
    x = K.placeholder((None, 3))
    f = K.function([x], [K.mean(x, 0), x * 2])
    rows = np.random.RandomState(0).randn(10, 3).astype("float32")
    for part in (rows[:4], rows[4:8], rows[8:], rows[:4]):
        mean, double = f([part])
        np.testing.assert_allclose(mean, part.mean(0), 1e-5)
        np.testing.assert_array_equal(double, part * 2)
    assert f.program([(4, 3)]) is f.program([(4, 3)])
    assert f.program([(4, 3)]) is not f.program([(2, 3)])


def test_empty_batch() -> None:
    x, w = K.placeholder((None, 3)), K.variable(np.ones((3, 2)))
    assert K.function([x], [K.tanh(K.dot(x, w) + 1)])([np.zeros((0, 3))])[0].shape == (0, 2)


def test_oldest_programs_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_module, "MOST_PROGRAMS", 2)
    x = K.placeholder((None,))
    f = K.function([x], [x + 1])
    first, second = f.program([(1,)]), f.program([(2,)])
    assert f.program([(1,)]) is first  # used again: younger than the second now
    f.program([(3,)])
    assert f.program([(1,)]) is first and f.program([(2,)]) is not second


def test_results_are_the_callers_own() -> None:
    x = K.placeholder((2,))
    f = K.function([x], [x + 1, x])
    first, given = f([[1.0, 2.0]])
    f([[5.0, 6.0]])
    assert first.tolist() == [2, 3] and given.tolist() == [1, 2]
    first[0] = 9


def test_inputs_are_not_changed() -> None:
    x = K.placeholder((3,))
    a = np.array([-1.0, 2.0, -3.0], "float32")
    K.function([x], [K.relu(K.exp(x) - 1)])([a])
    assert a.tolist() == [-1, 2, -3]


@pytest.mark.parametrize(
    "values, message",
    [
        ([], "takes 2 inputs, got 0"),
        ([np.zeros((2, 4)), np.zeros(2)], r"input 0 .* expects shape \(None, 3\), got \(2, 4\)"),
        ([np.zeros((2, 3)), np.zeros((2, 1))], r"input 1 .*expects shape \(None,\), got \(2, 1\)"),
        ([np.zeros((2, 3)), None], "nothing is fed for"),
    ],
)
def test_wrong_inputs(values: list[Any], message: str) -> None:
    x, y = K.placeholder((None, 3)), K.placeholder((None,))
    with pytest.raises(ValueError, match=message):
        K.function([x, y], [K.sum(x) + K.sum(y)])(values)


def test_missing_input_is_named() -> None:
    x, y = K.placeholder((None, 3), name="left"), K.placeholder((None, 3), name="right")
    with pytest.raises(ValueError, match="'right:0'.*add it to the inputs"):
        K.function([x], [x + y])([np.zeros((2, 3))])


def test_mismatch_found_when_shapes_are_known_names_layer_and_shapes() -> None:
    x, y = K.placeholder((None, 3)), K.placeholder((None, 3))
    with K.origin("sum_1"):
        z = x + y
    with pytest.raises(ValueError, match=r"layer 'sum_1': add: shapes \(2, 3\) and \(5, 3\)"):
        K.function([x, y], [z])([np.zeros((2, 3)), np.zeros((5, 3))])


# Feeding -------------------------------------------------------------------------------------------------------
def test_intermediate_tensors_can_be_fed() -> None:
    x = K.placeholder((None, 2))
    hidden = K.exp(x)
    y = K.sum(hidden * 2)
    f = K.function([hidden], [y])
    assert f([[[1.0, 2.0]]])[0] == 6
    with debugging():
        assert f([[[1.0, 2.0]]])[0] == 6


def test_what_is_fed_for_a_variable_takes_its_place_in_the_call() -> None:
    v = K.variable([1.0, 2.0])
    assert K.function([v], [v * 2])([[5.0, 6.0]])[0].tolist() == [10, 12] and K.get_value(v).tolist() == [1, 2]


def test_default_of_a_placeholder() -> None:
    x = K.placeholder((2,))
    x.default = [3.0, 4.0]
    f = K.function([x], [x * 2])
    assert f([None])[0].tolist() == [6, 8] and f([[1.0, 1.0]])[0].tolist() == [2, 2] and f([None])[0].tolist() == [6, 8]
    assert K.function([], [x * 2])([])[0].tolist() == [6, 8]


def test_same_placeholder_twice_and_unused_inputs() -> None:
    x, unused = K.placeholder((2,)), K.placeholder((None, 7))
    assert K.function([x, unused, x], [x + 1])([[1.0, 2.0], np.zeros((3, 7)), [1.0, 2.0]])[0].tolist() == [2, 3]


@pytest.mark.parametrize(
    "given",
    [
        [[1, 2], [3, 4]],
        np.array([[1, 2], [3, 4]], "int64"),
        np.array([[1, 2], [3, 4]], "float64"),
        np.array([[1, 3], [2, 4]], "float32").T,
        ((1, 2), (3, 4)),
        np.array([[1, 2], [3, 4]], "uint8"),
    ],
)
def test_inputs_of_any_kind_are_converted(given: Any) -> None:
    x = K.placeholder((None, 2))
    got = K.function([x], [x * 1.5])([given])[0]
    assert got.dtype == np.float32 and got.tolist() == [[1.5, 3], [4.5, 6]]


def test_variables_set_between_calls() -> None:
    v = K.variable([1.0, 2.0])
    f = K.function([], [v * 2])
    assert f([])[0].tolist() == [2, 4]
    K.set_value(v, [10.0, 20.0])
    assert f([])[0].tolist() == [20, 40]


# Learning phase ------------------------------------------------------------------------------------------------
def test_inference_program_has_no_dropout() -> None:
    x = K.placeholder((None, 50))
    y = K.in_train_phase(K.dropout(x, 0.5), x)
    assert y._uses_learning_phase
    f = K.function([x, K.learning_phase()], [y + 1])
    a = np.ones((4, 50), "float32")
    assert "random" in names(f, [(4, 50), ()], [None, 1]) and "random" not in names(f, [(4, 50), ()], [None, 0])
    assert set(np.unique(f([a, 1])[0])) == {1, 3}
    assert set(np.unique(f([a, 0])[0])) == {2}
    assert set(np.unique(K.function([x], [y])([a])[0])) == {1}  # the phase is 0 if nothing is fed


def test_fixed_learning_phase() -> None:
    x = K.placeholder((None, 50))
    try:
        K.set_learning_phase(1)
        assert K.learning_phase() == 1
        y = K.in_train_phase(lambda: x * 2, lambda: x)
    finally:
        K.clear_session()
    assert K.function([x], [y])([np.ones((1, 50))])[0][0, 0] == 2


def test_switch_on_data_keeps_both_sides() -> None:
    x, c = K.placeholder((2,)), K.placeholder((), dtype="bool")
    f = K.function([x, c], [K.switch(c, x + 1, x - 1)])
    assert f([[1.0, 2.0], True])[0].tolist() == [2, 3] and f([[1.0, 2.0], False])[0].tolist() == [0, 1]


# Random numbers ------------------------------------------------------------------------------------------------
def test_random_numbers_are_new_at_every_call_and_repeat_with_the_seed() -> None:
    def run() -> list[list[float]]:
        np.random.seed(3)
        f = K.function([], [K.random_uniform((5,)), K.random_normal((5,)), K.truncated_normal((5,))])
        return [a.tolist() for _ in range(3) for a in f([])]

    first, second = run(), run()
    assert first == second
    assert len({tuple(a) for a in first}) == 9


def test_one_mask_for_forward_and_backward() -> None:
    x = K.placeholder((None, 100))
    y = K.dropout(x, 0.3)
    f = K.function([x], [y, *K.gradients(K.sum(y), [x])])
    for _ in range(3):
        out, slope = f([np.ones((3, 100))])
        np.testing.assert_array_equal(out, slope)
        assert 0 < (out == 0).mean() < 0.6


def test_two_random_tensors_differ_even_with_one_seed() -> None:
    a, b = K.random_uniform((20,), seed=1), K.random_uniform((20,), seed=1)
    f = Function([], [a - b, a + b])
    assert len([op for op in f.program([])._ops() if op.stateful]) == 2


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_random_numbers_of_every_float(dtype: str) -> None:
    tensors = [
        K.random_uniform((4000,), 2, 3, dtype),
        K.random_normal((4000,), 1, 2, dtype),
        K.truncated_normal((4000,), 1, 2, dtype),
        K.random_binomial((4000,), 0.25, dtype),
    ]
    uniform, normal, truncated, binomial = K.function([], tensors)([])
    assert {a.dtype.name for a in (uniform, normal, truncated, binomial)} == {dtype}
    assert uniform.min() >= 2 and uniform.max() <= 3 and abs(uniform.astype(float).mean() - 2.5) < 0.02
    assert abs(normal.astype(float).mean() - 1) < 0.15 and abs(normal.astype(float).std() - 2) < 0.1
    assert truncated.min() >= -3 and truncated.max() <= 5
    assert set(np.unique(binomial)) == {0, 1} and abs(binomial.astype(float).mean() - 0.25) < 0.03


@pytest.mark.parametrize("level", [0, 0.5, np.float32(0.5), np.float64(0.5)])
def test_dropout_takes_levels_of_any_type(level: Any) -> None:
    x = K.variable(np.ones((100, 100)))
    assert abs((K.eval(K.dropout(x, level)) == 0).mean() - level) < 0.05


@pytest.mark.parametrize("p", [0, 0.002, 0.5, 1.0])
def test_binomial_numbers_are_1_as_often_as_asked(p: float) -> None:
    given = K.placeholder(())
    numbers = [K.random_binomial((40000,), p), K.random_binomial((40000,), given)]
    for found in K.function([given], numbers)([p]):
        assert set(np.unique(found)) <= {0, 1} and abs(found.mean() - p) <= 5 * (p * (1 - p) / 40000) ** 0.5


# Threads, memory -----------------------------------------------------------------------------------------------
def test_calls_from_several_threads() -> None:
    x, w = K.placeholder((None, 8)), K.variable(np.random.RandomState(0).randn(8, 8))
    f = K.function([x], [K.tanh(K.dot(K.tanh(K.dot(x, w)), w)), K.sum(x)])
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.RandomState(seed)
        for _ in range(40):
            a = rng.randn(rng.randint(1, 5), 8).astype("float32")
            m = K.get_value(w)
            y, total = f([a])
            if not (np.allclose(y, np.tanh(np.tanh(a @ m) @ m), 1e-4, 1e-5) and np.isclose(total, a.sum(), 1e-4, 1e-4)):
                wrong.append(a)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def array_bytes(run: Any) -> int:
    """The most array memory that `run` holds at a time, beyond what was there before."""
    run(), run()
    gc.collect()
    tracemalloc.start()
    try:
        domain = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        before = sum(s.size for s in tracemalloc.take_snapshot().filter_traces([domain]).traces)
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        run()
        peak = tracemalloc.get_traced_memory()[1] - start
        after = sum(s.size for s in tracemalloc.take_snapshot().filter_traces([domain]).traces)
    finally:
        tracemalloc.stop()
    assert after == before
    return peak


@pytest.mark.skipif(device.NAME != "numpy", reason="counts NumPy's arrays")
def test_a_fed_step_allocates_no_arrays() -> None:
    x, y, b = K.placeholder((None, 64)), K.placeholder((None, 32)), K.variable(np.zeros(32))
    w = K.variable(np.random.RandomState(0).randn(64, 32) * 0.1)
    loss = K.mean(K.categorical_crossentropy(y, K.softmax(K.dropout(K.dot(x, w), 0.2) + b)))
    grads = K.gradients(loss, [w, b])
    f = K.function([x, y], [loss], [K.update_sub(w, 0.1 * grads[0]), K.update_sub(b, 0.1 * grads[1])])
    rng = np.random.RandomState(0)
    feed = Feed(f, [rng.randn(4096, 64).astype("float32"), np.eye(32, dtype="float32")[rng.randint(32, size=4096)]])
    order = rng.permutation(4096)

    def epoch() -> None:
        for start in range(0, 4096, 1024):
            feed.run(order[start : start + 1024], 1024)

    assert (
        array_bytes(epoch) < 100_000
    )  # a ufunc may buffer 8192 numbers; an array of a batch has 131,072 bytes or more
    first = feed.values()[0]
    for _ in range(20):
        epoch()
    assert feed.values()[0] < first


def test_feed_takes_slices_row_numbers_and_a_smaller_batch() -> None:
    x, n = K.placeholder((None, 2)), K.variable(0.0)
    f = K.function([x, K.learning_phase()], [K.sum(x, 0)], [(n, n + K.sum(x))])
    data = np.arange(14.0).reshape(7, 2)
    feed = Feed(f, [data, None], {1: 1})
    for rows, count in (
        (slice(0, 3), 3),
        (np.array([6, 1, 2]), 3),
        (slice(6, 7), 1),
        (np.array([5]), 1),
        (slice(3, 6), 3),
    ):
        feed.run(rows, count)
        np.testing.assert_allclose(feed.values()[0], data[rows].sum(0))
        with debugging():
            feed.run(rows, count)
        np.testing.assert_allclose(feed.values()[0], data[rows].sum(0))


def test_memory_is_reused() -> None:
    x = K.placeholder((100, 100))
    y = x
    for _ in range(20):
        y = K.dot(y, y) * 0.01
    f = Function([x], [K.sum(y)])
    program = f.program([(100, 100)])
    size = 100 * 100 * 4
    assert 2 * size <= program.plan.size <= 4 * size
    assert program.plan.size < sum(int(np.prod(v.shape)) * 4 for s in program.plan.steps for v in s.outs) / 5


def test_programs_of_a_function_share_their_memory() -> None:
    x = K.placeholder((None, 100))
    f = Function([x], [K.exp(K.dot(x, K.transpose(x)))])
    large, small = f.program([(200, 100)]), f.program([(10, 100)])
    start = device.address(large.outputs[0])
    assert start <= device.address(small.outputs[0]) < start + large.outputs[0].nbytes


def test_many_calls_leave_memory_flat() -> None:
    x = K.placeholder((None, 4))
    f = K.function([x], [K.softmax(x)])
    a = np.ones((3, 4), "float32")

    def calls() -> None:
        for _ in range(1000 if device.xp.__version__.endswith("standin") else 4000):
            f([a])

    for _ in range(3):  # on a GPU the first runs compile and record
        f([a])
    assert array_bytes(calls) < 40_000


# Debugging -----------------------------------------------------------------------------------------------------
def test_debugging_names_op_and_layer() -> None:
    x = K.placeholder((2,))
    with K.origin("dense_3"):
        y = K.log(x)
    with debugging(), pytest.raises(FloatingPointError, match=r"log\(float32\[2\]\).*layer 'dense_3'"):
        K.function([x], [y * 0])([[1.0, 0.0]])
    assert np.isnan(K.function([x], [y * 0])([[1.0, 0.0]])[0][1])
    with debugging(check_numbers=False):
        assert np.isnan(K.function([x], [y * 0])([[1.0, 0.0]])[0][1])


def test_debugging_lets_infinite_inputs_pass() -> None:
    x = K.placeholder((2,))
    with debugging():
        assert np.isinf(K.function([x], [x * 2])([[1.0, np.inf]])[0][1])


def test_print_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    x = K.placeholder((2,))
    f = K.function([x], [K.print_tensor(x * 2, "doubled:") + 1])
    assert f([[1.0, 2.0]])[0].tolist() == [3, 5]
    assert capsys.readouterr().out == "doubled: [2. 4.]\n"
