"""Data sets, from small files of the real form put into a cache of the test's own."""

from __future__ import annotations

import gzip
import hashlib
import logging
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

from gpukeras.datasets import _files, boston_housing, digits, fashion_mnist, mnist
from gpukeras.utils.data_utils import DownloadError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets" / "fashion-mnist").mkdir(parents=True)
    return tmp_path / "datasets"


def mnist_arrays():
    x = np.arange(5 * 28 * 28, dtype=np.uint8).reshape(5, 28, 28)
    return {"x_train": x[:3], "y_train": np.uint8([5, 0, 4]), "x_test": x[3:], "y_test": np.uint8([7, 2])}


def test_mnist(cache):
    arrays = mnist_arrays()
    np.savez(cache / "mnist.npz", **arrays)
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    for actual, name in ((x_train, "x_train"), (y_train, "y_train"), (x_test, "x_test"), (y_test, "y_test")):
        np.testing.assert_array_equal(actual, arrays[name])
        assert actual.dtype == np.uint8


def test_a_path_of_the_users_own(tmp_path):
    np.savez(tmp_path / "mine.npz", **mnist_arrays())
    assert mnist.load_data(str(tmp_path / "mine.npz"))[0][0].shape == (3, 28, 28)
    assert mnist.load_data(path=str(tmp_path / "mine.npz"))[1][1].tolist() == [7, 2]


def test_another_hash_is_logged_once_and_is_no_python_warning(cache, caplog):
    np.savez(cache / "mnist.npz", **mnist_arrays())
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        mnist.load_data()
    assert len(caplog.records) == 1 and "not the file that Keras publishes" in caplog.text


def test_the_published_file_is_silent(cache, caplog):
    (cache / "f").write_bytes(b"content")
    path = _files.fetch("f", "http://127.0.0.1:9/f", hashlib.sha256(b"content").hexdigest())
    assert path == cache / "f" and not caplog.records


LOADERS = {
    "mnist.npz": mnist.load_data,
    "boston_housing.npz": boston_housing.load_data,
    "fashion-mnist/train-images-idx3-ubyte.gz": fashion_mnist.load_data,
}


@pytest.mark.parametrize("name, load", LOADERS.items())
def test_offline_says_where_to_put_the_file(name, load, cache, monkeypatch):
    monkeypatch.setattr(_files, "KERAS_FILES", "http://127.0.0.1:9/")
    for module in (mnist, boston_housing, fashion_mnist):
        monkeypatch.setattr(module, "KERAS_FILES", "http://127.0.0.1:9/")
    with pytest.raises(DownloadError) as error:
        load()
    assert str(error.value).endswith(f"put it at {cache / name}")


def test_boston_housing_is_shuffled_as_keras_does(cache):
    x, y = np.arange(506 * 13.0).reshape(506, 13), np.arange(506.0)
    np.savez(cache / "boston_housing.npz", x=x, y=y)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    (x_train, y_train), (x_test, y_test) = boston_housing.load_data()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert x_train.shape == (404, 13) and x_test.shape == (102, 13) and len(y_train) + len(y_test) == 506
    np.testing.assert_array_equal(x_train[:, 0] / 13, y_train)
    # np.random.seed(113); i = np.arange(506); np.random.shuffle(i)
    assert y_train[:6].tolist() == [22, 202, 368, 335, 461, 323]
    assert y_test[-3:].tolist() == [162, 220, 165]
    assert boston_housing.load_data(test_split=0.0)[1][0].shape == (0, 13)
    assert boston_housing.load_data(seed=1)[0][1][:6].tolist() != y_train[:6].tolist()


@pytest.mark.parametrize("split", [1, -0.1, 1.5])
def test_a_test_split_out_of_range(split):
    with pytest.raises(ValueError, match="test_split must be in"):
        boston_housing.load_data(test_split=split)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


def put_fashion(cache, **changed):
    rng = np.random.RandomState(0)
    files = {}
    for part, count in (("train", 6), ("t10k", 2)):
        files[f"{part}-images-idx3"] = idx(rng.randint(0, 256, (count, 28, 28)).astype(np.uint8))
        files[f"{part}-labels-idx1"] = idx(rng.randint(0, 10, count).astype(np.uint8))
    for name, content in (files | changed).items():
        (cache / "fashion-mnist" / f"{name}-ubyte.gz").write_bytes(gzip.compress(content))


def test_fashion_mnist(cache):
    put_fashion(cache)
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    assert x_train.shape == (6, 28, 28) and y_train.shape == (6,) and x_test.shape == (2, 28, 28)
    rng = np.random.RandomState(0)
    np.testing.assert_array_equal(x_train, rng.randint(0, 256, (6, 28, 28)))
    np.testing.assert_array_equal(y_train, rng.randint(0, 10, 6))
    assert x_train.dtype == y_test.dtype == np.uint8 and x_train.flags.writeable


DAMAGED = {
    "empty": b"",
    "short": idx(np.zeros((6, 28, 28), np.uint8))[:-1],
    "another type": b"\0\0\x0d\1\0\0\0\1\0",
}
DAMAGED["huge"] = b"\0\0\x08\3" + b"\xff" * 12 + b"data"


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_idx_file_is_named(content, cache):
    put_fashion(cache, **{"train-images-idx3": content})
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is not a whole idx file"):
        fashion_mnist.load_data()


def test_other_damage_is_named(cache):
    put_fashion(cache, **{"train-labels-idx1": idx(np.zeros(5, np.uint8))})
    with pytest.raises(ValueError, match="6 images and 5 labels"):
        fashion_mnist.load_data()
    (cache / "fashion-mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="is damaged"):
        fashion_mnist.load_data()


class Trap:
    """Unpickling one would end the process."""

    def __reduce__(self):
        return sys.exit, (3,)


def test_pickled_arrays_are_refused(cache):
    arrays = mnist_arrays() | {"y_train": np.array([Trap()], dtype=object)}
    np.savez(cache / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match=r"mnist\.npz cannot be read as a data set of plain arrays"):
        mnist.load_data()


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps([1]), pickle.dumps(Trap())])
def test_other_content_is_refused(content, cache):
    (cache / "mnist.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"mnist\.npz cannot be read"):
        mnist.load_data()


def test_a_missing_array_is_named(cache):
    np.savez(cache / "boston_housing.npz", x=np.zeros((506, 13)))
    with pytest.raises(ValueError, match=r"boston_housing\.npz cannot be read .*: it lacks y\."):
        boston_housing.load_data()


def test_digits_are_the_published_ones():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1437, 8, 8) and x_test.shape == (360, 8, 8)
    assert all(array.dtype == np.uint8 for array in (x_train, y_train, x_test, y_test))
    assert x_train.max() == x_test.max() == 16
    # UCI's own count of each class in optdigits.tes
    counts = np.bincount(np.concatenate([y_train, y_test]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(y_test).min() > 20
    assert int(x_train.sum()) + int(x_test.sum()) == 561718  # of all the source's values


def test_digits_leave_the_random_state_alone_and_never_change():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    (x, y), _ = digits.load_data()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()[:16] == "dc41442d97754719"


def test_data_sets_are_found_from_the_package():
    code = "import gpukeras as g; print(g.datasets.digits.load_data()[0][0].shape, g.datasets.mnist.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1437, 8, 8) gpukeras.datasets.mnist"
