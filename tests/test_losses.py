"""Each loss against its formula in float64: ordinary values, edge values, gradients, shapes, names."""
from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import losses, objectives

EPSILON = 1e-7
R = np.random.RandomState(0)


def normalised(p):
    return p / p.sum(-1, keepdims=True)


def categorical(t, p):
    p = np.clip(normalised(p), EPSILON, 1 - EPSILON)
    return -(t * np.log(p)).sum(-1)


def binary(t, p):
    p = np.clip(p, np.float32(EPSILON), np.float32(1 - EPSILON)).astype("float64")
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1)


def divergence(t, p):
    t, p = np.clip(t, EPSILON, 1), np.clip(p, EPSILON, 1)
    return (t * np.log(t / p)).sum(-1)


def unit(x):
    return x / np.sqrt((x ** 2).sum(-1, keepdims=True))


def logarithm(x):
    return np.log(np.maximum(x, EPSILON) + 1)


FORMULAS = {
    "mean_squared_error": lambda t, p: ((p - t) ** 2).mean(-1),
    "mean_absolute_error": lambda t, p: abs(p - t).mean(-1),
    "mean_absolute_percentage_error": lambda t, p: 100 * (abs(t - p) / np.maximum(abs(t), EPSILON)).mean(-1),
    "mean_squared_logarithmic_error": lambda t, p: ((logarithm(p) - logarithm(t)) ** 2).mean(-1),
    "hinge": lambda t, p: np.maximum(1 - t * p, 0).mean(-1),
    "squared_hinge": lambda t, p: (np.maximum(1 - t * p, 0) ** 2).mean(-1),
    "categorical_hinge": lambda t, p: np.maximum(((1 - t) * p).max(-1) - (t * p).sum(-1) + 1, 0),
    "logcosh": lambda t, p: np.log(np.cosh(p - t)).mean(-1),
    "categorical_crossentropy": categorical,
    "binary_crossentropy": binary,
    "kullback_leibler_divergence": divergence,
    "poisson": lambda t, p: (p - t * np.log(p + EPSILON)).mean(-1),
    "cosine_proximity": lambda t, p: -(unit(t) * unit(p)).sum(-1),
    "cosine_similarity": lambda t, p: -(unit(t) * unit(p)).sum(-1),
    "huber": lambda t, p: np.where(abs(p - t) < 1, (p - t) ** 2 / 2, abs(p - t) - 0.5).mean(-1),
}
ALIASES = {
    "mse": "mean_squared_error", "MSE": "mean_squared_error", "mae": "mean_absolute_error",
    "MAE": "mean_absolute_error", "mape": "mean_absolute_percentage_error",
    "MAPE": "mean_absolute_percentage_error", "msle": "mean_squared_logarithmic_error",
    "MSLE": "mean_squared_logarithmic_error", "kld": "kullback_leibler_divergence",
    "KLD": "kullback_leibler_divergence", "kl_divergence": "kullback_leibler_divergence",
    "bce": "binary_crossentropy", "BCE": "binary_crossentropy", "log_cosh": "logcosh",
    "cosine": "cosine_proximity", "huber_loss": "huber",
}


def data(name, shape):
    """Targets and predictions such as the loss is meant for."""
    if name.endswith("hinge") and name != "categorical_hinge":
        return np.where(R.rand(*shape) < 0.5, -1.0, 1.0), R.normal(size=shape)
    if name.startswith("categorical"):
        return np.eye(shape[-1])[R.randint(0, shape[-1], shape[:-1])], normalised(R.rand(*shape) + 0.05)
    if name in ("kullback_leibler_divergence",):
        return normalised(R.rand(*shape) + 0.05), normalised(R.rand(*shape) + 0.05)
    if name == "binary_crossentropy":
        return (R.rand(*shape) < 0.5).astype(float), R.uniform(0.05, 0.95, shape)
    if name in ("poisson", "mean_squared_logarithmic_error"):
        return R.uniform(0.1, 3, shape), R.uniform(0.1, 3, shape)
    return R.normal(size=shape), R.normal(size=shape)


