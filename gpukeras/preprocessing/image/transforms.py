"""Pictures turned, moved, sheared, zoomed and recoloured: arrays in, arrays out.

A geometric change is a matrix that takes a place (row, column, 1) of the result to the place of the original where its
value is. Places between pixels get the nearest one's value. `row_axis`, `col_axis` and `channel_axis` say how an array
with 3 axes is laid out; channels come first unless told otherwise.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...utils.extras import need


def rotation(theta: float) -> np.ndarray:
    """The matrix that turns by `theta` radians.

    >>> rotation(0.0).tolist()
    [[1.0, -0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    cos, sin = np.cos(theta), np.sin(theta)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def shift(rows: float, columns: float) -> np.ndarray:
    """The matrix that moves by so many pixels."""
    return np.array([[1, 0, rows], [0, 1, columns], [0, 0, 1]])


def shear(angle: float) -> np.ndarray:
    """The matrix that shears by `angle` radians."""
    return np.array([[1, -np.sin(angle), 0], [0, np.cos(angle), 0], [0, 0, 1]])


def zoom(rows: float, columns: float) -> np.ndarray:
    """The matrix that shows `rows` (`columns`) times as much of the picture: below 1 it grows."""
    return np.array([[rows, 0, 0], [0, columns, 0], [0, 0, 1]])


def transform_matrix_offset_center(matrix: Any, x: float, y: float) -> np.ndarray:
    """`matrix`, but about the middle of a picture of `x` rows and `y` columns and not about its corner.

    As in Keras the middle is at x / 2 + 0.5, half a pixel beyond the true one.

    >>> transform_matrix_offset_center(zoom(2, 1), 4, 4).tolist()
    [[2.0, 0.0, -2.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    middle = float(x) / 2 + 0.5, float(y) / 2 + 0.5
    result: np.ndarray = shift(*middle) @ matrix @ shift(-middle[0], -middle[1])
    return result


def apply_transform(x: Any, transform_matrix: Any, channel_axis: int = 0, fill_mode: str = "nearest",
                    cval: float = 0., order: int = 0) -> np.ndarray:
    """The picture `x`, of 3 axes, changed by a matrix of shape (3, 3). Needs SciPy.

    With `order` 0 a place between pixels gets the nearest one's value, with 1 a value between theirs. `fill_mode` says
    what lies outside of the picture: 'nearest' its edge, 'constant' the value `cval`, 'reflect' and 'wrap' the picture
    itself, mirrored or repeated.
    """
    ndimage = need("scipy.ndimage", "image", "Turning, moving, shearing and zooming pictures")
    matrix, offset = transform_matrix[:2, :2], transform_matrix[:2, 2]
    channels = [ndimage.affine_transform(channel, matrix, offset, order=order, mode=fill_mode, cval=cval)
                for channel in np.moveaxis(np.asarray(x), channel_axis, 0)]
    return np.moveaxis(np.stack(channels), 0, channel_axis)


def combined(theta: float = 0., tx: float = 0., ty: float = 0., shear_angle: float = 0., zx: float = 1.,
             zy: float = 1.) -> np.ndarray | None:
    """The matrix of a turn, a shift, a shear and a zoom, in radians and pixels; None if nothing changes."""
    steps = [rotation(theta)] if theta else []
    steps += [shift(tx, ty)] if tx or ty else []
    steps += [shear(shear_angle)] if shear_angle else []
    steps += [zoom(zx, zy)] if zx != 1 or zy != 1 else []
    return functools.reduce(np.matmul, steps) if steps else None


def apply_affine_transform(x: Any, theta: float = 0, tx: float = 0, ty: float = 0, shear: float = 0, zx: float = 1,
                           zy: float = 1, row_axis: int = 0, col_axis: int = 1, channel_axis: int = 2,
                           fill_mode: str = "nearest", cval: float = 0., order: int = 1) -> np.ndarray:
    """The picture turned and sheared (by degrees), moved by `tx` rows and `ty` columns, and zoomed: newer Keras's
    name. `fill_mode`, `cval` and `order` are those of `apply_transform`."""
    matrix = combined(np.deg2rad(theta), tx, ty, np.deg2rad(shear), zx, zy)
    if matrix is None:
        return np.asarray(x)
    matrix = transform_matrix_offset_center(matrix, x.shape[row_axis], x.shape[col_axis])
    return apply_transform(x, matrix, channel_axis, fill_mode, cval, order)


def _about_the_middle(x: Any, matrix: np.ndarray, row_axis: int, col_axis: int, channel_axis: int, fill_mode: str,
                      cval: float) -> np.ndarray:
    matrix = transform_matrix_offset_center(matrix, x.shape[row_axis], x.shape[col_axis])
    return apply_transform(x, matrix, channel_axis, fill_mode, cval)


def random_rotation(x: Any, rg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                    fill_mode: str = "nearest", cval: float = 0.) -> np.ndarray:
    """The picture turned by an angle drawn from -rg to rg degrees."""
    matrix = rotation(np.pi / 180 * np.random.uniform(-rg, rg))
    return _about_the_middle(x, matrix, row_axis, col_axis, channel_axis, fill_mode, cval)


def random_shift(x: Any, wrg: float, hrg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                 fill_mode: str = "nearest", cval: float = 0.) -> np.ndarray:
    """The picture moved by up to `wrg` of its width and `hrg` of its height, either way."""
    rows = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    columns = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return apply_transform(x, shift(rows, columns), channel_axis, fill_mode, cval)


def random_shear(x: Any, intensity: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                 fill_mode: str = "nearest", cval: float = 0.) -> np.ndarray:
    """The picture sheared by an angle drawn from -intensity to intensity radians."""
    matrix = shear(np.random.uniform(-intensity, intensity))
    return _about_the_middle(x, matrix, row_axis, col_axis, channel_axis, fill_mode, cval)


def random_zoom(x: Any, zoom_range: Any, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                fill_mode: str = "nearest", cval: float = 0.) -> np.ndarray:
    """The picture with as much of its height and of its width as two numbers drawn from the pair `zoom_range` say.

    ValueError if `zoom_range` is no pair.
    """
    matrix = zoom(*draw_zoom(zoom_range))
    return _about_the_middle(x, matrix, row_axis, col_axis, channel_axis, fill_mode, cval)


def draw_zoom(zoom_range: Any) -> tuple[float, float]:
    """Two numbers from the range; (1, 1) draws none."""
    if len(zoom_range) != 2:
        raise ValueError(f"zoom_range must be two numbers, got {zoom_range!r}.")
    low, high = zoom_range
    if low == high == 1:
        return 1, 1
    rows, columns = np.random.uniform(low, high, 2)
    return rows, columns


def shift_channels(x: Any, amounts: Any, channel_axis: int) -> np.ndarray:
    """Each channel plus its amount, kept within the range of the whole picture's values."""
    channels = np.moveaxis(np.asarray(x), channel_axis, 0)
    low, high = channels.min(), channels.max()
    moved = [np.clip(channel + amount, low, high) for channel, amount in zip(channels, amounts)]
    return np.moveaxis(np.stack(moved), 0, channel_axis)


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """The picture with `intensity` added to each channel, within the range of its values."""
    return shift_channels(x, [intensity] * np.shape(x)[channel_axis], channel_axis)


def random_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """The picture with a number from -intensity to intensity added to each channel, within the range of its values."""
    amounts = [np.random.uniform(-intensity, intensity) for _ in range(np.shape(x)[channel_axis])]
    return shift_channels(x, amounts, channel_axis)


def change_brightness(x: Any, factor: float) -> np.ndarray:
    """The values times `factor`, and 255 at most, if they are not above it already."""
    x = np.asarray(x)
    result: np.ndarray = np.clip(x * np.asarray(factor, x.dtype), None, max(255, x.max(initial=0)))
    return result


def apply_brightness_shift(x: Any, brightness: float) -> np.ndarray:
    """The picture with its values, from 0 to 255, times `brightness`."""
    return change_brightness(x, brightness)


def random_brightness(x: Any, brightness_range: Any) -> np.ndarray:
    """The picture with its values, from 0 to 255, times a number drawn from the pair `brightness_range`.

    ValueError if it is no pair.
    """
    if len(brightness_range) != 2:
        raise ValueError(f"brightness_range must be two numbers, got {brightness_range!r}.")
    return change_brightness(x, np.random.uniform(*brightness_range))


def flip_axis(x: Any, axis: int) -> np.ndarray:
    """The array mirrored along one axis.

    >>> flip_axis([[1, 2], [3, 4]], 1).tolist()
    [[2, 1], [4, 3]]
    """
    return np.flip(np.asarray(x), axis)
