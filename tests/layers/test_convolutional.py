"""Convolutions and locally connected layers: their values against plain loops, their weights, names and errors."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers
from gpukeras.layers import Input, convolutional, local
from gpukeras.models import Sequential
from gpukeras.optimizers import SGD

RNG = np.random.RandomState(4)


pytestmark = pytest.mark.usefixtures("float64")


def padded(x, size, strides, padding, dilation):
    """x (samples, *space, channels) with the zeros that a padding adds; the odd one at the end."""
    around = []
    for n, k, s, d in zip(x.shape[1:-1], size, strides, dilation):
        reach = (k - 1) * d
        total = {"valid": 0, "same": max((-(-n // s) - 1) * s + reach + 1 - n, 0), "causal": reach}[padding]
        before = reach if padding == "causal" else total // 2
        around.append((before, total - before))
    return np.pad(x, [(0, 0), *around, (0, 0)])


def windows(x, size, strides, padding, dilation):
    """Every window's place and cells (samples, *size, channels)."""
    x = padded(x, size, strides, padding, dilation)
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[1:-1], size, strides, dilation)]
    for place in np.ndindex(*counts):
        cells = tuple(slice(p * s, p * s + (k - 1) * d + 1, d) for p, k, s, d in zip(place, size, strides, dilation))
        yield place, x[(slice(None), *cells)]


def by_loops(x, kernel, strides, padding, dilation):
    rank = x.ndim - 2
    found = dict(windows(x, kernel.shape[:-2], strides, padding, dilation))
    y = np.empty((len(x), *(np.array(list(found)).max(0) + 1), kernel.shape[-1]))
    for place, cells in found.items():
        y[(slice(None), *place)] = np.tensordot(cells, kernel, rank + 1)
    return y


def outputs_of(layer, x):
    inputs = Input(shape=x.shape[1:])
    return K.function([inputs], [layer(inputs)])([x])[0]


def run(layer, x):
    """The layer's output for x after drawing its weights."""
    layer.build((None, *x.shape[1:]))
    layer.set_weights([RNG.normal(size=w.shape) for w in layer.get_weights()])
    return outputs_of(layer, x)


def first(x):
    """Channels first."""
    return np.moveaxis(x, -1, 1)


STEPS = [(1, 1), (2, 1), (3, 1), (1, 2)]  # strides, dilation


@pytest.mark.parametrize(("make", "shape", "size", "padding"), [
    *((layers.Conv1D, (9, 2), (3,), padding) for padding in ("valid", "same", "causal")),
    *((layers.Conv2D, (7, 6, 2), (3, 2), padding) for padding in ("valid", "same")),
    *((layers.Conv3D, (5, 4, 5, 2), (2, 2, 3), padding) for padding in ("valid", "same"))])
