"""BatchNormalization: both phases, the moving values, freezing, sharing, gradients through the statistics."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import BatchNormalization, Dense, Input, TimeDistributed, add
from gpukeras.models import Model, Sequential, load_model
from gpukeras.optimizers import SGD

RNG = np.random.RandomState(8)


pytestmark = pytest.mark.usefixtures("float64")


def weights_of(layer):
    return dict(zip([w.name.split("/")[1].split(":")[0] for w in layer.weights], layer.get_weights()))


def built(shape, **kwargs):
    """A layer with random weights, its input and both phases' function of (x, phase)."""
    layer, inputs = BatchNormalization(**kwargs), Input(shape=shape)
    output = layer(inputs)
    layer.set_weights([np.abs(RNG.normal(size=w.shape)) + 0.1 for w in layer.get_weights()])
    return layer, inputs, output, K.function([inputs, K.learning_phase()], [output])


@pytest.mark.parametrize(("shape", "axis"), [((4,), -1), ((4,), 1), ((3, 4), 1), ((3, 4), -2), ((2, 3, 4), 2),
                                             ((2, 3, 4), -1), ((2, 3, 2, 3), 1)])
@pytest.mark.parametrize(("center", "scale"), [(True, True), (False, True), (True, False), (False, False)])
def test_both_phases(shape, axis, center, scale):
    layer, _, _, f = built(shape, axis=axis, epsilon=0.01, center=center, scale=scale)
    x = RNG.normal(2, 3, size=(6, *shape))
    w = weights_of(layer)
    assert list(w) == ["gamma"] * scale + ["beta"] * center + ["moving_mean", "moving_variance"]
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    spread = [1] * x.ndim
    spread[axis] = -1

    def expected(mean, variance):
        y = (x - mean) / np.sqrt(variance + 0.01)
        return y * w.get("gamma", np.ones(1)).reshape(spread) + w.get("beta", np.zeros(1)).reshape(spread)

    moving = (w["moving_mean"].reshape(spread), w["moving_variance"].reshape(spread))
    np.testing.assert_allclose(f([x, 0])[0], expected(*moving), rtol=1e-10, atol=1e-12)
    batch = (x.mean(others, keepdims=True), x.var(others, keepdims=True))
    np.testing.assert_allclose(f([x, 1])[0], expected(*batch), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("trainable", [True, False])
def test_moving_values_follow_the_batches(trainable):
    """Biased variance; freezing the layer keeps gamma and beta only."""
    layer = BatchNormalization(momentum=0.8, input_shape=(2, 3), trainable=trainable)
    model = Sequential([layer, Dense(1)])
    model.compile("sgd", "mse")
    mean, variance = np.zeros(3), np.ones(3)
    gamma = weights_of(layer)["gamma"]
    for _ in range(3):
        x = RNG.normal(1, 2, size=(5, 2, 3))
        model.train_on_batch(x, RNG.normal(size=(5, 2, 1)))
        mean = 0.8 * mean + 0.2 * x.mean((0, 1))
        variance = 0.8 * variance + 0.2 * x.var((0, 1))
    now = weights_of(layer)
    np.testing.assert_allclose(now["moving_mean"], mean, rtol=1e-10)
    np.testing.assert_allclose(now["moving_variance"], variance, rtol=1e-10)
    assert np.array_equal(now["gamma"], gamma) is not trainable
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == ((2, 2) if trainable else (0, 4))
    model.predict(x)
    model.evaluate(x, np.zeros((5, 2, 1)), verbose=0)
    assert np.array_equal(weights_of(layer)["moving_mean"], now["moving_mean"])


def test_training_argument_overrules_the_phase():
    layer, inputs = BatchNormalization(), Input(shape=(3,))
    x = np.random.RandomState(0).normal(2, 3, size=(6, 3))
    frozen = layer(inputs, training=False)
    assert not layer.updates and not frozen._uses_learning_phase
    always = layer(inputs, training=True)
    assert len(layer.updates) == 2 and not always._uses_learning_phase
    by_phase = layer(inputs)
    assert by_phase._uses_learning_phase
    f = K.function([inputs, K.learning_phase()], [frozen, always, by_phase])
    (moving, batch, inference), (_, _, training) = f([x, 0]), f([x, 1])
    np.testing.assert_array_equal(moving, inference)
    np.testing.assert_array_equal(batch, training)
    assert abs(batch.mean()) < 1e-9 < 1 < abs(moving.mean())


def test_updates_belong_to_their_call():
    layer, a, b = BatchNormalization(), Input(shape=(3,)), Input(shape=(3,))
    layer(a)
    output = layer(b)
    assert len(layer.updates) == 4 and len(layer.get_updates_for(a)) == len(layer.get_updates_for(b)) == 2
    assert not layer.get_updates_for(None)
    model = Model(b, output)
    assert len(model.updates) == 2
    model.compile("sgd", "mse")
    x = RNG.normal(size=(4, 3))
    model.train_on_batch(x, x)
    np.testing.assert_allclose(weights_of(layer)["moving_mean"], 0.01 * x.mean(0), rtol=1e-9)


def averaged(batches, steps, momentum=0.8):
    """The moving mean and variance after steps that see these batches one after another, from 0 and 1."""
    mean, variance = 0.0, 1.0
    for x in batches * steps:
        mean, variance = (momentum * old + (1 - momentum) * new for old, new in (
            (mean, x.mean(0)), (variance, x.var(0))))
    return mean, variance


def siamese(inner, calls, loss_of=lambda outputs: add(outputs)):
    inputs = [Input(shape=(3,)) for _ in range(calls)]
    model = Model(inputs, loss_of([inner(x) for x in inputs]))
    model.compile(SGD(0.0), "mse")
    return model


def in_a_model(layer):
    inputs = Input(shape=(3,))
    return Model(inputs, layer(inputs))


def in_a_sequential(layer):
    return Sequential([Dense(3, kernel_initializer="identity", input_shape=(3,)), layer])


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("around", [lambda layer: layer, in_a_model, in_a_sequential,
                                    lambda layer: in_a_model(in_a_model(layer))])
@pytest.mark.parametrize(("calls", "steps"), [(2, 1), (2, 5), (3, 1), (3, 5)])
def test_every_call_in_a_step_moves_the_averages(around, calls, steps, trainable):
    layer = BatchNormalization(momentum=0.8, trainable=trainable)
    model = siamese(around(layer), calls)
    assert len(model.updates) == 2 * calls
    batches = [RNG.normal(mean, 2, size=(6, 3)) for mean in (2, 20, -7)[:calls]]
    for _ in range(steps):
        model.train_on_batch(batches, np.zeros((6, 3)))
    np.testing.assert_allclose(layer.get_weights()[-2:], averaged(batches, steps), rtol=1e-12)


def test_a_loaded_model_goes_on_with_every_call(tmp_path):
    batches = [RNG.normal(mean, 2, size=(6, 3)) for mean in (2, 20)]
    model = siamese(in_a_model(BatchNormalization(momentum=0.8)), 2)
    model.train_on_batch(batches, np.zeros((6, 3)))
    model.save(str(tmp_path / "model.h5"))
    model = load_model(str(tmp_path / "model.h5"))
    model.train_on_batch(batches, np.zeros((6, 3)))
    np.testing.assert_allclose(model.get_weights()[-2:], averaged(batches, 2), rtol=1e-12)


def test_a_wrapper_called_twice_moves_the_averages_twice():
    layer = BatchNormalization(momentum=0.8)
    each, inputs = TimeDistributed(layer), [Input(shape=(2, 3)) for _ in range(2)]
    model = Model(inputs, add([each(x) for x in inputs]))
    model.compile("sgd", "mse")
    batches = [RNG.normal(mean, 2, size=(6, 3)) for mean in (2, 20)]
    model.train_on_batch([x.reshape(3, 2, 3) for x in batches], np.zeros((3, 2, 3)))
    np.testing.assert_allclose(layer.get_weights()[-2:], averaged(batches, 1), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Discrepancy between trainable")  # after compile, as GANs freeze it
def test_a_discriminator_moves_its_averages_in_every_model():
    """Once a batch of its own, of the models around it too, as Keras 2.0.9 does; in a critic of two calls twice."""
    layer = BatchNormalization(momentum=0.8, input_shape=(3,))
    judge = Sequential([layer, Dense(1)])
    judge.compile(SGD(0.0), "mse")
    critic = siamese(judge, 2, lambda outputs: outputs)
    judge.trainable = False
    adversary = siamese(judge, 1, lambda outputs: outputs[0])
    real, made, other = (RNG.normal(mean, 2, size=(6, 3)) for mean in (2, 20, -7))
    ones = np.ones((6, 1))
    judge.train_on_batch(real, ones)
    adversary.train_on_batch(other, ones)
    critic.train_on_batch([real, made], [ones, ones])
    np.testing.assert_allclose(layer.get_weights()[-2:], averaged([real, other, real, made], 1), rtol=1e-12)


@pytest.mark.parametrize(("shape", "axis"), [((3,), -1), ((3, 2, 2), 1)])
def test_gradient_through_the_statistics(shape, axis):
    layer, inputs, output, _ = built(shape, axis=axis, epsilon=0.1)
    x = RNG.normal(size=(4, *shape))
    loss = K.sum(output * K.constant(RNG.normal(size=x.shape)))
    f = K.function([inputs, K.learning_phase()], [loss, *K.gradients(loss, [inputs, *layer.trainable_weights])])
    values, h = layer.get_weights(), 1e-5
    steps = [RNG.normal(size=v.shape) for v in (x, *values[:2])]

    def value(t):
        layer.set_weights([*(v + t * s for v, s in zip(values, steps[1:])), *values[2:]])
        return f([x + t * steps[0], 1])[0]

    expected = (value(h) - value(-h)) / (2 * h)
    layer.set_weights(values)
    got = sum(np.sum(g * s) for g, s in zip(f([x, 1])[1:], steps))
    np.testing.assert_allclose(got, expected, rtol=1e-7)


@pytest.mark.parametrize(("shape", "axis"), [((None, 4), 1), ((4,), 2), ((4,), -3)])
def test_features_must_be_known(shape, axis):
    with pytest.raises(ValueError, match=f"'bn' normalizes axis {axis} and must know"):
        BatchNormalization(axis=axis, name="bn")(Input(shape=shape))


def test_large_offsets_do_not_spoil_the_variance():
    K.set_floatx("float32")
    layer, inputs = BatchNormalization(), Input(shape=(2,))
    f = K.function([inputs, K.learning_phase()], [layer(inputs)])
    x = (1000 + RNG.normal(size=(500, 2))).astype("float32")
    y = f([x, 1])[0]
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=2e-3)
