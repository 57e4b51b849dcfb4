"""K's functions for connectionist temporal classification against Keras 2.15, and a model that learns with them."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import GRU, Activation, Dense, Input, Lambda
from gpukeras.models import Model

# of Keras 2.15 on TensorFlow, with K.set_epsilon(1e-8)
Y = np.array([[[43, 47, 9, 1], [39, 59, 2, 0], [0, 19, 77, 4], [28, 48, 21, 3], [21, 13, 12, 55], [6, 22, 13, 59]],
              [[13, 7, 50, 29], [50, 4, 35, 12], [29, 50, 21, 1], [4, 21, 1, 75], [25, 18, 20, 37], [16, 15, 25, 44]],
              [[11, 23, 2, 65], [30, 54, 13, 3], [24, 76, 0, 0], [11, 7, 82, 0], [32, 13, 10, 45], [3, 50, 1, 46]]],
             "float32") * np.array([1, 1, 1.5], "float32")[:, None, None] / 100
LABELS, TIMES, LENGTHS = [[0, 1, 1], [2, 0, -1], [1, -1, -1]], [[6], [5], [3]], [[3], [2], [1]]
LOSS = [4.863198, 2.724838, 0.9881909]
GRADIENT = [
    [[-1.3085556, 0.9999999, 1, 0.2678652], [0.1740021, -0.1489171, 0.9999999, 0.1927762],
     [-0.2772698, -2.5356658, 0.9999999, -7.20559], [1.0000001, -0.9184681, 0.9999999, -1.6378465],
     [0.9900991, 0.2012036, 0.990099, -0.6416169], [1.0000001, -2.2851286, 0.9999999, 0.5300484]],
    [[2.020202, 2.0202017, -1.0667859, 0.4460438], [0.6276496, 1.9801978, -1.2072669, 0.2459242],
     [-3.3227684, 1.9801979, -0.0197848, -2.2341137], [-2.4485466, 1.980198, 1.4887727, -0.4437162],
     [0.152665, 1.9999999, 2, -2.1572056], [0, 0, 0, 0]],
    [[-0.6600659, 0.0676477, -0.6600661, 0.1080763], [-0.6666666, 0.5192373, -0.6666665, 0.209285],
     [-0.6666668, 0.2105264, -0.6666659, 0.188185], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]]  # fmt: skip


def test_loss_and_gradient():
    y = K.placeholder((None, None, 4))
    loss = K.ctc_batch_cost(K.constant(LABELS), y, K.constant(TIMES, "int64"), K.constant(LENGTHS, "int64"))
    weights = K.constant([[1.0], [2.0], [-1.0]])
    value, gradient = K.function([y], [loss, *K.gradients(K.sum(loss * weights), [y])])([Y])
    assert loss.shape[1] == 1 and value.dtype == "float32"
    np.testing.assert_allclose(value[:, 0], LOSS, 2e-6)
    np.testing.assert_allclose(gradient, GRADIENT, 1e-5, 2e-6)


def test_half_precision():
    loss = K.eval(K.ctc_batch_cost(LABELS, Y.astype("float16"), TIMES, LENGTHS))
    assert loss.dtype == "float16"
    np.testing.assert_allclose(loss[:, 0], LOSS, 2e-3)


def test_lengths_with_one_axis_or_two():
    loss = K.ctc_batch_cost(LABELS, Y, np.ravel(TIMES), np.ravel(LENGTHS))
    np.testing.assert_array_equal(K.eval(loss), K.eval(K.ctc_batch_cost(LABELS, Y, TIMES, LENGTHS)))


def test_one_sample():
    np.testing.assert_allclose(K.eval(K.ctc_batch_cost(LABELS[:1], Y[:1], TIMES[:1], LENGTHS[:1])), [[LOSS[0]]], 2e-6)


def test_too_few_steps_cost_infinity():
    y = K.placeholder((None, None, 4))
    loss = K.ctc_batch_cost([[1, 1, 1, 1]], y, [[6]], [[4]])
    value, gradient = K.function([y], [loss, *K.gradients(K.sum(loss), [y])])([Y[:1]])
    assert value.tolist() == [[np.inf]] and not gradient.any()


def test_labels_without_padding():
    made = K.eval(K.ctc_label_dense_to_sparse(K.constant([[3, 1, 7], [4, 0, 0]], "int32"), K.constant([2, 1], "int32")))
    assert made.tolist() == [[3, 1, -1], [4, -1, -1]] and made.dtype == "int32"


GREEDY = [[[1, 2, 1], [2, 0, 1], [1, -1, -1]]]
WIDE = [[[1, 2, 1], [2, 0, 1], [1, -1, -1]], [[0, 1, 2, 1], [2, 1, -1, -1], [0, 1, -1, -1]],
        [[1, 2, 0], [2, 0, -1], [1, 0, -1]]]
NARROW = [[[1, 2, 1], [2, 1, -1], [1, -1, -1]], [[0, 1, 2, 1], [2, 0, -1, -1], [0, 1, -1, -1]]]
DECODED = [
    ({}, GREEDY, [[3.403459], [3.3613758], [0.1050106]]),
    ({"greedy": False, "beam_width": 100, "top_paths": 3}, WIDE,
     [[-2.7491455, -2.8571973, -3.1979237], [-2.3834414, -2.4565473, -2.724838], [-0.9881909, -1.5198505, -2.0329056]]),
    ({"greedy": False, "beam_width": 2, "top_paths": 2}, NARROW,
     [[-3.1323748, -3.2213225], [-2.736051, -2.9741905], [-1.0284066, -1.9191428]]),
]  # fmt: skip


@pytest.mark.parametrize("options, labels, numbers", DECODED, ids=["greedy", "wide", "narrow"])
def test_decode_at_once(options, labels, numbers):
    paths, found = K.ctc_decode(K.variable(Y), np.ravel(TIMES), **options)
    assert [K.eval(p).tolist() for p in paths] == labels
    np.testing.assert_allclose(K.eval(found), numbers, 1e-5)


@pytest.mark.parametrize("options, labels, numbers", DECODED, ids=["greedy", "wide", "narrow"])
@pytest.mark.filterwarnings("ignore:ctc_decode.* can't be part of a CUDA graph:RuntimeWarning")
def test_decode_in_a_graph(options, labels, numbers):
    y, times = K.placeholder((None, None, 4)), K.placeholder((None, 1), dtype="int32")
    paths, found = K.ctc_decode(y, times, **options)
    f = K.function([y, times], [*paths, found])
    for _ in range(3):
        *got, values = f([Y, TIMES])
    for a, b in zip(got, labels, strict=True):
        width = len(b[0])
        assert a.shape == (3, 6) and a[:, :width].tolist() == b and (a[:, width:] == -1).all()
    np.testing.assert_allclose(values, numbers, 1e-5)


def test_decode_refuses():
    with pytest.raises(ValueError, match="top_paths must lie in"):
        K.ctc_decode(Y, np.ravel(TIMES), greedy=False, beam_width=2, top_paths=3)
    with pytest.raises(IndexError, match="ctc_decode: input lengths"):
        K.ctc_decode(Y, [7, 1, 1])
    with pytest.raises(ValueError, match="logits"):
        K.ctc_decode(Y[0], [6])


def strokes(rng, samples):
    """Sequences of 12 steps in which 1 to 3 digits of 3 are each written for 2 or 3 steps, with 1 step between."""
    x, labels = np.zeros((samples, 12, 4), "float32"), np.zeros((samples, 3), "float32")
    lengths = rng.randint(1, 4, (samples, 1))
    for i, n in enumerate(lengths[:, 0]):
        at = 0
        labels[i, :n] = rng.randint(0, 3, n)
        for digit in labels[i, :n].astype(int):
            width = rng.randint(2, 4)
            x[i, at:at + width, digit] = 1
            at += width + 1
    return x + rng.normal(0, 0.1, x.shape), labels, lengths


def test_a_model_learns_to_read():
    """As in Keras's example image_ocr: the loss is the output of a Lambda layer."""
    np.random.seed(3)
    rng = np.random.RandomState(0)
    x, labels, lengths = strokes(rng, 256)
    times = np.full((256, 1), 11)
    image = Input((12, 4))
    inner = GRU(16, return_sequences=True, recurrent_activation="sigmoid")(image)
    y = Activation("softmax")(Dense(4)(inner))
    wanted, steps, length = Input((3,)), Input((1,), dtype="int64"), Input((1,), dtype="int64")
    cost = Lambda(lambda a: K.ctc_batch_cost(a[0], a[1][:, 1:, :], a[2], a[3]), output_shape=(1,), name="ctc")(
        [wanted, y, steps, length])
    model = Model([image, wanted, steps, length], cost)
    model.compile("adam", loss={"ctc": lambda y_true, y_pred: y_pred})
    model.optimizer.lr = 0.02
    history = model.fit([x, labels, times, lengths], {"ctc": np.zeros(256)}, batch_size=32, epochs=12, verbose=0)
    assert history.history["loss"][-1] < 0.1 < history.history["loss"][0]
    x, labels, lengths = strokes(rng, 64)
    read = K.get_value(K.ctc_decode(Model(image, y).predict(x)[:, 1:], np.full(64, 11))[0][0])
    right = [r[r >= 0].tolist() == w[:n].tolist() for r, w, n in zip(read, labels, lengths[:, 0])]
    assert np.mean(right) > 0.9
