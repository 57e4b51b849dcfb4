"""Runs an op's compiled tasks on NumPy arrays, whole, in parts and in any order, for comparison with its NumPy body."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from gpukeras import device
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from gpukeras.graph import Spec

compiled = pytest.mark.skipif(device.NAME != "numpy" or tasks.library("tasks") is None,
                              reason=f"no compiled code: {why_not()}")
GUARD = 64  # bytes around an array that may not change
FILL = 0xC5  # as a float -6329: a sum that begins with what was there is seen


def run_tasks(op, *ins):
    """The op's outputs by its tasks. Done whole; again unit by unit (or block by block) from the last to the first; and
    as a program does it, by three threads: the bits must be the same, and nothing outside of the outputs may change."""
    specs = [device_spec(x) for x in ins]
    made = op.infer(*specs)
    made = [made] if isinstance(made, Spec) else list(made)
    assert op.takes_tasks(specs, made)
    results = [_run(op, ins, specs, made, way) for way in (_whole, _backwards, _as_a_program)]
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(_bits(a), _bits(b))
    return results[0]


def _bits(x):
    """The bits, of which those of NaN say nothing."""
    x = np.array(x)
    x[x != x] = np.nan if x.dtype.kind == "f" else 0
    return x.reshape(-1).view("uint8")


def run_numpy(op, *ins):
    """The op's outputs by its NumPy body."""
    specs = [device_spec(x) for x in ins]
    made = op.infer(*specs)
    made = [made] if isinstance(made, Spec) else list(made)
    outs = [np.empty(s.shape, s.dtype) for s in made]
    ready = [np.ascontiguousarray(x) if i in op.contiguous else x for i, x in enumerate(ins)]
    with np.errstate(all="ignore"):
        for function, arguments in op.calls(ready, outs, [np.empty(s.shape, s.dtype) for s in op.scratch(specs, made)]):
            function(*arguments)
    return outs


def check_what_is_no_number(op, *ins):
    """NaN and infinity are where the NumPy body has them, and nowhere else."""
    got, want = run_tasks(op, *ins)[0], run_numpy(op, *ins)[0]
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))


def device_spec(x):
    return Spec(x.shape, x.dtype.name)


def _guarded(shape, dtype):
    size = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
    block = np.full(size + 2 * GUARD, FILL, "uint8")
    return block, block[GUARD:GUARD + size].view(dtype).reshape(shape)


def _run(op, ins, specs, made, way):
    blocks = [_guarded(s.shape, s.dtype) for s in (*made, *op.tasks_room(specs, made))]
    arrays = [array for _, array in blocks]
    before = [x.copy() for x in ins]
    way(op.tasks(list(ins), arrays[:len(made)], arrays[len(made):]))
    for block, _ in blocks:
        assert (block[:GUARD] == FILL).all() and (block[-GUARD:] == FILL).all(), "a task wrote outside of its arrays"
    for a, b in zip(ins, before):
        np.testing.assert_array_equal(a, b, "a task changed an input")
    return [array.copy() for array in arrays[:len(made)]]


def _call(task, first, last, room):
    function = getattr(tasks.library(task.family), task.name)
    function.restype = ctypes.c_longlong
    words = np.array([*map(tasks._word, task.words)], np.int64)
    at = (room.ctypes.data + 63) // 64 * 64
    assert function(ctypes.c_void_p(words.ctypes.data), ctypes.c_longlong(first), ctypes.c_longlong(last),
                    ctypes.c_void_p(at)) == 0, "an index out of range"
    assert (room[at - room.ctypes.data + task.room:] == 0x5A).all(), "a task wrote behind the room it asked for"


def _room(task):
    return np.full(task.room + 192, 0x5A, "uint8")


def _whole(made):
    for task in made:
        _call(task, 0, _units(task), _room(task))


def _backwards(made):
    for task in made:
        room = _room(task)
        for unit in reversed(range(0, _units(task), task.block)):
            _call(task, unit, min(unit + task.block, _units(task)), room)


def _units(task):
    """How many there are, which for some is known only now."""
    return task.units if task.counted is None else min(task.units, int(task.counted[0]))


def _as_a_program(made):
    if made:
        run_by(3, [task._replace(nanoseconds=1e6) for task in made])  # worth dealing


def run_by(threads, made):
    """Tasks by so many threads, as a program runs them."""
    run = tasks.Run([tasks.Chain([task], [_refused]) for task in made])
    run.words[-1] = threads
    run()


def _refused():
    raise IndexError("an index out of range")
