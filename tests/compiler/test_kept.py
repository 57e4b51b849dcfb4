"""What a program keeps between runs is what it would make anew, whoever has written its variables meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import kept
from gpukeras.device import tasks
from gpukeras.device.changes import Changes
from gpukeras.device.native import why_not
from tests.compiler.random_graphs import Builder, Shadow

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("elementwise"),
                                reason=f"nothing is kept: {why_not()}")
STATE = np.random.RandomState(0)
IMAGE = STATE.rand(2, 9, 9, 3).astype("float32")


def image_function(updates=()):
    """A convolution of an image, with its kernel, and the factor that it is multiplied by before."""
    x, kernel = K.placeholder((2, 9, 9, 3)), K.variable(STATE.normal(size=(3, 3, 3, 16)))
    scale = K.variable(STATE.rand(3))
    made = K.function([x], [K.conv2d(x, kernel * K.expand_dims(K.sqrt(scale), 1))], list(updates))
    return made, kernel, scale


def anew(function, *inputs):
    """What the function gives where nothing is kept from an earlier run."""
    return K.function(function.inputs, function.outputs)(list(inputs))


def same(function, *inputs):
    """Asserts that two runs give what a new function gives."""
    expected = anew(function, *inputs)
    for _ in range(2):
        for a, b in zip(function(list(inputs)), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def program(function, *inputs):
    return function.program([x.shape for x in inputs])


def names(made):
    return [step.op.name for step in made.plan.keeping.steps if step in made.plan.scratch]


def test_a_kernel_is_made_and_packed_once():
    function, _, _ = image_function()
    same(function, IMAGE)
    made = program(function, IMAGE)
    assert names(made)[-1] == "convolution_pack_kernel" and len(made.plan.keeping.values) == 1
    assert made.plan.steps[: len(made.plan.keeping.steps)] == made.plan.keeping.steps
    assert len(made.calls) == 1 and made.plan.offsets.keys().isdisjoint(made.plan.kept)
    made._kept_memory[...] = 0  # as if it were something else: it is read, and not made again
    assert not function([IMAGE])[0].any()


def test_whoever_writes_a_variable_is_seen():
    function, kernel, scale = image_function()
    same(function, IMAGE)
    K.set_value(kernel, STATE.normal(size=(3, 3, 3, 16)))
    same(function, IMAGE)
    scale.assign([1.0, 4.0, 9.0])
    same(function, IMAGE)
    K.batch_set_value([(kernel, K.get_value(kernel) / 2), (scale, [2.0, 2.0, 2.0])])
    same(function, IMAGE)
    kernel.assign_add(np.ones((3, 3, 3, 16)))
    scale.assign_sub([0.5, 0.5, 0.5])
    same(function, IMAGE)
    K.eval(K.update_add(scale, 1.0))
    same(function, IMAGE)
    halve = K.function([], [], [K.update(kernel, kernel * 0.5)])
    for _ in range(3):
        halve([])
        same(function, IMAGE)
    with K.debugging():
        halve([])
    same(function, IMAGE)


def test_a_function_that_writes_what_it_reads_keeps_nothing_of_it():
    x, kernel, scale = K.placeholder((2, 9, 9, 3)), K.variable(np.ones((3, 3, 3, 4))), K.variable(np.ones(4))
    function = K.function([x], [K.conv2d(x, kernel) * K.sqrt(scale)], [K.update(kernel, kernel * 2)])
    for times in (1, 2, 4):
        np.testing.assert_array_equal(function([IMAGE])[0], anew(function, IMAGE)[0] / 2)
        np.testing.assert_array_equal(K.get_value(kernel), np.full((3, 3, 3, 4), 2 * times))
    assert [name for name in names(program(function, IMAGE)) if "sqrt" in name]
    assert "convolution_pack_kernel" not in names(program(function, IMAGE))


def test_a_step_that_numpy_makes_is_seen():
    """The update has no tasks."""
    function, _, scale = image_function()
    x = K.placeholder((3,))
    writer = K.function([x], [], [K.update(scale, K.cumsum(x))])
    for i in range(1, 4):
        same(function, IMAGE)
        writer([np.full(3, i)])
        same(function, IMAGE)
    assert not any(isinstance(call, tasks.Run) for call, _ in program(writer, np.ones(3)).calls)


def test_a_step_that_fails_is_seen():
    """What was written before the failure counts: the first of two updates is made by then, or it is not."""
    function, _, scale = image_function()
    index = K.placeholder((1,), dtype="int32")
    other = K.variable(np.ones(1))
    table = K.variable(np.ones((4, 1)))
    writer = K.function([index], [], [K.update(scale, scale + 1),
                                      K.update(other, K.gather(table, index)[0] + K.sum(scale) * 0)])
    for i in (0, 9, 1):
        same(function, IMAGE)
        if i == 9:
            with pytest.raises(IndexError):
                writer([np.array([i], "int32")])
        else:
            writer([np.array([i], "int32")])
        same(function, IMAGE)


def test_a_refused_index_is_refused_again():
    """A prologue that fails has made nothing that could be kept."""
    table, index = K.variable(np.arange(6.0).reshape(3, 2)), K.variable([0, 1], dtype="int32")
    x = K.placeholder((2, 2))
    function = K.function([x], [x + K.tanh(K.gather(table, index))])
    ones = np.ones((2, 2), "float32")
    same(function, ones)
    K.set_value(index, [0, 3])
    for _ in range(2):
        with pytest.raises(IndexError):
            function([ones])
    K.set_value(index, [2, 0])
    same(function, ones)


def test_results_that_are_kept_are_nobody_elses():
    """Values that leave the program, or become a variable's, are made in each run."""
    a, b, x = K.variable([1.0, 4.0]), K.variable([0.0, 0.0]), K.placeholder((3, 2))
    root, square = K.sqrt(a), K.square(a)
    function = K.function([x], [root, x * root, x + square], [K.update(b, square)])
    for _ in range(3):
        first, second, third = function.run([np.ones((3, 2), "float32")])
        np.testing.assert_array_equal(first, [1, 2])
        np.testing.assert_array_equal(second, [[1, 2]] * 3)
        np.testing.assert_array_equal(third, [[2, 17]] * 3)
        np.testing.assert_array_equal(K.get_value(b), [1, 16])
        for array in (first, second, third):
            array[...] = 7
        K.set_value(b, [0, 0])
    assert not program(function, np.ones((3, 2))).plan.kept


