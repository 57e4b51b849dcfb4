"""CIFAR-10: small colour images of ten kinds of things (Krizhevsky 2009)."""

from __future__ import annotations

import numpy as np

from gpukeras.datasets.cifar import arranged, batch_folder, load_batch

_Split = tuple[np.ndarray, np.ndarray]
_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> tuple[_Split, _Split]:
    """`(x_train, y_train), (x_test, y_test)`: 50,000 and 10,000 images, uint8 (n, 32, 32, 3), or (n, 3, 32, 32) with
    channels first; labels 0-9 (n, 1).

    The archive is kept in the cache as `datasets/cifar-10-batches-py.tar.gz`, unpacked beside it. Offline and without
    it, DownloadError says where to put it.
    """
    folder = batch_folder("cifar-10-batches-py", "cifar-10-python.tar.gz", _SHA256)
    batches = [load_batch(folder / f"data_batch_{number}") for number in range(1, 6)]
    images = np.concatenate([x for x, _ in batches])
    labels = np.concatenate([y for _, y in batches]).astype("uint8")
    return arranged(images, labels), arranged(*load_batch(folder / "test_batch"))
