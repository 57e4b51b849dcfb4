"""Array helpers on the host."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_categorical(y: Any, num_classes: int | None = None, dtype: Any = "float64") -> np.ndarray:
    """One-hot rows for class numbers `y` (integers of any shape, flattened): (n, num_classes) of the `dtype`.

    `num_classes` defaults to the largest number plus one. ValueError for a class number that has no column.

    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    try:
        labels = np.array(y, dtype=int).ravel()
    except ValueError as error:
        raise ValueError(f"to_categorical: y holds no class numbers ({error}). Number the classes: names, y = "
                         "np.unique(y, return_inverse=True)") from None
    if not num_classes:
        if not labels.size:
            raise ValueError("to_categorical: y is empty, so give num_classes.")
        num_classes = int(labels.max()) + 1
    outside = labels[(labels >= num_classes) | (labels < -num_classes)]  # negative ones count from the end
    if outside.size:
        raise IndexError(
            f"to_categorical: y holds class number {outside[0]}, but num_classes={num_classes} allows 0 to "
            f"{num_classes - 1}. Class numbers start at 0: "
            "write to_categorical(y - 1) if yours start at 1."
        )
    result: np.ndarray = np.eye(num_classes, dtype=dtype)[labels]
    return result


def normalize(x: Any, axis: int = -1, order: int | float = 2) -> np.ndarray:
    """`x` divided by its norm of the given order along `axis`, as a new array; vectors of norm 0 stay 0. Of one vector
    it makes, as Keras does, an array of one row.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    result: np.ndarray = x / np.expand_dims(np.where(norm == 0, 1, norm), axis)
    return result


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """Rows start to stop (or the rows listed in `start`) of an array or of each array of a list; None stays None."""
    if arrays is None:
        return [None]
    if isinstance(arrays, list):
        return [None if x is None else slice_arrays(x, start) if hasattr(start, "__len__") else _part(x, start, stop)
                for x in arrays]
    if hasattr(start, "__len__"):
        # HDF5 data sets take lists only
        return arrays[start.tolist() if hasattr(start, "shape") and not isinstance(arrays, np.ndarray) else start]
    return _part(arrays, start, stop)


def _part(x: Any, start: int | None, stop: int | None) -> Any:
    return x.part(start, stop) if hasattr(x, "part") else x[start:stop]  # sparse rows say themselves what a part is


def set_random_seed(seed: int) -> None:
    """Newer Keras's way to make a program repeatable: seeds Python's random numbers and NumPy's, from which all
    random numbers of models begin.

    >>> set_random_seed(1)
    >>> a = np.random.rand()
    >>> set_random_seed(1)
    >>> a == np.random.rand()
    True
    """
    import random

    random.seed(seed)
    np.random.seed(seed)
