"""Losses as functions, and metrics that layers add: newer Keras's."""

from __future__ import annotations

import numpy as np
import pytest

import gpukeras as keras
from gpukeras import backend as K
from gpukeras.layers import Dense, Dropout, Input, Layer, TimeDistributed
from gpukeras.metrics import Mean, Metric, Precision
from gpukeras.models import Model, Sequential

X = np.random.RandomState(0).rand(10, 4).astype("float32")
Y = X[:, :3]


def size(layer):
    return float(np.square(layer.get_weights()[0]).sum())


class Noted(Layer):
    """A layer with a loss of its weights, said before there are any, and metrics."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.mean = Dense(3), Mean(name="mean_output")
        self.add_loss(lambda: K.sum(K.square(self.dense.kernel)))

    def call(self, inputs):
        y = self.dense(inputs)
        self.add_metric(K.sum(y, axis=-1), name="total", aggregation="mean")
        self.add_metric(self.mean(y))
        self.add_metric(K.sum(K.square(self.dense.kernel)), name="size", aggregation="mean")
        return y


class Around(keras.Model):
    def __init__(self, inner, phase=False):
        super().__init__()
        self.inner, self.drop = inner, Dropout(0.5)
        self.add_loss(lambda: None)
        if phase:
            self.call = self.in_phases

    def call(self, inputs):
        return self.inner(inputs)

    def in_phases(self, inputs, training=None):
        return self.inner(inputs)


def functional(layer):
    x = Input((4,))
    return Model(x, layer(x))


def stacked(layer):
    return Sequential([Dense(4, input_shape=(4,), weights=[np.eye(4), np.zeros(4)], trainable=False), layer])


def nested(layer):
    x = Input((4,))
    return Model(x, functional(layer)(x))


MODELS = {"functional": functional, "stack": stacked, "subclass": Around, "with phases": lambda x: Around(x, True),
          "nested": nested, "subclass around a model": lambda x: Around(functional(x)),
          "model around a subclass": lambda x: functional(Around(x))}


@pytest.mark.parametrize("kind", MODELS)
def test_what_a_layer_adds_reaches_every_kind_of_model(kind):
    layer = Noted()
    model = MODELS[kind](layer)
    model.compile("sgd", "mse")
    before = model.predict(X), size(layer.dense)
    found = model.fit(X, Y, batch_size=4, epochs=1, verbose=0).history  # batches of 4, 4 and 2
    assert set(found) == {"loss", "total", "mean_output", "size"} and len(model.losses) == 1
    predicted, large = model.predict(X), size(layer.dense)
    assert large < before[1]
    values = dict(zip(model.metrics_names, model.evaluate(X, Y, batch_size=4, verbose=0)))
    assert values["loss"] == pytest.approx(np.square(predicted - Y).mean() + large, rel=1e-4)
    assert values["total"] == pytest.approx(predicted.sum(1).mean(), rel=1e-4)
    assert values["mean_output"] == pytest.approx(predicted.mean(), rel=1e-4)
    assert values["size"] == pytest.approx(large, rel=1e-4)


def test_losses_as_functions_of_a_model():
    model = Sequential([Dense(2, input_shape=(3,)), Dense(2)])
    model.add_loss(lambda: K.sum(K.abs(model.layers[0].kernel)))
    model.add_loss([lambda layer=layer: 0.5 * size_of(layer) for layer in model.layers])
    model.compile("sgd", "mse")
    zeros = np.zeros((4, 3))
    kernels = [layer.get_weights()[0] for layer in model.layers]
    expected = np.abs(kernels[0]).sum() + sum(0.5 * np.square(k).sum() for k in kernels)
    assert model.evaluate(zeros, zeros[:, :2], verbose=0) == pytest.approx(expected, rel=1e-5)
    model.fit(zeros, zeros[:, :2], verbose=0)
    assert model.evaluate(zeros, zeros[:, :2], verbose=0) < expected


def size_of(layer):
    return K.sum(K.square(layer.kernel))


def test_a_function_in_call_is_a_loss_of_that_call():
    class Here(Layer):
        def call(self, inputs):
            self.add_loss(lambda: K.mean(K.square(inputs)))
            return inputs

    shared = Here()
    x, z = Input((4,)), Input((4,))
    model = Model([x, z], keras.layers.add([shared(x), shared(z)]))
    assert len(model.losses) == 2 and len(Model(x, Here()(x)).losses) == 1


def test_losses_of_a_layer_that_stands_alone():
    layer = Dense(2, kernel_regularizer="l2")
    layer.add_loss(lambda: K.sum(layer.kernel))
    assert layer.losses == []  # of weights that are yet to come
    layer(X)
    assert len(layer.losses) == 2 and float(layer.losses[1]) == pytest.approx(layer.get_weights()[0].sum(), rel=1e-5)
    noted = Noted()
    noted(X)
    assert [float(x) for x in noted.losses] == [pytest.approx(size(noted.dense), rel=1e-5)]


def test_a_metric_with_a_state_is_one_over_all_batches():
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.precision = Dense(1, activation="sigmoid"), Precision(name="precision")

        def call(self, inputs, training=None):
            features, labels = inputs
            found = self.dense(features)
            self.add_metric(self.precision(labels, found))
            return found

    labels = (X.sum(1, keepdims=True) > 2).astype("float32")
    model = Classifier()
    model.compile("sgd", "binary_crossentropy")
    model.build([(None, 4), (None, 1)])
    model.set_weights([np.array([[3.0], [2.0], [1.0], [0.5]]), np.array([-3.0])])
    found = model.evaluate([X, labels], labels, batch_size=3, verbose=0)[1]
    chosen = model.predict([X, labels]) > 0.5
    assert 0 < chosen.sum() < 10 and found == pytest.approx(labels[chosen].mean(), rel=1e-5)
    assert model.fit([X, labels], labels, batch_size=3, verbose=0).history["precision"][0] > 0


def test_a_metric_of_ones_own_without_weights():
    class Largest(Metric):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.most = self.add_weight(name="most", initializer="zeros")

        def update_state(self, y_true, y_pred):
            self.most.assign(K.maximum(self.most, K.max(y_pred)))

        def result(self):
            return self.most

    x = Input((4,))
    model = Model(x, keras.layers.Activation("relu")(x))
    model.add_metric(Largest(name="largest")(x, x))
    model.compile("sgd", "mse")
    assert model.evaluate(X, X, batch_size=2, verbose=0)[1] == pytest.approx(X.max())


def test_of_each_step_in_time():
    class Same(Noted):
        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], 3)

    layer, x = Same(), Input((5, 4))
    model = Model(x, TimeDistributed(layer)(x))
    model.compile("sgd", "mse")
    values = dict(zip(model.metrics_names, model.evaluate(np.ones((2, 5, 4)), np.ones((2, 5, 3)), verbose=0)))
    assert values["loss"] > size(layer.dense) > 0
    assert values["mean_output"] == pytest.approx(model.predict(np.ones((2, 5, 4))).mean(), rel=1e-4)


@pytest.mark.parametrize(("arguments", "words"), [
    ((3.0, "x"), "takes a tensor, a name"), ((K.constant(1.0),), "name=None"),
    ((K.constant(1.0), "x", "sum"), "aggregation='sum'")], ids=["number", "nameless", "sum"])
def test_what_is_no_metric(arguments, words):
    with pytest.raises(ValueError, match=words):
        Dense(1).add_metric(*arguments)