@pytest.mark.parametrize(("stride", "dilation"), STEPS)
def test_convolution_by_loops(make, shape, size, padding, stride, dilation):
    x = RNG.normal(size=(3, *shape))
    arguments = {"strides": stride, "padding": padding, "dilation_rate": dilation}
    layer = make(4, size, **arguments)
    y = run(layer, x)
    kernel, bias = layer.get_weights()
    expected = by_loops(x, kernel, (stride,) * len(size), padding, (dilation,) * len(size)) + bias
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    turned = make(4, size, data_format="channels_first", weights=[kernel, bias], **arguments)
    np.testing.assert_allclose(outputs_of(turned, first(x)), first(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("padding", "stride"), [("valid", 1), ("valid", 2), ("valid", 3), ("same", 1), ("same", 2)])
@pytest.mark.parametrize("rank", [2, 3])
def test_transposed_convolution_is_the_adjoint(rank, padding, stride, data_format):
    """<conv(u), x> = <u, transposed(x)> for a convolution with the same kernel."""
    space = (3, 4, 2)[:rank]
    x = RNG.normal(size=(2, *space, 3))
    make = layers.Conv2DTranspose if rank == 2 else layers.Conv3DTranspose
    layer = make(5, 3, strides=stride, padding=padding, data_format=data_format, use_bias=False)
    y = run(layer, x if data_format == "channels_last" else first(x))
    y = y if data_format == "channels_last" else np.moveaxis(y, 1, -1)
    kernel = layer.get_weights()[0]
    assert kernel.shape == (*(3,) * rank, 5, 3)
    u = RNG.normal(size=y.shape)
    forward = by_loops(u, kernel, (stride,) * rank, padding, (1,) * rank)
    np.testing.assert_allclose(np.sum(forward * x), np.sum(u * y), rtol=1e-11)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rank, dilation", [(2, (2, 1)), (2, (3, 2)), (3, (2, 2, 1))])
def test_dilated_transposed_convolutions_are_derivatives_too(rank, dilation, padding):
    x = RNG.normal(size=(2, *(5, 4, 3)[:rank], 3))
    make = layers.Conv2DTranspose if rank == 2 else layers.Conv3DTranspose
    layer = make(2, 2, padding=padding, dilation_rate=dilation, use_bias=False)
    y = run(layer, x)
    u = RNG.normal(size=y.shape)
    forward = by_loops(u, layer.get_weights()[0], (1,) * rank, padding, dilation)
    np.testing.assert_allclose(np.sum(forward * x), np.sum(u * y), rtol=1e-11)
    assert type(layer).from_config(layer.get_config()).dilation_rate == dilation
    assert "dilation_rate" not in make(2, 2).get_config()


def test_output_padding_adds_what_no_window_sees():
    x = RNG.normal(size=(2, 3, 3, 2))
    short = layers.Conv2DTranspose(2, 2, strides=3, output_padding=0, use_bias=False)
    y = run(short, x)
    long = layers.Conv2DTranspose(2, 2, strides=3, output_padding=(1, 2), use_bias=False, weights=short.get_weights())
    longer = outputs_of(long, x)
    assert y.shape == (2, 8, 8, 2) and longer.shape == (2, 9, 10, 2)
    np.testing.assert_array_equal(longer[:, :8, :8], y)
    assert not longer[:, 8:].any() and not longer[:, :, 8:].any()


@pytest.mark.parametrize(("stride", "dilation"), STEPS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_depthwise_and_separable_by_channels(padding, stride, dilation):
    x = RNG.normal(size=(2, 7, 6, 3))
    layer = layers.DepthwiseConv2D((3, 2), strides=stride, padding=padding, depth_multiplier=2, dilation_rate=dilation)
    y = run(layer, x)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 2, 3, 2) and bias.shape == (6,)
    steps = ((stride,) * 2, padding, (dilation,) * 2)
    alone = np.concatenate([by_loops(x[..., c:c + 1], kernel[:, :, c:c + 1], *steps) for c in range(3)], -1)
    np.testing.assert_allclose(y, alone + bias, rtol=1e-12, atol=1e-12)
    whole = layers.SeparableConv2D(4, (3, 2), strides=stride, padding=padding, depth_multiplier=2,
                                   dilation_rate=dilation)
    y = run(whole, x)
    kernel, mix, bias = whole.get_weights()
    assert mix.shape == (1, 1, 6, 4)
    alone = np.concatenate([by_loops(x[..., c:c + 1], kernel[:, :, c:c + 1], *steps) for c in range(3)], -1)
    np.testing.assert_allclose(y, alone @ mix[0, 0] + bias, rtol=1e-12, atol=1e-12)


def test_separable_of_sequences_is_that_of_one_row():
    x = RNG.normal(size=(2, 7, 3))
    layer = layers.SeparableConv1D(4, 3, strides=2, padding="same", depth_multiplier=2)
    y = run(layer, x)
    deep, mix, bias = layer.get_weights()
    assert deep.shape == (3, 3, 2) and mix.shape == (1, 6, 4)
    row = layers.SeparableConv2D(4, (1, 3), strides=2, padding="same", depth_multiplier=2,
                                 weights=[deep[None], mix[None], bias])
    np.testing.assert_allclose(y, outputs_of(row, x[:, None])[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("make", "shape", "size", "strides"), [
    (layers.LocallyConnected1D, (7, 2), (3,), (2,)), (layers.LocallyConnected2D, (5, 6, 2), (3, 2), (1, 2))])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_locally_connected_by_loops(make, shape, size, strides, data_format):
    x = RNG.normal(size=(3, *shape))
    layer = make(4, size, strides=strides, data_format=data_format)
    y = run(layer, x if data_format == "channels_last" else first(x))
    y = y if data_format == "channels_last" else np.moveaxis(y, 1, -1)
    kernel, bias = layer.get_weights()
    assert layer.kernel_shape == kernel.shape
    # with channels first Keras takes the bias's numbers in their order
    added = bias if data_format == "channels_last" else np.moveaxis(bias.reshape(4, *bias.shape[:-1]), 0, -1)
    cells_of = windows(x, size, strides, "valid", (1,) * len(size))
    for position, (place, cells) in enumerate(cells_of):
        cells = cells if data_format == "channels_last" else first(cells)
        expected = cells.reshape(3, -1) @ kernel[position] + added[place]
        np.testing.assert_allclose(y[(slice(None), *place)], expected, rtol=1e-12, atol=1e-12)
    assert bias.shape[:-1] == y.shape[1:-1] and position == len(kernel) - 1


@pytest.mark.parametrize(("layer", "out"), [
    (lambda: layers.Conv2D(2, 3, strides=2, padding="same"), (4, 4, 5, 2)),
    (lambda: layers.Conv2DTranspose(2, 3, strides=2), (4, 17, 19, 2)),
    (lambda: layers.MaxPooling2D(2, padding="same"), (4, 4, 5, 3)),
    (lambda: layers.UpSampling2D(2), (4, 16, 18, 3)),
    (lambda: layers.ZeroPadding2D(1), (4, 10, 11, 3)),
    (lambda: layers.Cropping2D(1), (4, 6, 7, 3)),
    (lambda: layers.GlobalAveragePooling2D(), (4, 3)),
    (lambda: layers.BatchNormalization(), (4, 8, 9, 3))])
def test_sizes_may_be_unknown(layer, out):
    inputs, made = Input(shape=(None, None, 3)), layer()
    output = made(inputs)
    assert K.int_shape(output) == (None,) * (len(out) - 1) + out[-1:]
    x = RNG.normal(size=(4, 8, 9, 3))
    assert K.function([inputs], [output])([x])[0].shape == out
    assert made.compute_output_shape(x.shape) == out


def test_classes_of_ones_own():
    class Everywhere(convolutional._Conv):
        def __init__(self, filters, **kwargs):
            super().__init__(2, filters, 3, padding="same", **kwargs)

        def get_config(self):
            return {"filters": self.filters, "name": self.name}

    class Doubled(layers.Conv2D):
        def call(self, inputs):
            return 2 * super().call(inputs)

    x = RNG.normal(size=(2, 5, 4, 3))
    plain = layers.Conv2D(2, 3, padding="same")
    y = run(plain, x)
    same = Everywhere.from_config({"filters": 2, "weights": plain.get_weights()})
    np.testing.assert_array_equal(outputs_of(same, x), y)
    twice = Doubled.from_config({**plain.get_config(), "weights": plain.get_weights()})
    np.testing.assert_array_equal(outputs_of(twice, x), 2 * y)
    assert convolutional._Conv(2, 3, 3).get_config()["rank"] == 2 and "rank" not in plain.get_config()


def test_names_and_places():
    for name in ("Conv1D", "Conv2DTranspose", "MaxPooling2D", "ZeroPadding2D", "Cropping3D", "UpSampling1D",
                 "AveragePooling3D", "SeparableConv2D", "DepthwiseConv2D"):
        assert getattr(convolutional, name) is getattr(layers, name)
    for short, name in {"Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D",
                        "Deconvolution2D": "Conv2DTranspose", "Deconv2D": "Conv2DTranspose",
                        "Convolution2DTranspose": "Conv2DTranspose", "Deconvolution3D": "Conv3DTranspose",
                        "SeparableConvolution2D": "SeparableConv2D"}.items():
        assert getattr(convolutional, short) is getattr(layers, short) is getattr(layers, name)
    assert local.LocallyConnected2D is layers.LocallyConnected2D
    assert issubclass(layers.SeparableConv2D, layers.Conv2D) and issubclass(layers.Conv2DTranspose, layers.Conv2D)
    config = {"class_name": "Convolution2D", "config": layers.Conv2D(2, 3).get_config()}
    assert type(layers.deserialize(config)) is layers.Conv2D


def test_the_setting_for_images_leaves_sequences_alone():
    K.set_image_data_format("channels_first")
    try:
        assert layers.Conv2D(2, 3).data_format == layers.MaxPooling3D().data_format == "channels_first"
        assert layers.Conv1D(2, 3).compute_output_shape((None, 5, 4)) == (None, 3, 2)
        assert layers.LocallyConnected1D(2, 3).compute_output_shape((None, 5, 4)) == (None, 3, 2)
    finally:
        K.set_image_data_format("channels_last")


def test_configs_keep_what_newer_versions_add():
    for layer in (layers.Conv1D(2, 3, data_format="channels_first"), layers.Conv2DTranspose(2, 3, 2, output_padding=1),
                  layers.SeparableConv2D(2, 3, dilation_rate=2), layers.MaxPooling1D(data_format="channels_first")):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
    assert "data_format" not in layers.Conv1D(2, 3).get_config()
    assert "output_padding" not in layers.Conv2DTranspose(2, 3).get_config()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: layers.Conv2D(2, 5, name="c")(Input(shape=(4, 8, 1))),
     "Layer 'c': a window of 5 cells does not fit into axis 1 of its input, which has 4. Use a smaller kernel_size"),
    (lambda: layers.Conv1D(2, 3, dilation_rate=4, name="c")(Input(shape=(8, 1))),
     "'c': a window of 3 cells, dilated to 9, does not fit into axis 1 of its input, which has 8"),
    (lambda: layers.Conv2D(2, 3, data_format="channels_first", name="c")(Input(shape=(3, 8, 2))),
     "'c': a window of 3 cells does not fit into axis 3"),
    (lambda: layers.Conv2D(2, 5, name="c").compute_output_shape((None, 4, 8, 1)), "'c': a window of 5"),
    (lambda: layers.LocallyConnected2D(2, 5, name="c")(Input(shape=(4, 8, 1))), "'c': a window of 5"),
    (lambda: layers.Conv2D(2, 3, name="c")(Input(shape=(28, 28))), "layer 'c': expected ndim=4, found ndim=3"),
    (lambda: layers.Conv2D(2, 3, name="c").compute_output_shape((None, 28, 28)), "'c' takes inputs with 4 axes, got"),
    (lambda: layers.Conv2D(2, 3, name="c")(Input(shape=(8, 8, None))),
     "'c' must know the number of its input's channels, which is axis -1 with data_format='channels_last'"),
    (lambda: layers.Conv2DTranspose(2, 3, data_format="channels_first", name="c")(Input(shape=(None, 8, 8))),
     "'c' must know the number of its input's channels, which is axis 1"),
    (lambda: layers.LocallyConnected1D(2, 3, name="c")(Input(shape=(None, 8))), "'c' has weights for every position"),
    (lambda: layers.Conv2D(2, 3, strides=2, dilation_rate=2, name="c")(Input(shape=(8, 8, 1))),
     "'c': strides (2, 2) and dilation_rate (2, 2) can't both differ from 1"),
    (lambda: layers.Conv2DTranspose(2, 3, strides=2, output_padding=2, name="c"),
     "'c': output_padding (2, 2) must be below strides (2, 2)"),
    (lambda: layers.Conv2D(2, (3, 3, 3), name="c"), "'c': `kernel_size` must be an integer or a tuple of 2 integers"),
    (lambda: layers.Conv2D(2, (3, 0), name="c"), "'c': kernel_size must be at least 1 along every axis, got (3, 0)"),
    (lambda: layers.Conv2D(2, 3, strides=0, name="c"), "'c': strides must be at least 1"),
    (lambda: layers.Conv2D(0, 3, name="c"), "'c': filters must be a positive integer, got 0"),
    (lambda: layers.SeparableConv2D(2, 3, depth_multiplier=0, name="c"), "'c': depth_multiplier must be a positive"),
    (lambda: layers.Conv2D(2, 3, padding="causal", name="c"),
     "'c': padding of a Conv2D must be 'valid' or 'same', got 'causal'"),
    (lambda: layers.Conv1D(2, 3, padding="full"), "must be 'valid' or 'same' or 'causal', got 'full'"),
    (lambda: layers.LocallyConnected2D(2, 3, padding="same"), "of a LocallyConnected2D must be 'valid', got 'same'"),
    (lambda: layers.Conv2D(2, 3, data_format="NHWC", name="c"), "Layer 'c': data_format must be one of"),
])
def test_errors(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)


