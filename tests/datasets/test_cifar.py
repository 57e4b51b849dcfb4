"""CIFAR, from small archives of the real form put into a cache of the test's own."""

from __future__ import annotations

import io
import pickle
import sys
import tarfile

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.datasets import cifar10, cifar100
from gpukeras.datasets.cifar import load_batch
from gpukeras.utils.data_utils import DownloadError

RNG = np.random.RandomState(0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


def batch(count, **labels):
    """A batch as Python 3 reads the published ones: keys are bytes."""
    images = RNG.randint(0, 256, (count, 3072)).astype(np.uint8)
    return {b"data": images, b"batch_label": b"one", **{key.encode(): value for key, value in labels.items()}}


def put(cache, name, files):
    with tarfile.open(cache / f"{name}.tar.gz", "w:gz") as tar:
        for file, content in files.items():
            member = tarfile.TarInfo(f"{name}/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_cifar10(cache):
    batches = {f"data_batch_{i}": batch(2, labels=[i, 0]) for i in range(1, 6)}
    batches["test_batch"] = batch(3, labels=[7, 8, 9])
    put(cache, "cifar-10-batches-py", {name: pickle.dumps(b, 2) for name, b in batches.items()})
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert x_train.shape == (10, 32, 32, 3) and y_train.shape == (10, 1) and x_test.shape == (3, 32, 32, 3)
    assert x_train.dtype == x_test.dtype == y_train.dtype == np.uint8
    assert y_train.ravel().tolist() == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0] and y_test.tolist() == [[7], [8], [9]]
    np.testing.assert_array_equal(x_train[2, 5, 6], batches["data_batch_2"][b"data"].reshape(2, 3, 32, 32)[0, :, 5, 6])
    (cache / "cifar-10-batches-py.tar.gz").unlink()  # the unpacked folder will do
    K.set_image_data_format("channels_first")
    try:
        (again, _), _ = cifar10.load_data()
    finally:
        K.set_image_data_format("channels_last")
    np.testing.assert_array_equal(again.transpose(0, 2, 3, 1), x_train)


@pytest.mark.parametrize("mode, expected", [("fine", [[40], [90]]), ("coarse", [[4], [9]])])
def test_cifar100(mode, expected, cache):
    files = {"train": batch(2, fine_labels=[40, 90], coarse_labels=[4, 9]),
             "test": batch(1, fine_labels=[3], coarse_labels=[0])}
    put(cache, "cifar-100-python", {name: pickle.dumps(b) for name, b in files.items()})
    (x_train, y_train), (x_test, y_test) = cifar100.load_data(mode)
    assert x_train.shape == (2, 32, 32, 3) and y_train.tolist() == expected and y_test.shape == (1, 1)
    np.testing.assert_array_equal(x_test[0, :, :, 1].ravel(), files["test"][b"data"][0, 1024:2048])
    with pytest.raises(ValueError, match="must be 'fine' or 'coarse', not 'all'"):
        cifar100.load_data("all")


class Trap:
    """Unpickling one would end the process."""

    def __reduce__(self):
        return sys.exit, (3,)


def test_malicious_and_damaged_batches(tmp_path):
    good = batch(2, labels=[1, 2])
    cases = {
        "asks for sys.exit": {**good, b"labels": Trap()},
        "is no whole pickle": None,
        "is no CIFAR batch with 'labels'": [1, 2],
        "is no CIFAR batch with 'labels'.": {**good, b"labels": [1]},
        "is no CIFAR batch with 'labels'. ": {**good, b"data": good[b"data"][:, 1:]},
        "is no CIFAR batch with 'labels'. D": {**good, b"data": good[b"data"].astype("int64")},
    }
    for complaint, content in cases.items():
        (tmp_path / "batch").write_bytes(b"?" if content is None else pickle.dumps(content))
        with pytest.raises(ValueError, match=f"batch {complaint}"):
            load_batch(tmp_path / "batch")
    (tmp_path / "batch").write_bytes(pickle.dumps(good))
    images, labels = load_batch(tmp_path / "batch")
    assert images.shape == (2, 3, 32, 32) and labels == [1, 2]


def test_an_archive_of_something_else(cache):
    put(cache, "cifar-100-python", {})
    with pytest.raises(ValueError, match="is no tar file of a folder cifar-100-python"):
        cifar100.load_data()


def test_offline_says_where_to_put_the_archive(cache, monkeypatch):
    monkeypatch.setattr("gpukeras.datasets.cifar.ORIGIN", "http://127.0.0.1:9/")
    with pytest.raises(DownloadError) as error:
        cifar10.load_data()
    assert str(error.value).endswith(f"put it at {cache / 'cifar-10-batches-py.tar.gz'}")
