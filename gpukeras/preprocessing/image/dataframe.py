"""Batches of pictures that a table lists."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from ... import backend as K
from .iterators import PICTURES, Iterator, PictureFiles, part_of

_PICTURES = (*PICTURES, ".tif", ".tiff")


class DataFrameIterator(PictureFiles):
    """Batches of the pictures that a pandas.DataFrame lists, as an ImageDataGenerator changes them. From newer Keras.

    Column `x_col` has the files, relative to `directory`; `y_col` what comes with them. `class_mode`: 'categorical'
    (one-hot rows; a row of the table may list several classes), 'binary', 'sparse', 'input' and None as for folders,
    'raw' (the numbers of one column, or of a list of columns) or 'multi_output' (a list with an array a column).
    `classes` leaves out rows of other classes. `weight_col` has sample weights. `validate_filenames` leaves out what
    is no file with the ending of a picture, with a warning.
    """

    _class_modes = ("categorical", "binary", "sparse", "input", "raw", "multi_output", None)

    def __init__(self, dataframe: Any, directory: Any = None, image_data_generator: Any = None,
                 x_col: str = "filename", y_col: Any = "class", weight_col: str | None = None,
                 target_size: Any = (256, 256), color_mode: str = "rgb", classes: Any = None,
                 class_mode: str | None = "categorical", batch_size: int = 32, shuffle: bool = True,
                 seed: int | None = None, data_format: str | None = None, save_to_dir: Any = None,
                 save_prefix: str = "", save_format: str = "png", subset: str | None = None,
                 interpolation: str = "bilinear", validate_filenames: bool = True) -> None:
        super().__init__(directory or "", image_data_generator, target_size, color_mode,
                         "raw" if class_mode == "other" else class_mode, data_format, save_to_dir, save_prefix,
                         save_format, interpolation)
        self._columns = [y_col] if isinstance(y_col, str) else list(y_col)
        labelled = self.class_mode in ("categorical", "binary", "sparse")
        needed = [x_col, *(self._columns if self.class_mode not in ("input", None) else []),
                  *([weight_col] if weight_col else [])]
        missing = [name for name in needed if name not in dataframe]
        if missing:
            raise ValueError(f"The table has no column {missing[0]!r}, only {list(dataframe)}.")
        table = dataframe[_are_pictures(dataframe[x_col], self.directory)] if validate_filenames else dataframe
        if labelled:
            table = self._number(table, self._columns[0], classes)
        if subset is not None:
            table = table.iloc[part_of(len(table), image_data_generator, subset)]
        self.filenames = [str(name) for name in table[x_col]]
        self.sample_weight = table[weight_col].to_numpy() if weight_col else None
        if labelled:
            self._numbers = [self._classes_of(label) for label in table[self._columns[0]]]
            single = all(len(numbers) == 1 for numbers in self._numbers)
            if not single and self.class_mode != "categorical":
                raise ValueError(f"Several classes for one picture need class_mode='categorical', not "
                                 f"{self.class_mode!r}.")
            self.classes = np.array([n[0] for n in self._numbers], "int32") if single else self._numbers
        elif self.class_mode == "raw":
            self.classes = table[y_col].to_numpy()
        elif self.class_mode == "multi_output":
            self.classes = [np.array(table[name].tolist()) for name in self._columns]
        self.samples = len(self.filenames)
        print(f"Found {self.samples} validated image filenames"
              + (f" belonging to {self.num_classes} classes." if labelled else "."))
        Iterator.__init__(self, self.samples, batch_size, shuffle, seed)

    def _number(self, table: Any, column: str, classes: Any) -> Any:
        """Settles the classes, in alphabetical order unless they are given, and the rows that have one of them."""
        found = {name for label in table[column] for name in _listed(label)}
        names = sorted(found) if classes is None else list(dict.fromkeys(classes))
        if self.class_mode == "binary" and len(names) != 2:
            raise ValueError(f"class_mode='binary' needs two classes, but there are {len(names)}: {names[:10]}.")
        self.num_classes = len(names)
        self.class_indices = {name: number for number, name in enumerate(names)}
        keep = [any(name in self.class_indices for name in _listed(label)) for label in table[column]]
        return table[np.array(keep, bool)]

    def _classes_of(self, label: Any) -> list[int]:
        return [self.class_indices[name] for name in _listed(label) if name in self.class_indices]

    def _place(self) -> str:
        return f": the table lists no picture that exists in {self.directory or 'the current folder'}"

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = super()._get_batches_of_transformed_samples(index_array)
        if self.sample_weight is None or self.class_mode is None:
            return batch
        return (*batch, self.sample_weight[index_array])

    def _targets(self, batch: np.ndarray, index_array: Any) -> Any:
        if self.class_mode == "raw":
            return self.classes[index_array]
        if self.class_mode == "multi_output":
            return [column[index_array] for column in self.classes]
        if self.class_mode != "categorical":
            return super()._targets(batch, index_array)
        rows = np.zeros((len(batch), self.num_classes), K.floatx())
        for row, number in zip(rows, index_array):
            row[self._numbers[number]] = 1
        return rows


def _listed(label: Any) -> list[Any]:
    return list(label) if isinstance(label, (list, tuple)) else [label]


def _are_pictures(names: Any, directory: Any) -> np.ndarray:
    """Which names are files with the ending of a picture; a warning counts the others."""
    good = [isinstance(name, str) and name.lower().endswith(_PICTURES)
            and os.path.isfile(os.path.join(directory, name)) for name in names]
    if not all(good):
        first = list(names)[good.index(False)]
        warnings.warn(f"{good.count(False)} of {len(good)} names in the table are no files of pictures, and left out: "
                      f"the first is {first!r}.", stacklevel=4)
    return np.array(good, bool)
