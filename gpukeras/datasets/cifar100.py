"""CIFAR-100: small colour images of a hundred kinds of things in twenty groups (Krizhevsky 2009)."""

from __future__ import annotations

import numpy as np

from gpukeras.datasets.cifar import arranged, batch_folder, load_batch

_Split = tuple[np.ndarray, np.ndarray]
_SHA256 = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine") -> tuple[_Split, _Split]:
    """`(x_train, y_train), (x_test, y_test)`: 50,000 and 10,000 images, uint8 (n, 32, 32, 3), or (n, 3, 32, 32) with
    channels first; labels (n, 1): the kind 0-99 ('fine') or the group 0-19 ('coarse').

    The archive is kept in the cache as `datasets/cifar-100-python.tar.gz`, unpacked beside it. Offline and without it,
    DownloadError says where to put it. ValueError for another `label_mode`.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f"cifar100.load_data: label_mode must be 'fine' or 'coarse', not {label_mode!r}.")
    folder = batch_folder("cifar-100-python", "cifar-100-python.tar.gz", _SHA256)
    train, test = (arranged(*load_batch(folder / part, f"{label_mode}_labels")) for part in ("train", "test"))
    return train, test
