"""The CTC loss against the sum over all paths and against PyTorch; lengths; alignments that can't be; beams."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.ops.ctc import ctc_loss
from gpukeras.ops.ctc_decode import beam_search, best_path
from gpukeras.ops.softmax import log_softmax


def spelled(path, blank):
    """The labels that a path stands for."""
    return [c for c, _ in groupby(path) if c != blank]


def by_all_paths(log_p, labels):
    """The loss and its derivative, from every path through the steps of one sample."""
    steps, classes = log_p.shape
    total, d = 0.0, np.zeros_like(log_p)
    for path in product(range(classes), repeat=steps):
        if spelled(path, classes - 1) == list(labels):
            places = np.arange(steps), list(path)
            p = np.exp(log_p[places].sum())
            total += p
            d[places] -= p
    return (-np.log(total), d / total) if total else (np.inf, d)


@pytest.fixture(scope="module")
def loss_and_gradient():
    """A function of (log_p, labels, times, lengths, g)."""
    x, g = K.placeholder((None, None, None), dtype="float64"), K.placeholder((None,), dtype="float64")
    whole = [K.placeholder((None,) * n, dtype="int32") for n in (2, 1, 1)]
    loss = ctc_loss(x, *whole)
    return K.function([x, *whole, g], [loss, K.gradients(K.sum(loss * g), [x])[0]])


@pytest.mark.parametrize("labels", [[], [0], [1, 1], [0, 1], [1, 0, 1], [0, 0, 0]], ids=str)
def test_against_all_paths(loss_and_gradient, labels):
    rng = np.random.RandomState(len(labels))
    log_p = np.log(rng.dirichlet([1, 1, 1], (5, 5)))
    times = np.array([5, 4, 3, 2, 0])
    loss, d = loss_and_gradient([log_p, [labels + [7] * (4 - len(labels))] * 5, times, [len(labels)] * 5, np.ones(5)])
    for i, time in enumerate(times):
        want, want_d = by_all_paths(log_p[i, :time], labels)
        assert loss[i] == pytest.approx(want, rel=1e-12)
        np.testing.assert_allclose(d[i, :time], want_d, 1e-12, 1e-15)
        assert not d[i, time:].any()


def test_against_pytorch():
    """torch.nn.functional.ctc_loss of log_softmax, with blank=2, of PyTorch 2, in double precision."""
    logits = np.array([[[-1.2, 1.9, -0.5], [0.9, 0.3, -0.9], [0.8, -1.3, 0.2], [1.3, -1.8, -0.6], [1.7, 0.7, 0.3]],
                       [[-0.6, 2.1, 1.4], [1.4, -0.5, 1.3], [-0.3, -0.6, 2.1], [0.2, -1.6, -0.3], [-0.9, 1.2, -0.5]]])
    x = K.placeholder((2, 5, 3), dtype="float64")
    loss = ctc_loss(log_softmax(x), *(K.constant(v, "int32") for v in ([[0, 0], [1, 0]], [5, 4], [2, 1])))
    value, d = K.function([x], [loss, *K.gradients(K.sum(loss), [x])])([logits])
    np.testing.assert_allclose(value, [3.789664860945659, 2.1167014172818712], 1e-14)
    np.testing.assert_allclose(
        d,
        [[[-0.35880385, 0.88046216, -0.52165831], [-0.29318636, 0.32017284, -0.02698648],
          [0.37199092, 0.07327157, -0.44526249], [0.08087851, 0.03771014, -0.11858865],
          [-0.22907742, 0.227863, 0.00121442]],
         [[0.04297602, -0.17598796, 0.13301194], [0.48675869, -0.11286458, -0.37389411],
          [0.07834538, 0.0140494, -0.09239478], [0.56438838, -0.009699, -0.55468938], [0.0, 0.0, 0.0]]],
        atol=6e-9)


def test_long_sequences_stay_accurate(loss_and_gradient):
    """500 steps of equal classes: the number of paths is a binomial coefficient, (steps + labels choose 2 labels)."""
    steps, length, classes = 500, 60, 4
    log_p = np.full((1, steps, classes), -np.log(classes))
    labels = [[i % 3 for i in range(length)]]
    loss, d = loss_and_gradient([log_p, labels, [steps], [length], [1.0]])
    above, below = np.arange(steps - length + 1.0, steps + length + 1), np.arange(1.0, 2 * length + 1)
    paths = np.log(above).sum() - np.log(below).sum()
    assert loss[0] == pytest.approx(steps * np.log(classes) - paths, rel=1e-12)
    np.testing.assert_allclose(d.sum(-1), -1, 1e-10)  # at each step the paths are somewhere


def test_impossible_classes_are_not_visited(loss_and_gradient):
    with np.errstate(divide="ignore"):
        log_p = np.log([[[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]] * 2)
    loss, d = loss_and_gradient([log_p, [[0, 0], [1, 1]], [3, 3], [2, 2], [2.0, 2.0]])
    assert loss.tolist() == [pytest.approx(np.log(4)), np.inf]
    np.testing.assert_allclose(d[0], [[-2, 0, 0], [0, 0, -2], [-2, 0, 0]], atol=1e-12)
    assert not d[1].any()


def test_out_of_range():
    x = K.placeholder((1, 3, 4), dtype="float64")
    whole = [K.placeholder((1,) * n, dtype="int32") for n in (2, 1, 1)]
    f = K.function([x, *whole], [ctc_loss(x, *whole)])
    for label, time, length, said in ((4, 3, 1, "labels"), (0, 4, 1, "input lengths"), (0, 3, 2, "label lengths")):
        with pytest.raises(IndexError, match=f"ctc_loss: {said}: indices must lie in"):
            f([np.zeros((1, 3, 4)), [[label]], [time], [length]])
    f([np.zeros((1, 3, 4)), [[-5]], [3], [0]])  # a label that does not count


@pytest.mark.parametrize("shapes", [[(2, 3), (2, 1), (2,), (2,)], [(2, 3, 4), (2, 1), (3,), (2,)],
                                    [(2, 3, 4), (2, 1), (2, 1), (2,)]])
def test_shapes_that_do_not_fit(shapes):
    with pytest.raises(ValueError, match="ctc_loss: "):
        ctc_loss(*(K.placeholder(s, dtype="float32" if i == 0 else "int32") for i, s in enumerate(shapes)))


# Decoding --------------------------------------------------------------------------------------------------------
def test_wide_beams_find_the_likeliest_labels():
    rng = np.random.RandomState(0)
    logits = rng.standard_normal((6, 5, 3))
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    times = np.array([5, 5, 4, 3, 2, 1])
    labels, numbers = beam_search(logits, times, 500, 3)
    for i, time in enumerate(times):
        sums = {}
        for path in product(range(3), repeat=int(time)):
            key = tuple(spelled(path, 2))
            sums[key] = sums.get(key, 0.0) + np.exp(log_p[i, range(time), path].sum())
        best = sorted(sums, key=lambda key: -sums[key])[:3]
        np.testing.assert_allclose(numbers[i], np.log([sums[key] for key in best]), 1e-10)
        for found, key in zip(labels, best):
            merged = [c for c, _ in groupby(key)]
            assert found[i].tolist() == merged + [-1] * (5 - len(merged))


def test_narrow_beams_keep_the_order_of_tensorflow():
    """TensorFlow 2.15's op, width 2: a prefix that loses its place to a sibling's child may not grow."""
    rows = [[-0.304, -8.517, -2.626, -6.19, -5.483, -1.697], [-0.715, -6.928, -2.545, -1.215, -4.162, -2.129],
            [-3.569, -1.428, -2.253, -1.947, -4.3, -0.754], [-0.492, -3.652, -4.482, -2.956, -4.205, -1.258],
            [-0.507, -2.103, -2.509, -4.667, -1.796, -3.971]]
    labels, numbers = beam_search(np.array([rows]), np.array([5]), 2, 2)
    assert [a[0].tolist() for a in labels] == [[0, -1, -1, -1, -1], [0, 4, -1, -1, -1]]
    np.testing.assert_allclose(numbers, [[-1.9531893, -3.6605577]], 1e-3)  # of logits with three decimals


def test_best_path_of_nothing():
    labels, cost = best_path(np.zeros((2, 0, 3)), np.array([0, 0]))
    assert labels[0].shape == (2, 0) and cost.tolist() == [[0.0], [0.0]]


def test_more_paths_than_there_are():
    with pytest.raises(ValueError, match="top_paths is 3, but 1 steps of sample 1 lead to 2 sequences only"):
        beam_search(np.zeros((2, 4, 2)), np.array([4, 1]), 5, 3)
