"""A single sample's convolutions, done with what follows them line by line, against the interpreter and in bits."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import by_places, groups, plan
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from tests.compiler.random_graphs import _share
from tests.compiler.test_groups import compare

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("convolution"),
                                reason=f"no compiled code: {why_not()}")


@pytest.fixture(autouse=True)
def worth(monkeypatch):
    """Everything is dealt to threads, a line at a time."""
    monkeypatch.setattr(tasks, "WORTH", 0)
    monkeypatch.setattr(tasks, "CHUNK", 1)
    monkeypatch.setattr(tasks, "CHUNKS", 64)
    monkeypatch.setattr(device.threads, "count", lambda: 3)


def variable(state, *shape):
    return K.variable(state.normal(0, 0.5, shape))


def convolved(y, kernel, **more):
    convolve = {3: K.conv1d, 4: K.conv2d, 5: K.conv3d}[K.ndim(y)]
    return convolve(y, kernel, **more)


def residual(shape, filters, padding="same"):
    """Two blocks with shortcuts, of which the second changes the shape: placeholder, all that is read, variables."""
    state = np.random.RandomState(0)
    x = y = K.placeholder((None, *shape))
    size = (3,) * (len(shape) - 1)
    variables, seen = [], []

    def layer(y, count, kernel_size=size, activated=True, **more):
        variables.extend([variable(state, *kernel_size, K.int_shape(y)[-1], count), variable(state, count)])
        y = K.bias_add(convolved(y, variables[-2], **more), variables[-1]) * variables[-1]
        return K.relu(y) if activated else y

    y = layer(y, filters, padding=padding)
    for count, strides in ((filters, 1), (2 * filters, 2)):
        z = layer(y, count, padding="same", strides=(strides,) * len(size) if len(size) > 1 else strides)
        z = layer(z, count, activated=False, padding="same")
        if strides > 1:
            y = layer(y, count, (1,) * len(size), False, strides=(strides,) * len(size) if len(size) > 1 else strides)
        y = K.relu(y + z)
        seen.append(y)
    return x, seen, variables


SHAPES = [((9, 7, 3), 5), ((8, 8, 16), 16), ((13, 30, 2), 20), ((1, 17, 4), 16), ((17, 1, 4), 3), ((2, 2, 5), 33),
          ((50, 6), 17), ((3, 4), 1), ((5, 6, 4, 2), 6), ((1, 1, 9, 3), 16), ((1, 1, 1, 3), 4)]


@pytest.mark.parametrize("shape, filters", SHAPES)
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_blocks_with_shortcuts_and_their_derivatives(shape, filters, padding):
    if padding == "valid" and min(shape[:-1]) < 3:
        pytest.skip("the window does not fit")
    x, seen, variables = residual(shape, filters, padding)
    loss = K.sum(K.square(seen[-1]))
    feeds = [np.random.RandomState(1).normal(0, 1, (1, *shape)).astype("float32")]
    program = compare([x], [*seen, loss, *K.gradients(loss, variables)], [], variables, feeds)
    found = set(program.plan.groups.values())
    assert found and all(group.numbers for group in found)
    nobody_overwrites_what_is_read_whole(program)


def nobody_overwrites_what_is_read_whole(program):
    """Threads are at different places: what one makes must lie where no other reads as it likes."""
    for group in set(program.plan.groups.values()):
        made = [program._array(v) for step in group.steps for v in step.outs if v not in group.places]
        for step in group.steps:
            whole = [v for v in step.reads() if not step.op.elementwise or v.shape != step.outs[0].shape]
            assert not any(_share(program._array(v), array) for v in whole for array in made)


@pytest.mark.parametrize("shape, filters", SHAPES[:3] + SHAPES[6:7])
def test_bits_are_those_of_the_batch_and_depend_neither_on_threads_nor_on_groups(shape, filters, monkeypatch):
    x, seen, _ = residual(shape, filters)
    data = np.random.RandomState(1).normal(0, 1, (1, *shape)).astype("float32")
    found = [[y[:1] for y in K.function([x], seen)([np.concatenate([data, -data])])]]
    for threads, held, chunks, grouped in ((1, 1, 16, True), (2, 1 << 20, 2, True), (5, 3000, 16, True),
                                           (2, 1, 16, False)):
        monkeypatch.setattr(device.threads, "count", lambda threads=threads: threads)
        monkeypatch.setattr(groups, "CACHE", held)
        monkeypatch.setattr(tasks, "CHUNKS", chunks)
        monkeypatch.setattr(plan.Plan, "grouped", grouped)
        found.append(K.function([x], seen)([data]))
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)


def test_the_shortcut_is_not_overwritten_while_others_convolve_it():
    """The sum may not be made where the block's input lies, though nobody needs that afterwards."""
    state = np.random.RandomState(2)
    x = K.placeholder((None, 40, 8, 16))
    kernels = [variable(state, 3, 3, 16, 16) for _ in range(4)]
    y = K.relu(x)
    for kernel in kernels:
        y = K.tanh(K.conv2d(y, kernel, padding="same")) + y
    data = state.normal(0, 1, (1, 40, 8, 16)).astype("float32")
    program = compare([x], [y], [], kernels, [data])
    assert len(set(program.plan.groups.values())) == 4
    nobody_overwrites_what_is_read_whole(program)


