"""Kernels and feature maps as grids of images."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest

from gpukeras.drawing.paint import png_of
from gpukeras.drawing.scene import Raster, Text
from gpukeras.layers import Conv1D, Conv2D, Conv2DTranspose, Conv3D, Dense, Flatten, InputLayer, SeparableConv2D
from gpukeras.models import Sequential
from gpukeras.utils import plot_feature_maps, plot_weights


def canvas(picture):
    raster, = (item for item in picture.items if isinstance(item, Raster))
    return raster.pixels


def head(picture):
    return [item.text for item in picture.items if isinstance(item, Text)]


def built(layer, *shape):
    Sequential([InputLayer(shape), layer])
    return layer


def test_one_channel_signs_and_scale(tmp_path):
    layer = built(Conv2D(2, 2, name="c"), 5, 5, 1)
    kernel = np.zeros((2, 2, 1, 2))
    kernel[0, 0, 0, 0], kernel[1, 1, 0, 1] = 2.0, -2.0
    layer.set_weights([kernel, np.zeros(2)])
    picture = plot_weights(layer, tmp_path / "w.svg")
    pixels = canvas(picture)
    assert pixels.shape == (96, 196, 3) and head(picture) == ["c: Conv2D, 2 x 2 x 1 x 2", "±2"]
    assert tuple(pixels[0, 0]) == (178, 32, 46), "the greatest is red"
    assert tuple(pixels[95, 195]) == (33, 90, 165), "the least is blue"
    assert tuple(pixels[0, 60]) == (247, 247, 247), "0 is white"
    text = (tmp_path / "w.svg").read_text(encoding="utf-8")
    assert text == picture.svg() and "data:image/png;base64," in text


def test_colour_and_channels():
    layer = built(Conv2D(10, 3, name="c"), 8, 8, 3)
    colour = canvas(plot_weights(layer))
    kernel = layer.get_weights()[0]
    row, column, channel = np.unravel_index(kernel[..., 0].argmax(), (3, 3, 3))
    zoom = (colour.shape[0] + 4) // 3 // 3  # three rows of tiles, of three squares
    assert colour[row * zoom + 1, column * zoom + 1, channel] == 255
    assert canvas(plot_weights(layer, channel=1)).shape[1] >= 3 * 16
    with pytest.raises(IndexError, match="channel must be below 3, the input channels of layer 'c', got 3"):
        plot_weights(layer, channel=3)


def test_many_channels_make_rows():
    layer = built(Conv2D(6, 3), 8, 8, 4)
    pixels = canvas(plot_weights(layer))
    tile = (pixels.shape[1] + 4) // 6
    assert pixels.shape == (4 * tile - 4, 6 * tile - 4, 3)
    transposed = built(Conv2DTranspose(6, 3), 8, 8, 4)
    assert canvas(plot_weights(transposed)).shape == pixels.shape


@pytest.mark.parametrize("layer, shape", [
    (Dense(7), (5,)), (Conv1D(4, 3), (9, 2)), (Conv3D(2, 3), (5, 5, 5, 2)), (SeparableConv2D(3, 3), (8, 8, 3)),
    (Dense(1500), (3,)), (Conv2D(200, 1), (4, 4, 100))], ids=["dense", "1d", "3d", "separable", "wide", "many"])
def test_every_kind_of_kernel(layer, shape):
    built(layer, *shape)
    pixels = canvas(plot_weights(layer))
    assert pixels.dtype == np.uint8 and 1 <= pixels.shape[0] <= 1500 and pixels.shape[1] <= 1500
    for weight in range(len(layer.get_weights())):
        assert plot_weights(layer, weight=weight).svg().endswith("</svg>\n")


def test_too_many_are_cut_and_said():
    text = head(plot_weights(built(Conv2D(70, 1, name="c"), 4, 4, 20)))[1]
    assert text.endswith(", the first 64 of 70 filters, the first 16 of 20 input channels")
    assert head(plot_weights(built(Dense(3000), 2)))[1].endswith(", one number of 3 each way")


def test_broken_and_constant_kernels():
    layer = built(Dense(2, name="d"), 2)
    layer.set_weights([np.array([[np.nan, 1], [np.inf, -1]]), np.zeros(2)])
    pixels = canvas(plot_weights(layer))
    assert tuple(pixels[0, 0]) == (128, 128, 128) and tuple(pixels[-1, 0]) == (178, 32, 46)
    assert head(plot_weights(layer, weight=1))[1] == "±0"


def test_layers_without_weights():
    with pytest.raises(ValueError, match="'flat' .Flatten. has no weights"):
        plot_weights(built(Flatten(name="flat"), 3, 3))
    with pytest.raises(ValueError, match="not built yet"):
        plot_weights(Dense(2))
    with pytest.raises(IndexError, match="weight must be a place among the 2 weights"):
        plot_weights(built(Dense(2), 2), weight=2)


@pytest.fixture
def model():
    return Sequential([Conv2D(4, 3, input_shape=(6, 6, 1), name="first"), Conv2D(2, 3, name="second"),
                       Flatten(name="flat"), Dense(3, name="last")])


def test_feature_maps(model, tmp_path):
    x = np.random.RandomState(0).rand(3, 6, 6, 1)
    picture = plot_feature_maps(model, x, to_file=tmp_path / "maps.svg", sample=1)
    value = Sequential(model.layers[:1]).predict(x)[1]
    assert head(picture)[0] == "first: Conv2D, 4 x 4 x 4" and (tmp_path / "maps.svg").exists()
    assert head(picture)[1] == f"{value.min():.3g} to {value.max():.3g}"
    pixels = canvas(picture)
    row, column = np.unravel_index(value[..., 0].argmax(), (4, 4))
    zoom = (pixels.shape[1] + 4) // 3 // 4  # three tiles in a row, of four squares
    assert tuple(pixels[row * zoom + 2, column * zoom + 2]) == (253, 231, 120), "its greatest is bright"
    for layer in ("second", 1, model.layers[1], -1, "flat"):
        assert plot_feature_maps(model, x, layer).svg().startswith("<svg")


def test_feature_maps_of_a_layer_that_another_model_has_too(model):
    x = np.random.RandomState(0).rand(1, 6, 6, 1)
    other = Sequential([Conv2D(1, 1, input_shape=(6, 6, 1)), *model.layers[:2]])
    value = Sequential(other.layers[:2]).predict(x)[0]
    assert head(plot_feature_maps(other, x, "first"))[1] == f"{value.min():.3g} to {value.max():.3g}"


def test_feature_maps_that_are_not_there(model):
    x = np.zeros((1, 6, 6, 1))
    with pytest.raises(ValueError, match="frist"):
        plot_feature_maps(model, x, "frist")
    with pytest.raises(IndexError, match="sample must be a place in x, got 4"):
        plot_feature_maps(model, x, sample=4)
    with pytest.raises(ValueError, match="'other' is none of the layers of model"):
        plot_feature_maps(model, x, Dense(2, name="other"))
    with pytest.raises(ValueError, match="has no convolution"):
        plot_feature_maps(Sequential([Dense(2, input_shape=(3,))]), np.zeros((1, 3)))


def test_png_files_of_arrays():
    pixels = np.random.RandomState(1).randint(0, 256, (5, 7, 3)).astype("uint8")
    data = png_of(pixels)
    packed = data[data.index(b"IDAT") + 4:data.index(b"IEND") - 8]
    lines = np.frombuffer(zlib.decompress(packed), "uint8").reshape(5, 22)
    assert (lines[:, 1:].reshape(5, 7, 3) == pixels).all()
    image = pytest.importorskip("PIL.Image")
    assert (np.asarray(image.open(io.BytesIO(data))) == pixels).all()
    assert plot_weights(built(Dense(2), 2)).png()[:4] == b"\x89PNG"
