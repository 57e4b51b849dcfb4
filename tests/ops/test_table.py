"""Every op against its row: derivatives to second order, shapes, both ways of running, batch behaviour, overwriting."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device, ops
from gpukeras.compiler import debugging
from gpukeras.compiler.bodies import bind, rooms
from gpukeras.device.tasks import merged
from gpukeras.graph import ComposedOp, ExpandedOp, Op, ViewOp, is_float
from gpukeras.ops.elementwise import TABLE
from tests.ops import rows_core, rows_ctc, rows_elementwise, rows_recurrent, rows_scan, rows_softmax, rows_windows
from tests.ops.table import MIX, REDUCE, ROW, N, Row, key, lowered, uses

ROWS = [*rows_elementwise.ROWS, *rows_core.ROWS, *rows_softmax.ROWS, *rows_windows.ROWS,
        *rows_recurrent.ROWS, *rows_scan.ROWS, *rows_ctc.ROWS]
SMOOTH = [r for r in ROWS if not r.constant and r.orders > 0]
STEP = 1e-5
NEED_LENGTHS = ("SparseCrossentropy", "SparseCrossentropyGradient", "SparseSoftmaxCrossentropy", "Depthwise")
"""Ops (or their derivatives) that must know the number of classes or of channels when the graph is built."""

OF_JOBS = {"AllReduce", "AllGather"}
"""What others become in programs of several ranks: tests/distribute."""
OF_DATA = {"HostFunction", "Looping", "Places", "Selection", "Suppression", "While", "WhileGradient"}
"""Of which the size, or the number of passes, is known when they run: tests/compiler/test_late.py and
tests/tensorflow1/test_loops.py."""

every = pytest.mark.parametrize("row", ROWS, ids=str)


def op_classes() -> set[str]:
    """The classes of gpukeras/ops that may be in a graph."""
    modules = [importlib.import_module(f"gpukeras.ops.{m.name}") for m in pkgutil.iter_modules(ops.__path__)]
    found = {c for m in modules for c in vars(m).values() if isinstance(c, type) and issubclass(c, Op)}
    names = {c.__name__ for c in found if c.__module__.startswith("gpukeras.ops")}
    return {n for n in names if not n.startswith("_")} - {"Elementwise", *OF_JOBS, *OF_DATA}


def test_every_op_has_a_row() -> None:
    table = {r.op for r in [*ROWS, *rows_core.RANDOM]}
    assert set(TABLE) | op_classes() == table


@every
def test_row_uses_its_op(row: Row) -> None:
    made = uses(row, row.outputs(row.placeholders(row.draw())))
    assert key(made) == row.op and (made.elementwise or not row.op.islower())


# Derivatives ---------------------------------------------------------------------------------------------------
def along(row: Row, order: int) -> tuple[Any, list[Any], list[int]]:
    """A scalar tensor whose derivatives are compared, its placeholders, and which of those vary.

    Order 1: sum(out * r) for fixed r. Order 2: the derivative of that along fixed directions, of which the derivative
    is taken again, also with respect to r.
    """
    values = row.draw()
    tensors = row.placeholders(values)
    outs = [t for t in row.outputs(tensors) if is_float(t.dtype)]
    rs = [K.placeholder(t.shape, dtype=t.dtype) for t in outs]
    total = sum(K.sum(t * r) for t, r in zip(outs, rs))
    varying = [i for i, t in enumerate(tensors) if is_float(t.dtype)]
    if order == 1:
        return total, [*tensors, *rs], varying
    ds = [K.placeholder(tensors[i].shape, dtype=tensors[i].dtype) for i in varying]
    grads = K.gradients(total, [tensors[i] for i in varying])
    slope = sum(K.sum(g * d) for g, d in zip(grads, ds) if g is not None)
    return slope, [*tensors, *rs, *ds], [*varying, *range(len(tensors), len(tensors) + len(rs))]


def check_derivative(row: Row, order: int) -> None:
    scalar, tensors, varying = along(row, order)
    values = row.draw()
    rng = np.random.RandomState(7)
    shapes = K.function(tensors[: len(values)], [K.shape(t) for t in row.outputs(tensors[: len(values)])])(values)
    outs = [t for t in row.outputs(tensors[: len(values)])]
    point = values + [rng.uniform(0.5, 1.5, tuple(s)) for s, t in zip(shapes, outs) if is_float(t.dtype)]
    if order == 2:
        point += [rng.uniform(-1, 1, values[i].shape) for i in varying if i < len(values)]
    directions = [rng.uniform(-1, 1, np.shape(point[i])) for i in varying]
    grads = K.gradients(scalar, [tensors[i] for i in varying])
    present = [(g, d) for g, d in zip(grads, directions) if g is not None]
    assert present or order == 2, f"{row} has no derivative at all"
    slopes = K.function(tensors, [K.sum(g * d) for g, d in present])(point) if present else []
    value = K.function(tensors, [scalar])

    def moved(h: float) -> float:
        there = list(point)
        for i, d in zip(varying, directions):
            there[i] = point[i] + h * d
        return float(value(there)[0])

    difference = (moved(STEP) - moved(-STEP)) / (2 * STEP)
    scale = max(1.0, *(abs(float(s)) for s in slopes)) if slopes else 1.0
    assert sum(map(float, slopes)) == pytest.approx(difference, rel=row.rtol, abs=row.rtol * scale)


@pytest.mark.parametrize("row", SMOOTH, ids=str)
def test_first_derivative(row: Row) -> None:
    check_derivative(row, 1)


@pytest.mark.parametrize("row", [r for r in SMOOTH if r.orders > 1], ids=str)
def test_second_derivative(row: Row) -> None:
    check_derivative(row, 2)


@pytest.mark.parametrize("row", [r for r in ROWS if r.orders < 2], ids=str)
def test_refused_derivative_names_the_op(row: Row) -> None:
    tensors = row.placeholders(row.draw())
    floats = [t for t in tensors if is_float(t.dtype)]
    value = K.sum(row.outputs(tensors)[0])
    with pytest.raises(NotImplementedError, match=f"op {row.refuses} has no gradient"):
        for _ in range(row.orders + 1):
            value = sum(K.sum(g) for g in K.gradients(value, floats) if g is not None)


@pytest.mark.parametrize("row", [r for r in [*ROWS, *rows_core.RANDOM] if r.constant], ids=str)
def test_no_derivative_where_there_is_none(row: Row) -> None:
    tensors = row.placeholders(row.draw())
    loss = K.sum(K.cast(row.outputs(tensors)[0], "float64"))
    assert all(g is None for g in K.gradients(loss, tensors))


# Shapes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("unknown", ["samples", "all", "nothing"])
@pytest.mark.parametrize("row", [*ROWS, *rows_core.RANDOM], ids=str)
def test_inferred_shape_is_the_real_one(row: Row, unknown: str) -> None:
    if unknown == "all" and row.op in NEED_LENGTHS:
        unknown = "samples"
    values = row.draw()
    tensors = row.placeholders(values, unknown)
    outs = row.outputs(tensors)
    for t, a in zip(outs, K.function(tensors, outs)(values)):
        assert len(t.shape) == a.ndim and t.dtype == a.dtype.name
        assert all(known in (None, real) for known, real in zip(t.shape, a.shape))
        if unknown != "all" and row.op not in ("SumLike", "SliceBetween"):
            assert t.shape.count(None) <= (unknown == "samples")


@pytest.mark.parametrize(
    "dims, known",
    [
        (lambda n: [n, -1], (None, 12)),
        (lambda n: [n, 2, -1], (None, 2, 6)),
        (lambda n: [-1, 6], (None, 6)),
        (lambda n: [n, 3, 4], (None, 3, 4)),
        (lambda n: [n * 2, -1], (None, None)),  # not the samples themselves: 6 are left, not 12
        (lambda n: [n * 3, 2, -1], (None, 2, None)),
        (lambda n: [2, -1], (2, None)),
    ],
)
def test_what_a_reshape_leaves_open(dims: Any, known: tuple[Any, ...]) -> None:
    x = K.placeholder((None, 3, 4))
    y = K.reshape(x, dims(K.shape(x)[0]))
    assert y.shape == known
    got = K.function([x], [y])([np.zeros((N, 3, 4))])[0]
    assert got.shape == np.zeros((N, 3, 4)).reshape(dims(N)).shape
    assert all(d in (None, real) for d, real in zip(known, got.shape))


# Programs and interpreter --------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every
def test_program_and_interpreter_agree(row: Row, dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = [v.astype(dtype) if v.dtype.kind == "f" else v for v in row.draw()]
    tensors = row.placeholders(values, dtype=dtype)
    outs = row.outputs(tensors)
    if not row.constant and row.orders:
        outs = [*outs, *(g for g in K.gradients(outs[0], tensors) if g is not None)]
    f = K.function(tensors, outs)
    tolerance = 1e-5 if dtype == "float32" else 1e-11
    with debugging():
        expected = f(values)
    for a, b in zip(f(values), expected):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, tolerance, tolerance)


# Samples -------------------------------------------------------------------------------------------------------
@every
def test_batch_behaviour(row: Row) -> None:
    values = row.draw()
    tensors = row.placeholders(values)
    op = uses(row, row.outputs(tensors))
    if row.batch is None:
        assert isinstance(op, (ExpandedOp, ComposedOp)) or not any(i.carries for i in row.ins)
        return
    steps = lowered(row, values)
    assert steps, f"{row} leaves nothing to run"
    step, made = steps[-1]
    carries = [i.carries for i in row.ins] if len(made) == len(row.ins) else made
    role = step.op.batch(carries, [v.spec for v in step.ins])
    assert role == row.batch
    if role == MIX:
        return
    f = K.function(tensors, row.outputs(tensors))

    def part(start: int, stop: int) -> Sequence[np.ndarray]:
        return f([v[start:stop] if i.carries else v for i, v in zip(row.ins, values)])

    for all_, first, second in zip(part(0, N), part(0, 2), part(2, N)):
        together = np.concatenate([first, second]) if role == ROW else first + second
        np.testing.assert_allclose(together, all_, 1e-12, 1e-12)
    assert role in (ROW, REDUCE)


# Overwriting ---------------------------------------------------------------------------------------------------


def perform(step: Any, ins: list[Any], outs: list[Any]) -> None:
    """The body that a program would use."""
    room = [device.xp.empty(s.shape, s.dtype) for s in rooms(step)]
    for function, args in merged(bind(step, ins, outs, room)):
        function(*args)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_output_may_take_the_place_of_inputs_named(row: Row) -> None:
    for step, _ in lowered(row, row.draw()):
        if isinstance(step.op, ViewOp) or not step.op.in_place:
            continue
        rng = np.random.RandomState(1)
        ins = [device.asarray(np.asarray(rng.uniform(1, 3, v.shape)).astype(v.dtype)) for v in step.ins]
        expected, *others = [device.xp.empty(v.shape, v.dtype) for v in step.outs]
        perform(step, [a.copy() for a in ins], [expected, *others])
        for i in step.op.in_place:
            if i >= len(ins) or ins[i].shape != expected.shape or ins[i].dtype != expected.dtype:
                continue
            arrays = [a.copy() for a in ins]
            perform(step, arrays, [arrays[i], *(device.xp.empty(a.shape, a.dtype) for a in others)])
            np.testing.assert_array_equal(device.to_host(arrays[i]), device.to_host(expected))
            for k, a in enumerate(arrays):
                if k != i:
                    np.testing.assert_array_equal(device.to_host(a), device.to_host(ins[k]),
                                                  err_msg="an input that is not given away was changed")


def test_some_ops_overwrite() -> None:
    assert len({r.op for r in ROWS if r.op in TABLE and TABLE[r.op].in_place}) > 25
