"""Worker threads: how samples are dealt, that parts run and end together, and what BLAS is held at meanwhile."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gpukeras import device
from gpukeras.device import blas, openblas, tasks, threads
from gpukeras.device.native import why_not
from gpukeras.device.openblas import single_thread
from gpukeras.graph import Spec, size_of
from gpukeras.ops.convolution import Convolution, ConvolutionInputGradient, ConvolutionKernelGradient
from gpukeras.ops.windows import Window

pytestmark = pytest.mark.skipif(device.NAME != "numpy", reason="workers serve the NumPy bodies")
ROOT = Path(__file__).parents[2]
PATIENCE = 30  # seconds after which a thread that waits for another counts as lost


@pytest.fixture
def three(monkeypatch):
    """Three threads, for steps of any size, which run as NumPy bodies."""
    monkeypatch.setattr(tasks, "library", lambda family: None)
    monkeypatch.setattr(threads, "count", lambda: 3)
    monkeypatch.setattr(threads, "PART", 0)
    monkeypatch.setattr(openblas.SingleThread, "known", True)


def run(parts):
    for function, arguments in threads.together(parts):
        function(*arguments)


def script(code, **environment):
    """What a program prints that runs by itself, with warnings as errors."""
    paths = {"PYTHONPATH": str(ROOT), "GPUKERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], text=True, capture_output=True, timeout=60,
                          env={**os.environ, **paths, **environment})
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


# Dealing ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("samples", [0, 1, 2, 3, 7, 128, 1000])
def test_parts_are_all_samples_in_order_and_nearly_equal(samples, three):
    parts = threads.deal(samples, 1e9)
    assert len(parts) == max(min(3, samples), 1)
    lengths = [len(range(samples)[p]) for p in parts]
    assert [i for p in parts for i in range(samples)[p]] == list(range(samples))
    assert max(lengths) - min(lengths) <= 1


def test_one_part_where_more_do_not_pay(monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: 4)
    monkeypatch.setattr(openblas.SingleThread, "known", True)
    whole = [slice(0, 100)]
    assert threads.deal(100, 2 * threads.PART - 1) == whole
    assert [len(threads.deal(100, n * threads.PART)) for n in (2, 3, 4, 5, 100)] == [2, 3, 4, 4, 4]
    assert len(threads.deal(100, 1e9, least=40)) == 2 and threads.deal(100, 1e9, least=101) == whole
    monkeypatch.setattr(threads, "NAME", "cupy")
    assert threads.deal(100, 1e9) == whole
    monkeypatch.setattr(threads, "NAME", "numpy")
    monkeypatch.setattr(openblas.SingleThread, "known", False)
    assert threads.deal(100, 1e9) == whole


def test_the_number_of_threads_can_be_set(monkeypatch):
    count = threads.count.__wrapped__
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    assert 1 <= count() <= (os.cpu_count() or 1)
    monkeypatch.setenv(threads.VARIABLE, " 5 ")
    assert count() == 5
    for wrong in ("0", "-2", "two", "1.5"):
        monkeypatch.setenv(threads.VARIABLE, wrong)
        with pytest.raises(ValueError, match=f"GPUKERAS_THREADS is '{wrong}'; it must be a number of threads"):
            count()


# Running ------------------------------------------------------------------------------------------------------
def test_parts_run_at_the_same_time_each_in_order():
    meet, seen = threading.Barrier(3, timeout=PATIENCE), []
    parts = [[(meet.wait, ()), (seen.append, ((i, 0),)), (meet.wait, ()), (seen.append, ((i, 1),))] for i in range(3)]
    for _ in range(3):
        seen.clear()
        run(parts)
        assert sorted(seen[:3]) == [(0, 0), (1, 0), (2, 0)] and sorted(seen[3:]) == [(0, 1), (1, 1), (2, 1)]


def test_one_part_is_its_own_calls():
    calls = [(print, ("never",))]
    assert threads.together([calls]) == calls


def fail(error):
    raise error


@pytest.mark.parametrize("where", [0, 1, 2])
def test_an_error_reaches_the_caller_when_all_parts_have_ended(where):
    ended = []
    parts = [[(time.sleep, (0.05,)), (ended.append, (i,))] for i in range(3)]
    parts[where] = [(fail, (IndexError(f"part {where}"),)), (ended.append, (where,))]
    with pytest.raises(IndexError, match=f"part {where}"):
        run(parts)
    assert sorted(ended) == [i for i in range(3) if i != where]
    run([[(ended.append, (9,))]] * 3)  # the workers are as good as before
    assert ended[2:] == [9, 9, 9]


def test_of_several_errors_the_first_part_s_is_raised():
    for _ in range(5):
        with pytest.raises(ValueError, match="1"):
            run([[(len, ("",))], [(time.sleep, (0.02,)), (fail, (ValueError("1"),))], [(fail, (KeyError("2"),))]])


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c_waits_for_the_workers(request):
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # other tests of this process may have set another
    ended, here = [], threading.get_ident()
    late = [(time.sleep, (0.05,)), (signal.pthread_kill, (here, signal.SIGINT)), (time.sleep, (0.2,)),
            (ended.append, (1,))]
    with pytest.raises(KeyboardInterrupt):
        run([[(len, ("",))], late])
    assert ended == [1]
    run([[(ended.append, (2,))]] * 2)
    assert ended == [1, 2, 2]


def test_a_part_may_deal_too():
    seen = []
    inner = [[(seen.append, (i,))] for i in range(2)]
    run([[(run, (inner,))], [(run, (inner,))]])
    assert sorted(seen) == [0, 0, 1, 1]


def test_two_callers_at_once():
    results = [np.zeros(3), np.zeros(3)]

    def call(i):
        for _ in range(200):
            run([[(np.add, (results[i][p:p + 1], 1, results[i][p:p + 1]))] for p in range(3)])

    callers = [threading.Thread(target=call, args=(i,)) for i in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    assert [list(r) for r in results] == [[200.0] * 3] * 2


def test_workers_do_not_warn():
    large, out = np.full(10, 1e300), np.empty((2, 10))
    with np.errstate(all="ignore"):
        run([[(np.multiply, (large, large, out[i]))] for i in range(2)])
    assert np.isinf(out).all()


# Processes ----------------------------------------------------------------------------------------------------
POOL = """
import os, threading, time
from gpukeras.device import threads, openblas
def run(*parts):
    for function, arguments in threads.together(parts): function(*arguments)
