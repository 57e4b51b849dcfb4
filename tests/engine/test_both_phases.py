"""Layers of a program that ask for the phase in Python, and calls that say it."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Dropout, Input, Layer
from gpukeras.models import Model, Sequential
from gpukeras.tensorflow1.names import named

ONES, ZEROS = np.ones((4, 2)), np.zeros((4, 2))


class Doubling(Layer):
    def call(self, inputs, training=None):
        if training:
            self.add_loss(K.constant(100.0))
            return inputs * 2.0
        return inputs


class Told(Layer):
    def call(self, inputs, training=None):
        if training is None:  # no question of what it is
            training = K.learning_phase()
        return K.in_train_phase(inputs * 2.0, inputs, training=training)


class Negative(Layer):
    """Asks the other way round, of layers inside."""

    def __init__(self):
        super().__init__()
        self.dense = Dense(2, kernel_initializer="ones", use_bias=False)

    def call(self, inputs, training):
        found = self.dense(inputs)
        if not training:
            found = -found
        self.add_metric(found, name="found", aggregation="mean")
        return found


def test_a_layer_asks_in_python():
    stack = Sequential([Doubling(input_shape=(2,)), Dense(2, kernel_initializer="ones")])
    stack.compile("sgd", "mae")
    assert stack.test_on_batch(ONES, ZEROS) == 2.0 and stack.train_on_batch(ONES, ZEROS) == 104.0
    x = Input((2,))
    assert Model(x, Doubling()(x, training=True)).predict(ONES)[0, 0] == 2.0
    assert Doubling()(ONES).numpy()[0, 0] == 1.0 and Doubling()(ONES, training=True).numpy()[0, 0] == 2.0


@pytest.mark.parametrize(("layer", "trains", "tests"), [(Told, 2.0, 1.0), (Negative, 2.0, -2.0)])
def test_both_phases_in_one_model(layer, trains, tests):
    x = Input((2,))
    y = layer()(x)
    run = K.function([x, K.learning_phase()], [y])
    assert run([ONES, 1.0])[0][0, 0] == trains and run([ONES, 0.0])[0][0, 0] == tests


def test_metrics_of_both_phases():
    model = Sequential([Negative()])
    model.build((None, 2))
    model.compile("sgd", "mse")
    assert dict(zip(model.metrics_names, model.test_on_batch(ONES, ZEROS)))["found"] == -2.0


def test_training_may_be_said_of_any_layer():
    class Plain(Model):
        def __init__(self):
            super().__init__()
            self.drop = Dropout(0.5)

        def call(self, inputs):
            return self.drop(inputs)

    many = np.ones((4, 50))
    for model in (Plain(), Sequential([Plain()])):
        assert (model(many, training=True).numpy() == 0).any() and (model(many, training=False).numpy() == 1).all()
    assert Dense(2)(ONES, training=True).shape == (4, 2)


def test_variables_of_tensorflow_are_weights():
    class Affine(Layer):
        def __init__(self):
            super().__init__()
            start = named("random_normal_initializer")()
            self.w = named("Variable")(initial_value=start(shape=(2, 3), dtype="float32"), trainable=True)
            self.count = named("Variable")(named("zeros_initializer")()(shape=(3,)), trainable=False)
            self.other = K.variable([1.0])  # Keras's: no weight

        def call(self, inputs):
            return named("matmul")(inputs, self.w) + self.count

    layer = Affine()
    assert [w.shape for w in layer.trainable_weights] == [(2, 3)] and len(layer.weights) == 2
    model = Sequential([layer])
    model.build((None, 2))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(ONES, np.ones((4, 3)), verbose=0)
    assert (before[0] != model.get_weights()[0]).all() and (model.get_weights()[1] == 0).all()

    class Whole(Model):
        def __init__(self):
            super().__init__()
            self.w = named("Variable")(np.ones((2, 1), "float32"))

        def call(self, inputs):
            return K.dot(inputs, self.w)

    whole = Whole()
    whole.compile("sgd", "mse")
    whole.fit(ONES, np.zeros((4, 1)), verbose=0)
    assert len(whole.trainable_weights) == 1 and (whole.get_weights()[0] < 1).all()
    with named("distribute.MirroredStrategy")().scope() as strategy:
        assert strategy.num_replicas_in_sync == 1
