"""Pooling, padding, cropping and upsampling: values against NumPy, and errors."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers
from gpukeras.layers import Input, pooling
from gpukeras.models import Model

RNG = np.random.RandomState(6)


def run(layer, x):
    inputs = Input(shape=x.shape[1:])
    return K.function([inputs], [layer(inputs)])([x])[0]


def pooled(x, size, strides, padding, function):
    """Window by window; of windows that stick out only the cells that exist."""
    space, starts = x.shape[1:-1], []
    for n, k, s in zip(space, size, strides):
        count = -(-n // s) if padding == "same" else (n - k) // s + 1
        before = max((count - 1) * s + k - n, 0) // 2
        starts.append([i * s - before for i in range(count)])
    y = np.empty((len(x), *map(len, starts), x.shape[-1]))
    for place in np.ndindex(*y.shape[1:-1]):
        cells = tuple(slice(max(starts[a][p], 0), starts[a][p] + size[a]) for a, p in enumerate(place))
        y[(slice(None), *place)] = function(x[(slice(None), *cells)], tuple(range(1, len(size) + 1)))
    return y


@pytest.mark.parametrize(("kind", "function"), [("Max", np.max), ("Average", np.mean)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("shape", "size", "strides"), [
    ((7, 2), (2,), None), ((8, 2), (3,), (2,)), ((6, 7, 2), (2, 2), None), ((7, 5, 2), (3, 2), (1, 3)),
    ((5, 4, 6, 2), (2, 3, 2), None), ((5, 5, 4, 1), (2, 2, 3), (3, 1, 2))])
def test_pooling_by_windows(kind, function, padding, shape, size, strides):
    x = RNG.normal(size=(3, *shape)).astype("float32") - 3  # below 0, where padding with zeros would show
    make = getattr(layers, f"{kind}Pooling{len(size)}D")
    expected = pooled(x, size, strides or size, padding, function)
    np.testing.assert_allclose(run(make(size, strides, padding), x), expected, rtol=1e-5)
    turned = run(make(size, strides, padding, data_format="channels_first"), np.moveaxis(x, -1, 1))
    np.testing.assert_allclose(turned, np.moveaxis(expected, -1, 1), rtol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_global_pooling(rank):
    x = RNG.normal(size=(3, *(4, 3, 2)[:rank], 5)).astype("float32")
    for kind, function in (("Max", np.max), ("Average", np.mean)):
        make, expected = getattr(layers, f"Global{kind}Pooling{rank}D"), function(x, tuple(range(1, rank + 1)))
        np.testing.assert_allclose(run(make(), x), expected, rtol=1e-5, atol=1e-6)
        turned = run(make(data_format="channels_first"), np.moveaxis(x, -1, 1))
        np.testing.assert_allclose(turned, expected, rtol=1e-5, atol=1e-6)


def test_a_gradient_inside_a_model():
    """Where the maxima were, as a what-where autoencoder uses it (Zhao et al., 2015, arXiv:1506.02351)."""
    inputs = Input(shape=(4, 4, 1))
    features = layers.Conv2D(2, 3, padding="same")(inputs)
    pooled_ = layers.MaxPooling2D()(features)
    where = layers.Lambda(lambda xs: K.gradients(K.sum(xs[0]), xs[1])[0], output_shape=lambda shapes: shapes[1])(
        [pooled_, features])
    unpooled = layers.Lambda(lambda xs: xs[0] * xs[1], output_shape=lambda shapes: shapes[0])(
        [layers.UpSampling2D()(pooled_), where])
    x = RNG.normal(size=(3, 4, 4, 1)).astype("float32")
    f, w, u = K.function([inputs], [features, where, unpooled])([x])
    blocks = f.reshape(3, 2, 2, 2, 2, 2)
    assert np.array_equal(w.reshape(blocks.shape), blocks == blocks.max((2, 4), keepdims=True))
    assert np.array_equal(u, f * w)
    model = Model(inputs, layers.Conv2DTranspose(1, 3, padding="same")(unpooled))
    model.compile("adam", "mse")
    losses = [model.train_on_batch(x, x) for _ in range(50)]
    assert losses[-1] < losses[0]


def test_short_names():
    for rank in (1, 2, 3):
        for short, name in (("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling"),
                            ("GlobalMaxPool", "GlobalMaxPooling"), ("GlobalAvgPool", "GlobalAveragePooling")):
            assert getattr(layers, f"{short}{rank}D") is getattr(pooling, f"{name}{rank}D")


@pytest.mark.parametrize(("make", "pads"), [
    (lambda: layers.ZeroPadding1D(2), [(2, 2)]),
    (lambda: layers.ZeroPadding1D((0, 3)), [(0, 3)]),
    (lambda: layers.ZeroPadding2D((1, 2)), [(1, 1), (2, 2)]),
    (lambda: layers.ZeroPadding2D([[1, 2], [0, 3]]), [(1, 2), (0, 3)]),
    (lambda: layers.ZeroPadding3D(1), [(1, 1)] * 3),
    (lambda: layers.ZeroPadding3D(((1, 0), 2, (0, 3))), [(1, 0), (2, 2), (0, 3)])])
def test_padding_and_cropping_undo_each_other(make, pads):
    x = RNG.normal(size=(2, *(4, 3, 2)[:len(pads)], 3)).astype("float32")
    y = run(make(), x)
    np.testing.assert_array_equal(y, np.pad(x, [(0, 0), *pads, (0, 0)]))
    crop = getattr(layers, f"Cropping{len(pads)}D")
    edges = pads if len(pads) > 1 else pads[0]
    np.testing.assert_array_equal(run(crop(edges), y), x)
    if len(pads) > 1:
        y = run(type(make())(make().padding, data_format="channels_first"), np.moveaxis(x, -1, 1))
        np.testing.assert_array_equal(np.moveaxis(y, 1, -1), np.pad(x, [(0, 0), *pads, (0, 0)]))
        np.testing.assert_array_equal(run(crop(edges, "channels_first"), y), np.moveaxis(x, -1, 1))


def test_cropping_may_leave_nothing():
    assert run(layers.Cropping1D((2, 2)), np.ones((3, 4, 2), "float32")).shape == (3, 0, 2)


@pytest.mark.parametrize(("make", "factors"), [
    (lambda **kw: layers.UpSampling1D(3, **kw), (3,)), (lambda **kw: layers.UpSampling2D((1, 3), **kw), (1, 3)),
    (lambda **kw: layers.UpSampling3D((2, 1, 3), **kw), (2, 1, 3))])
def test_upsampling_repeats(make, factors):
    x = RNG.normal(size=(2, *(4, 3, 2)[:len(factors)], 3)).astype("float32")
    expected = x
    for axis, factor in enumerate(factors, 1):
        expected = np.repeat(expected, factor, axis)
    np.testing.assert_array_equal(run(make(), x), expected)
    if len(factors) > 1:
        y = run(make(data_format="channels_first"), np.moveaxis(x, -1, 1))
        np.testing.assert_array_equal(y, np.moveaxis(expected, -1, 1))


def test_configs_have_plain_pairs():
    assert layers.ZeroPadding2D(2).get_config()["padding"] == ((2, 2), (2, 2))
    assert layers.ZeroPadding1D(2).get_config()["padding"] == (2, 2)
    assert layers.Cropping3D((1, 2, (3, 4))).get_config()["cropping"] == ((1, 1), (2, 2), (3, 4))
    assert layers.UpSampling1D(3).get_config()["size"] == 3
    assert layers.MaxPooling2D(3).get_config()["strides"] == (3, 3)
    assert layers.UpSampling2D.from_config({"size": (2, 2), "interpolation": "nearest"}).size == (2, 2)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: layers.MaxPooling2D(3, name="p")(Input(shape=(2, 8, 1))),
     "Layer 'p': a window of 3 cells does not fit into axis 1 of its input, which has 2. Use a smaller pool_size"),
    (lambda: layers.MaxPooling2D(name="p")(Input(shape=(8, 8))), "layer 'p': expected ndim=4, found ndim=3"),
    (lambda: layers.AveragePooling1D(padding="causal"), "padding of a AveragePooling1D must be 'valid' or 'same'"),
    (lambda: layers.MaxPooling2D((2, 2, 2), name="p"), "'p': `pool_size` must be an integer or a tuple of 2 integers"),
    (lambda: layers.MaxPooling2D(0, name="p"), "'p': pool_size must be at least 1"),
    (lambda: layers.Cropping1D((3, 2), name="p")(Input(shape=(4, 1))),
     "'p': cropping (3, 2) takes more than axis 1 of the input has, which is 4"),
    (lambda: layers.Cropping2D(((1, 1),), name="p"),
     "'p': cropping must be an integer, 2 integers or 2 pairs ((before, after), (before, after)), got ((1, 1),)"),
    (lambda: layers.ZeroPadding3D(lambda x: x, name="p"), "'p': padding must be an integer, 3 integers or 3 pairs"),
    (lambda: layers.ZeroPadding2D(((1, 2, 3), 1), name="p"), "'p': `padding` must be an integer or a tuple of 2"),
    (lambda: layers.ZeroPadding2D(-1, name="p"), "'p': padding must be at least 0"),
    (lambda: layers.UpSampling2D(interpolation="cubic", name="p"), "'p': interpolation must be 'nearest' or 'bilin"),
    (lambda: layers.UpSampling1D(0, name="p"), "'p': size must be at least 1")])
def test_errors(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)


def test_pooling_of_ones_own():
    """A class may pool otherwise by the method that Keras 2 calls; one of sequences gets images with one column."""
    def smallest(self, inputs, pool_size, strides, padding, data_format):
        assert len(pool_size) == len(strides) == K.ndim(inputs) - 2 == 2
        return -K.pool2d(-inputs, pool_size, strides, padding, data_format, pool_mode="max")

    for kind, shape in ((pooling.MaxPooling2D, (1, 4, 2, 1)), (pooling.MaxPooling1D, (1, 4, 2))):
        own = type("Smallest", (kind,), {"_pooling_function": smallest})
        data = np.arange(8.0).reshape(shape)
        x = Input(shape[1:])
        found = Model(x, own(2)(x)).predict(data)
        np.testing.assert_array_equal(found.ravel(), [0, 4] if kind is pooling.MaxPooling2D else [0, 1, 4, 5])
