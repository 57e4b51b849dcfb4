"""Reading HDF5 files that may have been made to do harm: nothing is opened, followed or allocated unasked.

A path is walked one component at a time and every component must be a plain member of its group: soft links, external
links, external storage, virtual data sets and plug-in filters are refused. What an array claims to be (shape, type,
chunks) is known before any of it is read.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import kinds
from .errors import BrokenFileError, UnsafeFileError
from .hdf5_texts import Texts

MAX_TEXT = 1 << 26
"""Bytes that one text (an architecture, a list of names) may have."""
MAX_DEPTH = 64
"""Components of a path."""
MAX_CHUNK = 1 << 26
"""Bytes that a chunk of a data set may have if it is larger than the data set itself."""
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
_LINKS = {1: "a soft link", 64: "an external link"}
# What the HDF5 library raises for what it cannot make sense of.
_LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)


@contextmanager
def translated(where: str, errors: tuple[type[Exception], ...] = _LIBRARY_ERRORS) -> Iterator[None]:
    """Errors of the library that reads a file become a BrokenFileError that says where."""
    try:
        yield
    except (UnsafeFileError, BrokenFileError):
        raise
    except MemoryError as error:
        raise BrokenFileError(f"{where}: claims more than there is memory for") from error
    except errors as error:
        raise BrokenFileError(f"{where}: can't be read; the file is damaged ({error})") from error


@contextmanager
def opened(path: Any, isolated: bool | None = None) -> Iterator[Any]:
    """The root group of an HDF5 file; with `isolated`, another process reads it (see `isolated.py`).

    Raises FileNotFoundError, and BrokenFileError for a file that is not HDF5 or damaged.
    """
    with kinds.open_file(path) as raw:
        path = os.fsdecode(path)
        head = raw.read(512)
        if head[:8] != _SIGNATURE:
            raise BrokenFileError(f"'{path}' is not an HDF5 file: {kinds.of_bytes(head)}")
        if _elsewhere(isolated):
            from .isolated import isolated as in_a_process

            with in_a_process(path) as root:
                yield root
            return
        import h5py

        size = os.fstat(raw.fileno()).st_size
        with translated(f"'{path}'"):
            file = h5py.File(path, "r")
        try:
            yield Group(file.id, "/", path, size, Texts(raw, size))
        finally:
            file.close()


@contextmanager
def opened_image(data: bytes, where: str, isolated: bool | None = None) -> Iterator[Any]:
    """The root group of an HDF5 file that is in memory, such as a member of an archive; `where` names it in errors."""
    if data[:8] != _SIGNATURE:
        raise BrokenFileError(f"'{where}' is not an HDF5 file: {kinds.of_bytes(data[:512])}")
    if _elsewhere(isolated):
        from .isolated import isolated as in_a_process

        with in_a_process(where, data) as root:
            yield root
        return
    import h5py

    with translated(f"'{where}'"):
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_fapl_core(1 << 16, False)
        access.set_file_image(data)
        file = h5py.File(h5py.h5f.open(b"image", h5py.h5f.ACC_RDONLY, fapl=access))
    try:
        yield Group(file.id, "/", where, len(data), Texts(io.BytesIO(data), len(data)))
    finally:
        file.close()


def _elsewhere(isolated: bool | None) -> bool:
    """Whether another process is to read: what the caller says, else GPUKERAS_ISOLATED ('1' or '0'), else not."""
    if isolated is not None:
        return isolated
    value = os.environ.get("GPUKERAS_ISOLATED") or "0"
    if value not in ("0", "1"):
        raise ValueError(f"GPUKERAS_ISOLATED is {value!r}; it must be 1 (another process reads model files) or 0")
    return value == "1"


class Group:
    """A group of a file, reached by hard links only."""

    def __init__(self, handle: Any, name: str, path: str, file_size: int, texts: Texts | None = None) -> None:
        self._handle, self.name, self.path, self.file_size, self._texts = handle, name, path, file_size, texts

    def _place(self, name: str) -> str:
        return f"'{self.path}', {self.name.rstrip('/')}/{name}"

    def __contains__(self, name: str) -> bool:
        with translated(self._place(name)):
            return self._handle.links.exists(name.encode()) if hasattr(self._handle, "links") else False

    def members(self) -> list[str]:
        """The names in the group."""
        from h5py import h5g

        with translated(self._place("")):
            group = h5g.open(self._handle, b".")
            return [group.get_objname_by_idx(i).decode("utf-8", "replace") for i in range(group.get_num_objs())]

    def _step(self, name: str) -> Any:
        """The object of that name right in this group."""
        from h5py import h5g, h5o

        where = self._place(name)
        if name in ("", ".", "..") or "\0" in name:
            raise UnsafeFileError(f"{where}: {name!r} is no name of a member")
        with translated(where):
            group = h5g.open(self._handle, b".")
            key = name.encode()
            if not group.links.exists(key):
                raise BrokenFileError(f"{where}: is not there")
            kind = group.links.get_info(key).type
            if kind != 0:
                raise UnsafeFileError(f"{where}: is {_LINKS.get(kind, 'a link')}; links are not followed")
            return h5o.open(group, key)

    def member(self, name: str) -> tuple[bool, int]:
        """Whether a member is a group, and its place in the file: hard links to one thing have one place."""
        from h5py import h5g, h5o

        handle = self._step(name)
        with translated(self._place(name)):
            return isinstance(handle, h5g.GroupID), h5o.get_info(handle).addr

    def group(self, path: str) -> Group:
        """The group at `path` below this one."""
        from h5py import h5g

        found = self
        parts = path.split("/")
        if len(parts) > MAX_DEPTH:
            raise UnsafeFileError(f"{self._place(path[:200])}: a path of {len(parts)} components")
        for part in parts:
            handle = found._step(part)
            if not isinstance(handle, h5g.GroupID):
                raise BrokenFileError(f"{found._place(part)}: is not a group")
            found = Group(handle, f"{found.name.rstrip('/')}/{part}", self.path, self.file_size,
                          self._texts)
        return found

    def array(self, path: str) -> Array:
        """The data set at `path` below this group, not yet read."""
        from h5py import h5d

        folder, _, last = path.rpartition("/")
        group = self.group(folder) if folder else self
        handle = group._step(last)
        if not isinstance(handle, h5d.DatasetID):
            raise BrokenFileError(f"{group._place(last)}: is not a data set")
        return Array(handle, group._place(last), self.file_size)

    # ---------------------------------------------------------------------------------------------- attributes

    def _attribute(self, name: str) -> Any:
        """The value of an attribute made of strings, or None if there is none of that name."""
        import h5py
        from h5py import h5a

        where = f"{self._place('')} attribute {name!r}"
        with translated(where):
            if not h5a.exists(self._handle, name.encode()):
                return None
            attribute = h5a.open(self._handle, name.encode())
            kind, shape = attribute.get_type(), attribute.shape
            if kind.get_class() not in (h5py.h5t.STRING, h5py.h5t.FLOAT, h5py.h5t.INTEGER):
                raise UnsafeFileError(f"{where}: holds neither text nor numbers")
            count = math.prod(shape)
            size = count * kind.get_size()
            if len(shape) > 1 or size > min(MAX_TEXT, self.file_size):
                raise UnsafeFileError(f"{where}: claims shape {shape} and {size} bytes, in a file of {self.file_size}")
            if kind.get_class() != h5py.h5t.STRING and count:
                raise BrokenFileError(f"{where}: is not text")
            if not count:
                return []
            if kind.get_class() == h5py.h5t.STRING and kind.is_variable_str() and self._texts is not None:
                header = h5py.h5o.get_info(self._handle).addr
                found = self._texts.of_attribute(header, name.encode(), count, where)
                if found is not None:
                    return found if shape else found[0]
            return h5py.Group(h5py.h5g.open(self._handle, b".")).attrs[name]

    def attributes(self) -> list[str]:
        """The names of all attributes."""
        from h5py import h5a

        with translated(self._place("")):
            count = h5a.get_num_attrs(self._handle)
            return [h5a.open(self._handle, index=i).name.decode("utf-8", "replace") for i in range(count)]

    def text(self, name: str) -> str | None:
        """A text attribute, stored as bytes or str; None if it is absent."""
        value = self._attribute(name)
        if value is None:
            return None
        if not isinstance(value, (str, bytes)):
            raise BrokenFileError(f"{self._place('')} attribute {name!r}: is not one text")
        return _decoded(value, f"{self._place('')} attribute {name!r}")

    def texts(self, name: str) -> list[str] | None:
        """A list of texts, which may be spread over attributes `name0`, `name1`, ...; None if it is absent."""
        where = f"{self._place('')} attribute {name!r}"
        value = self._attribute(name)
        if value is None:
            value, number = [], 0
            while (piece := self._attribute(f"{name}{number}")) is not None:
                value, number = [*value, *_listed(piece)], number + 1
            if not number:
                return None
        return [_decoded(item, where) for item in _listed(value)]

    def json(self, name: str) -> Any:
        """A JSON attribute; None if it is absent."""
        text = self.text(name)
        if text is None:
            return None
        return parsed(text, f"{self._place('')} attribute {name!r}")


def parsed(text: str, where: str) -> Any:
    """JSON from a file; BrokenFileError if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFileError(f"{where}: is not JSON ({error})") from error


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, (str, bytes)) else list(value)


