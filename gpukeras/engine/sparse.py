"""SciPy's sparse matrices as data: rows become dense when a batch takes them."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_sparse_matrix(x: Any) -> bool:
    """Whether `x` is one of SciPy's sparse matrices or arrays, of whatever format."""
    return hasattr(x, "tocsr") and hasattr(x, "toarray")


class SparseRows:
    """A sparse matrix that looks like an array of its rows: whatever is taken out of it is dense.

    >>> from scipy.sparse import eye
    >>> rows = SparseRows(eye(3))
    >>> rows.shape, rows[1:2].tolist()
    ((3, 3), [[0.0, 1.0, 0.0]])
    """

    ndim = 2

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix.tocsr()  # the format whose rows are quick to take
        self.shape: tuple[int, int] = self._matrix.shape
        self.dtype: np.dtype[Any] = self._matrix.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._matrix[rows].toarray()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._matrix.toarray().astype(dtype or self.dtype, copy=False)

    def part(self, start: int | None, stop: int | None) -> SparseRows:
        """Some of the rows, still sparse."""
        return SparseRows(self._matrix[start:stop])
