"""Data in HDF5 files, and the question before overwriting."""

from __future__ import annotations

import gc
import io
import os
import pickle

import h5py
import numpy as np
import pytest

from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.utils import HDF5Matrix
from gpukeras.utils.io_utils import (
    H5Dict,
    ask_to_proceed_with_overwrite,
    load_from_binary_h5py,
    save_to_binary_h5py,
)

X = np.arange(40.0).reshape(20, 2)


@pytest.fixture
def path(tmp_path):
    name = str(tmp_path / "data.h5")
    with h5py.File(name, "w") as file:
        file["x"] = X
        file["group/y"] = np.arange(20) % 2
    return name


def test_like_an_array(path):
    rows = HDF5Matrix(path, "x", start=5, end=15)
    want = X[5:15]
    assert (len(rows), rows.shape, rows.dtype, rows.ndim, rows.size) == (10, (10, 2), np.float64, 2, 20)
    for key in (0, 9, -1, np.int64(3), slice(None), slice(2, 7), slice(0), slice(3, None, 2), slice(-4, -1),
                slice(8, 2), slice(None, None, -1), [1, 3], [3, 1, 3, -1], np.array([2, 0]), np.arange(10) > 4, []):
        assert np.array_equal(rows[key], want[key]), key
    assert np.array_equal(np.asarray(rows), want) and np.asarray(rows, "int32").dtype == np.int32
    assert np.array_equal(HDF5Matrix(path, "x")[:], X)
    assert HDF5Matrix(path, "/group/y").shape == (20,)


@pytest.mark.parametrize("key", [10, -11, slice(0, 11), [0, 10], np.array([-11]), "row", 1.5])
def test_rows_that_are_not_there(path, key):
    with pytest.raises(IndexError):
        HDF5Matrix(path, "x", start=5, end=15)[key]


def test_normalizer(path):
    rows = HDF5Matrix(path, "x", 0, 4, normalizer=lambda x: x / 10)
    assert np.array_equal(rows[:], X[:4] / 10) and np.array_equal(rows[1], X[1] / 10)