def test_a_joined_value_is_not_lost():
    """A part of a whole that is kept, one of a whole that is not, and one of both."""
    a, b, c, x = (K.variable(STATE.rand(1, n)) for n in (2, 3, 4)), None, None, K.placeholder((1, 3))
    a, b, c = map(K.sqrt, a)
    steady, moving, both = K.concatenate([a, c]), K.concatenate([x, b]), K.concatenate([c, x])
    y = K.dot(moving, K.ones((6, 6)))
    outputs = [K.dot(y, K.ones((6, 6))), K.dot(K.concatenate([x, x]), K.ones((6, 6))) + steady, K.tanh(both)]
    function = K.function([x], outputs)
    for i in range(3):
        same(function, np.full((1, 3), i, "float32"))
    made = program(function, np.ones((1, 3)))
    assert len(made.plan.kept) == 3
    Shadow(made).check()


def test_random_numbers_are_new_in_each_run():
    a, x = K.variable(np.ones(5)), K.placeholder((5,))
    function = K.function([x], [x + K.dropout(K.sqrt(a), 0.5) + K.random_normal((5,))])
    first, second = function([np.zeros(5)])[0], function([np.zeros(5)])[0]
    assert (first != second).all()


def test_programs_of_one_function_have_their_own(monkeypatch):
    """The arena is shared by a function's programs, what they keep is not."""
    x, kernel = K.placeholder((None, 9, 9, 3)), K.variable(STATE.normal(size=(3, 3, 3, 16)))
    function = K.function([x], [K.conv2d(x, kernel), K.sum(K.square(kernel)) * K.sum(x)])
    for rows in (1, 2, 1, 2, 5, 1):
        same(function, np.repeat(IMAGE[:1], rows, 0))
        K.set_value(kernel, K.get_value(kernel) + 1)
    function.release()
    same(function, IMAGE)


