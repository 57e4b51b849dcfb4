"""Programs that work on the graph itself: placeholders, functions, derivatives of derivatives, layers and losses that
reach for other layers' tensors, and derivatives inside of models. Every number is checked against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import losses
from gpukeras.layers import Dense, Dropout, Input, Lambda, Layer
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD

STATE = np.random.RandomState(12)


def assert_close(got, want, tolerance=1e-5):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def test_placeholders_functions_and_derivatives_of_derivatives():
    x, w = K.placeholder((None, 3)), K.variable([[0.5], [-1.0], [2.0]])
    y = K.tanh(K.dot(x, w))
    first, = K.gradients(K.sum(y), [x])
    second, = K.gradients(K.sum(K.square(first)), [w])
    third, = K.gradients(K.sum(second * second), [w])
    f = K.function([x], [y, first, second, third])
    data = STATE.normal(size=(4, 3))
    got = f([data])
    v = np.array([[0.5], [-1.0], [2.0]])

    def slope(v):
        return (1 - np.tanh(data @ v) ** 2) * v.T

    def norms(v):
        return (slope(v) ** 2).sum()

    def numeric(function, at, h=1e-5):
        return np.array([[(function(at + h * e) - function(at - h * e)) / (2 * h)] for e in np.eye(3)[:, :, None]])

    assert_close(got[0], np.tanh(data @ v))
    assert_close(got[1], slope(v))
    assert_close(got[2], numeric(norms, v), 1e-4)
    assert_close(got[3], numeric(lambda at: (numeric(norms, at, 1e-4) ** 2).sum(), v, 1e-4), 1e-2)


def test_functions_of_layers_and_phases():
    x = Input((4,))
    hidden = Dense(3, activation="relu", name="hidden")(x)
    model = Model(x, Dense(1)(Dropout(0.5)(hidden)))
    data = STATE.normal(size=(5, 4))
    f = K.function([model.input, K.learning_phase()], [model.get_layer("hidden").output, model.output])
    kernel, bias = model.get_layer("hidden").get_weights()
    assert_close(f([data, 0])[0], np.maximum(data @ kernel + bias, 0))
    assert_close(f([data, 0])[1], model.predict(data))
    assert not np.allclose(f([data, 1])[1], model.predict(data))
    g = K.function([model.get_layer("hidden").output], [model.output])  # fed in the middle
    assert_close(g([np.maximum(data @ kernel + bias, 0)])[0], model.predict(data))


def test_what_an_input_matters_to_an_output():
    """A saliency map."""
    x = Input((4,))
    model = Model(x, Dense(3, activation="softmax")(x))
    data = STATE.normal(size=(5, 4))
    grads, = K.gradients(model.output[:, 1], [model.input])
    found, = K.function([model.input], [grads])([data])
    kernel, p = model.get_weights()[0], model.predict(data)
    assert_close(found, p[:, 1:2] * (kernel[:, 1] - p @ kernel.T))


def test_updates_of_a_function_by_hand():
    """Gradient descent without a model."""
    x, target, w = K.placeholder((None, 2)), K.placeholder((None,)), K.variable([0.0, 0.0])
    loss = K.mean(K.square(K.sum(x * w, axis=1) - target))
    step = K.function([x, target], [loss], updates=[(w, w - 0.1 * K.gradients(loss, w)[0])])
    data = STATE.normal(size=(50, 2))
    goal = data @ [1.0, -2.0]
    values = [float(step([data, goal])[0]) for _ in range(200)]
    assert values[0] > 1
    assert values[-1] < 1e-6
    assert_close(K.get_value(w), [1.0, -2.0], 1e-3)


def test_a_lambda_that_closes_over_another_layers_tensor():
    np.random.seed(1)
    x = Input((3,))
    gate = Dense(2, use_bias=False, name="gate")(x)
    joined = Lambda(lambda t: t * K.sigmoid(gate), name="gated")(Dense(2, use_bias=False, name="values")(x))
    model = Model(x, joined)
    data, target = STATE.normal(size=(6, 3)), STATE.normal(size=(6, 2))
    v = np.asarray(model.get_layer("values").get_weights()[0], "float64")
    gates = K.get_value(gate._keras_history[0].kernel).astype("float64")
    s = 1 / (1 + np.exp(-data @ gates))
    assert_close(model.predict(data), data @ v * s)
    model.compile(SGD(0.1), "mse")
    assert_close(model.train_on_batch(data, target), ((data @ v * s - target) ** 2).mean())
    assert_close(model.get_layer("values").get_weights()[0], v - 0.1 * data.T @ ((data @ v * s - target) * s) / 6)


# -------------------------------------------------------------------------------------- the variational autoencoder

IMAGES = (STATE.uniform(size=(26, 12)) > STATE.uniform(size=12)) * 1.0
LATENT = 2


def parts():
    """Encoder, sampling and decoder as Keras's examples have them."""
    np.random.seed(5)
    x = Input((12,))
    h = Dense(8, activation="relu")(x)
    z_mean, z_log_var = Dense(LATENT, name="mean")(h), Dense(LATENT, name="log_var")(h)

    def sampling(args):
        mean, log_var = args
        epsilon = K.random_normal(shape=(K.shape(z_mean)[0], LATENT), mean=0.0, stddev=1.0)
        return mean + K.exp(log_var / 2) * epsilon

    z = Lambda(sampling, output_shape=(LATENT,))([z_mean, z_log_var])
    decoder_h, decoder_mean = Dense(8, activation="relu"), Dense(12, activation="sigmoid")
    return x, z_mean, z_log_var, z, decoder_h, decoder_mean