def test_what_is_made_and_read_by_places_is_nowhere_whole(monkeypatch):
    monkeypatch.setattr(groups, "CACHE", 1)
    state = np.random.RandomState(3)
    x = K.placeholder((None, 30, 30, 4))
    y = K.relu(K.conv2d(x, variable(state, 3, 3, 4, 32)))
    other = K.conv2d(x, variable(state, 1, 1, 4, 32))[:, 1:-1, 1:-1]
    program = compare([x], [y, K.sum(other)], [], [], [state.rand(1, 30, 30, 4).astype("float32")])
    (group,) = set(program.plan.groups.values())
    assert group.units == 28 and group.chunk == 1 and len(group.places) == 1


def test_a_value_that_others_need_too_stays_whole():
    state = np.random.RandomState(4)
    x = K.placeholder((None, 12, 12, 4))
    y = K.conv2d(x, variable(state, 3, 3, 4, 16))
    squared = K.square(y) * K.constant(state.rand(10, 1, 16))
    program = compare([x], [y, K.max(squared), K.conv2d(squared, variable(state, 3, 3, 16, 4))], [], [],
                      [state.rand(1, 12, 12, 4).astype("float32")])
    (group,) = set(program.plan.groups.values())
    assert len(group.steps) == 2 and not group.places


def test_a_task_may_make_stretches_of_any_length():
    """Units of one task that hold several of another's; the last has fewer."""
    data, out = np.random.rand(23, 6).astype("float32"), np.zeros((23, 6), "float32")
    between = np.zeros_like(data)
    start = np.zeros(1, np.int64)

    def taking(source, to, rows):
        return tasks.Task("rows", "take_rows", (source, 0, start, to, rows * 24), -(-23 // rows), 1e6, stretch=rows * 6)
    chain = tasks.Chain([taking(data, between, 1), taking(between, out, 1)], [np.empty] * 2, scales=[4, 4])
    assert chain.units == 6
    for _ in range(20):
        out.fill(0)
        tasks.Run([chain])()
        np.testing.assert_array_equal(out, data)


JOINED = [((14, 9, 3), (2, 2), (2, 2), "valid", "max"), ((15, 9, 3), (2, 3), (2, 1), "valid", "max"),
          ((15, 9, 3), (2, 2), (2, 2), "same", "avg"), ((27, 8, 16), (3, 2), (4, 2), "valid", "avg"),
          ((13, 12, 16), (2, 2), (2, 2), "same", "avg"), ((14, 1, 3), (2, 1), (2, 1), "valid", "max")]
APART = [((14, 9, 3), (3, 3), (2, 2), "valid", "max"), ((14, 9, 3), (2, 2), (1, 1), "valid", "max"),
         ((16, 9, 3), (3, 3), (3, 3), "same", "avg"), ((14, 9, 3), (7, 1), (7, 1), "valid", "max")]


@pytest.mark.parametrize("shape, size, strides, padding, kind", JOINED + APART)
def test_pooling_goes_with_what_it_reads_where_lines_of_windows_share_none(shape, size, strides, padding, kind,
                                                                          monkeypatch):
    state = np.random.RandomState(5)
    x = K.placeholder((None, *shape))
    y = K.relu(K.conv2d(x, variable(state, 3, 3, shape[-1], 20), padding="same"))
    pooled = K.tanh(K.pool2d(y, size, strides, padding, pool_mode=kind))
    data = state.normal(0, 1, (1, *shape)).astype("float32")
    program = compare([x], [pooled], [], [], [data])
    found = next(iter(program.plan.groups.values()), None)
    names = [step.op.name for step in found.steps] if found else []
    case = (shape, size, strides, padding, kind)
    assert (names[-2:] == [f"{kind}_pool".replace("avg", "average"), "tanh"] and len(names) == 4) == (case in JOINED)
    whole = K.function([x], [pooled])([np.concatenate([data, -data])])[0][:1]
    for grouped in (True, False):
        monkeypatch.setattr(plan.Plan, "grouped", grouped)
        np.testing.assert_array_equal(K.function([x], [pooled])([data])[0], whole)


def test_two_ways_to_pool_the_same_lines(monkeypatch):
    """By four, and by five lines that are as many in the end: they have no units in common."""
    monkeypatch.setattr(by_places, "UNITS", 1)
    state = np.random.RandomState(6)
    x = K.placeholder((None, 31, 8, 3))
    y = K.relu(K.conv2d(x, variable(state, 3, 3, 3, 20), padding="same"))
    by_four, by_five = K.pool2d(y, (4, 2), (4, 2)), K.pool2d(y, (2, 2), (5, 2), "same")
    program = compare([x], [by_four * by_five], [], [], [state.rand(1, 31, 8, 3).astype("float32")])
    found = [[step.op.name for step in group.steps].count("max_pool") for group in set(program.plan.groups.values())]
    assert found == [1, 1]
