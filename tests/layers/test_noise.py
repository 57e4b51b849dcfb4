"""What dropout and noise do in training: shares, scales, means, and which elements go together."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers


def in_training(layer, x):
    inputs = layers.Input(batch_shape=x.shape)
    output = layer(inputs)
    return K.function([inputs, K.learning_phase()], [output])([x, 1])[0]


ONES = np.ones((200, 100), "float32")


def test_dropout_drops_its_share_and_keeps_the_mean():
    y = in_training(layers.Dropout(0.3), ONES)
    assert np.unique(y).tolist() == [0, np.float32(1 / np.float32(0.7))]
    np.testing.assert_allclose([(y == 0).mean(), y.mean()], [0.3, 1], atol=0.02)


@pytest.mark.parametrize("rate", [0, 1])
def test_rates_at_the_ends_do_nothing(rate):
    assert np.array_equal(in_training(layers.Dropout(rate), ONES), ONES)


@pytest.mark.parametrize("rate", [1.5, 50, -0.5])
def test_rates_beyond_the_ends_do_nothing_but_warn(rate):
    with pytest.warns(UserWarning, match=f"rate is the share of inputs to drop, from 0 to 1, and with {rate} nothing"):
        layer = layers.Dropout(rate)
    assert np.array_equal(in_training(layer, ONES), ONES)


def test_noise_shape_ties_elements():
    x = np.ones((3, 50, 4), "float32")
    y = in_training(layers.Dropout(0.5, noise_shape=(None, 1, None)), x)
    assert (y == y[:, :1]).all() and 0 < y.mean() < 2


@pytest.mark.parametrize(("make", "shape", "tied"), [
    (lambda: layers.SpatialDropout1D(0.5), (20, 5, 10), (1,)),
    (lambda: layers.SpatialDropout2D(0.5), (20, 3, 4, 10), (1, 2)),
    (lambda: layers.SpatialDropout2D(0.5, data_format="channels_first"), (20, 10, 3, 4), (2, 3)),
    (lambda: layers.SpatialDropout3D(0.5), (20, 2, 3, 4, 10), (1, 2, 3)),
    (lambda: layers.SpatialDropout3D(0.5, "channels_first"), (20, 10, 2, 3, 4), (2, 3, 4))])
def test_spatial_dropout_drops_whole_maps(make, shape, tied):
    y = in_training(make(), np.ones(shape, "float32"))
    assert np.array_equal(y.min(axis=tied), y.max(axis=tied))
    assert abs((y == 0).mean() - 0.5) < 0.15


def test_spatial_dropout_refuses_unknown_layouts():
    with pytest.raises(ValueError, match="channels_middle"):
        layers.SpatialDropout2D(0.5, data_format="channels_middle")


def test_gaussian_noise_and_dropout():
    y = in_training(layers.GaussianNoise(0.5), ONES)
    np.testing.assert_allclose([y.mean(), y.std()], [1, 0.5], atol=0.02)
    y = in_training(layers.GaussianDropout(0.2), 3 * ONES)
    np.testing.assert_allclose([y.mean(), y.std()], [3, 1.5], atol=0.05)
    assert np.array_equal(in_training(layers.GaussianDropout(0), ONES), ONES)


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.RandomState(0).normal(size=(500, 100)).astype("float32")
    y = in_training(layers.AlphaDropout(0.2), x)
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=0.02)
    values, counts = np.unique(y, return_counts=True)
    dropped = values[counts.argmax()]  # the one value that many elements share
    assert dropped < 0 and abs(counts.max() / y.size - 0.2) < 0.02
    assert np.array_equal(in_training(layers.AlphaDropout(0), x), x)


def test_masking_zeroes_and_masks():
    x = np.array([[[1, 2], [-1, -1], [-1, 0]]], "float32")
    inputs = layers.Input(shape=(3, 2))
    layer = layers.Masking(-1)
    output, mask = K.function([inputs], [layer(inputs), layer.output_mask])([x])
    assert output.tolist() == [[[1, 2], [0, 0], [-1, 0]]] and mask.tolist() == [[True, False, True]]


def test_activity_regularization_is_a_sum_over_the_batch():
    inputs = layers.Input(shape=(2,))
    layer = layers.ActivityRegularization(l1=0.1, l2=0.01)
    layer(inputs)
    loss = K.function([inputs], layer.get_losses_for(inputs))([np.array([[1., -2.], [3., 0.]])])[0]
    np.testing.assert_allclose(loss, 0.1 * 6 + 0.01 * 14, rtol=1e-6)


@pytest.mark.parametrize("make", [
    lambda: layers.GaussianNoise(0.3), lambda: layers.GaussianDropout(0.3), lambda: layers.AlphaDropout(0.3),
    lambda: layers.SpatialDropout1D(0.3), lambda: layers.Lambda(lambda x: x + K.random_normal(K.shape(x))),
], ids=["GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout1D", "Lambda"])
def test_an_axis_of_length_1_stays_known(make):
    output = make()(layers.Input((5, 1)))
    assert K.int_shape(output) == (None, 5, 1)
    layers.Dense(2)(output)


def test_random_numbers_of_a_shape_read_from_a_tensor_know_its_axes():
    x = layers.Input((5, 1))
    assert K.int_shape(K.random_uniform(K.shape(x))) == (None, 5, 1)
    assert K.int_shape(K.random_uniform([K.shape(x)[0], K.shape(x)[-1], 3])) == (None, 1, 3)