def learn(model, target, **options):
    history = model.fit(IMAGES, target, batch_size=8, epochs=60, verbose=0, **options).history
    first, last = np.mean(history["loss"][:3]), np.mean(history["loss"][-3:])
    assert last < 0.93 * first
    assert np.isfinite(history["loss"]).all()
    return history


def test_variational_autoencoder_with_a_loss_that_closes_over_its_tensors():
    x, z_mean, z_log_var, z, decoder_h, decoder_mean = parts()
    vae = Model(x, decoder_mean(decoder_h(z)))

    def vae_loss(x, x_decoded):
        cross = 12 * losses.binary_crossentropy(x, x_decoded)
        divergence = -0.5 * K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
        return cross + divergence

    vae.compile(optimizer="rmsprop", loss=vae_loss)
    learn(vae, IMAGES, validation_data=(IMAGES[:5], IMAGES[:5]))
    encoder = Model(x, z_mean)
    decoder_input = Input((LATENT,))
    generator = Model(decoder_input, decoder_mean(decoder_h(decoder_input)))
    assert encoder.predict(IMAGES).shape == (26, LATENT)
    made = generator.predict(STATE.normal(size=(7, LATENT)))
    assert made.shape == (7, 12)
    assert 0 < made.min() < made.max() < 1


def test_variational_autoencoder_with_a_layer_that_adds_the_loss():
    x, z_mean, z_log_var, z, decoder_h, decoder_mean = parts()

    class VariationalLoss(Layer):
        def __init__(self, **kwargs):
            self.is_placeholder = True
            super().__init__(**kwargs)

        def call(self, inputs):
            x, decoded = inputs
            cross = 12 * losses.binary_crossentropy(x, decoded)
            divergence = -0.5 * K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
            self.add_loss(K.mean(cross + divergence), inputs=inputs)
            return x

    vae = Model(x, VariationalLoss()([x, decoder_mean(decoder_h(z))]))
    vae.compile(optimizer="rmsprop", loss=None)
    history = learn(vae, None, validation_data=(IMAGES[:5], None))
    assert len(history["val_loss"]) == 60
    np.testing.assert_array_equal(vae.predict(IMAGES), IMAGES)


def test_variational_autoencoder_with_a_loss_added_to_the_model():
    x, z_mean, z_log_var, z, decoder_h, decoder_mean = parts()
    decoded = decoder_mean(decoder_h(z))
    vae = Model(x, decoded)
    cross = 12 * losses.binary_crossentropy(x, decoded)
    divergence = -0.5 * K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
    vae.add_loss(K.mean(cross + divergence))
    vae.compile(optimizer="rmsprop", loss=None)
    learn(vae, None)
    # with variances of nearly nothing the sampling is none, and the loss can be worked out by hand
    for layer in vae.layers:
        if layer.name == "log_var":
            layer.set_weights([np.zeros((8, LATENT)), np.full(LATENT, -40.0)])
    mean = Model(x, z_mean).predict(IMAGES)
    p = vae.predict(IMAGES)
    bits = -(IMAGES * np.log(p) + (1 - IMAGES) * np.log(1 - p)).sum(axis=1)
    assert_close(vae.evaluate(IMAGES, None, batch_size=26, verbose=0),
                 (bits - 0.5 * (1 - 40 - mean ** 2 - np.exp(-40.0)).sum(axis=1)).mean(), 1e-4)


def test_the_noise_of_a_sampling_layer_differs_by_batch_and_repeats_with_the_seed():
    def samples():
        np.random.seed(3)
        x = Input((4,))
        model = Model(x, Lambda(lambda t: K.random_normal((K.shape(t)[0], 2)))(x))
        return np.concatenate([model.predict(np.zeros((6, 4)), batch_size=4), model.predict(np.zeros((6, 4)))])

    found = samples()
    assert len(np.unique(found)) == found.size
    np.testing.assert_array_equal(samples(), found)


