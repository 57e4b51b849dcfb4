"""`tensorflow.image`: pictures (rows, columns, channels), or several of them in a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import backend as K
from ..ops import selection
from .functions import as_tensor, channels, lengths, psnr, sizes

GREY = (0.2989, 0.587, 0.114)
"""The shares of red, green and blue in how bright a picture seems."""


class ResizeMethod:
    """How `resize_images` finds values between pixels: by TensorFlow 1's numbers."""

    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, AREA = range(4)


def resize_bilinear(images: Any, size: Any, align_corners: bool = False, name: str | None = None,
                    half_pixel_centers: bool = False) -> Any:
    """Pictures (n, h, w, c) of another size, on straight lines between pixels. Pixel i is taken from i * in / out, with
    `align_corners` from i * (in - 1) / (out - 1), with `half_pixel_centers` from (i + 1/2) * in / out - 1/2.

    >>> K.eval(resize_bilinear(K.constant([[[[1.], [3.]]]]), (1, 4)))[0, 0, :, 0].tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    x = K.cast(_pictures(images, "resize_bilinear"), "float32")
    return _resized(x, size, _between, align_corners, half_pixel_centers)


def resize_nearest_neighbor(images: Any, size: Any, align_corners: bool = False, name: str | None = None,
                            half_pixel_centers: bool = False) -> Any:
    """As `resize_bilinear`, with the value of the pixel before, with `align_corners` of the nearest one."""
    return _resized(_pictures(images, "resize_nearest_neighbor"), size, _nearest, align_corners, half_pixel_centers)


def resize_images(images: Any, size: Any, method: Any = ResizeMethod.BILINEAR, align_corners: bool = False,
                  preserve_aspect_ratio: bool = False, name: str | None = None) -> Any:
    """A picture, or a batch of them, in another size. What has that size already stays as it is."""
    x = as_tensor(images)
    if method not in (0, 1, "bilinear", "nearest"):
        raise NotImplementedError(f"tf.image.resize_images: method must be BILINEAR or NEAREST_NEIGHBOR here, got "
                                  f"{method!r}")
    if preserve_aspect_ratio:
        raise NotImplementedError("tf.image.resize_images: preserve_aspect_ratio is not available here; give the size")
    if K.int_shape(x)[-3:-1] == tuple(_numbers(size)):
        return x
    resize = resize_bilinear if method in (0, "bilinear") else resize_nearest_neighbor
    return _batched(x, lambda batch: resize(batch, size, align_corners))


def _batched(x: Any, function: Callable[[Any], Any]) -> Any:
    """A function of batches, of one picture too."""
    return K.squeeze(function(K.expand_dims(x, 0)), 0) if K.ndim(x) == 3 else function(x)


def _pictures(images: Any, function: str) -> Any:
    x = as_tensor(images)
    if K.ndim(x) != 4:
        raise ValueError(f"tf.image.{function} takes pictures (n, rows, columns, channels), got shape {K.int_shape(x)}")
    return x


def _numbers(size: Any) -> list[Any]:
    """Rows and columns, as numbers where they are known."""
    found = lengths(size)
    if len(found) != 2:
        raise ValueError(f"tf.image: size must be (rows, columns), got {size!r}")
    return found


def _resized(x: Any, size: Any, pick: Callable[..., Any], align_corners: bool, half_pixel_centers: bool) -> Any:
    """Columns, then rows, each as the first axis, along which `pick` takes them."""
    if align_corners and half_pixel_centers:
        raise ValueError("tf.image: align_corners and half_pixel_centers exclude each other")
    rows, columns = _numbers(size)
    for length, axis in ((columns, 2), (rows, 1)):
        if length == sizes(x)[axis]:
            continue
        order = (axis, *(a for a in range(4) if a != axis))
        at = _places(sizes(x)[axis], length, align_corners, half_pixel_centers)
        turned = pick(K.permute_dimensions(x, order), at, sizes(x)[axis], align_corners)
        x = K.permute_dimensions(turned, tuple(np.argsort(order).tolist()))
    return x


def _places(have: Any, want: Any, align_corners: bool, half_pixel_centers: bool) -> Any:
    """Where each of `want` pixels lies among `have`."""
    steps = K.cast(K.arange(want), "float32")
    if align_corners:
        return steps * (_float(have - 1) / K.maximum(_float(want - 1), 1.0)) if want != 1 else steps
    scale = _float(have) / _float(want)
    return (steps + 0.5) * scale - 0.5 if half_pixel_centers else steps * scale


def _float(n: Any) -> Any:
    return K.cast(n, "float32") if K.is_tensor(n) else K.constant(n, "float32")


def _between(x: Any, at: Any, have: Any, align_corners: bool) -> Any:
    """Rows of x on the lines between its own."""
    before = K.floor(at)
    share = K.reshape(at - before, (-1, *[1] * (K.ndim(x) - 1)))
    low, high = (K.gather(x, _inside(n, have)) for n in (before, before + 1.0))
    return low + (high - low) * share


def _nearest(x: Any, at: Any, have: Any, align_corners: bool) -> Any:
    return K.gather(x, _inside(K.floor(at + 0.5) if align_corners else K.floor(at), have))


def _inside(at: Any, have: Any) -> Any:
    """Whole numbers from 0 to before `have`."""
    return K.cast(K.clip(at, 0.0, _float(have - 1)), "int32")


def _flip(axis: int) -> Callable[..., Any]:
    def flipped(image: Any, name: str | None = None) -> Any:
        return K.reverse(as_tensor(image), axis)
    return flipped


def rgb_to_grayscale(images: Any, name: str | None = None) -> Any:
    """One channel, of how bright the pixels seem.

    >>> round(float(K.eval(rgb_to_grayscale(K.constant([[[1., 0., 0.]]])))[0, 0, 0]), 4)
    0.2989
    """
    return K.sum(_floats(images, "rgb_to_grayscale") * K.constant(GREY), -1, keepdims=True)


def grayscale_to_rgb(images: Any, name: str | None = None) -> Any:
    """The one channel three times."""
    x = as_tensor(images)
    return K.concatenate([x, x, x], -1)


def _floats(images: Any, function: str) -> Any:
    x = as_tensor(images)
    if not x.dtype.startswith("float"):
        raise NotImplementedError(f"tf.image.{function} takes floats here, got {x.dtype}: use tf.cast")
    return x


def per_image_standardization(image: Any) -> Any:
    """Each picture less its mean, divided by its standard deviation, which counts as 1 / sqrt(values) at least."""
    x = K.cast(as_tensor(image), "float32")
    axes = [-3, -2, -1]
    count = K.cast(K.prod(K.stack(sizes(x)[-3:])), "float32")
    mean = K.mean(x, axes, keepdims=True)
    variance = K.relu(K.mean(K.square(x), axes, keepdims=True) - K.square(mean))
    return (x - mean) / K.maximum(K.sqrt(variance), 1.0 / K.sqrt(count))


def central_crop(image: Any, central_fraction: float) -> Any:
    """The middle of a picture, of which rows and columns are known."""
    if not 0.0 < central_fraction <= 1.0:
        raise ValueError(f"tf.image.central_crop: central_fraction must lie in (0, 1], got {central_fraction}")
    x = as_tensor(image)
    cut = [int((n - n * central_fraction) / 2) for n in _known(x, "central_crop")]
    return _part(x, cut, [n - 2 * c for n, c in zip(_known(x, "central_crop"), cut)])


def crop_to_bounding_box(image: Any, offset_height: int, offset_width: int, target_height: int,
                         target_width: int) -> Any:
    """So many rows and columns from an offset on."""
    return _part(as_tensor(image), [offset_height, offset_width], [target_height, target_width])


def _part(x: Any, start: list[Any], length: list[Any]) -> Any:
    rows, columns = (slice(a, a + n) for a, n in zip(start, length))
    return x[(..., rows, columns, slice(None))]


def _known(x: Any, function: str) -> tuple[int, int]:
    rows, columns = K.int_shape(x)[-3:-1]
    if rows is None or columns is None:
        raise ValueError(f"tf.image.{function}: the rows and columns of shape {K.int_shape(x)} must be known")
    return rows, columns


def adjust_brightness(image: Any, delta: Any) -> Any:
    """Everything brighter by `delta`."""
    return _floats(image, "adjust_brightness") + delta


def adjust_contrast(images: Any, contrast_factor: Any) -> Any:
    """Each channel's distance from its mean over the picture, times a factor."""
    x = _floats(images, "adjust_contrast")
    mean = K.mean(x, [-3, -2], keepdims=True)
    return (x - mean) * contrast_factor + mean


