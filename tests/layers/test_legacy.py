"""Keras 1's Highway and MaxoutDense: they warn, and do what they did."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras.layers import Highway, Input, MaxoutDense
from gpukeras.models import Model, Sequential
from tests.layers.layer_check import check_layer, check_training

REGULARIZED = {"W_regularizer": "l2", "b_regularizer": "l1", "activity_regularizer": "l2", "W_constraint": "max_norm",
               "b_constraint": "non_neg"}
ROWS = [
    lambda: Highway(),
    lambda: Highway(activation="tanh", **REGULARIZED),
    lambda: Highway(activation="sigmoid", bias=False, init="he_normal"),
    lambda: MaxoutDense(3),
    lambda: MaxoutDense(2, nb_feature=3, bias=False, init="uniform"),
    lambda: MaxoutDense(2, 5, **REGULARIZED),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.filterwarnings("ignore:`(Highway|MaxoutDense)` is a layer of Keras 1")
@pytest.mark.parametrize("make", ROWS)
def test_layers(make):
    check_layer(make, (4,))
    check_training(make, (4,))


X = np.random.RandomState(0).normal(size=(5, 4)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made(make, warning):
    with pytest.warns(UserWarning, match=warning):
        layer = make()
    inputs = Input((4,))
    model = Model(inputs, layer(inputs))
    rng = np.random.RandomState(1)
    weights = [rng.normal(size=w.shape) for w in layer.get_weights()]
    layer.set_weights(weights)
    return layer, weights, model.predict(X)


def test_highway():
    layer, (w, carry, b, b_carry), y = made(lambda: Highway(activation="relu"), "`Highway` is a layer of Keras 1")
    gate = sigmoid(X @ carry + b_carry)
    np.testing.assert_allclose(y, gate * np.maximum(X @ w + b, 0) + (1 - gate) * X, rtol=1e-4, atol=1e-5)
    assert [weight.name.rpartition("/")[2] for weight in layer.weights] == ["W:0", "W_carry:0", "b:0", "b_carry:0"]
    with pytest.warns(UserWarning, match="Write|Keras 1"):
        fresh = Highway(input_dim=4)
    model = Sequential([fresh])
    assert model.get_weights()[2].tolist() == [0] * 4 and model.get_weights()[3].tolist() == [1] * 4


def test_where_keras_2_has_them():
    from gpukeras.legacy import layers as legacy

    assert legacy.Highway is Highway and legacy.MaxoutDense is MaxoutDense


def test_maxout():
    layer, (w, b), y = made(lambda: MaxoutDense(3, nb_feature=2), "write Dense layers and `maximum`")
    assert w.shape == (2, 4, 3) and b.shape == (2, 3)
    np.testing.assert_allclose(y, np.maximum(X @ w[0] + b[0], X @ w[1] + b[1]), rtol=1e-4, atol=1e-5)


def test_arguments():
    values = [np.ones((4, 4)), np.ones((4, 4)), np.zeros(4), np.ones(4)]
    with pytest.warns(UserWarning, match="Keras 1"):
        model = Sequential([Highway(weights=values, input_dim=4)])
    np.testing.assert_array_equal(model.get_weights()[1], values[1])
    with pytest.warns(UserWarning) as caught:
        Highway(transform_bias=-2)
    assert "`transform_bias=` of Highway is no longer there" in str(caught[0].message)
    with pytest.warns(UserWarning, match="Keras 1"), pytest.raises(ValueError, match="output_dim must be a positive"):
        MaxoutDense(0)
    with pytest.warns(UserWarning, match="Keras 1"), pytest.raises(ValueError, match="expected ndim=2"):
        MaxoutDense(2)(Input((3, 4)))
