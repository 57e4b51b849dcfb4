"""Boston housing: 506 districts, 13 columns, and the median house price in thousands (StatLib)."""

from __future__ import annotations

import numpy as np

from gpukeras.datasets._files import KERAS_FILES, fetch, read_arrays

_Split = tuple[np.ndarray, np.ndarray]


def load_data(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[_Split, _Split]:
    """`(x_train, y_train), (x_test, y_test)`: float64 (n, 13) and (n,); the last `test_split` after shuffling
    is test.

    The order is that of Keras for the same `seed`; NumPy's global random state is left alone. ValueError for
    a `test_split` outside 0 <= test_split < 1.
    """
    if not 0 <= test_split < 1:
        raise ValueError(
            f"boston_housing.load_data: test_split must be in 0 <= test_split < 1, but is {test_split}."
        )
    sha256 = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"
    x, y = read_arrays(fetch(path, KERAS_FILES + "boston_housing.npz", sha256), "x", "y")
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    train, test = np.split(order, [int(len(x) * (1 - test_split))])
    return (x[train], y[train]), (x[test], y[test])