names = set()
def note(): names.add(threading.current_thread().name)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_workers_of_its_own():
    printed = script(POOL + """
run([(note, ())], [(note, ())])
child = os.fork()
if not child:
    names.clear()
    run([(note, ())], [(note, ())])
    os._exit(7 if len(names) == 2 else 1)
run([(note, ())], [(note, ())])
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(names))
""", OPENBLAS_NUM_THREADS="1")
    assert printed.split() == ["7", "2"]


def test_workers_end_before_a_fork():
    run([[(len, ("",))]] * 2)
    assert any(t.name == "gpukeras worker" for t in threading.enumerate())
    threads._pool.before_fork()
    assert not any(t.name == "gpukeras worker" for t in threading.enumerate())
    if hasattr(os, "fork"):
        assert script(POOL + """
run([(note, ())], [(note, ())])
left = []
os.register_at_fork(after_in_parent=lambda: left.append(threading.active_count()))
child = os.fork()
if not child: os._exit(0)
os.waitpid(child, 0)
print(*left)
""", OPENBLAS_NUM_THREADS="1").split() == ["1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_workers_work():
    printed = script(POOL + """
import warnings
warnings.simplefilter('ignore', DeprecationWarning)  # from Python 3.12 on, of a fork beside threads
begun, go = threading.Event(), threading.Event()
other = threading.Thread(target=run, args=([(begun.set, ()), (go.wait, ())], [(go.wait, ())]))
other.start()
begun.wait()
child = os.fork()
if not child:
    run([(note, ())], [(note, ())])
    get = openblas.function('get_num_threads', int)
    os._exit(7 if len(names) == 2 and (get is None or get() == 2) else 1)
go.set()
other.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""", OPENBLAS_NUM_THREADS="2")
    assert printed.split() == ["7"]


def test_the_interpreter_leaves_quietly():
    script(POOL + "run([(note, ())], [(note, ())])")
    script(POOL + """
def forever():
    while True: run([(time.sleep, (0.01,))], [(time.sleep, (0.01,))])
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.1)
""")


# BLAS ---------------------------------------------------------------------------------------------------------
def test_blas_is_held_at_one_thread_and_then_as_before():
    printed = script(POOL + """
import ctypes, numpy
get = openblas.function('get_num_threads', ctypes.c_int)
if get is None:
    print('1 1 2 1 1 1 2 2')
else:
    seen = []
    look = (lambda: seen.append(get()), ())
    run([look], [look])
    look[0]()
    calls = threads.together([[look], [look]])
    with threads.hold([(len, ('',)), *calls]):
        look[0]()
        threads._run([[look], []])
        look[0]()
    look[0]()
    with threads.hold([(len, ('',))]):
        look[0]()
    print(*seen)
""", OPENBLAS_NUM_THREADS="2")
    assert printed.split() == ["1", "1", "2", "1", "1", "1", "2", "2"]


def test_a_program_with_dealt_steps_holds_blas_from_its_first_call_to_its_last(three):
    from gpukeras import backend as K

    x = K.placeholder((None, None))
    function = K.function([x], [K.dot(x, K.transpose(x))])
    # products of fewer than 16 rows a part are not dealt; the last one BLAS would share among its threads
    for shape, inside in (((40, 6), 1), ((10, 6), 0), ((10, 700), 1)):
        program, seen = function.program([shape]), []
        look = (lambda seen=seen: seen.append(single_thread._inside), ())
        program.calls[:0] = program.calls[len(program.calls):] = [look]
        program.inputs[0].fill(1)
        program.run()
        assert seen == [inside, inside] and single_thread._inside == 0


needs_openblas = pytest.mark.skipif(openblas._gemm("float64") is None, reason="this NumPy has no OpenBLAS to be found")


@needs_openblas
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float64", 1e-13)])
def test_products_that_add_to_what_is_there(dtype, tolerance):
    random = np.random.RandomState(0)

    def stored(rows, columns, how):
        if how == "transposed":
            return random.rand(columns, rows).astype(dtype).T
        return random.rand(rows, columns + 3).astype(dtype)[:, 1:1 + columns] if how == "part" else \
            random.rand(rows, columns).astype(dtype)

    layouts = ("plain", "transposed", "part")
    for (m, n, k), left, right, beta in itertools.product([(3, 4, 5), (1, 7, 2), (6, 1, 1), (33, 17, 31)], layouts,
                                                          layouts, (0.0, 1.0, 0.5)):
        a, b, out = stored(m, k, left), stored(k, n, right), random.rand(m, n).astype(dtype)
        expected = a.astype("float64") @ b + beta * out
        bound = openblas.accumulate(a, b, out, beta)
        assert bound is not None
        function, arguments = bound
        del a, b, bound  # the call keeps what it points to
        function(*arguments)
        np.testing.assert_allclose(out, expected, tolerance, tolerance)


@needs_openblas
def test_what_openblas_cannot_add_up_is_left_to_numpy():
    ones = np.ones((4, 4), "float64")
    for a, b, out in ((ones.astype("float16"), ones.astype("float16"), np.ones((4, 4), "float16")),
                      (ones.astype("int64"), ones.astype("int64"), np.ones((4, 4), "int64")),
                      (np.ones((4, 8))[:, ::2], ones, np.ones((4, 4))), (ones, ones, np.ones((4, 8))[:, :4])):
        assert openblas.accumulate(a, b, out, 1.0) is None
        function, arguments = blas.gemm(a, b, out, 1.0)
        function(*arguments)
        assert (out[:, :4] == 5).all()


def test_products_are_dealt_by_rows(three):
    a, b = np.random.RandomState(0).rand(2, 100, 100)
    out = np.empty((100, 100))
    calls = blas.products(a, b, out)
    assert len(calls) == 1 and len(calls[0][1][0]) == 3
    calls[0][0](*calls[0][1])
    np.testing.assert_allclose(out, a @ b, 1e-13)
    assert len(blas.products(a[:31], b, out[:31])) == 1 and blas.products(a[:31], b, out[:31])[0][0] is np.dot


# Convolution --------------------------------------------------------------------------------------------------
def windows():
    for size, strides, padding, dilation in itertools.product(
            [(3, 3), (1, 3), (4, 2)], [(1, 1), (1, 2), (2, 1)], ["valid", "same"], [(1, 1), (2, 1), (1, 3)]):
        if max(strides) == 1 or max(dilation) == 1:
            yield Window(size, strides, padding, dilation)
    yield from (Window((3,), (s,), p, (1,)) for s in (1, 2) for p in ("valid", "same"))
    yield Window((2, 3, 2), (1, 1, 2), "same", (1, 1, 1))
    yield from (Window(size, (1, 1), "same", (19, 19)) for size in ((2, 1), (1, 2), (3, 3)))  # nearly all is padding


def bodies(window, samples, dtype="float64", channels=2, filters=3):
    """The three convolutions' outputs, as the compiler would run them, in memory full of NaN."""
    random = np.random.RandomState(7)
    space = (9, 8, 5)[:len(window.size)]
    x = random.uniform(-1, 1, (samples, *space, channels)).astype(dtype)
    kernel = random.uniform(-1, 1, (*window.size, channels, filters)).astype(dtype)
    g = random.uniform(-1, 1, (samples, *window.output_space(space), filters)).astype(dtype)
    cases = [(Convolution(window), [x, kernel], g), (ConvolutionInputGradient(window), [g, kernel, None], x),
             (ConvolutionKernelGradient(window), [x, g, None], kernel)]
    results = []
    for op, ins, like in cases:
        out = np.full(like.shape, np.nan, dtype)
        specs = [Spec((like if a is None else a).shape, dtype) for a in ins]
        scratch = [np.full(s.shape, np.nan, s.dtype) for s in op.scratch(specs, [Spec(like.shape, dtype)])]
        for function, arguments in op.calls(ins, [out], scratch):
            function(*arguments)
        results.append(out)
    return results


@pytest.mark.parametrize("window", list(windows()), ids=str)
def test_dealt_convolutions_are_those_of_one_thread(window, monkeypatch):
    """And the bodies that add up rows are those that add up columns."""
    whole = bodies(window, 7)
    monkeypatch.setattr(ConvolutionInputGradient, "_by_rows", lambda op, kernel: False)
    columns = bodies(window, 7)
    monkeypatch.undo()
    monkeypatch.setattr(threads, "count", lambda: 3)
    monkeypatch.setattr(threads, "PART", 0)
    monkeypatch.setattr(openblas.SingleThread, "known", True)
    dealt, again = bodies(window, 7), bodies(window, 7)
    for a, b, c, d in zip(whole, columns, dealt, again):
        np.testing.assert_allclose(b, a, 1e-12, 1e-12)
        np.testing.assert_allclose(c, a, 1e-12, 1e-12)
        assert np.array_equal(c, d)  # to the last bit


@pytest.mark.parametrize("tile", [1, 100, 300, 1 << 18])
@pytest.mark.parametrize("samples", [1, 5, 6])
def test_tiles_of_any_size(samples, tile, monkeypatch):
    window = Window((3, 3), (1, 1), "same", (1, 1))
    expected = bodies(window, samples)
    monkeypatch.setattr("gpukeras.ops.convolution.TILE", tile)
    for a, b in zip(bodies(window, samples), expected):
        np.testing.assert_allclose(a, b, 1e-12, 1e-12)


def test_a_convolution_of_no_samples():
    window = Window((3, 3), (1, 1), "valid", (1, 1))
    y, dx, dk = bodies(window, 0)
    assert size_of(y.shape) == size_of(dx.shape) == 0 and not dk.any()


def weights():
    """Those of a network after some training, and how many calls of its program are dealt to threads."""
    from gpukeras.layers import Conv2D, Dense, Flatten
    from gpukeras.models import Sequential
    np.random.seed(3)
    model = Sequential([Conv2D(4, 3, activation="relu", input_shape=(8, 8, 2)), Conv2D(5, (2, 3), padding="same"),
                        Flatten(), Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    random = np.random.RandomState(4)
    model.fit(random.rand(50, 8, 8, 2), np.eye(3)[random.randint(0, 3, 50)], batch_size=20, epochs=2, verbose=0)
    program = model.train_function.program([(20, 8, 8, 2), (20, 3), None])
    return sum(function is threads._run for function, _ in program.calls), model.get_weights()


@pytest.mark.skipif(not tasks.ready("rows"), reason=f"no compiled code: {why_not()}")
def test_compiled_training_repeats_to_the_last_bit_by_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(tasks, "WORTH", 0)
    monkeypatch.setattr(tasks, "CHUNK", 1)
    found = []
    for count in (1, 2, 3, 3):
        monkeypatch.setattr(threads, "count", lambda count=count: count)
        found.append(weights())
    assert all(dealt == 0 for dealt, _ in found)  # these are dealt in C
    for _, other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0][1], other, strict=True))


def test_training_repeats_to_the_last_bit_whatever_the_timing(three):
    (dealt, first), (_, second) = weights(), weights()
    assert dealt > 5 and all(np.array_equal(a, b) for a, b in zip(first, second))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "count", lambda: 1)
        dealt, whole = weights()
        assert dealt == 0
        for a, b in zip(first, whole):
            np.testing.assert_allclose(a, b, 1e-4, 1e-5)
