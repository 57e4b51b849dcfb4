"""An HDF5 file, or a dict, read and written by keys: newer Keras's H5Dict, and functions of a file on a stream."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_LIMIT = 64512  # bytes that an attribute may have


class H5Dict:
    """The file at the path `path`, an open h5py group, or a dict, by keys. Arrays become data sets, all else
    attributes; a key that is not there is made a group, unless the `mode` is 'r'.

    TypeError for another `path`; ValueError for writing in mode 'r', or a key that isn't there then, or one that leads
    to another file; KeyError for a value where a group is.

    >>> store = {}
    >>> with H5Dict(store, mode='w') as f:
    ...     f['layer']['kernel'] = np.ones(2)
    ...     f['layer']['kind'] = 'Dense'
    >>> H5Dict(store, mode='r')['layer']['kernel'].tolist()
    [1.0, 1.0]
    """

    def __init__(self, path: Any, mode: str = "a") -> None:
        import h5py

        self._is_file = isinstance(path, (str, os.PathLike))
        self.data: Any = h5py.File(path, mode) if self._is_file else path
        if isinstance(path, dict) and mode == "w":
            path.clear()
        if not isinstance(self.data, (h5py.Group, dict)):
            raise TypeError(f"Required Group, str, Path or dict. Received: {type(path)}.")
        self.read_only = mode == "r"

    @staticmethod
    def is_supported_type(path: Any) -> bool:
        """Whether it is one of those that H5Dict is made of."""
        import h5py

        return isinstance(path, (h5py.Group, dict, str, os.PathLike))

    def __setitem__(self, key: Any, value: Any) -> None:
        key = _text(key)
        if self.read_only:
            raise ValueError("Cannot set item in read-only mode.")
        if isinstance(self.data, dict):
            self.data[key] = value.copy() if isinstance(value, np.ndarray) else value
        elif key in self.data:
            raise KeyError(f"Cannot set attribute. Group with name {key!r} exists.")
        elif isinstance(value, (np.ndarray, np.generic)):
            self.data.create_dataset(key, data=value)
        elif isinstance(value, (list, tuple)):
            self._write_list(key, list(value))
        else:
            self.data.attrs[key] = value

    def _write_list(self, key: str, items: list[Any]) -> None:
        """A list as one attribute, or as several where it is longer than one may be."""
        values = np.asarray([item.encode("utf-8") if isinstance(item, str) else item for item in items])
        parts = -(-values.nbytes // _LIMIT)
        if parts < 2:
            self.data.attrs[key] = values
            return
        for i, part in enumerate(np.array_split(values, parts + 1)):
            self.data.attrs[f"{key}{i}"] = part

    def __getitem__(self, key: Any) -> Any:
        key = _text(key)
        if isinstance(self.data, dict):
            return self._of_dict(key)
        if key in self.data.attrs:
            return _plain(self.data.attrs[key])
        if key in self.data:
            return self._of_file(key)
        if f"{key}0" in self.data.attrs:
            return list(self._parts(key))
        self._may_make(key)
        return self._part(self.data.create_group(key))

    def _of_dict(self, key: str) -> Any:
        if key not in self.data:
            self._may_make(key)
            self.data[key] = {}
        found = self.data[key]
        return self._part(found) if isinstance(found, dict) else found

    def _of_file(self, key: str) -> Any:
        import h5py

        from .io_utils import dataset_inside

        if isinstance(self.data.get(key, getlink=True), h5py.HardLink) and isinstance(self.data[key], h5py.Group):
            return self._part(self.data[key])
        return np.asarray(dataset_inside(self.data, key))

    def _parts(self, key: str) -> Iterator[Any]:
        i = 0
        while f"{key}{i}" in self.data.attrs:
            yield from _plain(self.data.attrs[f"{key}{i}"])
            i += 1

    def _part(self, data: Any) -> H5Dict:
        part = type(self)(data)
        part.read_only = self.read_only
        return part

    def _may_make(self, key: str) -> None:
        if self.read_only:
            raise ValueError(f"Cannot create group in read-only mode: {key!r} is not there.")

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    iter = __iter__

    def keys(self) -> Any:
        """The names of groups and data sets; of a dict, all."""
        return self.data.keys()

    def __contains__(self, key: Any) -> bool:
        key = _text(key)
        return key in self.data or not isinstance(self.data, dict) and key in self.data.attrs

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key, or the default where there is none."""
        return self[key] if key in self else default

    def update(self, other: Any) -> None:
        """Sets all keys of a dict."""
        for key, value in dict(other).items():
            self[key] = value

    def close(self) -> None:
        """Writes what is left to write, and closes a file that was opened here."""
        if isinstance(self.data, dict):
            return
        self.data.file.flush()
        if self._is_file:
            self.data.close()

    def __enter__(self) -> H5Dict:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _text(key: Any) -> str:
    return key.decode("utf-8") if isinstance(key, bytes) else str(key)


def _plain(value: Any) -> Any:
    """Texts of an attribute as bytes in a list; all else as it is."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "S" else value


def save_to_binary_h5py(save_function: Callable[[Any], Any], stream: Any) -> None:
    """Writes to a binary stream the HDF5 file that `save_function(file)` fills."""
    import h5py

    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        save_function(file)
    stream.write(image.getvalue())


def load_from_binary_h5py(load_function: Callable[[Any], Any], stream: Any) -> Any:
    """What `load_function(file)` makes of the HDF5 file that a binary stream holds."""
    import h5py

    image = io.BytesIO()
    shutil.copyfileobj(stream, image)
    with h5py.File(image, "r") as file:
        return load_function(file)
