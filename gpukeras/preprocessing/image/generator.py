"""ImageDataGenerator: pictures changed at random while they are fed to a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import backend as K
from ...utils.extras import need
from . import transforms
from .dataframe import DataFrameIterator
from .files import check_data_format
from .iterators import DirectoryIterator, NumpyArrayIterator, warn_of_channels

_TINY = 1e-7


class ImageDataGenerator:
    """Batches of pictures, each changed at random (`random_transform`), then normalized (`standardize`).

    Normalization: `preprocessing_function` of one picture, times `rescale`; each picture less its mean
    (`samplewise_center`), over its deviation (`samplewise_std_normalization`); less the mean of all, over the deviation
    of all, per channel (`featurewise_...`), and decorrelated (`zca_whitening`, with `zca_epsilon` added to variances):
    for these three call `fit` first.

    Chance: turned by up to `rotation_range` degrees; moved by up to `width_shift_range` and `height_shift_range` of its
    size (above 1: pixels, as in newer Keras; a list: one of these numbers of pixels, either way); sheared by up to
    `shear_range` radians; zoomed by a factor from 1 - `zoom_range` to 1 + `zoom_range`, or from a pair; each channel
    plus up to `channel_shift_range`; mirrored (`horizontal_flip`, `vertical_flip`); from newer Keras, values from 0 to
    255 times a number from the pair `brightness_range`. `fill_mode` and `cval`: see `apply_transform`.

    `validation_split`: the share of the data that ``subset='validation'`` means in `flow` and `flow_from_directory`.
    All numbers are drawn from NumPy's global state, in Keras's order. Turning, moving, shearing, zooming and whitening
    need SciPy, files need Pillow: the extra `image`.

    >>> generator = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True)
    >>> float(next(generator.flow(np.full((4, 8, 8, 3), 255), batch_size=2)).max())
    1.0
    """

    def __init__(self, featurewise_center: bool = False, samplewise_center: bool = False,
                 featurewise_std_normalization: bool = False, samplewise_std_normalization: bool = False,
                 zca_whitening: bool = False, zca_epsilon: float = 1e-6, rotation_range: float = 0.,
                 width_shift_range: Any = 0., height_shift_range: Any = 0., shear_range: float = 0.,
                 zoom_range: Any = 0., channel_shift_range: float = 0., fill_mode: str = "nearest", cval: float = 0.,
                 horizontal_flip: bool = False, vertical_flip: bool = False, rescale: float | None = None,
                 preprocessing_function: Callable[[Any], Any] | None = None, data_format: str | None = None,
                 validation_split: float = 0., brightness_range: Any = None, dtype: str | None = None) -> None:
        # how pictures are normalized
        self.preprocessing_function, self.rescale = preprocessing_function, rescale
        self.samplewise_center, self.featurewise_center = samplewise_center, featurewise_center
        self.samplewise_std_normalization = samplewise_std_normalization
        self.featurewise_std_normalization = featurewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        # how far chance may go
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.channel_shift_range, self.brightness_range = channel_shift_range, brightness_range
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.fill_mode, self.cval = fill_mode, cval
        self.data_format = check_data_format(data_format)
        self.validation_split = validation_split
        self.dtype = dtype or K.floatx()
        axes = (1, 2, 3) if self.data_format == "channels_first" else (3, 1, 2)
        self.channel_axis, self.row_axis, self.col_axis = axes  # of a batch
        self.mean: Any = None
        self.std: Any = None
        self.principal_components: Any = None
        if np.isscalar(zoom_range):
            zoom_range = [1 - zoom_range, 1 + zoom_range]  # type: ignore[operator]
        if len(zoom_range) != 2:
            raise ValueError(f"zoom_range must be a number or two numbers, got {zoom_range!r}.")
        self.zoom_range = list(zoom_range)
        if not 0 <= validation_split < 1:
            raise ValueError(f"validation_split must be at least 0 and below 1, got {validation_split!r}.")
        if brightness_range is not None and len(brightness_range) != 2:
            raise ValueError(f"brightness_range must be two numbers, got {brightness_range!r}.")

    # --------------------------------------------------------------------------------------------------- batches

    def flow(self, x: Any, y: Any = None, batch_size: int = 32, shuffle: bool = True, seed: int | None = None,
             save_to_dir: Any = None, save_prefix: str = "", save_format: str = "png", sample_weight: Any = None,
             subset: str | None = None) -> NumpyArrayIterator:
        """Batches of the pictures `x`, with `y` (and `sample_weight`) if given: see `NumpyArrayIterator`."""
        return NumpyArrayIterator(x, y, self, batch_size=batch_size, shuffle=shuffle, seed=seed,
                                  data_format=self.data_format, save_to_dir=save_to_dir, save_prefix=save_prefix,
                                  save_format=save_format, sample_weight=sample_weight, subset=subset)

    def flow_from_directory(self, directory: Any, target_size: Any = (256, 256), color_mode: str = "rgb",
                            classes: Any = None, class_mode: str | None = "categorical", batch_size: int = 32,
                            shuffle: bool = True, seed: int | None = None, save_to_dir: Any = None,
                            save_prefix: str = "", save_format: str = "png", follow_links: bool = False,
                            subset: str | None = None, interpolation: str = "bilinear") -> DirectoryIterator:
        """Batches of the pictures in a folder with one sub-folder for each class: see `DirectoryIterator`."""
        return DirectoryIterator(directory, self, target_size=target_size, color_mode=color_mode, classes=classes,
                                 class_mode=class_mode, data_format=self.data_format, batch_size=batch_size,
                                 shuffle=shuffle, seed=seed, save_to_dir=save_to_dir, save_prefix=save_prefix,
                                 save_format=save_format, follow_links=follow_links, subset=subset,
                                 interpolation=interpolation)

    def flow_from_dataframe(self, dataframe: Any, directory: Any = None, x_col: str = "filename", y_col: Any = "class",
                            weight_col: str | None = None, **options: Any) -> DataFrameIterator:
        """Batches of the pictures that a table lists, as in newer Keras: see `DataFrameIterator`."""
        return DataFrameIterator(dataframe, directory, self, x_col, y_col, weight_col, data_format=self.data_format,
                                 **options)

    # ------------------------------------------------------------------------------------------- one after another

    def standardize(self, x: Any) -> np.ndarray:
        """One picture, or a batch, normalized. As in Keras an array of floats is changed in place."""
        own = self.preprocessing_function
        x = np.asarray(own(x) if own else x)
        if x.dtype.kind != "f":
            x = x.astype(self.dtype)
        if self.rescale:
            np.multiply(x, self.rescale, out=x)
        if self.samplewise_center:
            np.subtract(x, x.mean(), out=x)
        if self.samplewise_std_normalization:
            np.divide(x, x.std() + x.dtype.type(_TINY), out=x)
        if self.featurewise_center and self._fitted("featurewise_center", self.mean):
            x -= self.mean
        if self.featurewise_std_normalization and self._fitted("featurewise_std_normalization", self.std):
            x /= self.std + _TINY
        if self.zca_whitening and self._fitted("zca_whitening", self.principal_components):
            flat = np.reshape(x, (-1, int(np.prod(x.shape[-3:]))))
            x = np.reshape(np.dot(flat, self.principal_components), x.shape)
        result: np.ndarray = x
        return result

    def _fitted(self, option: str, found: Any) -> bool:
        if found is None:
            warnings.warn(f"This ImageDataGenerator has {option}=True, but it knows no data yet, so it leaves that out:"
                          " call fit(x) first, with the pictures of the training.", stacklevel=3)
        return found is not None

    def random_transform(self, x: Any, seed: int | None = None) -> np.ndarray:
        """One picture, of 3 axes, changed at random. `seed` seeds NumPy's global state first."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def get_random_transform(self, img_shape: Any, seed: int | None = None) -> dict[str, Any]:
        """What chance has in store for a picture of that shape: arguments of `apply_transform`, so that a picture and
        its mask can be changed alike."""
        if seed is not None:
            np.random.seed(seed)
        drawn: dict[str, Any] = {}
        limit = self.rotation_range
        drawn["theta"] = np.random.uniform(-limit, limit) if limit else 0
        drawn["tx"] = _draw_shift(self.height_shift_range, img_shape[self.row_axis - 1])
        drawn["ty"] = _draw_shift(self.width_shift_range, img_shape[self.col_axis - 1])
        limit = self.shear_range
        drawn["shear"] = np.random.uniform(-limit, limit) if limit else 0
        drawn["zx"], drawn["zy"] = transforms.draw_zoom(self.zoom_range)
        limit = self.channel_shift_range
        count = img_shape[self.channel_axis - 1] if limit else 0
        drawn["channel_shift_intensity"] = [np.random.uniform(-limit, limit) for _ in range(count)] or None
        drawn["flip_horizontal"] = bool(self.horizontal_flip and np.random.random() < 0.5)
        drawn["flip_vertical"] = bool(self.vertical_flip and np.random.random() < 0.5)
        brightness = self.brightness_range
        drawn["brightness"] = None if brightness is None else np.random.uniform(*brightness)
        return drawn

    def apply_transform(self, x: Any, transform_parameters: dict[str, Any]) -> np.ndarray:
        """One picture changed as `transform_parameters` say: `theta` (degrees), `tx`, `ty`, `shear` (radians),
        `zx`, `zy`, `channel_shift_intensity` (a number, or one a channel), `flip_horizontal`, `flip_vertical`,
        `brightness`; what is missing changes nothing.
        """
        x = np.asarray(x)
        get = transform_parameters.get
        rows, columns, channels = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        theta, tx, ty, shear = (get(name, 0) for name in ("theta", "tx", "ty", "shear"))
        zx, zy = get("zx", 1), get("zy", 1)
        matrix = transforms.combined(np.pi / 180 * theta, tx, ty, shear, zx, zy)
        if matrix is not None:
            matrix = transforms.transform_matrix_offset_center(matrix, x.shape[rows], x.shape[columns])
            x = transforms.apply_transform(x, matrix, channels, self.fill_mode, self.cval)
        amounts = get("channel_shift_intensity")
        if amounts is not None:
            amounts = [amounts] * x.shape[channels] if np.isscalar(amounts) else amounts
            x = transforms.shift_channels(x, amounts, channels)
        if get("flip_horizontal"):
            x = transforms.flip_axis(x, columns)
        if get("flip_vertical"):
            x = transforms.flip_axis(x, rows)
        brightness = get("brightness")
        return x if brightness is None else transforms.change_brightness(x, brightness)

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Learns mean, deviation and principal components, as far as asked for, from the pictures `x` of 4 axes.

        `augment` learns them from `rounds` passes over changed pictures; `seed` seeds NumPy's global state first.
        ValueError for another number of axes.
        """
        x = np.array(x, dtype=K.floatx())
        if x.ndim != 4:
            raise ValueError(f"fit takes pictures as an array with 4 axes, got shape {x.shape}.")
        warn_of_channels(x.shape, self.data_format)
        if seed is not None:
            np.random.seed(seed)
        if augment:
            x = np.array([self.random_transform(picture) for _ in range(rounds) for picture in x], K.floatx())
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = np.mean(x, axis=axes, keepdims=True)[0]
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=axes, keepdims=True)[0]
            x /= self.std + K.epsilon()
        if self.zca_whitening:
            linalg = need("scipy.linalg", "image", "zca_whitening")
            flat = x.reshape(len(x), -1)
            u, s, _ = linalg.svd(np.dot(flat.T, flat) / len(flat))
            self.principal_components = np.dot(np.dot(u, np.diag(1. / np.sqrt(s + self.zca_epsilon))), u.T)


def _draw_shift(limit: Any, size: int) -> Any:
    """How many pixels to move along an axis of `size` pixels."""
    if np.ndim(limit):
        return np.random.choice(limit) * np.random.choice([-1, 1])
    if not limit:
        return 0
    drawn = np.random.uniform(-limit, limit)
    if limit <= 1:
        return drawn * size
    return round(drawn) if isinstance(limit, int) else drawn
