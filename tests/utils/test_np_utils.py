"""One-hot rows and normalisation."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras.utils import normalize, to_categorical


def test_to_categorical_flattens_and_gives_float64():
    rows = to_categorical(np.array([[0], [2], [1]]), 4)
    assert rows.dtype == np.float64 and rows.shape == (3, 4)
    assert rows.argmax(1).tolist() == [0, 2, 1] and (rows.sum(1) == 1).all()
    assert to_categorical([[0, 1], [2, 0]]).shape == (4, 3)


def test_to_categorical_takes_floats_and_counts_negatives_from_the_end():
    assert to_categorical([1.0, 0.0]).tolist() == [[0, 1], [1, 0]]
    assert to_categorical([-1, 0, 1], 3).argmax(1).tolist() == [2, 0, 1]


def test_rows_are_writable_and_apart():
    rows = to_categorical([0, 0])
    rows[0, 0] = 5
    assert rows[1, 0] == 1


@pytest.mark.parametrize("y, classes", [([0, 3], 3), ([1, 10], 10), ([-4], 3)])
def test_a_class_without_a_column_is_named(y, classes):
    with pytest.raises(IndexError, match=rf"class number -?\d+, but num_classes={classes}"):
        to_categorical(y, classes)


def test_no_labels_need_a_number_of_classes():
    assert to_categorical([], 3).shape == (0, 3)
    with pytest.raises(ValueError, match="y is empty"):
        to_categorical([])


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(normalize(x, order=1), [[3 / 7, 4 / 7], [0, 0]])
    np.testing.assert_allclose(normalize(x, axis=0), [[1, 1], [0, 0]])
    np.testing.assert_allclose(normalize([3.0, 4.0]), [[0.6, 0.8]])
    assert x[0, 0] == 3


def test_the_dtype_of_one_hot_rows():
    assert to_categorical([0, 1]).dtype == "float64" and to_categorical([0, 1], 2, "float32").dtype == "float32"