def test_another_input_must_have_the_same_channels():
    layer = layers.Conv2D(2, 3, name="c")
    layer(Input(shape=(8, 8, 3)))
    assert K.int_shape(layer(Input(shape=(5, 6, 3)))) == (None, 3, 4, 2)
    with pytest.raises(ValueError, match="layer 'c': expected axis -1 of the input to have size 3, found 1"):
        layer(Input(shape=(8, 8, 1)))
    for size in (4, 2):
        with pytest.raises(ValueError, match="expected axis|does not fit"):
            layer(Input(shape=(size, 2, 3)))


def test_locally_connected_layers_keep_to_their_sizes():
    layer = layers.LocallyConnected2D(2, 3, name="c")
    layer(Input(shape=(8, 7, 3)))
    with pytest.raises(ValueError, match="layer 'c': expected axis 2 of the input to have size 7, found 6"):
        layer(Input(shape=(8, 6, 3)))


def test_a_network_of_convolutions_learns():
    K.set_floatx("float32")
    rng = np.random.RandomState(0)
    np.random.seed(0)
    y = np.arange(64) % 2
    x = rng.normal(size=(64, 8, 8, 1)).astype("float32")
    x[y == 1] += np.eye(8, dtype="float32")[:, :, None]  # a diagonal
    model = Sequential([layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)), layers.BatchNormalization(),
                        layers.MaxPooling2D(), layers.Flatten(), layers.Dense(2, activation="softmax")])
    model.compile(SGD(0.1), "sparse_categorical_crossentropy")
    losses = [model.train_on_batch(x, y) for _ in range(40)]
    assert losses[-1] < 0.3 * losses[0]
