"""Weights moved between Theano's and TensorFlow's conventions."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras.layers import Conv1D, Conv2D, Conv2DTranspose, Conv3D, Dense, Flatten, SeparableConv2D
from gpukeras.models import Sequential
from gpukeras.utils import convert_all_kernels_in_model
from gpukeras.utils.layer_utils import convert_dense_weights_data_format


@pytest.mark.parametrize("layer, axes", [
    (Conv1D(2, 3, input_shape=(5, 2)), (0,)), (Conv2D(2, (3, 2), input_shape=(5, 5, 2)), (0, 1)),
    (Conv3D(2, 2, input_shape=(3, 3, 3, 1)), (0, 1, 2)), (Conv2DTranspose(2, 2, input_shape=(3, 3, 1)), (0, 1)),
    (SeparableConv2D(2, 2, input_shape=(3, 3, 1)), ())], ids=lambda x: type(x).__name__)
def test_kernels_turn_round(layer, axes):
    model = Sequential([layer])
    kernel, *others = layer.get_weights()
    convert_all_kernels_in_model(model)
    turned, *left = layer.get_weights()
    assert np.array_equal(turned, np.flip(kernel, axes))
    assert all(np.array_equal(a, b) for a, b in zip(others, left))
    convert_all_kernels_in_model(model)
    assert np.array_equal(layer.get_weights()[0], kernel)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("target, shape", [("channels_first", (2, 3, 4)), ("channels_last", (3, 4, 2))])
def test_a_dense_layer_after_flatten(target, shape, bias):
    first = target == "channels_first"
    other = (3, 4, 2) if first else (2, 3, 4)
    model = Sequential([Flatten(input_shape=other), Dense(5, use_bias=bias)])
    x = np.random.RandomState(0).rand(2, *other)
    before = model.predict(x)
    convert_dense_weights_data_format(model.layers[1], shape, target)
    moved = Sequential([Flatten(input_shape=shape), Dense(5, use_bias=bias, weights=model.layers[1].get_weights())])
    x = x.transpose((0, 3, 1, 2) if first else (0, 2, 3, 1))
    np.testing.assert_allclose(moved.predict(x), before, rtol=1e-5, atol=1e-6)


def test_complaints():
    dense = Sequential([Dense(5, input_dim=24)]).layers[0]
    with pytest.raises(ValueError, match="24 inputs, which are no feature maps of shape"):
        convert_dense_weights_data_format(dense, (2, 3, 5))
    with pytest.raises(ValueError, match="target_data_format must be"):
        convert_dense_weights_data_format(dense, (2, 3, 4), "first")
