"""Data in HDF5 files as if it were an array, and the question before a file is overwritten."""

from __future__ import annotations

import operator
import os
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .h5dict import H5Dict as H5Dict
from .h5dict import load_from_binary_h5py as load_from_binary_h5py
from .h5dict import save_to_binary_h5py as save_to_binary_h5py

h5dict = H5Dict


class HDF5Matrix:
    """Rows `start` to `end` of the data set `dataset` in the HDF5 file `datapath`, read when they are indexed.

    It stands where an array of samples would: in `fit`, `evaluate` and `predict`, sliced, or indexed with a number, a
    list or an array. `normalizer` is a function that every part read is passed through. A file is opened once for all
    that read from it, and closed with the last of them.

    KeyError naming the data sets there are, if there is none of that name. ValueError if the file says that the data is
    elsewhere (links, external or virtual storage): opening a file reads nothing but that file.
    """

    refs: ClassVar[Any] = weakref.WeakValueDictionary()
    """Open files by their paths as they were given, for programs that close one."""
    _opened: ClassVar[dict[str, tuple[int, int]]] = {}  # the files that the paths meant then

    def __init__(self, datapath: Any, dataset: str, start: int = 0, end: int | None = None,
                 normalizer: Callable[[Any], Any] | None = None) -> None:
        self._arguments = datapath, dataset, start, end, normalizer
        self._file = self._open(os.fspath(datapath))
        self.data = dataset_inside(self._file, dataset)
        self.start = start
        self.end = self.data.shape[0] if end is None else end
        if not 0 <= self.start <= self.end:
            raise ValueError(f"Rows {start} to {end} are none of {dataset!r}, which has {self.data.shape[0]} rows.")
        self.normalizer = normalizer
        self._first: Any = None

    @classmethod
    def _open(cls, path: str) -> Any:
        import h5py

        now = os.stat(path)
        meant = now.st_ino, now.st_mtime_ns  # a file written anew under an old name is another file
        file = cls.refs.get(path)
        if not file or cls._opened.get(path) != meant:
            file = cls.refs[path] = h5py.File(path, "r")
            cls._opened[path] = meant
        return file

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            if key.stop is not None and key.stop > len(self):
                raise IndexError(f"rows up to {key.stop} were asked for, but there are {len(self)}")
            first, stop, step = key.indices(len(self))
            if step > 0:
                found = self.data[self.start + first:self.start + max(first, stop):step]
            else:
                found = self._rows(np.arange(first, stop, step))
        elif isinstance(key, (list, np.ndarray)):
            rows = np.asarray(key)
            found = self._rows(np.flatnonzero(rows) if rows.dtype == bool else rows.astype("int64"))
        else:
            try:
                row = operator.index(key)
            except TypeError:
                raise IndexError(f"an HDF5Matrix is indexed with a row, a slice or a list of rows, not {key!r}"
                                 ) from None
            found = self.data[self.start + self._checked(np.array([row]))[0]]
        return found if self.normalizer is None else self.normalizer(found)

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers from 0; negative ones count from the end."""
        outside = rows[(rows >= len(self)) | (rows < -len(self))]
        if outside.size:
            raise IndexError(f"row {outside[0]} was asked for, but there are {len(self)}")
        return np.where(rows < 0, rows + len(self), rows)

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        """Rows in any order, some of them twice: HDF5 reads them in order and once."""
        wanted, places = np.unique(self._checked(rows), return_inverse=True)
        result: np.ndarray = self.data[(self.start + wanted).tolist()][places.reshape(rows.shape)]
        return result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __reduce__(self) -> Any:
        return type(self), self._arguments

    def _sample(self) -> Any:
        """What has the shape and dtype of the rows as they come: a normalizer may change both."""
        if self.normalizer is None or not len(self):
            return self.data
        if self._first is None:
            self._first = np.asarray(self[:1])
        return self._first

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, and the shape of one."""
        return (len(self), *self._sample().shape[1:])

    @property
    def dtype(self) -> Any:
        """The type of the numbers."""
        return self._sample().dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))


def dataset_inside(file: Any, name: str) -> Any:
    """The data set at the end of a path, every step of which must lie in the file itself."""
    import h5py

    found = file
    for part in filter(None, name.split("/")):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) and part != "." else None
        if link is None:
            raise KeyError(f"{file.filename} has no data set {name!r}; at its top level there are {sorted(file)}")
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name!r} in {file.filename} is a link to elsewhere, which is not followed.")
        found = found[part]
    if not isinstance(found, h5py.Dataset) or not found.shape:
        raise KeyError(f"{name!r} in {file.filename} is no data set with rows")
    if found.external or found.is_virtual:
        raise ValueError(f"{name!r} in {file.filename} keeps its data in other files, which are not read.")
    return found


def ask_to_proceed_with_overwrite(filepath: Any) -> bool:
    """Asks at the terminal whether the file may be overwritten, until the answer is y (True) or n (False)."""
    question = f"[WARNING] {filepath} already exists - overwrite? [y/n] "
    while True:
        answer = input(question).strip().lower()
        if answer == "y":
            print("[TIP] Next time specify overwrite=True!")
        if answer in ("y", "n"):
            return answer == "y"
        question = 'Enter "y" (overwrite) or "n" (cancel). '
