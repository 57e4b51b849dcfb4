"""Programs of newer Keras's days whose loss is more than a function of targets and outputs: autoencoders with a
divergence, networks against each other, distances. The numbers are Keras 2.15's (to the digits given) for the same
weights, with noise that is always 0.5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import losses, metrics
from gpukeras.constraints import Constraint
from gpukeras.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Input,
    Lambda,
    Layer,
    LeakyReLU,
    concatenate,
)
from gpukeras.losses import binary_crossentropy
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD, Adam, RMSprop

X = np.random.RandomState(1).rand(40, 12).astype("float32")
OTHERS = np.random.RandomState(2).rand(16, 12).astype("float32")
LABELS = np.random.RandomState(4).randint(0, 3, 40)
ONES, ZEROS = np.ones((8, 1)), np.zeros((8, 1))


def begin(*models):
    """The weights that all numbers are for."""
    state = np.random.RandomState(7)
    for model in models:
        model.set_weights([0.3 * state.randn(*w.shape) if w.ndim > 1 else w for w in model.get_weights()])


def sample(parts):
    mean, log_var = parts
    return mean + K.exp(0.5 * log_var) * 0.5 * K.ones_like(mean)


def divergence(mean, log_var):
    return -0.5 * K.sum(1 + log_var - K.square(mean) - K.exp(log_var), axis=-1)


def fitted(model, *data, **more):
    return model.fit(*data, verbose=0, shuffle=False, **{"epochs": 2, "batch_size": 10, **more}).history


def autoencoder():
    x = Input((12,))
    h = Dense(8, activation="relu")(x)
    mean, log_var = Dense(2)(h), Dense(2)(h)
    encoder = Model(x, [mean, log_var, Lambda(sample)([mean, log_var])], name="encoder")
    code = Input((2,))
    decoder = Model(code, Dense(12, activation="sigmoid")(Dense(8, activation="relu")(code)), name="decoder")
    y = decoder(encoder(x)[2])
    model = Model(x, y)
    model.add_loss(K.mean(binary_crossentropy(x, y) * 12 + divergence(mean, log_var)))
    model.compile(optimizer="sgd")
    begin(model)
    return fitted(model, X, epochs=3, batch_size=8, validation_data=(OTHERS, None))


def autoencoder_as_a_subclass():
    class Encoder(Layer):
        def __init__(self):
            super().__init__()
            self.first, self.mean, self.log_var = Dense(6, activation="relu"), Dense(3), Dense(3)

        def call(self, inputs):
            h = self.first(inputs)
            mean, log_var = self.mean(h), self.log_var(h)
            return mean, log_var, sample((mean, log_var))

    class Autoencoder(Model):
        def __init__(self):
            super().__init__()
            self.encoder = Encoder()
            self.decoder = Sequential([Dense(6, activation="relu"), Dense(12, activation="sigmoid")])

        def call(self, inputs):
            mean, log_var, code = self.encoder(inputs)
            kl = -0.5 * K.mean(log_var - K.square(mean) - K.exp(log_var) + 1)
            self.add_loss(kl)
            self.add_metric(kl, name="kl", aggregation="mean")
            return self.decoder(code)

    model = Autoencoder()
    model.compile(Adam(1e-2), loss=losses.MeanSquaredError())
    model(X[:1])
    begin(model)
    return fitted(model, X, X, batch_size=8)


class Clip(Constraint):
    def __call__(self, w):
        return K.clip(w, -0.1, 0.1)


def networks(constraint=None):
    generator = Sequential([Dense(8, input_shape=(4,)), LeakyReLU(0.2), BatchNormalization(momentum=0.8),
                            Dense(12, activation="tanh")])
    return generator, Sequential([Dense(8, input_shape=(12,), kernel_constraint=constraint), LeakyReLU(0.2),
                                  Dense(1, kernel_constraint=constraint)])


def adversaries():
    generator, critic = networks()
    discriminator = Sequential([critic, Activation("sigmoid")])
    discriminator.compile(Adam(0.01, 0.5), "binary_crossentropy", metrics=["accuracy"])
    z = Input((4,))
    discriminator.trainable = False
    both = Model(z, discriminator(generator(z)))
    both.compile(Adam(0.01, 0.5), "binary_crossentropy")
    begin(generator, discriminator)
    state, found = np.random.RandomState(5), []
    for _ in range(3):
        rows = state.randint(0, 40, 8)
        fake = generator.predict(state.normal(0, 1, (8, 4)))
        real_loss = discriminator.train_on_batch(X[rows], ONES)[0]
        fake_loss = discriminator.train_on_batch(fake, ZEROS)[0]
        found.append([(real_loss + fake_loss) / 2, both.train_on_batch(state.normal(0, 1, (8, 4)), ONES)])
    return found


def adversaries_by_a_distance():
    def wasserstein(y_true, y_pred):
        return K.mean(y_true * y_pred)

    generator, critic = networks(Clip())
    critic.compile(RMSprop(5e-3), wasserstein)
    critic.trainable = False
    both = Sequential([generator, critic])
    both.compile(RMSprop(5e-3), wasserstein)
    begin(generator, critic)
    state, found = np.random.RandomState(5), []
    for _ in range(3):
        for _ in range(2):
            noise = state.normal(0, 1, (8, 4))
            values = [critic.train_on_batch(X[:8], -ONES), critic.train_on_batch(generator.predict(noise), ONES)]
            for layer in critic.layers:
                layer.set_weights([np.clip(w, -0.1, 0.1) for w in layer.get_weights()])
        found.append([*values, both.train_on_batch(noise, -ONES)])
    return found


def triplets():
    base = Sequential([Dense(6, activation="relu", input_shape=(12,)), Dense(3),
                       Lambda(lambda t: K.l2_normalize(t, axis=-1))])
    places = [Input((12,)) for _ in range(3)]
    a, p, n = map(base, places)
    near, far = K.sum(K.square(a - p), -1), K.sum(K.square(a - n), -1)
    model = Model(places, concatenate([a, p, n]))
    model.add_loss(K.mean(K.maximum(near - far + 0.4, 0.0)))
    model.add_metric(K.mean(near), name="near", aggregation="mean")
    model.compile(Adam(0.01))
    begin(base)

    def batches():
        state = np.random.RandomState(8)
        while True:
            yield [X[state.randint(0, 40, 8)], X[state.randint(0, 40, 8)], OTHERS[state.randint(0, 16, 8)]], None

    return model.fit_generator(batches(), steps_per_epoch=4, epochs=2, verbose=0).history


def endpoint():
    class Endpoint(Layer):
        """Takes the targets as an input, and has loss and metric."""

        def __init__(self, name=None):
            super().__init__(name=name)
            self.loss_fn = losses.BinaryCrossentropy(from_logits=True)
            self.accuracy_fn = metrics.BinaryAccuracy(name="accuracy")

        def call(self, logits, targets=None, sample_weight=None):
            if targets is not None:
                self.add_loss(self.loss_fn(targets, logits, sample_weight))
                self.add_metric(self.accuracy_fn(targets, logits, sample_weight))
            return K.sigmoid(logits)

    x, y = Input((12,), name="inputs"), Input((1,), name="targets")
    logits = Dense(1)(x)
    model = Model([x, y], Endpoint(name="predictions")(logits, y))
    model.compile(SGD(0.5))
    begin(model)
    targets = (X.sum(1, keepdims=True) > 6).astype("float32")
    found = fitted(model, {"inputs": X, "targets": targets}, epochs=3, batch_size=8)
    assert Model(x, model.get_layer("predictions")(logits)).predict(X).sum() == pytest.approx(24.281, abs=2e-3)
    return found


def distillation():
    teacher = Sequential([Dense(3, input_shape=(12,))])
    student = Sequential([Dense(4, activation="relu", input_shape=(12,)), Dense(3)])
    teacher.trainable = False
    x, y = Input((12,)), Input((1,))
    s, t = student(x), teacher(x)
    model = Model([x, y], Activation("softmax")(s))
    hard = K.mean(losses.sparse_categorical_crossentropy(y, K.softmax(s)))
    soft = K.mean(losses.kullback_leibler_divergence(K.softmax(t / 2.0), K.softmax(s / 2.0)))
    model.add_loss(0.3 * hard + 0.7 * soft)
    model.compile(Adam(0.01))
    begin(teacher, student)
    return fitted(model, [X, LABELS[:, None]])


def a_loss_as_a_class():
    class Focal(losses.Loss):
        def __init__(self, gamma=2.0, name="focal", **kwargs):
            super().__init__(name=name, **kwargs)
            self.gamma = gamma

        def call(self, y_true, y_pred):
            p = K.clip(y_pred, 1e-6, 1 - 1e-6)
            right = y_true * p + (1 - y_true) * (1 - p)
            return -K.mean(K.pow(1 - right, self.gamma) * K.log(right), axis=-1)

    model = Sequential([Dense(6, activation="relu", input_shape=(12,)), Dense(3, activation="sigmoid")])
    model.compile(Adam(0.01), Focal())
    begin(model)
    return fitted(model, X, np.eye(3)[LABELS])


def a_loss_by_the_model():
    class Mine(Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.tracker, self.mae = metrics.Mean(name="loss"), metrics.MeanAbsoluteError(name="mae")

        def compute_loss(self, x, y, y_pred, sample_weight=None):
            loss = K.mean(losses.mean_squared_error(y, y_pred)) + sum(self.losses)
            self.tracker.update_state(loss)
            self.mae.update_state(y, y_pred)
            return loss

        @property
        def metrics(self):
            return [self.tracker, self.mae]

    x = Input((12,))
    model = Mine(x, Dense(1, kernel_regularizer="l2")(Dense(4, activation="relu")(x)))
    model.compile(SGD(0.05))
    begin(model)
    return fitted(model, X, X.sum(1, keepdims=True))


KERAS: dict[Any, Any] = {
    autoencoder: {"loss": [8.4024, 8.3791, 8.3639], "val_loss": [8.3807, 8.3640, 8.3529]},
    autoencoder_as_a_subclass: {"kl": [0.0186, 0.0082], "loss": [0.1092, 0.0963]},
    adversaries: [[0.6457, 0.7013], [0.6181, 0.7338], [0.5946, 0.7101]],
    adversaries_by_a_distance: [[-0.03508, 0.00887, 0.00062], [-0.04746, -0.00489, 0.011],
                                [-0.05423, 0.01091, 0.01403]],
    triplets: {"loss": [0.5797, 0.351], "near": [0.5357, 0.0967]},
    endpoint: {"accuracy": [0.5, 0.475, 0.45], "loss": [0.7413, 0.7182, 0.6971]},
    distillation: {"loss": [0.3569, 0.3437]},
    a_loss_as_a_class: {"loss": [0.1847, 0.1639]},
    a_loss_by_the_model: {"loss": [21.7198, 0.4923], "mae": None},
}


@pytest.mark.filterwarnings("ignore:Discrepancy between trainable weights")  # Keras says that of such programs, too
@pytest.mark.parametrize("program", KERAS, ids=lambda program: program.__name__)
def test_as_in_keras(program):
    found, expected = program(), KERAS[program]
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        found, expected = [[of[name] for name in expected if expected[name]] for of in (found, expected)]
    for mine, theirs in zip(found, expected):
        np.testing.assert_allclose(mine, theirs, atol=3e-4)
