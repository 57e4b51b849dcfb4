"""Optical recognition of handwritten digits (UCI): 1,797 real images that ship with the package.

E. Alpaydin and C. Kaynak, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0 (see digits-LICENSE.txt).
"""

from __future__ import annotations

import io

import numpy as np

_Split = tuple[np.ndarray, np.ndarray]
_TRAIN = 1437  # four fifths


def load_data() -> tuple[_Split, _Split]:
    """`(x_train, y_train), (x_test, y_test)`: 1,437 and 360 images, uint8 (n, 8, 8) with values 0-16, labels
    0-9.

    The split is always the same: the file's order shuffled with seed 0, the last 360 being the test part. (In
    the file itself, images by one writer stand together, so a cut without shuffling would ask for unseen
    handwritings.)

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, x_test.shape, int(x_train.max())
    ((1437, 8, 8), (360, 8, 8), 16)
    """
    from importlib.resources import files

    content = files("gpukeras.datasets").joinpath("digits.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        x, y = stored["x"], stored["y"]
    train, test = np.split(np.random.RandomState(0).permutation(len(x)), [_TRAIN])
    return (x[train], y[train]), (x[test], y[test])
