"""Files of data sets: found in the cache, fetched, checked and read."""

from __future__ import annotations

import io
import logging
import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpukeras.utils.data_utils import cached_path, get_file, validate_file

_log = logging.getLogger("gpukeras.datasets")
MAX_BYTES = 2**30  # of one array unpacked; the largest in Keras's own files has 47 MB
KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def fetch(name: str, origin: str, file_hash: str, subfolder: str = "datasets") -> Path:
    """Path of the data set's file, downloaded from `origin` if the cache lacks it.

    A download must have the hash `file_hash`: SHA-256, or MD5 where Keras publishes no other. A file that is
    there already is the user's: with another hash it is used, and a log line says so (a log line, because a
    Python warning can be turned into an error).
    """
    path = Path(cached_path(name, subfolder))
    if not path.exists():
        return Path(get_file(name, origin, file_hash=file_hash, cache_subdir=subfolder))
    if not validate_file(path, file_hash):
        _log.warning(
            "%s is not the file that Keras publishes (its hash differs): using it as your own copy.", path
        )
    return path


def read_arrays(path: Path, *names: str) -> tuple[np.ndarray, ...]:
    """The named arrays of an .npz file. ValueError if it is damaged, lacks one, or needs unpickling."""
    return read_members(path, names, _no_objects, "plain arrays")


def read_members(
    path: Path, names: Sequence[str], objects: Callable[[bytes, str, tuple[int, ...]], Any], kind: str
) -> tuple[Any, ...]:
    """The named arrays of an .npz file. `objects` makes those of Python objects, from what follows their header,
    their name and shape.

    ValueError, saying that it is no data set of this `kind`, if the file is damaged, lacks one, or claims to
    hold more than it does, or than MAX_BYTES.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            missing = [name for name in names if f"{name}.npy" not in archive.namelist()]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
            return tuple(_member(archive, name, objects) for name in names)
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} cannot be read as a data set of {kind}: {error}. Delete it to fetch it anew."
        ) from error


def _member(archive: zipfile.ZipFile, name: str, objects: Callable[[bytes, str, tuple[int, ...]], Any]) -> Any:
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > MAX_BYTES:
        raise ValueError(f"{name} would unpack to {member.file_size} bytes, more than {MAX_BYTES}")
    content = io.BytesIO(archive.read(member))
    version = np.lib.format.read_magic(content)
    first = version == (1, 0)
    header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(content)
    rest = member.file_size - content.tell()
    if dtype.hasobject:
        return objects(content.read(), name, shape)
    if math.prod(shape) * dtype.itemsize != rest:
        raise ValueError(f"{name} has {rest} bytes, which do not make an array of shape {shape} and dtype {dtype}")
    content.seek(0)
    return np.lib.format.read_array(content, allow_pickle=False)


def _no_objects(content: bytes, name: str, shape: tuple[int, ...]) -> Any:
    raise ValueError(f"{name} holds Python objects")
