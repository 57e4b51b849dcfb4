"""What `scipy.misc` did with pictures until SciPy 1.2, by Pillow: with arrays (rows, columns) or with channels
behind."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..utils.extras import need

_WAYS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}


def bytescale(data: Any, cmin: float | None = None, cmax: float | None = None, high: int = 255,
              low: int = 0) -> np.ndarray:
    """Numbers from `cmin` to `cmax` (the smallest and the largest) as bytes from `low` to `high`; bytes as they are.

    >>> bytescale(np.array([0., 0.5, 1.])).tolist()
    [0, 128, 255]
    """
    values: np.ndarray = np.asarray(data)
    if values.dtype == np.uint8:
        return values
    if not 0 <= low <= high <= 255:
        raise ValueError(f"bytescale: low and high must be bytes in this order, got {low} and {high}")
    cmin, cmax = values.min() if cmin is None else cmin, values.max() if cmax is None else cmax
    if cmax < cmin:
        raise ValueError(f"bytescale: cmax must not be below cmin, got {cmin} and {cmax}")
    scaled = (values - cmin) * ((high - low) / ((cmax - cmin) or 1)) + low
    found: np.ndarray = (scaled.clip(low, high) + 0.5).astype(np.uint8)
    return found


def _images() -> Any:
    return need("PIL.Image", "image", "A picture")


def toimage(arr: Any, high: int = 255, low: int = 0, cmin: float | None = None, cmax: float | None = None,
            pal: Any = None, mode: str | None = None, channel_axis: int | None = None) -> Any:
    """A Pillow image of an array, whose values are scaled to bytes unless they are bytes."""
    data = np.asarray(arr)
    if pal is not None:
        raise NotImplementedError("toimage: palettes are not available here; use PIL.Image.fromarray")
    if data.ndim == 2 and mode == "F":
        return _images().fromarray(data.astype(np.float32))
    if data.ndim == 3:
        axis = _channels(data.shape) if channel_axis is None else channel_axis
        data = np.moveaxis(data, axis, -1)
    elif data.ndim != 2:
        raise ValueError(f"a picture has shape (rows, columns) or 3 or 4 channels besides, got {data.shape}")
    made = _images().fromarray(np.ascontiguousarray(bytescale(data, cmin, cmax, high, low)))
    return made if mode in (None, made.mode) else made.convert(mode)


def _channels(shape: tuple[int, ...]) -> int:
    """The axis of the channels: the first of 3, else of 4."""
    for count in (3, 4):
        if count in shape:
            return shape.index(count)
    raise ValueError(f"a picture has shape (rows, columns) or 3 or 4 channels besides, got {shape}")


def fromimage(im: Any, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    """The array of a Pillow image; with `flatten` its greys as floats."""
    if mode is not None and mode != im.mode:
        im = im.convert(mode)
    elif im.mode == "P":
        im = im.convert("RGBA" if "transparency" in im.info else "RGB")
    elif im.mode == "1":
        im = im.convert("L")
    return np.array(im.convert("F") if flatten else im)


def imread(name: Any, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    """The array of a picture in a file."""
    with _images().open(name) as image:
        return fromimage(image, flatten, mode)


def imsave(name: Any, arr: Any, format: str | None = None) -> None:
    """Writes an array as a picture."""
    toimage(arr, channel_axis=2).save(name, format)


def imresize(arr: Any, size: Any, interp: str = "bilinear", mode: str | None = None) -> np.ndarray:
    """A picture as bytes in another size: (rows, columns), a whole number of percent, or a fraction as a float."""
    image = toimage(arr, mode=mode)
    if isinstance(size, (int, np.integer)):
        size = size / 100.0
    if isinstance(size, (float, np.floating)):
        target = tuple(int(n * size) for n in image.size)
    else:
        target = (int(size[1]), int(size[0]))
    if interp not in _WAYS:
        raise ValueError(f"imresize: interp must be one of {', '.join(_WAYS)}, got {interp!r}")
    return fromimage(image.resize(target, resample=_WAYS[interp]))
