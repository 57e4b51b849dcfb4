"""Names of Keras 2.0.9 that begin with an underscore, or stand in modules of its own use, and that programs import."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense
from gpukeras.models import Sequential


def test_layers_and_models_of_keras_1():
    from gpukeras.legacy.layers import AtrousConvolution1D, AtrousConvolution2D, Merge, Recurrent
    from gpukeras.legacy.models import legacy_sequential_layers, needs_legacy_support

    a = Sequential([Dense(2, input_shape=(3,))])
    b = Sequential([Dense(2, input_shape=(3,)), Dense(2)])
    with pytest.warns(UserWarning, match="Merge"):
        joined = Sequential([Merge([a, b], mode="sum"), Dense(1)])
    assert needs_legacy_support(joined) and not needs_legacy_support(a)
    assert legacy_sequential_layers(joined) == [*a.layers, *b.layers, joined.layers[1]]
    assert legacy_sequential_layers(b) == b.layers
    assert AtrousConvolution1D and AtrousConvolution2D and Recurrent


def test_those_of_the_backend():
    from gpukeras import device
    from gpukeras.backend import tensorflow_backend as tf_backend

    assert K.tensorflow_backend._get_available_gpus() == (
        ["/device:GPU:0"] if device.config()["backend"] == "cupy" else [])
    x = K.variable([[0.25, 0.75]])
    assert K.eval(tf_backend._to_tensor(0.5, x.dtype.base_dtype)) == 0.5
    np.testing.assert_array_equal(K.eval(tf_backend._to_tensor(x, "float64")), [[0.25, 0.75]])
    assert tf_backend._preprocess_padding("same") == "SAME"
    with pytest.raises(ValueError, match="'full'"):
        tf_backend._preprocess_padding("full")


@pytest.mark.parametrize(("gpus", "shape", "layout"), [([], (2, 4, 5, 3), "NHWC"), ([""], (2, 3, 4, 5), "NCHW")])
def test_images_as_tensorflow_convolves_them(monkeypatch, gpus, shape, layout):
    from gpukeras.backend import tensorflow_backend as tf_backend

    monkeypatch.setattr(tf_backend, "_get_available_gpus", lambda: gpus)
    images, name = tf_backend._preprocess_conv2d_input(K.placeholder((2, 3, 4, 5), dtype="float64"), "channels_first")
    assert (K.int_shape(images), K.dtype(images), name) == (shape, "float32", layout)
    images, name = tf_backend._preprocess_conv2d_input(K.placeholder((2, 3, 4, 5)), "channels_last")
    assert (K.int_shape(images), name) == ((2, 3, 4, 5), "NHWC")
    volumes, name = tf_backend._preprocess_conv3d_input(K.placeholder((2, 3, 4, 5, 6)), "channels_first")
    assert K.int_shape(volumes) == ((2, 3, 4, 5, 6) if gpus else (2, 4, 5, 6, 3)) and len(name) == 5
