"""Each metric against its definition, and the naming of metrics."""
from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import losses, metrics

R = np.random.RandomState(1)


def evaluate(metric, y_true, y_pred, **options):
    y_true, y_pred = np.asarray(y_true, "float32"), np.asarray(y_pred, "float32")
    t, p = K.placeholder(shape=y_true.shape), K.placeholder(shape=y_pred.shape)
    return K.function([t, p], [metric(t, p, **options)])([y_true, y_pred])[0]


def top_k(classes, y_pred, k):
    """The class counts if fewer than k outputs are larger than its own."""
    own = np.take_along_axis(y_pred, classes[:, None], 1)
    return ((y_pred > own).sum(1) < k).mean()


def test_binary_accuracy():
    y_true, y_pred = [[0, 1, 1, 0], [1, 1, 0, 1]], [[0.4, 0.6, 0.5, 0.5], [0.9, 0.1, 0.2, 0.51]]
    assert evaluate(metrics.binary_accuracy, y_true, y_pred).tolist() == [0.75, 0.75]


@pytest.mark.parametrize("shape", [(7, 4), (5, 3, 4)])
def test_categorical_accuracy(shape):
    classes, y_pred = R.randint(0, 4, shape[:-1]), R.rand(*shape)
    expected = (y_pred.argmax(-1) == classes).astype(float)
    dense, sparse = metrics.categorical_accuracy, metrics.sparse_categorical_accuracy
    np.testing.assert_array_equal(evaluate(dense, np.eye(4)[classes], y_pred), expected)
    np.testing.assert_array_equal(evaluate(sparse, classes[..., None], y_pred), expected)
    np.testing.assert_array_equal(evaluate(sparse, classes, y_pred), expected)


def test_the_first_of_equal_outputs_is_the_prediction():
    got = evaluate(metrics.categorical_accuracy, [[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]])
    assert got.tolist() == [1, 0]


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_top_k(k):
    classes, y_pred = R.randint(0, 8, 20), R.rand(20, 8)
    expected = top_k(classes, y_pred, k)
    dense = evaluate(metrics.top_k_categorical_accuracy, np.eye(8)[classes], y_pred, k=k)
    sparse = evaluate(metrics.sparse_top_k_categorical_accuracy, classes[:, None], y_pred, k=k)
    assert dense.shape == sparse.shape == ()
    assert float(dense) == float(sparse) == pytest.approx(expected)


def test_top_k_counts_ties_at_the_boundary():
    y_true, y_pred = np.eye(4)[[0, 1, 2, 3]], [[0.3, 0.3, 0.3, 0.1]] * 4
    assert float(evaluate(metrics.top_k_categorical_accuracy, y_true, y_pred, k=1)) == 0.75


def test_top_k_is_five_unless_told():
    classes, y_pred = R.randint(0, 9, 30), R.rand(30, 9)
    got = evaluate(metrics.top_k_categorical_accuracy, np.eye(9)[classes], y_pred)
    assert float(got) == pytest.approx(top_k(classes, y_pred, 5))


@pytest.mark.parametrize("name", sorted(losses._named))
def test_every_loss_is_a_metric(name):
    assert metrics.get(name) is losses.get(name)
    assert getattr(metrics, name) is losses.get(name)


def test_own_functions():
    def mine(y_true, y_pred):
        return K.mean(y_pred)

    assert metrics.get(mine) is mine
    assert metrics.serialize(mine) == "mine"
    assert metrics.deserialize("mine", custom_objects={"mine": mine}) is mine
    assert metrics.deserialize("acc", custom_objects={"acc": mine}) is mine


@pytest.mark.parametrize("identifier, words", [
    (5, "Could not interpret metric function identifier: 5"),
    (None, "Could not interpret metric function identifier: None"),
    ("accurracy", "Unknown metric function: 'accurracy'. Did you mean 'accuracy'"),
    ("categorical_acuracy", "Did you mean 'categorical_accuracy'"),
    ("accuracy", r"'accuracy' stands for one of several metrics.*compile\(metrics=\['accuracy'\]\)"),
])
def test_get_errors(identifier, words):
    with pytest.raises(ValueError, match=words):
        metrics.get(identifier)
