"""Rescaling, Normalization and LayerNormalization; recorded numbers are those of Keras 2.15."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.engine.serialization import json_ready
from gpukeras.layers import (
    Dense,
    DepthwiseConv1D,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Input,
    LayerNormalization,
    Masking,
    Normalization,
    Rescaling,
)
from gpukeras.models import Model, Sequential
from gpukeras.utils import Sequence


def numbers(*shape, seed=0):
    return np.asarray(np.round(np.random.RandomState(seed).uniform(-1, 1, shape), 2))


Q, V, GRID = numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 3, 2, 4, seed=4)


def run(layer, x, masked=False):
    """The layer's output, with weights as in the run of Keras unless it was adapted."""
    inputs = Input(x.shape[1:])
    model = Model(inputs, layer(Masking()(inputs) if masked else inputs))
    if not isinstance(layer, Normalization):
        model.set_weights([numbers(*w.shape, seed=7 + i) for i, w in enumerate(model.get_weights())])
    return model.predict(x)


def check(value, shape, first, total):
    assert value.shape == shape
    np.testing.assert_allclose(value.ravel()[:len(first)], first, atol=2e-5)
    assert value.sum() == pytest.approx(total, abs=2e-4)


def test_layer_normalization():
    check(run(LayerNormalization(), Q), (2, 3, 4), [1.40071, 1.82732, 0.73786, -0.31654, 1.53576], 17.1973)
    check(run(LayerNormalization(axis=[1, 3], epsilon=0.1), GRID), (2, 3, 2, 4),
          [-0.25491, 0.97425, 0.59493, 0.29172, 0.58344], 1.9828)
    check(run(LayerNormalization(axis=1, center=False), GRID), (2, 3, 2, 4),
          [-1.16396, -1.11389, -0.79539, -0.24707, -0.15933], -0.9104)
    assert [w.shape for w in _built(LayerNormalization(axis=(3, 1)), (None, 3, 2, 4)).get_weights()] == [(3, 4)] * 2


def _built(layer, shape):
    layer.build(shape)
    return layer


def test_layer_normalization_is_the_same_in_training_and_passes_masks():
    layer, inputs = LayerNormalization(), Input((3, 4))
    output = layer(Masking()(inputs))
    assert not output._uses_learning_phase and not layer.updates
    assert layer.inbound_nodes[0].output_masks[0] is layer.inbound_nodes[0].input_masks[0] is not None
    far = (1e4 + np.random.RandomState(0).normal(size=(50, 3, 4))).astype("float32")
    y = Model(inputs, output).predict(far)
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=5e-2)


@pytest.mark.parametrize("axis, shape, complaint", [
    (0, (3,), "axis 0 is not an axis of each sample"), (-2, (3,), "axis -2 is not"), (2, (3,), "axis 2 is not"),
    ((), (3,), "is not an axis"), (1, (None, 4), "must know its length"),
])
def test_layer_normalization_refuses(axis, shape, complaint):
    with pytest.raises(ValueError, match=f"'ln'.*{complaint}"):
        LayerNormalization(axis=axis, name="ln")(Input(shape))


def test_rescaling():
    check(run(Rescaling(2.0, -1.0), Q), (2, 3, 4), [-0.8, -0.14, -0.58, -0.82], -13.36)
    pixels = Input((2,), dtype="uint8")
    value = Model(pixels, Rescaling(1 / 255)(pixels)).predict(np.uint8([[0, 255]]))
    assert value.dtype == np.float32 and value.tolist() == [[0, 1]]


def test_normalization_with_given_statistics():
    check(run(Normalization(mean=[1, 2, 3, 4.0], variance=2.0), Q), (2, 3, 4),
          [-0.6364, -1.11016, -1.97283, -2.76479], -38.6646)
    layer = Normalization(mean=np.array([1, 2.0]), variance=1)
    assert json.loads(json.dumps(layer.get_config(), default=json_ready)).items() >= {
        "axis": [-1], "invert": False, "mean": [1.0, 2.0], "variance": 1}.items()
    assert not _built(layer, (None, 2)).weights
    np.testing.assert_allclose(run(Normalization(mean=0, variance=0), Q), Q / K.epsilon(), rtol=1e-5)


ADAPTED = [
    ({}, V, {}, [0.15159, 0.097, 1.95872, 0.44799],
     [[0.013, 0.381, -0.604, -0.117], [0.32938, 0.25519, 0.1727, 0.2135], 10]),
    ({"axis": (1, 2), "invert": True}, Q, {"batch_size": 1}, [0.122, 0.7303, -0.21265, -0.3286],
     [[[0.12, 0.64, -0.325, -0.37], [-0.555, 0.48, 0.22, 0.76], [0.945, 0.185, 0.25, 0.31]],
      [[0.0004, 0.0441, 0.28622, 0.2116], [0.16402, 0.0361, 0.1156, 0.0004], [0.00022, 0.17223, 0.1089, 0.0625]], 2]),
    ({"axis": None}, Q, {}, [-0.22434, 0.38414, -0.02151, -0.24278], [0.22167, 0.29412, 24]),
]


