"""Pictures in files, as Pillow's images and as arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ... import backend as K
from ...utils.extras import need

_RESAMPLING = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
_MODE_OF_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}


def pillow(what: str) -> Any:
    """The module PIL.Image, which `what` needs; ImportError naming the extra."""
    return need("PIL.Image", "image", what)


def check_data_format(data_format: str | None) -> str:
    """'channels_first' or 'channels_last'; None is the global setting. ValueError for anything else."""
    if data_format is None:
        return K.image_data_format()
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"data_format must be 'channels_first' or 'channels_last', got {data_format!r}.")
    return data_format


def mode_of(color_mode: str) -> str:
    """Pillow's name of 'rgb', 'rgba' or 'grayscale'; ValueError for another mode."""
    if color_mode not in _MODES:
        raise ValueError(f"color_mode must be one of {', '.join(map(repr, _MODES))}, got {color_mode!r}.")
    return _MODES[color_mode]


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: str | None = None) -> Any:
    """A picture of 1, 3 or 4 channels, shape (rows, columns, channels) or as `data_format` says, as a Pillow image.

    `scale` maps the values from their range (or from 0 up, if none is negative) to 0 ... 255; otherwise they are
    bytes already. ValueError for another shape or number of channels; ImportError without Pillow.
    """
    image = pillow("array_to_img")
    x = np.asarray(x, dtype=dtype or K.floatx())
    if x.ndim != 3:
        raise ValueError(f"array_to_img takes one picture with 3 axes, got an array of shape {x.shape}.")
    if check_data_format(data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    mode = _MODE_OF_CHANNELS.get(x.shape[2])
    if mode is None:
        raise ValueError(f"A picture has 1, 3 or 4 channels, but this one has {x.shape[2]} (shape {x.shape}).")
    if scale:
        x = x + max(-x.min(), 0)
        x = x / (x.max() or 1) * 255
    # What is not a byte wraps, as it did for Keras; NumPy leaves floats below 0 to the processor, so go by integers.
    pixels = x.astype("int64").astype("uint8")
    return image.fromarray(pixels[:, :, 0] if mode == "L" else np.ascontiguousarray(pixels))


def img_to_array(img: Any, data_format: str | None = None, dtype: str | None = None) -> np.ndarray:
    """A Pillow image (or an array of 2 or 3 axes) as an array of floats with 3 axes: (rows, columns, channels), or
    channels first if `data_format` says so. ValueError for another shape.
    """
    first = check_data_format(data_format) == "channels_first"
    x = np.array(img, dtype=dtype or K.floatx())
    if x.ndim == 2:
        return x[None] if first else x[:, :, None]
    if x.ndim != 3:
        raise ValueError(f"img_to_array takes a picture with 2 or 3 axes, got one of shape {x.shape}.")
    return x.transpose(2, 0, 1) if first else x


def load_img(path: Any, grayscale: bool = False, target_size: Any = None, interpolation: str = "bilinear",
             color_mode: str = "rgb", keep_aspect_ratio: bool = False) -> Any:
    """The picture in a file as a Pillow image in RGB, or grey, or in the `color_mode` of newer Keras.

    `target_size` is (rows, columns); `interpolation` one of 'nearest', 'bilinear', 'bicubic', 'hamming', 'box' and
    'lanczos' (ValueError for another). `keep_aspect_ratio` first cuts the picture, in its middle, to the target's
    proportions. OSError naming the file if it is no whole picture; ImportError without Pillow.
    """
    image = pillow("load_img")
    mode = mode_of("grayscale" if grayscale else color_mode)
    with image.open(path) as img:
        try:
            img.load()
        except OSError as error:
            raise OSError(f"{path} can't be read as a picture: {error}") from error
    if img.mode != mode:
        img = img.convert(mode)
    if target_size is None:
        return img
    size = (int(target_size[1]), int(target_size[0]))
    if img.size != size:
        if interpolation not in _RESAMPLING:
            raise ValueError(f"interpolation must be one of {', '.join(map(repr, _RESAMPLING))}, got "
                             f"{interpolation!r}.")
        resample = getattr(image.Resampling, interpolation.upper())
        img = img.resize(size, resample, box=_middle(img.size, size) if keep_aspect_ratio else None)
    return img


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest box in the middle of a picture of `size` with the proportions of `target`."""
    (width, height), (columns, rows) = size, target
    w, h = min(width, height * columns // rows), min(height, width * rows // columns)
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def save_img(path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True,
             **kwargs: Any) -> None:
    """Writes a picture, given as an array (see `array_to_img`), to a file of the kind its name says."""
    img = array_to_img(x, data_format, scale)
    if img.mode == "RGBA" and (file_format or os.path.splitext(path)[1][1:]).lower() in ("jpg", "jpeg"):
        img = img.convert("RGB")  # JPEG has no transparency
    img.save(path, format=file_format, **kwargs)


def list_pictures(directory: Any, ext: Any = "jpg|jpeg|bmp|png|ppm") -> list[str]:
    """Paths of the pictures in a folder and its sub-folders: names of letters, digits and _, with an ending of
    `ext` (separated by |, or as a tuple).
    """
    endings = ext if isinstance(ext, str) else "|".join(e.lstrip(".") for e in ext)
    name = re.compile(rf"\w+\.(?:{endings})")
    return [os.path.join(folder, file) for folder, _, files in os.walk(directory) for file in files
            if name.match(file)]


def files_below(directory: str, endings: tuple[str, ...], follow_links: bool) -> list[str]:
    """The paths of the files below a folder whose names end so: folders in alphabetical order, files within each too.
    """
    walk = sorted(os.walk(directory, followlinks=follow_links), key=lambda step: step[0])
    return [os.path.join(folder, file) for folder, _, files in walk
            for file in sorted(files) if file.lower().endswith(endings)]


def _count_valid_files_in_directory(directory: str, white_list_formats: Iterable[str], follow_links: bool) -> int:
    """How many files below a folder have one of these endings ('png', 'jpg')."""
    return len(files_below(directory, tuple(f".{ending}" for ending in white_list_formats), follow_links))


def _list_valid_filenames_in_directory(directory: str, white_list_formats: Iterable[str],
                                       class_indices: Mapping[str, int],
                                       follow_links: bool) -> tuple[list[int], list[str]]:
    """The files below the folder of a class that have one of these endings: the number of the class for each, and the
    paths from the folder around it."""
    around, name = os.path.split(directory)
    found = files_below(directory, tuple(f".{ending}" for ending in white_list_formats), follow_links)
    return [class_indices[name]] * len(found), [os.path.relpath(file, around or os.curdir) for file in found]
