"""MNIST: handwritten digits (LeCun, Cortes, Burges)."""

from __future__ import annotations

import numpy as np

from gpukeras.datasets._files import KERAS_FILES, fetch, read_arrays

_Split = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "mnist.npz") -> tuple[_Split, _Split]:
    """`(x_train, y_train), (x_test, y_test)`: 60,000 and 10,000 images, uint8 (n, 28, 28), labels 0-9 as
    uint8 (n,).

    `path` names the file in the cache's `datasets` folder, or is an absolute path. Offline and without the
    file, DownloadError says where to put it.
    """
    file = fetch(
        path, KERAS_FILES + "mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
    )
    x_train, y_train, x_test, y_test = read_arrays(file, "x_train", "y_train", "x_test", "y_test")
    return (x_train, y_train), (x_test, y_test)