def test_only_so_much_is_kept(monkeypatch):
    """The largest are made anew, with all that is made of them."""
    x = K.placeholder((4, 64))
    kernels = [K.variable(STATE.normal(size=(64, n))) for n in (8, 16, 32)]
    outputs = [K.dot(x, K.exp(k)) for k in kernels]
    data = STATE.rand(4, 64).astype("float32")
    for most, count in ((1 << 20, 3), (4 * 64 * 24, 2), (4 * 64 * 8, 1), (0, 0)):
        monkeypatch.setattr(kept, "MOST", most)
        function = K.function([x], outputs)
        assert len(program(function, data).plan.keeping.values) == count
        assert program(function, data).plan.kept_size <= most
        same(function, data)
        K.set_value(kernels[0], K.get_value(kernels[0]) / 2)
        same(function, data)


def test_loops_of_graph():
    """A recurrence of a graph's own has its variables as constants."""
    x, kernel = K.placeholder((2, 4, 3)), K.variable(STATE.normal(size=(3, 3)))

    def step(row, states):
        total = K.dot(row, K.sqrt(K.abs(kernel))) + states[0]
        return total, [total]

    out = K.rnn(step, x, [K.zeros((2, 3))])[1]
    function = K.function([x], [out, K.map_fn(lambda row: row * K.sum(K.exp(kernel)), x)])
    data = STATE.rand(2, 4, 3).astype("float32")
    for _ in range(3):
        same(function, data)
        K.set_value(kernel, STATE.normal(size=(3, 3)))


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed):
    """Between runs one variable at a time is written, in all ways, or none."""
    graph = Builder(seed, "float64").build(30)
    function = K.function(graph.inputs, graph.outputs)
    rng = np.random.RandomState(seed)
    for turn in range(8):
        same(function, *graph.feeds)
        if turn % 2 and graph.variables:
            chosen = graph.variables[rng.randint(len(graph.variables))]
            new = rng.uniform(0.5, 1.5, chosen.shape)
            if turn % 4 == 1:
                K.set_value(chosen, new)
            else:
                K.function([], [], [K.update(chosen, K.constant(new, chosen.dtype))])([])
    Shadow(program(function, *graph.feeds)).check()


def test_what_is_being_written_is_not_kept():
    """A run that comes while a step is under way keeps nothing: begun, and not ended."""
    function, kernel, _ = image_function()
    same(function, IMAGE)
    words = kernel.changes.words
    words[0] += 1  # begun
    kernel.array[...] = 0
    assert not function([IMAGE])[0].any()
    kernel.array[...] = 1
    assert function([IMAGE])[0].any()
    words[1] += 1  # ended
    same(function, IMAGE)


def test_a_stamp_is_never_seen_twice():
    changes = Changes()
    seen = []

    def write():
        for _ in range(2000):
            with changes:
                seen.append(int(changes.words[2]))

    writers = [threading.Thread(target=write) for _ in range(3)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert changes.words[:2].tolist() == [0, 0] and len(seen) == 6000


def test_the_last_word_of_a_writer_reaches_every_reader():
    """Threads that write while others run the function: afterwards all see the last values."""
    function, kernel, scale = image_function()
    grow = K.function([], [], [K.update_add(kernel, K.ones_like(kernel)), K.update_add(scale, K.ones_like(scale))])
    done = threading.Event()
    errors = []

    def read():
        try:
            while not done.is_set():
                function([IMAGE])
        except Exception as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for i in range(200):
        grow([])
        if i % 3 == 0:
            K.set_value(scale, STATE.rand(3))
        if i % 20 == 0:
            same(function, IMAGE)
    done.set()
    for thread in readers:
        thread.join()
    assert not errors
    same(function, IMAGE)


def test_a_deep_graph_of_large_values_is_left_alone(monkeypatch):
    """Leaving out the largest again and again would take longer than it saves."""
    monkeypatch.setattr(kept, "MOST", 100)
    x, y = K.placeholder((1,)), K.variable(STATE.rand(4, 8))
    for _ in range(2 * kept.ROUNDS):
        y = K.dot(K.tanh(y), K.ones((8, 8)))
    function = K.function([x], [y * x])
    same(function, np.ones(1, "float32"))
    assert not program(function, np.ones(1)).plan.kept
