"""Reading the CIFAR data sets' batches (Krizhevsky 2009): pickled dicts of images and labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from gpukeras import backend as K
from gpukeras.datasets._files import fetch
from gpukeras.utils.archives import extract_archive
from gpukeras.utils.data_utils import cached_path
from gpukeras.utils.pickles import load_arrays

ORIGIN = "https://www.cs.toronto.edu/~kriz/"


def load_batch(fpath: str | os.PathLike[str], label_key: str = "labels") -> tuple[np.ndarray, Any]:
    """`(images, labels)` of one file: uint8 (n, 3, 32, 32), and the list stored under `label_key`.

    The pickle is read as plain data; ValueError for anything else in it, and for a damaged file.
    """
    batch = load_arrays(fpath, encoding="bytes")
    if isinstance(batch, dict):
        batch = {key.decode("utf-8") if isinstance(key, bytes) else key: value for key, value in batch.items()}
        data, labels = batch.get("data"), batch.get(label_key)
        if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.size == 3072 * len(data):
            if isinstance(labels, (list, np.ndarray)) and len(labels) == len(data):
                return data.reshape(len(data), 3, 32, 32), labels
    raise ValueError(f"{os.fspath(fpath)} is no CIFAR batch with {label_key!r}. Delete its folder to unpack it anew.")


def batch_folder(name: str, archive: str, sha256: str) -> Path:
    """The cache's `datasets/<name>`; unpacked from `<name>.tar.gz` beside it, fetched if need be, if not there yet."""
    folder = Path(cached_path(name, "datasets"))
    if not folder.is_dir():
        packed = fetch(f"{name}.tar.gz", ORIGIN + archive, sha256)
        folder = packed.parent / name
        if not extract_archive(packed, packed.parent, "tar") or not folder.is_dir():
            raise ValueError(f"{packed} is no tar file of a folder {name}. Delete it to fetch it anew.")
    return folder


def arranged(images: np.ndarray, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images in Keras's image data format, and labels as a column."""
    if K.image_data_format() == "channels_last":
        images = images.transpose(0, 2, 3, 1)
    return images, np.reshape(labels, (len(labels), 1))
