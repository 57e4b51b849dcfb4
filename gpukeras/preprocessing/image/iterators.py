"""Batches of pictures from arrays and from folders, one after another or by number."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator as Iterable
from typing import Any

import numpy as np

from ... import backend as K
from ...utils.data_utils import Sequence
from .files import array_to_img, check_data_format, files_below, img_to_array, load_img, mode_of

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm")


def warn_of_channels(shape: Any, data_format: str) -> None:
    """Warns if a batch of this shape has neither 1, 3 nor 4 channels where `data_format` has them."""
    axis = 3 if data_format == "channels_last" else 1
    if shape[axis] not in (1, 3, 4):
        warnings.warn(f"Expected pictures with 1, 3 or 4 channels on axis {axis} (data_format='{data_format}'), but "
                      f"the array of shape {tuple(shape)} has {shape[axis]}.", stacklevel=3)


class Iterator(Sequence):
    """Batches of `n` samples without end, by `next()`, or by number as a `Sequence`.

    `shuffle` reorders the samples for each epoch. With a `seed`, NumPy's global state is seeded before every batch,
    with `seed` plus the number of batches made before. A class of your own defines
    `_get_batches_of_transformed_samples(index_array)`, which makes the batch of the samples with these numbers.

    Threads may share an iterator; which of them draws which numbers is then left to chance. Processes share the order
    of the samples, and with a `seed` what is drawn depends on the epoch and the batch, not on who makes it.
    """

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        self.n, self.batch_size = n, batch_size
        self.shuffle, self.seed = shuffle, seed
        self.index_array: Any = None  # the samples in the order of this epoch
        self.batch_index = self.total_batches_seen = 0
        self._epochs, self._process = 0, os.getpid()
        self.lock = threading.Lock()
        self.index_generator = self._flow_index()

    def _set_index_array(self) -> None:
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _seed(self, idx: int = 0) -> None:
        """Before every batch."""
        if not self.n:
            raise ValueError(f"{type(self).__name__} has no samples{self._place()}.")
        if self.seed is not None:
            here = os.getpid() == self._process  # a worker process doesn't know how many batches others have made
            np.random.seed(self.seed + (self.total_batches_seen if here else self._epochs * len(self) + idx))

    def epoch_state(self) -> Any:
        """What copies in other processes must know of this epoch; OrderedEnqueuer asks before each."""
        with self.lock:
            if self.index_array is None:  # workers must not shuffle each for itself
                self._seed()
                self._set_index_array()
            return self.index_array, self._epochs

    def set_epoch_state(self, state: Any) -> None:
        """In another process: this epoch is the one of that state."""
        self.index_array, self._epochs = state

    def _place(self) -> str:
        """Where the samples should have been, for errors."""
        return ""

    def __getitem__(self, idx: int) -> Any:
        if not -len(self) <= idx < len(self):
            raise ValueError(f"There is no batch {idx}: there are {len(self)}, numbered from 0.")
        idx %= len(self)
        with self.lock:
            self._seed(idx)
            self.total_batches_seen += 1
            if self.index_array is None:
                self._set_index_array()
            start = self.batch_size * idx
            chosen = self.index_array[start:start + self.batch_size]
        return self._get_batches_of_transformed_samples(chosen)

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def on_epoch_end(self) -> None:
        """A new order, if they are shuffled."""
        self._epochs += 1
        self._set_index_array()

    def reset(self) -> None:
        """`next()` starts a new epoch."""
        self.batch_index = 0

    def _flow_index(self) -> Iterable[np.ndarray]:
        """The numbers of the samples of one batch after another."""
        self.reset()
        while True:
            self._seed()
            if self.batch_index == 0:
                self._set_index_array()
            start = self.batch_index * self.batch_size % self.n
            self.batch_index = self.batch_index + 1 if start + self.batch_size < self.n else 0
            self.total_batches_seen += 1
            yield self.index_array[start:start + self.batch_size]

    def __iter__(self) -> Iterator:
        return self

    def __next__(self, *args: Any, **kwargs: Any) -> Any:
        return self.next(*args, **kwargs)

    def next(self) -> Any:
        """The next batch; several threads may ask at once."""
        with self.lock:
            if not self.n:
                self._seed()  # the error, without ending the generator
            chosen = next(self.index_generator)
        return self._get_batches_of_transformed_samples(chosen)

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        """The batch of the samples with these numbers."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method _get_batches_of_transformed_samples(self, index_array).")

    def __getstate__(self) -> dict[str, Any]:
        if self.n:
            self.epoch_state()
        return {name: value for name, value in vars(self).items() if name not in ("lock", "index_generator")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.lock = threading.Lock()
        self.index_generator = self._flow_index()


class _Pictures(Iterator):
    """What arrays and folders have in common."""

    image_data_generator: Any
    data_format: str
    save_to_dir: Any
    save_prefix: str
    save_format: str
    _hashes: int  # how many names a saved picture may get

    def _keep(self, batch: np.ndarray, numbers: Any) -> None:
        """Saves the pictures of a batch, if asked to: for looking at what the model sees."""
        if not self.save_to_dir:
            return
        for picture, number in zip(batch, numbers):
            name = f"{self.save_prefix}_{number}_{np.random.randint(self._hashes)}.{self.save_format}"
            array_to_img(picture, self.data_format).save(os.path.join(self.save_to_dir, name))

    def _changed(self, picture: np.ndarray) -> np.ndarray:
        """A picture after chance and normalization."""
        result: np.ndarray = self.image_data_generator.standardize(self.image_data_generator.random_transform(picture))
        return result


class NumpyArrayIterator(_Pictures):
    """Batches of the pictures `x`, an array with 4 axes, as an ImageDataGenerator changes them.

    A batch is the pictures alone, or with their part of `y`, or with those of `y` and `sample_weight`. From newer
    Keras: `x` may be a pair, the pictures and another input (or a list of them), which stay together. `save_to_dir`:
    a folder to which every picture is written. `subset`, 'training' or 'validation': only the generator's share.
    ValueError if the lengths differ, or for another number of axes.
    """

    _hashes = 10**4

    def __init__(self, x: Any, y: Any, image_data_generator: Any, batch_size: int = 32, shuffle: bool = False,
                 seed: int | None = None, data_format: str | None = None, save_to_dir: Any = None,
                 save_prefix: str = "", save_format: str = "png", sample_weight: Any = None,
                 subset: str | None = None) -> None:
        self._others: list[Any] = []
        if isinstance(x, (tuple, list)) and len(x) == 2 and np.ndim(x[0]) == 4:
            self._others = [np.asarray(other) for other in (x[1] if isinstance(x[1], list) else [x[1]])]
            x = x[0]
        for name, other in (("y", y), ("sample_weight", sample_weight), *(("x[1]", other) for other in self._others)):
            if other is not None and len(x) != len(other):
                raise ValueError(f"x and {name} must have one length, but their shapes are {np.shape(x)} and "
                                 f"{np.shape(other)}.")
        self.data_format = check_data_format(data_format)
        self.x = np.asarray(x, dtype=getattr(image_data_generator, "dtype", None) or K.floatx())
        if self.x.ndim != 4:
            raise ValueError(f"Pictures come as an array with 4 axes, but this one has shape {self.x.shape}.")
        warn_of_channels(self.x.shape, self.data_format)
        self.y = None if y is None else np.asarray(y)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        if subset is not None:
            part = part_of(len(self.x), image_data_generator, subset)
            self.x = self.x[part]
            self.y = None if self.y is None else self.y[part]
            self.sample_weight = None if self.sample_weight is None else self.sample_weight[part]
            self._others = [other[part] for other in self._others]
        self.image_data_generator = image_data_generator
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = np.zeros((len(index_array), *self.x.shape[1:]), self.x.dtype)
        for i, number in enumerate(index_array):
            batch[i] = self._changed(self.x[number].copy())
        self._keep(batch, index_array)
        inputs = [batch, *(other[index_array] for other in self._others)] if self._others else batch
        targets = [part[index_array] for part in (self.y, self.sample_weight) if part is not None]
        return (inputs, *targets) if targets else inputs


def part_of(n: int, generator: Any, subset: str) -> slice:
    """The first samples validate, the others train."""
    if subset not in ("training", "validation"):
        raise ValueError(f"subset must be 'training' or 'validation', got {subset!r}.")
    share = getattr(generator, "validation_split", 0)
    if not share:
        raise ValueError(f"subset={subset!r} needs an ImageDataGenerator with validation_split=..., such as 0.2.")
    border = int(share * n)
    return slice(border) if subset == "validation" else slice(border, n)


class PictureFiles(_Pictures):
    """Batches of pictures in files, resized to `target_size` and changed by an ImageDataGenerator."""

    _hashes = 10**7
    _class_modes: tuple[str | None, ...] = ("categorical", "binary", "sparse", "input", None)
    filenames: list[str]  # relative to the folder
    classes: Any  # the class number of each file
    num_classes: int

    def __init__(self, directory: Any, image_data_generator: Any, target_size: Any, color_mode: str,
                 class_mode: str | None, data_format: str | None, save_to_dir: Any, save_prefix: str, save_format: str,
                 interpolation: str) -> None:
        self.directory = directory
        self.image_data_generator = image_data_generator
        self.target_size = tuple(target_size)
        self.data_format = check_data_format(data_format)
        channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode_of(color_mode)]
        self.color_mode = color_mode
        self.image_shape = ((*self.target_size, channels) if self.data_format == "channels_last"
                            else (channels, *self.target_size))
        if class_mode not in self._class_modes:
            known = ", ".join(map(repr, self._class_modes))
            raise ValueError(f"class_mode must be one of {known}, got {class_mode!r}.")
        self.class_mode = class_mode
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.interpolation = interpolation

    @property
    def filepaths(self) -> list[str]:
        """The files with the folder's own path."""
        return [os.path.join(self.directory, name) for name in self.filenames]

    @property
    def labels(self) -> Any:
        """The class number of each file."""
        return self.classes

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = np.zeros((len(index_array), *self.image_shape), K.floatx())
        for i, number in enumerate(index_array):
            img = load_img(os.path.join(self.directory, self.filenames[number]), color_mode=self.color_mode,
                           target_size=self.target_size, interpolation=self.interpolation)
            batch[i] = self._changed(img_to_array(img, self.data_format))
        self._keep(batch, index_array)
        return batch if self.class_mode is None else (batch, self._targets(batch, index_array))

    def _targets(self, batch: np.ndarray, index_array: Any) -> Any:
        if self.class_mode == "input":
            return batch.copy()
        classes = self.classes[index_array]
        if self.class_mode == "sparse":
            return classes
        if self.class_mode == "binary":
            return classes.astype(K.floatx())
        return np.eye(self.num_classes, dtype=K.floatx())[classes]