def evaluate(loss, y_true, y_pred):
    """The loss and the gradient of its sum by the prediction, through a compiled function."""
    t, p = K.placeholder(shape=y_true.shape), K.placeholder(shape=y_pred.shape)
    value = loss(t, p)
    slope = K.gradients(K.sum(value), [p])[0]
    return K.function([t, p], [value, slope])([y_true.astype("float32"), y_pred.astype("float32")])


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_value_and_gradient(name, shape):
    y_true, y_pred = (a.astype("float32").astype("float64") for a in data(name, shape))
    value, slope = evaluate(losses.get(name), y_true, y_pred)
    expected = FORMULAS[name](y_true, y_pred)
    assert value.shape == shape[:-1]
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
    direction = R.normal(size=shape)
    step = 1e-6
    along = (FORMULAS[name](y_true, y_pred + step * direction).sum()
             - FORMULAS[name](y_true, y_pred - step * direction).sum()) / (2 * step)
    np.testing.assert_allclose((slope * direction).sum(), along, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("name, y_true, y_pred", [
    ("categorical_crossentropy", [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [1, 0, 0], [3, 1, 4]]),
    ("binary_crossentropy", [[0, 1, 1, 0]], [[0, 1, 0, 0.5]]),
    ("kullback_leibler_divergence", [[1, 0], [0.5, 0.5]], [[0, 1], [1, 0]]),
    ("mean_squared_logarithmic_error", [[-1, 0, 5]], [[-2, 1, -1]]),
    ("poisson", [[0, 1, 2]], [[0, 0, 1]]),
    ("logcosh", [[0, 0]], [[50, -60]]),
    ("hinge", [[1, -1]], [[5, 1]]),
])
def test_edge_values(name, y_true, y_pred):
    y_true, y_pred = np.array(y_true, float), np.array(y_pred, float)
    value, slope = evaluate(losses.get(name), y_true, y_pred)
    np.testing.assert_allclose(value, FORMULAS[name](y_true, y_pred), rtol=1e-4, atol=1e-5)
    assert np.isfinite(slope).all()


def test_a_target_of_zero_is_a_percentage_of_epsilon():
    value, _ = evaluate(losses.mape, np.array([[0.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(value, [1e9], rtol=1e-4)


def test_logcosh_does_not_overflow():
    value, slope = evaluate(losses.logcosh, np.zeros((1, 2)), np.array([[1000.0, -1000.0]]))
    np.testing.assert_allclose(value, [1000 - np.log(2)], rtol=1e-5)
    np.testing.assert_allclose(slope, [[0.5, -0.5]], rtol=1e-5)


def test_binary_crossentropy_clips_in_single_precision():
    value, _ = evaluate(losses.binary_crossentropy, np.array([[0.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(value, [15.942385], rtol=1e-5)


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5)])
@pytest.mark.parametrize("column", [False, True])
def test_sparse_is_categorical_of_the_classes(shape, column):
    classes = R.randint(0, 5, shape[:-1])
    y_pred = normalised(R.rand(*shape) + 0.05)
    y_true = classes[..., None] if column else classes
    value, slope = evaluate(losses.sparse_categorical_crossentropy, y_true, y_pred)
    np.testing.assert_allclose(value.reshape(shape[:-1]), categorical(np.eye(5)[classes], y_pred), rtol=1e-4)
    assert slope.shape == shape


def test_sparse_of_outputs_that_do_not_add_up_to_one():
    classes, y_pred = np.array([[1], [0]]), np.array([[0.9, 0.6, 0.2], [0.1, 0.8, 0.9]])
    value, _ = evaluate(losses.sparse_categorical_crossentropy, classes, y_pred)
    np.testing.assert_allclose(value.ravel(), -np.log(normalised(y_pred)[[0, 1], [1, 0]]), rtol=1e-5)


def test_every_loss_and_alias_is_here():
    assert set(losses._named) == set(FORMULAS) | set(ALIASES) | {"sparse_categorical_crossentropy"}
    for alias, name in ALIASES.items():
        assert losses.get(alias) is getattr(losses, name)
        assert losses.serialize(losses.get(alias)) == name


def test_keras_1_called_the_module_objectives():
    assert objectives.mse is losses.mean_squared_error
    assert objectives.get("hinge") is losses.hinge


def test_get():
    def mine(y_true, y_pred):
        return K.mean(y_pred, axis=-1)

    assert losses.get(None) is None
    assert losses.get(mine) is mine
    assert losses.deserialize("mine", custom_objects={"mine": mine}) is mine


@pytest.mark.parametrize("identifier, words", [
    ("mean_square_error", "Unknown loss function: 'mean_square_error'. Did you mean 'mean_squared_error'"),
    ("binary_cross_entropy", "Did you mean 'binary_crossentropy'"),
    ("get", "Unknown loss function: 'get'"),
    (5, "Could not interpret loss function identifier: 5"),
])
def test_get_errors(identifier, words):
    with pytest.raises(ValueError, match=words):
        losses.get(identifier)


@pytest.mark.parametrize(("name", "y", "made"), [
    ("binary_crossentropy", [[1., 0.]], "BinaryCrossentropy"),
    ("categorical_crossentropy", [[0., 1.]], "CategoricalCrossentropy")])
def test_crossentropies_of_logits_with_smoothed_targets(name, y, made):
    y, logits = K.constant(y), K.constant([[2., -1.]])
    smoothed = y * 0.8 + 0.1
    plain = getattr(losses, name)(smoothed, K.sigmoid(logits) if name[0] == "b" else K.softmax(logits))
    found = getattr(losses, name)(y, logits, from_logits=True, label_smoothing=0.2)
    np.testing.assert_allclose(K.eval(found), K.eval(plain), 1e-5)
    obj = getattr(losses, made)(from_logits=True, label_smoothing=0.2)
    np.testing.assert_allclose(K.eval(obj(y, logits)), K.eval(K.mean(plain)), 1e-5)


def test_a_loss_object_of_any_function():
    loss = losses.LossFunctionWrapper(losses.huber, name="h", delta=2.0)
    assert loss([[0.]], [[4.]]) == 6.0 and loss.get_config()["delta"] == 2.0 and loss.name == "h"
