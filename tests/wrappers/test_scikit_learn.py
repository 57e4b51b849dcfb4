"""Models in scikit-learn's hands."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneOut,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.optimizers import Adam
from gpukeras.wrappers.scikit_learn import BaseWrapper, KerasClassifier, KerasRegressor

NAMES = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)


def three_classes(units=8, lr=.03, sizes=(8,)):
    model = Sequential([Dense(units, activation="relu", input_dim=4), Dense(3, activation="softmax")])
    model.compile(Adam(lr), "categorical_crossentropy", metrics=["accuracy"])
    return model


def two_classes():
    model = Sequential([Dense(8, activation="relu", input_dim=30), Dense(1, activation="sigmoid")])
    model.compile(Adam(.01), "binary_crossentropy", metrics=["accuracy"])
    return model


def one_number():
    model = Sequential([Dense(8, activation="relu", input_dim=10), Dense(1)])
    model.compile(Adam(.01), "mean_squared_error")
    return model


@pytest.fixture
def iris():
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


@pytest.fixture
def classifier():
    return KerasClassifier(three_classes, epochs=12, batch_size=16, verbose=0)


def test_predictions_of_a_classifier_draw_a_bar(iris, capsys):
    """As in Keras, where they are those of `predict_classes` and `predict_proba`."""
    x, y = iris
    classifier = KerasClassifier(three_classes, epochs=1)
    classifier.fit(x, y, verbose=0)
    for predict in (classifier.predict, classifier.predict_proba):
        predict(x)
        assert "150/150 [====" in capsys.readouterr().out
        predict(x, verbose=0)
        assert not capsys.readouterr().out


def test_labels_probabilities_and_score(iris, classifier):
    x, y = iris
    history = classifier.fit(x, NAMES[y])
    assert len(history.history["loss"]) == 12
    assert classifier.classes_.tolist() == NAMES.tolist() and classifier.n_classes_ == 3
    labels, chances = classifier.predict(x), classifier.predict_proba(x)
    assert labels.shape == (150,) and (labels == NAMES[chances.argmax(1)]).all()
    np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-5)
    assert classifier.score(x, NAMES[y]) == pytest.approx((labels == NAMES[y]).mean())
    assert classifier.score(x, y=NAMES[y]) > .9
    with pytest.raises(ValueError, match="'rose' was not among"):
        classifier.score(x[:1], ["rose"])


@pytest.mark.parametrize("shape", ["numbers", "column", "rows"])
def test_kinds_of_targets(iris, classifier, shape):
    x, y = iris
    given = {"numbers": y, "column": y[:, None], "rows": np.eye(3)[y]}[shape]
    classifier.fit(x, given)
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.score(x, given) == pytest.approx((classifier.predict(x) == y).mean())
    with pytest.raises(ValueError, match="labels, of shape"):
        classifier.fit(x, np.zeros((150, 3, 2)))


def test_pipeline_and_cross_validation(iris, classifier):
    x, y = iris
    pipeline = make_pipeline(StandardScaler(), classifier)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    for scoring in (None, "accuracy", "f1_macro", "roc_auc_ovr"):
        assert cross_val_score(pipeline, x, NAMES[y], cv=folds, scoring=scoring).min() > .8
    assert cross_val_score(pipeline, x, y, cv=folds, scoring="neg_log_loss").min() > -.8
    assert (cross_val_predict(pipeline, x, NAMES[y], cv=folds) == NAMES[y]).mean() > .85
    pipeline.fit(x, y, kerasclassifier__epochs=1)
    assert pipeline.score(x, y) >= 0 and check_is_fitted(pipeline) is None


def test_searches(iris, classifier):
    x, y = iris
    pipeline = Pipeline([("scale", StandardScaler()), ("net", classifier)])
    search = GridSearchCV(pipeline, {"net__units": [4, 8], "net__epochs": [1, 12], "net__sizes": [[1]]}, cv=2)
    search.fit(x, NAMES[y])
    assert search.best_params_["net__epochs"] == 12 and search.best_score_ > .8
    assert search.predict(x[:1]).tolist() == ["setosa"] and search.classes_.tolist() == NAMES.tolist()
    assert search.best_estimator_["net"].model.layers[0].units == search.best_params_["net__units"]
    drawn = RandomizedSearchCV(classifier, {"lr": [1e-6, .03]}, n_iter=2, cv=2, random_state=0).fit(x, y)
    assert drawn.best_params_ == {"lr": .03}


def test_ensembles(iris, classifier):
    x, y = iris
    voters = [("net", classifier), ("linear", LogisticRegression(max_iter=1000))]
    for ensemble in (VotingClassifier(voters), VotingClassifier(voters, voting="soft"),
                     BaggingClassifier(classifier, 2, random_state=0)):
        assert ensemble.fit(x, y).score(x, y) > .9


def test_one_unit_for_two_classes():
    x, y = load_breast_cancer(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    net = KerasClassifier(build_fn=two_classes, epochs=3, batch_size=32, verbose=0)
    for scoring, least in ((None, .8), ("roc_auc", .8), ("f1", .8), ("neg_log_loss", -.5)):
        assert cross_val_score(net, x, y, cv=KFold(2), scoring=scoring).min() > least
    net.fit(x, y)
    assert net.predict(x).shape == (569,) and net.predict_proba(x).shape == (569, 2)
    np.testing.assert_allclose(net.predict_proba(x).sum(1), 1, rtol=1e-6)
    assert (net.predict(x) == (net.predict_proba(x)[:, 1] > .5)).all()
    assert (net.predict(x) == y).mean() == pytest.approx(net.score(x, y))


def test_a_fold_may_lack_the_last_class(iris, classifier):
    x, y = iris
    classifier.fit(x[:100], y[:100])  # two classes for three units
    assert classifier.classes_.tolist() == [0, 1] and set(classifier.predict(x)) <= {0, 1}
    assert classifier.score(x[:50], y[:50]) > .9  # one class for three units


def test_regression():
    x, y = load_diabetes(return_X_y=True)
    net = KerasRegressor(build_fn=one_number, epochs=2, batch_size=32, verbose=0)
    pipeline = Pipeline([("scale", StandardScaler()), ("net", net)])
    scores = cross_val_score(pipeline, x, y, cv=KFold(3), scoring="neg_mean_squared_error")
    assert scores.shape == (3,) and (scores < 0).all()
    net.fit(x, y)
    assert net.predict(x).shape == (442,) and net.predict(x[:1]).shape == (1,)
    assert net.score(x, y) == pytest.approx(-((net.predict(x) - y) ** 2).mean(), rel=1e-4)
    assert cross_val_score(net, x[:3], y[:3], cv=LeaveOneOut(), scoring="neg_mean_absolute_error").shape == (3,)


def test_several_outputs():
    def build():
        model = Sequential([Dense(2, input_dim=10)])
        model.compile("sgd", "mse", metrics=["mae"])
        return model

    x, y = load_diabetes(return_X_y=True)
    net = KerasRegressor(build, epochs=1, verbose=0)
    net.fit(x, np.stack([y, y], 1))
    assert net.predict(x).shape == (442, 2) and net.score(x, np.stack([y, y], 1)) < 0


def test_tags(classifier):
    net = KerasRegressor(one_number)
    assert is_classifier(classifier) and not is_regressor(classifier) and classifier._estimator_type == "classifier"
    assert is_regressor(net) and not is_classifier(net) and net._estimator_type == "regressor"
    get_tags = pytest.importorskip("sklearn", "1.6").utils.get_tags  # older ones ask for _estimator_type alone
    for tags in (get_tags(classifier), get_tags(net)):
        assert tags.target_tags.required and tags.non_deterministic and tags.input_tags.two_d_array
    assert get_tags(classifier).classifier_tags is not None and get_tags(net).regressor_tags is not None


def test_parameters():
    sizes = [4, 5]
    net = KerasClassifier(three_classes, sizes=sizes, epochs=3)
    assert net.get_params() == net.get_params(deep=False) == {"sizes": sizes, "epochs": 3, "build_fn": three_classes}
    copy = clone(net)
    assert copy.get_params() == net.get_params() and copy is not net and not hasattr(copy, "model")
    assert net.set_params(units=2, build_fn=three_classes) is net and net.sk_params["units"] == 2
    assert net.filter_sk_params(three_classes) == {"sizes": sizes, "units": 2}
    assert net.filter_sk_params(Sequential.fit, {"verbose": 0}) == {"epochs": 3, "verbose": 0}
    assert repr(net).startswith("KerasClassifier(sizes=[4, 5], epochs=3, units=2, build_fn=")
    with pytest.raises(ValueError, match="'epoch' is not a legal parameter.*Did you mean 'epochs'"):
        KerasClassifier(three_classes, epoch=3)
    with pytest.raises(ValueError, match="'unit'"):
        net.set_params(unit=3, build_fn=two_classes)
    assert net.build_fn is three_classes


class Builder:
    def __call__(self, units=8):
        return three_classes(units)

    def method(self, units=8):
        return three_classes(units)


class Own(KerasClassifier):
    def __call__(self, units=8):
        return three_classes(units)


@pytest.mark.parametrize("make", [lambda **p: KerasClassifier(Builder(), **p), lambda **p: Own(**p),
                                  lambda **p: KerasClassifier(Builder().method, **p)],
                         ids=["object", "subclass", "method"])
def test_ways_to_build(iris, make):
    net = make(units=5, epochs=1, verbose=0)
    net.fit(*iris)
    assert net.model.layers[0].units == 5 and net.sk_params["units"] == 5
    with pytest.raises(ValueError, match="legal parameter"):
        make(size=5)


def test_keras_1_s_name_of_epochs(iris):
    net = KerasClassifier(three_classes, nb_epoch=2, verbose=0)
    with pytest.warns(UserWarning, match="nb_epoch of KerasClassifier is now epochs"):
        assert len(net.fit(*iris).history["loss"]) == 2


def test_complaints(iris, classifier):
    x, y = iris
    with pytest.raises(ValueError, match="KerasClassifier needs build_fn"):
        KerasClassifier().fit(x, y)
    with pytest.raises(AttributeError, match="not been trained yet: call fit"):
        classifier.predict(x)
    with pytest.raises(NotFittedError):
        check_is_fitted(classifier)

    def no_metrics():
        model = three_classes()
        model.compile("sgd", "categorical_crossentropy")
        return model

    net = KerasClassifier(no_metrics, epochs=1, verbose=0)
    net.fit(x, y)
    with pytest.raises(ValueError, match=r"metrics=\['accuracy'\]"):
        net.score(x, y)
    assert issubclass(KerasClassifier, BaseWrapper)
