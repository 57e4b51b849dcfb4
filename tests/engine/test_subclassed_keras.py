"""A model as a class computes what it computes in Keras 2.15: the numbers are from there."""

import numpy as np

import gpukeras as keras
from gpukeras import backend as K
from gpukeras.layers import BatchNormalization, Dense
from gpukeras.optimizers import SGD


class Part(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.dense, self.norm = Dense(units, activation="tanh", kernel_regularizer="l2"), BatchNormalization()
        self.scale = self.add_weight(name="scale", shape=(units,), initializer="ones")

    def call(self, inputs, training=None):
        x = self.norm(self.dense(inputs), training=training)
        if training:
            x = x * 1.5
        self.add_loss(0.1 * K.mean(K.square(x)))
        return x * self.scale


class Whole(keras.Model):
    def __init__(self):
        super().__init__()
        self.heads = {"b": Dense(2), "a": Dense(3, activation="softmax")}
        self.parts = [Part(5), Part(4)]
        self.stem = keras.models.Sequential([Dense(6, activation="relu"), BatchNormalization()])

    def call(self, inputs, training=None):
        left, right = inputs
        x = K.concatenate([self.stem(left), right])
        for part in self.parts:
            x = part(x)
        return self.heads["b"](x), self.heads["a"](x)


def numbers(*shape):
    return np.sin(np.arange(np.prod(shape), dtype="float64") * 1.7 + 0.3).reshape(shape).astype("float32")


def test_losses_and_outputs_of_keras():
    data = [numbers(16, 3), numbers(16, 2) * 2]
    targets = [numbers(16, 2), np.eye(3, dtype="float32")[np.arange(16) % 3]]
    model = Whole()
    model.compile(SGD(0.05), ["mse", "categorical_crossentropy"], loss_weights=[1.0, 0.5])
    model.predict(data)
    for layer in model.layers:
        layer.set_weights([np.abs(numbers(*w.shape)) if w.ndim == 1 else numbers(*w.shape)
                           for w in layer.get_weights()])
    np.testing.assert_allclose(model.evaluate(data, targets, batch_size=8, verbose=0), [1.659236, 0.655439, 1.252641],
                               rtol=1e-5)
    history = model.fit(data, targets, batch_size=8, epochs=3, shuffle=False, verbose=0).history
    expected = {"loss": [2.657794, 2.171123, 1.990772], "output_1_loss": [0.993849, 0.628136, 0.522539],
                "output_2_loss": [1.950598, 1.754994, 1.634515]}
    assert sorted(history) == sorted(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5)
    one, other = model.predict(data)
    np.testing.assert_allclose(one[:2], [[0.067275, 0.629678], [-0.027237, 0.462750]], atol=2e-6)
    np.testing.assert_allclose(other[:2], [[0.202217, 0.403604, 0.394178], [0.170145, 0.487641, 0.342214]], atol=2e-6)
