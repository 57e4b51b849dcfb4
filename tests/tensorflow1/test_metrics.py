"""TensorFlow 1's metrics: counted over batches, begun anew by a session, and as metrics of a model."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.tensorflow1.names import named

RNG = np.random.RandomState(0)
TRUTHS = [(RNG.rand(9, 1) > 0.5).astype("float32") for _ in range(2)]
GUESSES = [RNG.rand(9, 1).astype("float32") for _ in range(2)]
Y, P = (np.concatenate(a).ravel() for a in (TRUTHS, GUESSES))
HITS, ALARMS, MISSED = (float(np.sum(a)) for a in (Y * (P > 0.5), (1 - Y) * (P > 0.5), Y * (P <= 0.5)))
QUIET = len(Y) - HITS - ALARMS - MISSED


def sure(p):
    return K.cast(p > 0.5, "int32")


def over_batches(make):
    """The value after two batches, asked for by either tensor, and after a session began anew."""
    y, p = K.placeholder((None, 1)), K.placeholder((None, 1))
    value, update = make(y, p)
    run = K.get_session().run
    run(named("local_variables_initializer")())
    for truths, guesses in zip(TRUTHS, GUESSES):
        last = run(update, {y: truths, p: guesses})
    found = run(value)
    run(named("local_variables_initializer")())
    return last, float(found), float(run(value))


@pytest.mark.parametrize(("name", "make", "expected"), [
    ("mean", lambda f: lambda y, p: f(p), P.mean()),
    ("accuracy", lambda f: lambda y, p: f(y, K.round(p)), (HITS + QUIET) / len(Y)),
    ("mean_squared_error", lambda f: f, np.mean((Y - P) ** 2)),
    ("root_mean_squared_error", lambda f: f, np.mean((Y - P) ** 2) ** 0.5),
    ("mean_absolute_error", lambda f: f, np.mean(abs(Y - P))),
    ("precision", lambda f: lambda y, p: f(y, sure(p)), HITS / (HITS + ALARMS)),
    ("recall", lambda f: lambda y, p: f(y, sure(p)), HITS / (HITS + MISSED)),
    ("false_negatives", lambda f: lambda y, p: f(y, sure(p)), MISSED),
    ("streaming_recall", lambda f: lambda y, p: f(sure(p), y), HITS / (HITS + MISSED)),
    ("auc", lambda f: f, np.mean([(p > q) for p in P[Y == 1] for q in P[Y == 0]])),
])
def test_over_batches(name, make, expected):
    last, found, anew = over_batches(make(named(f"metrics.{name}")))
    assert np.isclose(last, expected, atol=5e-3 if name == "auc" else 1e-6) and np.isclose(found, last, rtol=1e-6)
    assert anew == 0


def test_weights():
    y, p = K.placeholder((None, 1)), K.placeholder((None, 1))
    weights = np.arange(9.0).reshape(9, 1)
    _, update = named("metrics.mean_squared_error")(y, p, weights)
    expected = np.average((TRUTHS[0] - GUESSES[0]) ** 2, weights=weights)
    assert np.isclose(K.get_session().run(update, {y: TRUTHS[0], p: GUESSES[0]}), expected)


def test_a_confusion_matrix():
    counts = named("confusion_matrix")(Y, P > 0.5, 2)
    assert counts.dtype == "int32" and K.eval(counts).tolist() == [[QUIET, ALARMS], [MISSED, HITS]]
    heavy = named("math.confusion_matrix")([0, 1], [0, 0], 2, weights=[0.5, 2.0], dtype=named("float64"))
    assert K.eval(heavy).tolist() == [[0.5, 0.0], [2.0, 0.0]]


def test_mean_iou_of_classes_that_occur():
    counts, found, anew = over_batches(lambda y, p: named("metrics.mean_iou")(y, sure(p), 3))
    assert counts.tolist() == [[QUIET, ALARMS, 0], [MISSED, HITS, 0], [0, 0, 0]]
    assert np.isclose(found, (HITS / (HITS + ALARMS + MISSED) + QUIET / (QUIET + ALARMS + MISSED)) / 2) and anew == 0


def test_areas_that_are_not_there():
    with pytest.raises(NotImplementedError, match="careful_interpolation"):
        named("metrics.auc")(TRUTHS[0], GUESSES[0], curve="PR", summation_method="careful_interpolation")


def as_keras_metric(y_true, y_pred):
    """As programs of 2018 make a metric for Keras of TensorFlow's: it is the value before the batch."""
    value, update = named("metrics.precision")(y_true, sure(y_pred))
    K.get_session().run(named("local_variables_initializer")())
    with named("control_dependencies")([update]):
        return named("identity")(value)


def recall(y_true, y_pred):
    return named("metrics.recall")(y_true, sure(y_pred))[1]


def test_metrics_of_a_model_count_over_its_batches():
    model = Sequential([Dense(1, input_shape=(1,), weights=[np.ones((1, 1)), np.zeros(1)])])
    model.compile("sgd", "mse", metrics=[as_keras_metric, recall])
    found = [model.test_on_batch(p, y)[1:] for p, y in zip(GUESSES, TRUTHS)]
    truths, sure_of = TRUTHS[0] == 1, GUESSES[0] > 0.5
    assert np.allclose([f[0] for f in found], [0, np.sum(truths & sure_of) / np.sum(sure_of)])
    assert np.allclose(found[-1][1], HITS / (HITS + MISSED))
    assert named("metrics.precision").__name__ == "precision"
    K.get_session().run(named("local_variables_initializer")())
    assert np.allclose(model.test_on_batch(GUESSES[0], TRUTHS[0])[1:], found[0])
