"""`compute_loss` of a subclass of Model."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import losses, metrics
from gpukeras.layers import Dense, Input
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD

X = np.random.RandomState(0).rand(20, 4).astype("float32")
Y = X[:, :1] * 2


def functional(kind, **kwargs):
    x = Input((4,))
    return kind(x, Dense(1, **kwargs)(x))


class Weighted(Model):
    def compute_loss(self, x, y, y_pred, sample_weight=None):
        loss = losses.mean_squared_error(y, y_pred)
        return K.mean(loss if sample_weight is None else loss * sample_weight)


def test_it_trains_as_the_same_loss_in_compile():
    own, plain = functional(Weighted), functional(Model)
    plain.set_weights(own.get_weights())
    own.compile(SGD(0.1), metrics=["mae"])
    plain.compile(SGD(0.1), "mse", metrics=["mae"])
    found, expected = (m.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y)).history
                       for m in (own, plain))
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    weights = np.linspace(0, 1, 20)
    errors = np.square(own.predict(X) - Y).mean(1)
    assert own.evaluate(X, Y, sample_weight=weights, verbose=0)[0] == pytest.approx((errors * weights).mean(), rel=1e-4)


def test_more_than_what_compile_was_told():
    class More(Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return super().compute_loss(x, y, y_pred, sample_weight) + 0.1 * K.mean(K.square(y_pred))

    model = functional(More, kernel_regularizer="l2")
    model.compile("sgd", "mse")
    predicted, kernel = model.predict(X), model.get_weights()[0]
    expected = np.square(predicted - Y).mean() + 0.01 * np.square(kernel).sum() + 0.1 * np.square(predicted).mean()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-4)


def test_without_targets_and_with_names():
    class Coder(Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = Dense(2), Dense(4)
            self.add_loss(lambda: 0.1 * K.sum(K.square(self.encoder.kernel)))

        def call(self, inputs, training=None):
            code = self.encoder(inputs)
            return {"rec": self.decoder(code), "code": code}

        def compute_loss(self, x, y, y_pred, sample_weight=None):
            return K.mean(K.square(x - y_pred["rec"])) + K.mean(K.abs(y_pred["code"])) + sum(self.losses)

    model = Coder()
    model.compile(SGD(0.1))
    history = model.fit(X, epochs=3, verbose=0).history["loss"]
    assert history[2] < history[0]
    found, kernel = model.predict(X), model.encoder.get_weights()[0]
    expected = np.square(X - found["rec"]).mean() + np.abs(found["code"]).mean() + 0.1 * np.square(kernel).sum()
    assert model.evaluate(X, verbose=0) == pytest.approx(expected, rel=1e-4)


def test_a_stack_and_several_outputs():
    class Stack(Sequential):
        def compute_loss(self, x, y, y_pred, sample_weight=None):
            return K.mean(K.abs(y - y_pred))

    stack = Stack([Dense(1, input_shape=(4,))])
    stack.compile("sgd")
    assert stack.evaluate(X, Y, verbose=0) == pytest.approx(np.abs(stack.predict(X) - Y).mean(), rel=1e-4)

    class Two(Model):
        def compute_loss(self, x, y, y_pred, sample_weight=None):
            return K.mean(K.square(y[1] - y_pred[1])) + K.mean(K.square(y_pred[0]))  # the first target isn't read

    x = Input((4,))
    two = Two(x, [Dense(2)(x), Dense(1)(x)])
    two.compile("sgd")
    first, second = two.predict(X)
    expected = np.square(second - Y).mean() + np.square(first).mean()
    assert two.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-4)


def test_metrics_on_the_way_are_over_all_batches():
    class Tracking(Weighted):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.trackers = [metrics.Mean(name="loss"), metrics.RootMeanSquaredError(name="rmse")]

        def compute_loss(self, x, y, y_pred, sample_weight=None):
            loss = super().compute_loss(x, y, y_pred)
            self.trackers[0].update_state(loss)
            self.trackers[1].update_state(y, y_pred)
            return loss

    model = functional(Tracking)
    model.compile("sgd")
    assert model.evaluate(X, Y, batch_size=3, verbose=0, return_dict=True) == {
        "loss": pytest.approx(np.square(model.predict(X) - Y).mean(), rel=1e-4),
        "rmse": pytest.approx(np.sqrt(np.square(model.predict(X) - Y).mean()), rel=1e-4)}


def test_what_is_no_loss():
    class Wrong(Model):
        def compute_loss(self, x, y, y_pred, sample_weight=None):
            return None

    with pytest.raises(TypeError, match="compute_loss of Wrong must return a tensor, but returned None"):
        functional(Wrong).compile("sgd")
