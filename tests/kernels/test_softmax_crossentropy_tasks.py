"""Compiled softmax and crossentropies against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpukeras.graph import Spec
from gpukeras.ops import crossentropy as ce
from gpukeras.ops import softmax as sm
from tests.kernels.run_tasks import compiled, run_by, run_numpy, run_tasks

pytestmark = compiled
SHAPES = st.tuples(st.sampled_from(((), (1,), (3,), (10,), (40,), (2, 3))),
                   st.sampled_from((1, 2, 3, 10, 31, 32, 33, 100, 1000))).map(lambda s: (*s[0], s[1]))


def normal(shape, seed=0, scale=3.0):
    return (np.random.RandomState(seed).standard_normal(shape) * scale).astype("float32")


def probabilities(shape, seed=0):
    return run_numpy(sm.Softmax(), normal(shape, seed))[0]


def check(op, *ins, rtol=3e-6, atol=3e-6):
    got, want = run_tasks(op, *ins)[0], run_numpy(op, *ins)[0]
    np.testing.assert_allclose(got, want, rtol, atol)
    return got


@given(SHAPES)
def test_softmax_its_logarithm_and_their_gradients(shape):
    x, g, y = normal(shape), normal(shape, 1), probabilities(shape, 2)
    check(sm.Softmax(), x)
    check(sm.LogSoftmax(), x)
    check(sm.SoftmaxGradient(), g, y, atol=2e-5)
    check(sm.LogSoftmaxGradient(), g, np.log(y), rtol=1e-4, atol=1e-4)


@given(SHAPES, st.sampled_from(("int32", "int64")), st.sampled_from(("plain", "one number", "gaps")))
def test_crossentropies_and_their_gradients(shape, labels_type, way):
    x, target, p, rows = normal(shape), probabilities(shape, 1), probabilities(shape, 2), shape[:-1]
    labels = np.asarray(np.random.RandomState(3).randint(0, shape[-1], rows), labels_type)
    g = {"plain": lambda: normal(rows, 4), "one number": lambda: np.broadcast_to(np.float32(0.3), rows),
         "gaps": lambda: normal((*rows, 3), 4)[..., 1]}[way]()
    g = np.asarray(g)
    check(ce.SoftmaxCrossentropy(), x, target, atol=3e-5)
    check(ce.SoftmaxCrossentropyGradient(), g, p, target)
    check(ce.SparseSoftmaxCrossentropy(), x, labels, atol=3e-5)
    check(ce.SparseSoftmaxCrossentropyGradient(), g, p, labels)


def test_numbers_that_are_too_large_or_none():
    x = normal((40, 12))
    x[3] = 1e30
    x[5, 4] = np.nan
    x[7, 2] = np.inf
    x[9, 2] = -np.inf
    x[11] = -1000
    x[13, 1] = 1000
    for op in (sm.Softmax(), sm.LogSoftmax()):
        assert np.isnan(check(op, x)).any(1).tolist() == [i in (5, 7) for i in range(40)]
    check(ce.SparseSoftmaxCrossentropy(), x, np.arange(40) % 12)


def test_a_result_in_the_memory_of_an_input():
    x, g, target = normal((9, 5)), normal((9,), 1), probabilities((9, 5), 2)
    for op, ins, place in ((sm.Softmax(), [x], 0), (ce.SoftmaxCrossentropyGradient(), [g, target, target.copy()], 1),
                           (ce.SparseSoftmaxCrossentropyGradient(), [g, target, np.arange(9) % 5], 1)):
        want = run_numpy(op, *ins)[0]
        ins = [a.copy() for a in ins]
        run_by(1, op.tasks(ins, [ins[place]], []))
        np.testing.assert_allclose(ins[place], want, 1e-5, 1e-6)


@pytest.mark.parametrize("label", [-1, 5, 2**40, -2**40])
def test_labels_out_of_range_are_refused(label):
    x, g, labels = normal((9, 5)), normal((9,)), np.arange(9) % 5
    labels[6] = label
    for op, ins, out in ((ce.SparseSoftmaxCrossentropy(), [x, labels], np.empty(9, "float32")),
                         (ce.SparseSoftmaxCrossentropyGradient(), [g, x, labels], np.empty((9, 5), "float32"))):
        with pytest.raises(IndexError):
            run_by(1, op.tasks(ins, [out], []))


def test_what_is_left_to_numpy():
    op = ce.SoftmaxCrossentropy()
    x, out = Spec((4, 3), "float32"), [Spec((4,), "float32")]
    assert op.takes_tasks([x, x], out)
    assert not op.takes_tasks([x, Spec((1, 3), "float32")], out)
    assert not op.takes_tasks([x, Spec((4, 3), "float64")], out)
    assert not sm.Softmax().takes_tasks([Spec((0, 3), "float32")], [Spec((0, 3), "float32")])
    assert not sm.Softmax().takes_tasks([Spec((4, 3), "float64")], [Spec((4, 3), "float64")])
