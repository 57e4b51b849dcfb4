"""Files of data sets: found in the cache, fetched, checked and read."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import numpy as np

from gpukeras.utils.data_utils import cached_path, get_file, validate_file

_log = logging.getLogger("gpukeras.datasets")
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
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [name for name in names if name not in stored.files]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
            return tuple(stored[name] for name in names)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read as a data set of plain arrays: {error}. Delete it to fetch it anew."
        ) from error