class DirectoryIterator(PictureFiles):
    """Batches of the pictures (png, jpg, jpeg, bmp, ppm) in a folder, as an ImageDataGenerator changes them.

    Each sub-folder is a class, of pictures at any depth: all sub-folders in alphabetical order, or those in the list
    `classes`. `class_mode` says what comes with the pictures: 'categorical' (one-hot rows), 'binary' and 'sparse'
    (class numbers, as floats and as integers), 'input' (the pictures themselves) or None (nothing). Pictures are
    resized to `target_size`, (rows, columns). `class_indices` maps the names of classes to their numbers; `filenames`
    and `classes` list the files and their class numbers. ValueError for an unknown mode.
    """

    def __init__(self, directory: Any, image_data_generator: Any, target_size: Any = (256, 256),
                 color_mode: str = "rgb", classes: Any = None, class_mode: str | None = "categorical",
                 batch_size: int = 32, shuffle: bool = True, seed: int | None = None, data_format: str | None = None,
                 save_to_dir: Any = None, save_prefix: str = "", save_format: str = "png", follow_links: bool = False,
                 subset: str | None = None, interpolation: str = "bilinear") -> None:
        super().__init__(directory, image_data_generator, target_size, color_mode, class_mode, data_format, save_to_dir,
                         save_prefix, save_format, interpolation)
        names = list(classes) if classes is not None and len(classes) else sorted(
            entry.name for entry in os.scandir(directory) if entry.is_dir())
        self.num_classes = len(names)
        self.class_indices = {name: number for number, name in enumerate(names)}
        self.filenames = []
        numbers: list[int] = []
        for name, number in self.class_indices.items():
            found = _pictures_of(os.fspath(directory), name, follow_links)
            if subset is not None:
                found = found[part_of(len(found), image_data_generator, subset)]
            self.filenames += found
            numbers += [number] * len(found)
        self.classes = np.array(numbers, "int32")
        self.samples = len(numbers)
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        Iterator.__init__(self, self.samples, batch_size, shuffle, seed)

    def _place(self) -> str:
        return (f": there are no pictures in the sub-folders of {self.directory}, one for each class "
                f"({', '.join(self.class_indices) or 'there are none'})")


def _pictures_of(directory: str, name: str, follow_links: bool) -> list[str]:
    """The pictures of a class, as paths from `directory`."""
    root = os.path.join(directory, name)
    if not os.path.isdir(root):
        warnings.warn(f"Class {name!r} has no folder in {directory}.", stacklevel=4)
    return [os.path.relpath(file, directory) for file in files_below(root, PICTURES, follow_links)]
