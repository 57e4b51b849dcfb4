"""Losses and metrics as objects: values over all samples, in every kind of training, saved and read again."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import losses, metrics
from gpukeras.callbacks import LambdaCallback
from gpukeras.layers import Dense, Layer
from gpukeras.models import Sequential, load_model

R = np.random.RandomState(0)
X = R.randn(50, 3).astype("float32")
Y = (X[:, 0] + 0.5 * R.randn(50) > 0).astype("float32")


def model_with(*chosen, loss="mse", units=1, activation="sigmoid"):
    np.random.seed(1)
    model = Sequential([Dense(units, activation=activation, input_shape=(3,))])
    model.compile("sgd", loss, metrics=list(chosen))
    return model


def area(y, p):
    """The part of pairs of a positive and a negative that are in the right order; half for equal ones."""
    pairs = p[y == 1][:, None] - p[y == 0][None, :]
    return np.mean((pairs > 0) + 0.5 * (pairs == 0))


EXPECTED = {
    "Precision": lambda y, p: y[p > 0.5].mean(),
    "Recall": lambda y, p: (p > 0.5)[y == 1].mean(),
    "TruePositives": lambda y, p: ((p > 0.5) & (y == 1)).sum(),
    "FalsePositives": lambda y, p: ((p > 0.5) & (y == 0)).sum(),
    "TrueNegatives": lambda y, p: ((p <= 0.5) & (y == 0)).sum(),
    "FalseNegatives": lambda y, p: ((p <= 0.5) & (y == 1)).sum(),
    "RootMeanSquaredError": lambda y, p: np.sqrt(((p - y) ** 2).mean()),
    "MeanAbsoluteError": lambda y, p: abs(p - y).mean(),
    "BinaryAccuracy": lambda y, p: ((p > 0.5) == y).mean(),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_over_several_batches(name):
    """Of all samples together, which the mean of the batches' values is not."""
    model = model_with(getattr(metrics, name)())
    expected = EXPECTED[name](Y, model.predict(X)[:, 0])
    for values in (model.evaluate(X, Y, batch_size=7, verbose=0), model.evaluate(X, Y, batch_size=50, verbose=0)):
        assert values[1] == pytest.approx(expected, rel=1e-5)


def test_area_under_the_curve():
    model = model_with(metrics.AUC(num_thresholds=2000))
    expected = area(Y, model.predict(X)[:, 0])
    assert model.evaluate(X, Y, batch_size=8, verbose=0)[1] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("settings", "expected"), [
    ({}, 0.50704), ({"curve": "PR"}, 0.50724), ({"num_thresholds": 5, "summation_method": "minoring"}, 0.34663),
    ({"num_thresholds": 3, "curve": "PR"}, 0.52513),
], ids=["ROC", "PR", "minoring", "three"])
def test_areas_that_keras_2_15_gives(settings, expected):
    r = np.random.RandomState(0)
    y, p, weights = r.randint(0, 2, 40).astype("float32"), r.rand(40).astype("float32"), r.rand(40)
    assert metrics.AUC(**settings)(y, p, weights) == pytest.approx(expected, abs=6e-6)


def test_every_kind_of_training_gives_the_same():
    arrays, batches, steps = (model_with(metrics.Precision(name="p"), metrics.AUC(name="a")) for _ in range(3))
    cut = [(X[i:i + 10], Y[i:i + 10]) for i in range(0, 50, 10)]
    first = arrays.fit(X, Y, batch_size=10, epochs=2, shuffle=False, validation_data=(X, Y), verbose=0).history
    second = batches.fit_generator(iter(cut * 9), 5, 2, validation_data=iter(cut * 9), validation_steps=5, workers=1,
                                   max_queue_size=1, verbose=0).history
    for key, values in first.items():
        np.testing.assert_allclose(second[key], values, rtol=1e-5)
    for x, y in cut:
        last = steps.train_on_batch(x, y, reset_metrics=False)
    np.testing.assert_allclose(last[1:], [first["p"][0], first["a"][0]], rtol=1e-5)
    once = steps.train_on_batch(X, Y, return_dict=True)
    assert once["p"] == steps.test_on_batch(X, Y)[1] or once["p"] > 0
    again = steps.test_on_batch(X, Y)[1]
    assert again == steps.test_on_batch(X, Y)[1] and again != steps.test_on_batch(X[:9], Y[:9])[1]


def test_a_callback_that_watches_batches_changes_no_value():
    plain, watched = (model_with(metrics.Precision(name="p"), metrics.AUC(name="a")) for _ in range(2))
    first = plain.fit(X, Y, batch_size=10, epochs=2, shuffle=False, verbose=0).history
    watcher = LambdaCallback(on_batch_end=lambda batch, logs: None)
    second = watched.fit(X, Y, batch_size=10, epochs=2, shuffle=False, verbose=0, callbacks=[watcher]).history
    for key, values in first.items():
        np.testing.assert_allclose(second[key], values, rtol=1e-6)


def test_weights_and_masks():
    weights = R.rand(50)
    model = Sequential([Dense(1, activation="sigmoid", input_shape=(3,))])
    model.compile("sgd", "mse", metrics=[metrics.Recall(name="plain")], weighted_metrics=[metrics.Recall(name="heavy")])
    hit = model.predict(X)[:, 0] > 0.5
    values = dict(zip(model.metrics_names, model.evaluate(X, Y, sample_weight=weights, verbose=0)))
    assert values["plain"] == pytest.approx(hit[Y == 1].mean(), rel=1e-5)
    assert values["heavy"] == pytest.approx((hit * weights)[Y == 1].sum() / weights[Y == 1].sum(), rel=1e-5)


