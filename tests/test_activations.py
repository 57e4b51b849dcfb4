"""Each activation against its formula in float64, and the naming of activations."""
from __future__ import annotations

import math

import numpy as np
import pytest

from gpukeras import activations
from gpukeras import backend as K
from gpukeras.device import tasks

X = np.array([[-20.0, -3.0, -1.0, -0.1, 0.0, 0.1, 0.5, 2.0, 7.0, 20.0]])
erf = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


FORMULAS = {
    "softmax": softmax,
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "keras3_hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "linear": lambda x: x,
    "exponential": np.exp,
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "swish": lambda x: x * sigmoid(x),
    "silu": lambda x: x * sigmoid(x),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
}


def apply(function, x, **options):
    """The activation of an array, through a compiled function."""
    tensor = K.placeholder(shape=np.shape(x))
    return K.function([tensor], [function(tensor, **options)])([np.asarray(x, K.floatx())])[0]


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_formula(name):
    np.testing.assert_allclose(apply(activations.get(name), X), FORMULAS[name](X), rtol=2e-5, atol=1e-6)


def test_every_name_has_a_formula_here():
    assert set(activations._named) == set(FORMULAS)


@pytest.mark.parametrize("name", sorted(set(FORMULAS) - {"softmax", "linear"}))
def test_gradient(name):
    x = np.array([[-2.3, -1.1, -0.4, 0.3, 0.9, 1.7]])  # away from the kinks
    tensor = K.placeholder(shape=x.shape)
    slope = K.gradients(K.sum(activations.get(name)(tensor)), [tensor])[0]
    got = K.function([tensor], [slope])([x.astype(K.floatx())])[0]
    step = 1e-6
    expected = (FORMULAS[name](x + step) - FORMULAS[name](x - step)) / (2 * step)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_elu_and_selu_round_as_numpy_does(monkeypatch):
    monkeypatch.setattr(tasks, "library", lambda family: None)
    x = np.array([[-1.0, -2.0]], dtype="float32")
    np.testing.assert_allclose(apply(activations.elu, x, alpha=0.5), (np.exp(x) - 1) / 2, rtol=1e-7)
    expected = (np.exp(x) - 1) * activations.SELU_SCALE * activations.SELU_ALPHA
    np.testing.assert_allclose(apply(activations.selu, x), expected, rtol=1e-7)


def test_options():
    np.testing.assert_allclose(apply(activations.relu, X, alpha=0.1, max_value=5.0),
                               np.minimum(np.where(X > 0, X, 0.1 * X), 5.0), rtol=1e-6)
    leaky = np.where(X > 0, X, 0.3 * X)
    np.testing.assert_allclose(apply(activations.leaky_relu, X, alpha=0.3), leaky, rtol=1e-6)
    curve = 0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X ** 3)))
    np.testing.assert_allclose(apply(activations.gelu, X, approximate=True), curve, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_extremes_stay_finite_where_the_formula_does(name):
    x = np.array([[-200.0, 80.0]])
    got = apply(activations.get(name), x)
    assert np.isfinite(got).all()


@pytest.mark.parametrize("shape, axis", [
    ((3, 4), -1), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), -1), ((2, 3, 4), 1), ((2, 3, 4, 5), 2)])
def test_softmax_along_an_axis(shape, axis):
    x = np.random.RandomState(0).normal(size=shape) * 5
    got = apply(activations.softmax, x, axis=axis)
    np.testing.assert_allclose(got, softmax(x, axis), rtol=1e-5, atol=1e-7)


def test_softmax_of_a_vector_is_refused():
    with pytest.raises(ValueError, match=r"at least 2 dimensions \(batch, classes\), got a tensor of 1"):
        activations.softmax(K.placeholder(ndim=1))


def test_get():
    def mine(x):
        return x

    assert activations.get(None) is activations.linear
    assert activations.get(mine) is mine
    for name in activations._named:
        function = activations.get(name)
        assert activations.deserialize(activations.serialize(function)) is function
    assert [activations.linear(x) for x in (1, True, None)] == [1, True, None]


@pytest.mark.parametrize("identifier, words", [
    (6, "Could not interpret activation function identifier: 6"),
    ("sofmax", "Unknown activation function: 'sofmax'. Did you mean 'softmax'"),
    ("K", "Unknown activation function: 'K'"),
])
def test_get_errors(identifier, words):
    with pytest.raises(ValueError, match=words):
        activations.get(identifier)


def test_a_layer_as_activation_is_warned_of():
    from gpukeras.layers import Dense

    layer = Dense(3)
    with pytest.warns(UserWarning, match="layer instance .Dense. was passed as the activation"):
        assert activations.get(layer) is layer