def image_gradients(image: Any) -> tuple[Any, Any]:
    """The differences to the next row and to the next column; 0 in the last one."""
    x = _pictures(image, "image_gradients")
    rows, columns = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    return (K.concatenate([rows, K.zeros_like(x[:, :1])], 1), K.concatenate([columns, K.zeros_like(x[:, :, :1])], 2))


def total_variation(images: Any, name: str | None = None) -> Any:
    """The sum of the absolute differences between neighbouring pixels, for each picture."""
    x = as_tensor(images)
    axes = [-3, -2, -1]
    return (K.sum(K.abs(x[..., 1:, :, :] - x[..., :-1, :, :]), axes)
            + K.sum(K.abs(x[..., 1:, :] - x[..., :-1, :]), axes))


def ssim(img1: Any, img2: Any, max_val: Any, filter_size: int = 11, filter_sigma: float = 1.5, k1: float = 0.01,
         k2: float = 0.03) -> Any:
    """How alike two batches of pictures are in structure, for each picture; 1 where they are equal (Wang et al.
    2004).

    >>> x = K.constant(np.arange(144.).reshape(1, 12, 12, 1))
    >>> float(K.eval(ssim(x, x, 255))[0])
    1.0
    """
    x, y = _pictures(img1, "ssim"), _pictures(img2, "ssim")
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    bell = np.exp(-np.square(np.arange(filter_size) - (filter_size - 1) / 2.0) / (2.0 * filter_sigma ** 2))
    kernel = np.outer(bell, bell)[:, :, None, None] / bell.sum() ** 2 * np.ones((1, 1, channels(x), 1))

    def blurred(t: Any) -> Any:
        return K.depthwise_conv2d(t, K.constant(kernel, K.dtype(t)), (1, 1), "valid", "channels_last")
    means, squares = blurred(x) * blurred(y) * 2.0, K.square(blurred(x)) + K.square(blurred(y))
    likeness = (means + c1) / (squares + c1)
    structure = (blurred(x * y) * 2.0 - means + c2) / (blurred(K.square(x) + K.square(y)) - squares + c2)
    return K.mean(K.mean(likeness * structure, [-3, -2]), -1)


def non_max_suppression(boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5,
                        score_threshold: Any = float("-inf"), name: str | None = None) -> Any:
    """The places of the boxes (y, x, y, x) with the highest scores, without those that overlap a better one by more
    than a threshold: their common area, divided by that of both together."""
    return selection.non_max_suppression(boxes, scores, max_output_size, iou_threshold, score_threshold)


NAMES: dict[str, Any] = {f"image.{function.__name__}": function for function in (
    resize_bilinear, resize_nearest_neighbor, resize_images, rgb_to_grayscale, grayscale_to_rgb,
    per_image_standardization, central_crop, crop_to_bounding_box, adjust_brightness, adjust_contrast, image_gradients,
    non_max_suppression, total_variation, ssim, psnr)} | {
    "image.resize": resize_images, "image.ResizeMethod": ResizeMethod, "image.flip_left_right": _flip(-2),
    "image.flip_up_down": _flip(-3)}