def _decoded(value: Any, where: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BrokenFileError(f"{where}: is not UTF-8 ({error})") from error
    if not isinstance(value, str):
        raise BrokenFileError(f"{where}: is not text")
    return str(value)


class Array:
    """A data set whose type and storage were found harmless; `read` brings the numbers."""

    def __init__(self, handle: Any, where: str, file_size: int) -> None:
        import h5py

        self._handle, self.where = handle, where
        with translated(where):
            self.shape: tuple[int, ...] = tuple(handle.shape)
            try:
                self.dtype = np.dtype(handle.dtype)
            except TypeError as error:
                raise UnsafeFileError(f"{where}: holds no plain numbers ({error})") from error
            if self.dtype.kind not in "fiub" or self.dtype.itemsize > 8 or self.dtype.subdtype or self.dtype.metadata:
                raise UnsafeFileError(f"{where}: holds {self.dtype}, not plain numbers")
            storage = handle.get_create_plist()
            if storage.get_layout() == h5py.h5d.VIRTUAL:
                raise UnsafeFileError(f"{where}: is a virtual data set, made of other files; those are not opened")
            if storage.get_external_count():
                raise UnsafeFileError(f"{where}: has external storage in {storage.get_external(0)[0]!r}, which is not "
                                      "opened")
            filters = [storage.get_filter(i)[0] for i in range(storage.get_nfilters())]
            unknown = [f for f in filters if f not in _FILTERS]
            if unknown:
                raise UnsafeFileError(f"{where}: needs HDF5 filter {unknown[0]}; known are "
                                      f"{', '.join(_FILTERS.values())}")
            self.size = math.prod(self.shape)
            self.bytes = self.size * self.dtype.itemsize
            self.stored: int = handle.get_storage_size()
            if storage.get_layout() == h5py.h5d.CHUNKED:
                chunk = math.prod(storage.get_chunk()) * self.dtype.itemsize
                if chunk > max(self.bytes, MAX_CHUNK):
                    raise UnsafeFileError(f"{where}: has chunks of {chunk} bytes for {self.bytes} bytes of data")
            elif self.bytes > file_size:
                raise UnsafeFileError(f"{where}: claims shape {self.shape}, {self.bytes} bytes, in a file of "
                                      f"{file_size}")

    def read(self) -> np.ndarray:
        """The numbers. Check `shape` first."""
        with translated(self.where):
            found = np.empty(self.shape, self.dtype)
            if self.size:
                import h5py

                self._handle.read(h5py.h5s.ALL, h5py.h5s.ALL, found)
        return found