# ------------------------------------------------------------------------------------------ derivatives inside models


def test_a_gradient_inside_a_model():
    """Where a maximum came from, as the stacked what-where autoencoder asks with K.gradients."""
    np.random.seed(1)
    x = Input((6,))
    h = Dense(4, use_bias=False, name="h")(x)
    where = Lambda(lambda t: K.gradients(K.sum(K.max(t, axis=1)), [t])[0], name="where")(h)
    model = Model(x, Dense(2, use_bias=False, name="out")(Lambda(lambda t: t[0] * t[1])([h, where])))
    data, target = STATE.normal(size=(8, 6)), STATE.normal(size=(8, 2))
    w, v = (np.asarray(model.get_layer(n).get_weights()[0], "float64") for n in ("h", "out"))
    best = np.eye(4)[(data @ w).argmax(axis=1)]
    assert_close(model.predict(data), (data @ w * best) @ v)
    model.compile(SGD(0.1), "mse")
    model.train_on_batch(data, target)
    error = (data @ w * best) @ v - target
    assert_close(model.get_layer("h").get_weights()[0], w - 0.1 * data.T @ (error @ v.T * best) / 8)


def test_a_penalty_on_gradients_is_trained_through():
    """The gradient penalty of WGAN-GP: the optimizer takes the derivative of a derivative."""
    np.random.seed(1)
    x = Input((3,))
    hidden = Dense(5, activation="tanh", use_bias=False, name="hidden")(x)
    critic = Model(x, Dense(1, use_bias=False, name="score")(hidden))
    slope = K.gradients(K.sum(critic.output), [critic.input])[0]
    penalty = K.mean(K.square(K.sqrt(K.sum(K.square(slope), axis=1)) - 1))

    def loss(y_true, y_pred):
        return K.mean(y_true * y_pred) + 10 * penalty

    critic.compile(SGD(0.01), loss)
    data, sign = STATE.normal(size=(8, 3)), np.sign(STATE.normal(size=(8, 1)))
    w, v = (np.asarray(a, "float64") for a in critic.get_weights())

    def by_hand(w, v):
        t = np.tanh(data @ w)
        slopes = ((1 - t ** 2) * v.T) @ w.T
        return (sign * (t @ v)).mean() + 10 * ((np.sqrt((slopes ** 2).sum(axis=1)) - 1) ** 2).mean()

    def numeric(function, at, h=1e-6):
        grads = np.zeros_like(at)
        for i in np.ndindex(*at.shape):
            e = np.zeros_like(at)
            e[i] = h
            grads[i] = (function(at + e) - function(at - e)) / (2 * h)
        return grads

    assert_close(critic.train_on_batch(data, sign), by_hand(w, v), 1e-4)
    assert_close(critic.get_weights()[0], w - 0.01 * numeric(lambda at: by_hand(at, v), w), 1e-4)
    assert_close(critic.get_weights()[1], v - 0.01 * numeric(lambda at: by_hand(w, at), v), 1e-4)


def test_a_loss_over_a_hidden_layer():
    np.random.seed(1)
    model = Sequential([Dense(4, name="code", input_shape=(3,)), Dense(3)])
    code = model.get_layer("code").output
    model.compile(SGD(0.1), lambda t, p: losses.mean_squared_error(t, p) + 0.5 * K.mean(K.square(code), axis=-1))
    data = STATE.normal(size=(6, 3))
    want = ((model.predict(data) - data) ** 2).mean()
    hidden, = K.function([model.input], [code])([data])
    assert_close(model.evaluate(data, data, verbose=0), want + 0.5 * (hidden ** 2).mean())


def test_the_interpreter_trains_to_the_same_numbers():
    data, target = np.arange(21.0).reshape(7, 3) / 20, np.eye(2)[[0, 1, 1, 0, 1, 0, 0]]

    def train():
        np.random.seed(4)
        model = Sequential([Dense(4, activation="tanh", input_shape=(3,)), Dense(2, activation="softmax")])
        model.compile("adam", "categorical_crossentropy", metrics=["acc"])
        history = model.fit(data, target, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        return [*history["loss"], *history["acc"], *model.evaluate(data, target, verbose=0), *model.predict(data).flat]

    compiled = train()
    with K.debugging():
        assert_close(train(), compiled)


def test_the_interpreter_names_where_a_nan_comes_from():
    x = Input((3,))
    model = Model(x, Lambda(lambda t: K.log(t), name="logarithm")(Dense(2, kernel_initializer="zeros")(x)))
    model.compile("sgd", "mse")
    data = np.ones((4, 3))
    with K.debugging(), pytest.raises(FloatingPointError, match="log"):
        model.fit(data, data[:, :2], verbose=0)
    assert np.isneginf(model.predict(data)).all()
