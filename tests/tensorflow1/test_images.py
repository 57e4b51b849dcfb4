"""`tensorflow.image` as programs for Keras 2 use it in Lambda layers and losses."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Input, Lambda
from gpukeras.models import Model
from gpukeras.tensorflow1.names import named

IMAGES = np.random.RandomState(0).rand(2, 5, 7, 3).astype("float32")


def places(have, want, corners):
    return np.arange(want) * ((have - 1) / max(want - 1, 1) if corners else have / want)


def bilinear(x, size, corners):
    """By the definition: a matrix for the rows and one for the columns."""
    def matrix(have, want):
        at = places(have, want, corners)
        return np.clip(1 - np.abs(at.clip(0, have - 1)[:, None] - np.arange(have)), 0, 1)
    return np.einsum("ih,jw,nhwc->nijc", matrix(x.shape[1], size[0]), matrix(x.shape[2], size[1]), x)


def nearest(x, size, corners):
    rows, columns = (np.floor(places(have, want, corners) + (0.5 if corners else 0)).astype(int)
                     for have, want in zip(x.shape[1:3], size))
    return x[:, rows][:, :, columns]


@pytest.mark.parametrize("size", [(10, 14), (3, 4), (8, 7), (1, 1)])
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize(("name", "expected"), [("resize_bilinear", bilinear), ("resize_nearest_neighbor", nearest)])
def test_resizing_takes_pixels_from_where_tensorflow_1_does(size, corners, name, expected):
    x = Input(shape=(5, 7, 3))
    y = Lambda(lambda t: named(f"image.{name}")(t, size, align_corners=corners))(x)
    assert y.shape == (None, *size, 3)
    np.testing.assert_allclose(Model(x, y).predict(IMAGES), expected(IMAGES, size, corners), rtol=1e-5)


def test_sizes_that_are_known_when_the_program_runs():
    x, like = K.placeholder((None, None, None, 3)), K.placeholder((None, None, None, 2))
    y = named("image.resize_bilinear")(x, K.shape(like)[1:3])
    found, = K.function([x, like], [y])([IMAGES, np.zeros((1, 8, 3, 2))])
    np.testing.assert_allclose(found, bilinear(IMAGES, (8, 3), False), rtol=1e-5)


def test_resizing_has_a_gradient():
    x = K.placeholder((2, 5, 7, 3))
    y = named("image.resize_bilinear")(x, (8, 3), align_corners=True)
    share = np.random.RandomState(1).rand(2, 8, 3, 3)
    found, = K.function([x], K.gradients(K.sum(y * K.constant(share)), [x]))([IMAGES])
    step = 1e-3 * np.random.RandomState(2).rand(*IMAGES.shape)  # linear: any step tells the derivative
    expected = (share * (bilinear(IMAGES + step, (8, 3), True) - bilinear(IMAGES - step, (8, 3), True))).sum() / 2
    assert np.isclose((found * step).sum(), expected, rtol=1e-4)


def test_resize_images():
    resize, kinds = named("image.resize_images"), named("image.ResizeMethod")
    x = K.constant(IMAGES)
    assert resize(x, (5, 7)) is x
    np.testing.assert_allclose(K.eval(resize(x[0], (4, 4))), bilinear(IMAGES, (4, 4), False)[0], rtol=1e-5)
    np.testing.assert_allclose(K.eval(resize(x, [4, 4], kinds.NEAREST_NEIGHBOR)), nearest(IMAGES, (4, 4), False))
    with pytest.raises(NotImplementedError, match="BILINEAR or NEAREST_NEIGHBOR"):
        resize(x, (4, 4), kinds.BICUBIC)
    with pytest.raises(ValueError, match="takes pictures"):
        named("image.resize_bilinear")(x[0], (4, 4))


def standardized(x):
    return (x - x.mean((1, 2, 3), keepdims=True)) / x.std((1, 2, 3), keepdims=True)


@pytest.mark.parametrize(("name", "call", "expected"), [
    ("flip_left_right", lambda f, x: f(x), IMAGES[:, :, ::-1]), ("flip_up_down", lambda f, x: f(x), IMAGES[:, ::-1]),
    ("rgb_to_grayscale", lambda f, x: f(x), (IMAGES * [0.2989, 0.587, 0.114]).sum(-1, keepdims=True)),
    ("grayscale_to_rgb", lambda f, x: f(x[..., :1]), IMAGES[..., :1].repeat(3, -1)),
    ("per_image_standardization", lambda f, x: f(x), standardized(IMAGES)),
    ("per_image_standardization", lambda f, x: f(K.ones_like(x[0])), np.zeros((5, 7, 3))),
    ("central_crop", lambda f, x: f(x, 0.5), IMAGES[:, 1:4, 1:6]),
    ("crop_to_bounding_box", lambda f, x: f(x, 1, 2, 3, 4), IMAGES[:, 1:4, 2:6]),
    ("adjust_contrast", lambda f, x: f(x, 2.0), 2 * IMAGES - IMAGES.mean((1, 2), keepdims=True)),
    ("image_gradients", lambda f, x: f(x)[0], np.diff(IMAGES, axis=1, append=IMAGES[:, -1:])),
    ("total_variation", lambda f, x: f(x), sum(np.abs(np.diff(IMAGES, axis=a)).sum((1, 2, 3)) for a in (1, 2))),
])
def test_pictures(name, call, expected):
    np.testing.assert_allclose(K.eval(call(named(f"image.{name}"), K.constant(IMAGES))), expected, rtol=1e-4,
                               atol=1e-6)


def test_structural_similarity():
    """With a window of the whole picture, all of it by the definition."""
    x, y = IMAGES[:, :5, :5], IMAGES[::-1, :5, :5]
    weight = np.exp(-np.square(np.arange(5) - 2) / 4.5)
    weight = np.outer(weight, weight)[None, :, :, None] / weight.sum() ** 2

    def mean(t):
        return (t * weight).sum((1, 2))
    both, own = mean(x) * mean(y), mean(x) ** 2 + mean(y) ** 2
    expected = ((2 * both + 1e-4) / (own + 1e-4)) * (
        (2 * (mean(x * y) - both) + 9e-4) / (mean(x * x + y * y) - own + 9e-4))
    found = named("image.ssim")(K.constant(x), K.constant(y), max_val=1.0, filter_size=5)
    np.testing.assert_allclose(K.eval(found), expected.mean(-1), rtol=1e-4)
