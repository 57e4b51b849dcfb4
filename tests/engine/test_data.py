"""What users hand over, brought into one form: arrays, lists, dicts, frames, files."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras.engine.data import (
    check_lengths,
    make_batches,
    shuffle_batches,
    spread,
    standardize_data,
    standardize_weights,
)
from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.utils.generic_utils import slice_arrays

ROWS = np.arange(12.0).reshape(4, 3)


def one(data, shape=(None, 3)):
    (array,) = standardize_data(data, ["x"], [shape], False, "input")
    return array


@pytest.mark.parametrize("data", [
    ROWS, [ROWS], (ROWS,), {"x": ROWS}, {"x": ROWS, "unused": 0}, ROWS.tolist(), [ROWS.tolist()], {"x": ROWS.tolist()},
    tuple(map(tuple, ROWS)), [list(row) for row in ROWS],
], ids=["array", "list", "tuple", "dict", "dict with more", "rows", "list of rows", "dict of rows", "tuples", "lists"])
def test_one_input_in_every_form(data):
    np.testing.assert_array_equal(one(data), ROWS)


def test_one_row_as_a_list_is_one_sample():
    np.testing.assert_array_equal(one([[1, 2, 3]]), [[1, 2, 3]])
    np.testing.assert_array_equal(one([[[1, 2, 3]]]), [[1, 2, 3]])


@pytest.mark.parametrize("data", [np.arange(4), [0, 1, 2, 3], [[0, 1, 2, 3]], (0, 1, 2, 3), {"x": [0, 1, 2, 3]}],
                         ids=["array", "list", "list in a list", "tuple", "dict"])
def test_numbers_get_a_second_axis(data):
    np.testing.assert_array_equal(one(data, (None, 1)), [[0], [1], [2], [3]])


def test_numbers_of_every_kind_are_left_as_they_are():
    for dtype in ("float16", "float32", "float64", "int8", "uint8", "int64", "bool"):
        x = ROWS.astype(dtype)
        assert one(x) is x


def test_an_object_array_of_numbers_becomes_floats():
    assert one(ROWS.astype(object)).dtype == np.float64
    assert one(np.array([list(r) for r in ROWS] + [None], dtype=object)[:4]).shape == (4, 3)


def test_frames_and_series():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(ROWS, columns=list("abc"))
    np.testing.assert_array_equal(one(frame), ROWS)
    np.testing.assert_array_equal(one([frame]), ROWS)
    np.testing.assert_array_equal(one(frame["b"], (None, 1)), ROWS[:, 1:2])
    mixed = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]})
    np.testing.assert_array_equal(one(mixed), [[1, 0.5, 1], [2, 1.5, 0]])
    two = standardize_data({"x": frame, "y": frame["a"]}, ["x", "y"])
    np.testing.assert_array_equal(two[1], ROWS[:, :1])


def test_frames_through_a_whole_training():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(ROWS, columns=list("abc"), index=[7, 5, 3, 1])
    target = pd.Series([0, 1, 1, 0], index=frame.index)
    weights = pd.Series([1.0, 0.0, 1.0, 2.0], index=frame.index)

    def train(x, y, w):
        np.random.seed(0)
        model = Sequential([Dense(1, input_shape=(3,))])
        model.compile("sgd", "mse", metrics=["acc"])
        model.fit(x, y, sample_weight=w, validation_data=(x, y, w), epochs=2, batch_size=3, verbose=0)
        return model.evaluate(x, y, sample_weight=w, verbose=0), model.predict(x)

    got, want = train(frame, target, weights), train(ROWS, target.values, weights.values)
    assert got[0] == want[0]
    np.testing.assert_array_equal(got[1], want[1])
    assert train(frame, target.to_frame(), None)[0] == train(ROWS, target.values, None)[0]


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_data_sets_in_a_file(tmp_path, shuffle):
    h5py = pytest.importorskip("h5py")
    x, y = np.random.RandomState(0).normal(size=(21, 3)), np.arange(21) % 2

    def train(x, y):
        np.random.seed(0)
        model = Sequential([Dense(1, input_shape=(3,))])
        model.compile("sgd", "mse")
        losses = model.fit(x, y, epochs=2, batch_size=4, shuffle=shuffle, verbose=0).history["loss"]
        return losses, model.predict(x), model.evaluate(x, y, verbose=0)

    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"] = x, y
        got = train(file["x"], file["y"])
        np.testing.assert_array_equal(one(file["y"], (None, 1))[:, 0], y)
    for a, b in zip(got, train(x, y), strict=True):
        np.testing.assert_array_equal(a, b)


def test_nothing_at_all():
    assert standardize_data(None, ["x", "y"]) == [None, None]
    assert standardize_data(None, []) == standardize_data([], []) == []


# ---------------------------------------------------------------------------------------------- batches and slices


def test_batches_cover_all_rows_once():
    assert make_batches(7, 3) == [(0, 3), (3, 6), (6, 7)]
    assert make_batches(6, 3) == [(0, 3), (3, 6)]
    assert make_batches(2, 5) == [(0, 2)]
    assert make_batches(0, 5) == []


def test_whole_batches_are_shuffled():
    np.random.seed(0)
    index = np.arange(11)
    got = shuffle_batches(index, 3)
    rows = got[:9].reshape(3, 3)
    assert got[9:].tolist() == [9, 10]
    assert sorted(rows[:, 0]) == [0, 3, 6]
    np.testing.assert_array_equal(rows - rows[:, :1], [[0, 1, 2]] * 3)
    assert rows[:, 0].tolist() != [0, 3, 6]


def test_slices():
    a, b = slice_arrays([ROWS, None], 1, 3)
    np.testing.assert_array_equal(a, ROWS[1:3])
    assert b is None
    np.testing.assert_array_equal(slice_arrays(ROWS, np.array([2, 0])), ROWS[[2, 0]])
    np.testing.assert_array_equal(slice_arrays([ROWS], [2, 0])[0], ROWS[[2, 0]])
    assert slice_arrays(None) == [None]


# --------------------------------------------------------------------------------------------------------- weights


def test_weights_of_classes():
    y = np.array([[0], [2], [0], [1]])
    np.testing.assert_array_equal(standardize_weights(y, class_weight={0: 1, 1: 2, 2: 3}), [1, 3, 1, 2])
    np.testing.assert_array_equal(standardize_weights(np.eye(3)[[0, 2, 0, 1]], class_weight={0: 1, 1: 2, 2: 3}),
                                  [1, 3, 1, 2])
    assert standardize_weights(y) is None  # all 1


def test_spreading_over_outputs():
    assert spread(None, ["a", "b"], "sample_weight") == [None, None]
    assert spread({"b": 1}, ["a", "b"], "sample_weight") == [None, 1]
    assert spread([1, 2], ["a", "b"], "sample_weight") == [1, 2]
    with pytest.warns(UserWarning, match=r"Unknown output in sample_weight: 'c'.*Known names: a, b.*left out"):
        assert spread({"c": 1}, ["a", "b"], "sample_weight") == [None, None]


def test_lengths_that_fit():
    check_lengths([ROWS, ROWS], [ROWS], [None])
    check_lengths([ROWS], [ROWS], [ROWS[:, 0]])
    check_lengths([ROWS], [])
    check_lengths(None, None, None)
    check_lengths([], [])