class Agreement(metrics.Metric):
    """A metric as programs for newer Keras write it."""

    def __init__(self, name="agreement", **kwargs):
        super().__init__(name=name, **kwargs)
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.hits.assign_add(K.sum(K.cast(K.equal(y_true, K.round(y_pred)), "float32")))
        self.count.assign_add(K.sum(K.ones_like(y_true)))

    def result(self):
        return self.hits / self.count

    def reset_states(self):
        self.hits.assign(0.0)
        self.count.assign(0.0)


class Hits(Layer):
    """A metric as programs for Keras 2.2 write it: a layer that counts."""

    def __init__(self, name="hits", **kwargs):
        super().__init__(name=name, **kwargs)
        self.stateful = True
        self.total = K.variable(0.0)

    def reset_states(self):
        K.set_value(self.total, 0.0)

    def __call__(self, y_true, y_pred):
        now = K.sum(K.cast(K.equal(y_true, K.round(y_pred)), "float32"))
        self.add_update(K.update_add(self.total, now), inputs=[y_true, y_pred])
        return self.total + now


def test_metrics_of_programs():
    model = model_with(Agreement(), Hits())
    hit = (model.predict(X)[:, 0] > 0.5) == Y
    for _ in range(2):
        assert model.evaluate(X, Y, batch_size=16, verbose=0)[1:] == pytest.approx([hit.mean(), hit.sum()], rel=1e-5)


def test_by_name_and_saved(tmp_path):
    loss = losses.BinaryCrossentropy(from_logits=True)
    model = model_with("AUC", metrics.Recall(thresholds=0.4, name="r"), loss=loss, activation=None)
    before = model.evaluate(X, Y, verbose=0)
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    assert again.evaluate(X, Y, verbose=0) == pytest.approx(before)
    assert again.metrics_names[2] == "r" and again.loss.from_logits


@pytest.mark.parametrize(("made", "plain", "target"), [
    (losses.BinaryCrossentropy(from_logits=True), "binary_crossentropy", R.randint(0, 2, (50, 4))),
    (losses.CategoricalCrossentropy(from_logits=True), "categorical_crossentropy", np.eye(4)[R.randint(0, 4, 50)]),
    (losses.SparseCategoricalCrossentropy(from_logits=True), "sparse_categorical_crossentropy", R.randint(0, 4, 50)),
], ids=["binary", "categorical", "sparse"])
def test_crossentropies_of_logits(made, plain, target):
    activation = "sigmoid" if plain.startswith("binary") else "softmax"
    of_logits, of_probabilities = (model_with("accuracy", loss=one, units=4, activation=a)
                                   for one, a in ((made, None), (plain, activation)))
    if activation == "sigmoid":
        K.set_value(of_logits.layers[0].bias, K.get_value(of_probabilities.layers[0].bias))
    want, have = of_probabilities.evaluate(X, target, verbose=0), of_logits.evaluate(X, target, verbose=0)
    assert have[0] == pytest.approx(want[0], rel=1e-4)
    if activation == "softmax":
        assert have[1] == pytest.approx(want[1])


def test_losses_of_numbers():
    loss = losses.CategoricalCrossentropy(label_smoothing=0.2)
    assert loss([[1, 0]], [[0.8, 0.2]]).numpy() == pytest.approx(-(0.9 * np.log(0.8) + 0.1 * np.log(0.2)), rel=1e-5)
    assert losses.MeanSquaredError(reduction="sum")([[0.], [0.]], [[1.], [2.]]) == 5
    assert losses.MeanSquaredError(reduction="none")([[0.], [0.]], [[1.], [2.]]).tolist() == [1, 4]
    assert losses.MeanSquaredError()([[0.], [0.]], [[1.], [2.]], [1., 0.]) == 0.5


def test_errors():
    with pytest.raises(ValueError, match="Did you mean 'Precision'"):
        metrics.get("Precison")
    with pytest.raises(ValueError, match="must be 'ROC' or 'PR'"):
        metrics.AUC(curve="roc")
    with pytest.raises(TypeError, match="unknown argument 'unit'"):
        metrics.Metric(unit=1)
    with pytest.raises(TypeError, match="takes name, dtype, from_logits"):
        metrics.BinaryCrossentropy(logits=True)
    with pytest.raises(AttributeError, match="Nothing"):
        _ = losses.Nothing


def test_hinges_take_targets_0_and_1_for_minus_1_and_1():
    p = [[0.3, -0.5]]
    for kind in (metrics.Hinge, metrics.SquaredHinge):
        assert kind()([[0., 1.]], p) == kind()([[-1., 1.]], p)


def test_root_mean_square_weighs_elements():
    assert metrics.RootMeanSquaredError()([2., 4., 6.], [1., 3., 2.], [0., 1., 0.]) == 1.0


@pytest.mark.parametrize(("kind", "value", "expected"), [
    ("SensitivityAtSpecificity", 0.7, 0.5), ("SensitivityAtSpecificity", 0.0, 1.0),
    ("SpecificityAtSensitivity", 0.4, 0.5), ("SpecificityAtSensitivity", 1.0, 0.0)])
def test_one_rate_where_the_other_reaches_a_value(kind, value, expected):
    metric = getattr(metrics, kind)(value, num_thresholds=5)  # 0, 0.25, 0.5, 0.75, 1
    y, p = [0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.2, 0.9]
    assert metric(y, p) == pytest.approx(expected)
    again = type(metric).from_config(metric.get_config())
    assert again(y, p) == pytest.approx(expected)
    with pytest.raises(ValueError, match="between 0 and 1"):
        getattr(metrics, kind)(1.5)