@pytest.mark.parametrize("options, data, how, first, weights", ADAPTED, ids=["last", "two", "none"])
@pytest.mark.parametrize("source", ["array", "list", "sequence", "generator", "twice"])
def test_adapt(options, data, how, first, weights, source):
    class Batches(Sequence):
        def __len__(self):
            return len(data)

        def __getitem__(self, index):
            return data[index:index + 1]

    layer = Normalization(**options)
    if source == "twice":
        layer.adapt(data + 3)
    steps = {"steps": len(data)} if source == "generator" else {}
    endless = (data[i % len(data)][None] for i in range(10**6))
    layer.adapt({"sequence": Batches(), "generator": endless, "list": data.tolist()}.get(source, data), **how, **steps)
    for got, expected in zip(layer.get_weights(), weights):
        np.testing.assert_allclose(got, expected, atol=2e-5)
    assert layer.get_weights()[2].dtype == np.int64 and not layer.trainable_weights
    np.testing.assert_allclose(run(layer, Q).ravel()[:4], first, atol=3e-5)


def test_adapt_in_a_model():
    """Adapting after the model was made takes effect; training leaves the statistics alone."""
    layer = Normalization(input_shape=(2,))
    model = Sequential([layer, Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.RandomState(0).normal([10, -5], [2, 3], (200, 2))
    before = model.predict(x)
    layer.adapt(x, batch_size=7)
    np.testing.assert_allclose(layer.get_weights()[0], x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer.get_weights()[1], x.var(0), rtol=1e-6)
    assert abs(model.predict(x) - before).max() > 1
    model.fit(x, x[:, 0], epochs=1, verbose=0)
    np.testing.assert_allclose(layer.get_weights()[0], x.mean(0), rtol=1e-6)
    whole = Normalization()
    whole.adapt(x[:, 0])  # a plain list of numbers is one feature
    assert whole.get_weights()[0].shape == (1,)
    copy = Sequential.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))


def test_far_from_zero():
    x = 1e6 + np.random.RandomState(0).normal(size=(1000, 1))
    layer = Normalization()
    layer.adapt(x, batch_size=33)
    np.testing.assert_allclose(layer.get_weights()[1], x.var(0), rtol=1e-6)


def test_what_normalization_refuses():
    wrong = [
        (lambda: Normalization(mean=1), "give both mean and variance"),
        (lambda: Normalization(mean=1, variance=2).adapt(Q), "was given its mean and variance"),
        (lambda: Normalization().adapt(np.zeros((0, 3))), "no data to adapt to"),
        (lambda: Normalization().adapt([]), "no data to adapt to"),
        (lambda: Normalization(axis=3)(Input((4,))), "axis \\(3,\\) is not there"),
        (lambda: Normalization(axis=1)(Input((None, 4))), "must know its length"),
    ]
    for make, complaint in wrong:
        with pytest.raises(ValueError, match=complaint):
            make()


def test_pooling_with_a_mask():
    x = V.copy()
    x[0, 1] = x[1, 3:] = 0
    first = [-0.285, 0.35, -0.7075, -0.0725, 0.23, 0.83]
    check(run(GlobalAveragePooling1D(), x, masked=True), (2, 4), first, -0.555)
    check(run(GlobalAveragePooling1D(keepdims=True), x, masked=True), (2, 1, 4), first, -0.555)
    inputs = Input((5, 4))
    layer = GlobalAveragePooling1D(data_format="channels_first")
    turned = Input((4, 5))
    output = layer(turned, mask=K.constant((x != 0).any(2) * 1.0))
    np.testing.assert_allclose(K.function([turned], [output])([x.transpose(0, 2, 1)])[0].ravel()[:6], first, atol=1e-5)
    layer = GlobalAveragePooling1D()
    layer(Masking()(inputs))
    assert layer.inbound_nodes[0].output_masks == [None]
    with pytest.raises(TypeError, match="does not support masking"):
        GlobalMaxPooling1D()(Masking()(inputs))


def test_depthwise_convolution():
    check(run(DepthwiseConv1D(3, padding="same", depth_multiplier=2), V), (2, 5, 8),
          [1.2329, 1.011, 0.1932, 1.1074, -0.416, -0.677], 9.0263)
    check(run(DepthwiseConv1D(2, strides=2, activation="tanh"), V), (2, 2, 4),
          [0.20974, 0.80785, 0.69626, 0.14556, 0.34706], 9.4771)
    with pytest.raises(ValueError, match="padding of a DepthwiseConv1D must be 'valid' or 'same'"):
        DepthwiseConv1D(2, padding="causal")