@pytest.mark.parametrize("shuffle", ["batch", True, False])
def test_models_train_on_it(path, shuffle):
    x, y = HDF5Matrix(path, "x", 0, 15, lambda x: x / 40), HDF5Matrix(path, "group/y", 0, 15)
    model = Sequential([Dense(4, activation="relu", input_dim=2), Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    model.fit(x, y, batch_size=4, epochs=1, shuffle=shuffle, verbose=0)
    assert np.array_equal(model.predict(x), model.predict(X[:15] / 40))
    loss = model.evaluate(x, y, batch_size=4, verbose=0)
    assert loss > 0 and loss.shape == ()  # a float with a shape, as Keras's was


def test_a_file_is_open_once_and_closed_with_the_last(path):
    first, second = HDF5Matrix(path, "x"), HDF5Matrix(path, "group/y")
    assert first.data.file.id == second.data.file.id and list(HDF5Matrix.refs) == [path]
    assert HDF5Matrix.refs[path].filename == path
    del first, second
    gc.collect()
    assert not len(HDF5Matrix.refs)
    with h5py.File(path, "r+") as file:  # would fail were it still open
        file["x"][0] = 99
    assert HDF5Matrix(path, "x")[0].tolist() == [99, 99]


def test_an_end_behind_the_last_row(path):
    """As in Keras 2.0.9: the length is what was said, and a slice has the rows there are."""
    data = HDF5Matrix(path, "x", 0, 100)
    assert len(data) == 100 and data.shape == (100, 2) and data[:].shape == (20, 2)
    assert np.array_equal(data[10:50], X[10:])


def test_a_file_written_anew_is_read_anew(path):
    old = HDF5Matrix(path, "x")
    with h5py.File(path + ".new", "w") as file:
        file["x"] = X + 1
    os.replace(path + ".new", path)
    assert HDF5Matrix(path, "x")[0].tolist() == [1, 2] and old[0].tolist() == [0, 1]


def test_copies_for_other_processes(path):
    copy = pickle.loads(pickle.dumps(HDF5Matrix(path, "x", 2, 4)))
    assert np.array_equal(copy[:], X[2:4])


def test_what_is_not_there(path, tmp_path):
    with pytest.raises(KeyError, match=r"no data set 'z'; at its top level there are \['group', 'x'\]"):
        HDF5Matrix(path, "z")
    for name in ("group", "x/y", ""):
        with pytest.raises(KeyError):
            HDF5Matrix(path, name)
    with pytest.raises(ValueError, match="Rows 5 to 4 are none of 'x', which has 20"):
        HDF5Matrix(path, "x", 5, 4)
    with pytest.raises(FileNotFoundError):
        HDF5Matrix(tmp_path / "none.h5", "x")


def test_data_elsewhere_is_not_read(path, tmp_path):
    secret = str(tmp_path / "secret.h5")
    with h5py.File(secret, "w") as file:
        file["x"] = X
    (tmp_path / "raw").write_bytes(b"private!" * 4)
    layout = h5py.VirtualLayout((20, 2), "f8")
    layout[:] = h5py.VirtualSource(secret, "x", (20, 2))
    with h5py.File(path, "r+") as file:
        file["soft"] = h5py.SoftLink("/x")
        file["external"] = h5py.ExternalLink(secret, "x")
        file["away"] = h5py.ExternalLink(secret, "/")
        file.create_dataset("raw", (4,), "f8", external=[(str(tmp_path / "raw"), 0, 32)])
        file.create_virtual_dataset("virtual", layout)
    for name in ("soft", "external", "away/x"):
        with pytest.raises(ValueError, match="link to elsewhere"):
            HDF5Matrix(path, name)
    for name in ("raw", "virtual"):
        with pytest.raises(ValueError, match="in other files"):
            HDF5Matrix(path, name)


@pytest.mark.parametrize("answers, may", [(["y"], True), (["n"], False), (["", "maybe", " Y "], True)])
def test_the_question(answers, may, monkeypatch, capsys):
    asked = []

    def answer(question):
        asked.append(question)
        return answers[len(asked) - 1]

    monkeypatch.setattr("builtins.input", answer)
    assert ask_to_proceed_with_overwrite("m.h5") is may
    assert "m.h5 already exists" in asked[0] and len(asked) == len(answers)
    assert ("overwrite=True" in capsys.readouterr().out) is may


def test_a_normalizer_may_change_shape_and_type(path):
    rows = HDF5Matrix(path, "x", 2, 6, normalizer=lambda x: x[:, :1].astype("uint8"))
    assert (rows.shape, rows.dtype, rows.ndim, rows.size) == ((4, 1), np.uint8, 2, 4)


def stores(folder):
    return [os.fspath(folder / "a.h5"), folder / "b.h5", {}]


def test_an_h5dict_keeps_groups_arrays_and_attributes(tmp_path):
    array = np.random.RandomState(0).rand(3, 2)
    names = [f"layer_{i:060d}".encode() for i in range(2000)]  # more than one attribute holds
    for store in stores(tmp_path):
        with H5Dict(store, mode="w") as f:
            f["text"], f["names"], f["long"] = "abc", [b"x", b"y"], names
            f["group"]["inner"]["array"] = array
            f[b"by_bytes"] = "yes"
        with H5Dict(store, mode="r") as f:
            assert f["text"] == "abc" and f["names"] == [b"x", b"y"] and f["by_bytes"] == "yes"
            assert f["long"] == names and "group" in f and f.get("none", 5) == 5
            assert (f["group"]["inner"]["array"] == array).all()
            for wrong in (lambda f=f: f["none"], lambda f=f: f["group"]["none"], lambda f=f: f.update({"x": 1})):
                with pytest.raises(ValueError, match="read-only"):
                    wrong()
    with pytest.raises(TypeError, match="Required Group, str, Path or dict"):
        H5Dict(5)


def test_an_h5dict_follows_no_link_to_another_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["secret"] = [1]
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["away"] = h5py.ExternalLink("other.h5", "/secret")
    with H5Dict(tmp_path / "a.h5", mode="r") as f, pytest.raises(ValueError, match="link to elsewhere"):
        f["away"]


def test_functions_of_a_file_on_a_stream():
    stream = io.BytesIO()
    save_to_binary_h5py(lambda file: file.create_dataset("x", data=[1, 2]), stream)
    stream.seek(0)
    assert load_from_binary_h5py(lambda file: file["x"][:].tolist(), stream) == [1, 2]
