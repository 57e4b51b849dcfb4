"""Weights for other layouts, helpers of tests, and what there is in place of multi_gpu_model."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import optimizers
from gpukeras.layers import LSTM, BatchNormalization, Conv2D, Dense, Flatten, Layer, SeparableConv2D
from gpukeras.models import Sequential
from gpukeras.utils import convert_all_kernels_in_model, layer_utils, multi_gpu_model
from gpukeras.utils.test_utils import get_test_data, keras_test, layer_test

RNG = np.random.RandomState(0)


def network(data_format, shape):
    return Sequential([Conv2D(2, (4, 3), input_shape=shape, data_format=data_format), Flatten(), Dense(5)])


def test_kernels_turned_round_convolve():
    model = Sequential([Conv2D(2, (2, 3), input_shape=(5, 5, 1)), SeparableConv2D(2, 2)])
    before = model.get_weights()
    x = RNG.rand(1, 5, 5, 1)
    turned = K.function([model.input], [model.layers[0].output])
    correlated = turned([x[:, ::-1, ::-1]])[0][:, ::-1, ::-1]
    convert_all_kernels_in_model(model)
    np.testing.assert_allclose(turned([x])[0], correlated, rtol=1e-5, atol=1e-6)  # sums near 0 in another order
    np.testing.assert_array_equal(model.get_weights()[0], before[0][::-1, ::-1])
    np.testing.assert_array_equal(model.get_weights()[2], before[2])


@pytest.mark.parametrize("last", [True, False])
def test_dense_after_flattened_images_of_the_other_layout(last):
    here, there = ("channels_last", "channels_first") if last else ("channels_first", "channels_last")
    model = network(here, (6, 5, 3) if last else (3, 6, 5))
    other = network(there, (3, 6, 5) if last else (6, 5, 3))
    x = RNG.rand(4, *model.input_shape[1:])
    expected = model.predict(x)
    layer_utils.convert_dense_weights_data_format(model.layers[2], other.layers[0].output_shape[1:], there)
    other.set_weights(model.get_weights())
    moved = np.moveaxis(x, -1, 1) if last else np.moveaxis(x, 1, -1)
    np.testing.assert_allclose(other.predict(moved), expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="target_data_format"):
        layer_utils.convert_dense_weights_data_format(model.layers[2], (2, 3, 3), "tf")


def test_data_to_learn():
    np.random.seed(0)
    (x, y), (x_test, y_test) = get_test_data(200, 50, (3,), num_classes=2)
    assert x.shape == (200, 3) and x_test.shape == (50, 3) and set(y) == {0, 1} == set(y_test)
    assert abs(x[y == 1].mean() - x[y == 0].mean() - 1) < 0.2 and abs(x[y == 0].std() - 0.7) < 0.1
    (x, y), _ = get_test_data(200, 5, (4,), (2,), classification=False)
    assert x.shape == (200, 4) and y.shape == (200, 2) and 0.3 < y.mean() < 0.7


@pytest.mark.parametrize(("layer", "arguments", "shape"), [
    (Dense, {"units": 3}, (4, 2)), (Conv2D, {"filters": 2, "kernel_size": 2}, (2, 5, None, 1)),
    (LSTM, {"units": 2}, (3, 4, 2)), (BatchNormalization, {}, (4, 3)),
])
def test_layers_that_keep_their_word(layer, arguments, shape):
    given = dict(arguments)
    assert layer_test(layer, given, input_shape=shape).shape[0] == shape[0]
    assert given == arguments


def test_layers_that_do_not():
    class Liar(Layer):
        def call(self, inputs):
            return inputs[:, :1]

        def compute_output_shape(self, input_shape):
            return input_shape

    with pytest.warns(UserWarning, match="call\\(\\) returns"), pytest.raises(AssertionError, match="says"):
        layer_test(Liar, {}, input_shape=(3, 4))
    with pytest.raises(AssertionError):
        layer_test(Dense, {"units": 1, "kernel_initializer": "zeros"}, input_data=np.ones((2, 2), "float32"),
                   expected_output=np.ones((2, 1)))
    with pytest.raises(AssertionError, match="dtype"):
        layer_test(Dense, {"units": 1}, input_shape=(2, 2), expected_output_dtype="float64")
    with pytest.raises(ValueError, match="input_shape or input_data"):
        layer_test(Dense, {"units": 1})
    data = np.ones((2, 2), "float32")
    out = layer_test(Dense, {"units": 1, "kernel_initializer": "ones"}, input_data=data, fixed_batch_size=True,
                     expected_output=np.full((2, 1), 2.0))
    assert out.shape == (2, 1)


def test_what_is_refused_says_what_to_do():
    with pytest.raises(NotImplementedError, match=r"multi_gpu_model\(gpus=2\).*a process for each GPU: mpiexec -n 2"):
        multi_gpu_model(None, 2)
    with pytest.raises(TypeError, match="no TensorFlow here"):
        optimizers.TFOptimizer(object())

    def five():
        return 5

    assert keras_test(five)() == 5
    from gpukeras.optimizers import legacy
    assert legacy.Adam is optimizers.Adam


def test_data_are_drawn_in_the_order_of_keras():
    """The numbers of Keras 2.0.9 for the same seed."""
    np.random.seed(0)
    (x, y), (x_test, y_test) = get_test_data(3, 1, (2,), (1,), classification=False)
    np.testing.assert_allclose(x, [[1.8561041, -0.13528101], [0.60923932, 0.64293617], [0.70359388, 1.62075483]])
    np.testing.assert_allclose(y, [[1.2138754], [1.00260832], [1.13548977]], rtol=1e-6)
    np.testing.assert_allclose([*x_test[0], *y_test[0]], [0.63005569, 0.85558745, 0.77845521], rtol=1e-6)
