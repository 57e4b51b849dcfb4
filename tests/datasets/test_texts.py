"""Reviews and news wires, from small files of the real form; the expected values are what Keras 2.15 returned."""

from __future__ import annotations

import pickle
import sys
import zipfile

import numpy as np
import pytest

from gpukeras.datasets import _files, imdb, reuters


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


def rows(*texts):
    array = np.empty(len(texts), object)
    array[:] = [*texts]
    return array


TRAIN = rows([5, 1, 2], [1], [3, 3, 4, 9], [2, 7], [8, 1, 6, 2, 4], [4, 4])
TEST = rows([1, 2, 3], [9, 9], [4], [5, 6, 7, 8])
REVIEWS = {"x_train": TRAIN, "y_train": np.array([0, 1, 0, 1, 0, 1]), "x_test": TEST, "y_test": np.array([1, 0, 1, 0])}
WIRES = {"x": TRAIN, "y": np.arange(6)}


def lists(split):
    (x_train, y_train), (x_test, y_test) = split
    assert x_train.dtype == x_test.dtype == object and x_train.ndim == x_test.ndim == 1
    assert y_train.dtype == y_test.dtype == np.int64
    return x_train.tolist(), y_train.tolist(), x_test.tolist(), y_test.tolist()


IMDB = [
    ({}, [[1, 4], [1, 8, 4, 5], [1, 5, 10], [1, 6, 6, 7, 2], [1, 11, 4, 9, 5, 7], [1, 7, 7]], [1, 0, 1, 0, 0, 1],
     [[1, 4, 5, 6], [1, 2, 2], [1, 8, 9, 10, 11], [1, 7]], [1, 0, 0, 1]),
    ({"num_words": 8}, [[1, 4], [1, 2, 4, 5], [1, 5, 2], [1, 6, 6, 7, 2], [1, 2, 4, 2, 5, 7], [1, 7, 7]],
     [1, 0, 1, 0, 0, 1], [[1, 4, 5, 6], [1, 2, 2], [1, 2, 2, 2, 2], [1, 7]], [1, 0, 0, 1]),
    ({"seed": 1, "skip_top": 5, "oov_char": None}, [[6, 6, 7], [], [11, 9, 5, 7], [8, 5], [5, 10], [7, 7]],
     [0, 1, 0, 0, 1, 1], [[5, 6], [7], [8, 9, 10, 11], []], [1, 1, 0, 0]),
    ({"maxlen": 4, "start_char": None, "index_from": 1}, [[2], [6, 2, 3], [3, 8], [5, 5]], [1, 0, 1, 1],
     [[2, 3, 4], [2, 2], [5]], [1, 0, 1]),
]
REUTERS = [
    ({}, [[1, 4], [1, 8, 4, 5], [1, 5, 10]], [1, 0, 3], [[1, 6, 6, 7, 2], [1, 11, 4, 9, 5, 7], [1, 7, 7]], [2, 4, 5]),
    ({"num_words": 8}, [[1, 4], [1, 2, 4, 5], [1, 5, 2]], [1, 0, 3],
     [[1, 6, 6, 7, 2], [1, 2, 4, 2, 5, 7], [1, 7, 7]], [2, 4, 5]),
    ({"seed": 1, "skip_top": 5, "oov_char": None}, [[6, 6, 7], [], [11, 9, 5, 7]], [2, 1, 4],
     [[8, 5], [5, 10], [7, 7]], [0, 3, 5]),
    ({"maxlen": 4, "start_char": None, "index_from": 1}, [[2], [6, 2, 3]], [1, 0], [[3, 2], [5, 5]], [3, 5]),
]


@pytest.mark.parametrize("options, x_train, y_train, x_test, y_test", IMDB)
@pytest.mark.parametrize("protocol", [2, 4])
def test_reviews(options, x_train, y_train, x_test, y_test, protocol, cache):
    save(cache / "imdb.npz", protocol, REVIEWS)
    assert lists(imdb.load_data(**options)) == (x_train, y_train, x_test, y_test)


@pytest.mark.parametrize("options, x_train, y_train, x_test, y_test", REUTERS)
def test_wires(options, x_train, y_train, x_test, y_test, cache):
    np.savez(cache / "reuters.npz", **WIRES)
    assert lists(reuters.load_data(test_split=0.5, **options)) == (x_train, y_train, x_test, y_test)


def save(path, protocol, arrays):
    """As np.savez does, with a protocol of our choice."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
                np.lib.format.write_array_header_1_0(file, header)
                file.write(pickle.dumps(array, protocol) if array.dtype == object else array.tobytes())


def test_defaults_and_random_state(cache):
    np.savez(cache / "imdb.npz", **REVIEWS)
    np.savez(cache / "mine.npz", **WIRES)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    (x_train, _), (x_test, _) = reuters.load_data(str(cache / "mine.npz"))
    assert (len(x_train), len(x_test)) == (4, 2)
    imdb.load_data(seed=5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_without_start_and_shift(cache):
    """Keras 2.15 fails here; these are the numbers of the file."""
    np.savez(cache / "imdb.npz", **REVIEWS)
    (x_train, y_train), _ = imdb.load_data(start_char=None, index_from=0, num_words=100, oov_char=None)
    assert sorted(x_train.tolist()) == sorted(TRAIN.tolist())
    assert sorted(zip(x_train.tolist(), y_train)) == sorted(zip(TRAIN, REVIEWS["y_train"]))


@pytest.mark.parametrize("module, name, arrays", [(imdb, "imdb", REVIEWS), (reuters, "reuters", WIRES)])
def test_arguments(module, name, arrays, cache):
    np.savez(cache / f"{name}.npz", **arrays)
    with pytest.warns(UserWarning, match=rf"Write `{name}.load_data\(num_words=...\)`"):
        old = module.load_data(nb_words=8)
    assert lists(old) == lists(module.load_data(num_words=8))
    with pytest.raises(TypeError, match=rf"{name}.load_data has no argument 'num_word'"):
        module.load_data(num_word=8)
    with pytest.raises(ValueError, match="is shorter than maxlen=1"):
        module.load_data(maxlen=1)
    if module is reuters:
        with pytest.raises(ValueError, match="test_split must be in"):
            module.load_data(test_split=1.0)


def test_word_index(cache):
    (cache / "imdb_word_index.json").write_text('{"the": 1, "d\\u00e9j\\u00e0": 2}', encoding="utf-8")
    (cache / "reuters_word_index.json").write_text('{"mdbl": 10996}', encoding="utf-8")
    assert imdb.get_word_index() == {"the": 1, "déjà": 2} and reuters.get_word_index() == {"mdbl": 10996}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": "b"}', "[" * 100_000])
def test_no_word_index(text, cache):
    (cache / "imdb_word_index.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="imdb_word_index.json is no word index"):
        imdb.get_word_index()


class Trap:
    """Unpickling one would end the process."""

    def __reduce__(self):
        return sys.exit, (3,)


@pytest.mark.parametrize("bad, complaint", [
    (rows(Trap(), [1]), "asks for sys.exit"),
    (rows([1], [Trap()]), "asks for sys.exit"),
    (rows([1], ["a"]), "something else than lists of whole numbers"),
    (rows([1], [1.5]), "something else than lists of whole numbers"),
    (rows([1], 2), "something else than lists of whole numbers"),
    (np.array([[[1], [2]]] * 2, object).reshape(2, 2), "no list of lists"),
], ids=["calls", "calls inside", "text", "fraction", "number", "table"])
def test_anything_but_lists_of_whole_numbers_is_refused(bad, complaint, cache):
    np.savez(cache / "reuters.npz", x=bad, y=np.arange(len(bad)))
    with pytest.raises(ValueError, match=rf"reuters.npz cannot be read as a data set of texts: .*{complaint}"):
        reuters.load_data()


def test_files_that_are_none(cache, monkeypatch):
    for content in (b"", b"text", pickle.dumps(Trap())):
        (cache / "reuters.npz").write_bytes(content)
        with pytest.raises(ValueError, match="reuters.npz cannot be read"):
            reuters.load_data()
    np.savez(cache / "reuters.npz", x=TRAIN)
    with pytest.raises(ValueError, match="it lacks y"):
        reuters.load_data()
    np.savez(cache / "reuters.npz", **WIRES)
    monkeypatch.setattr(_files, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="x would unpack to .* bytes, more than 100"):
        reuters.load_data()


@pytest.mark.parametrize("liar, complaint", [("x", "x is no list of lists"), ("y", "do not make an array of shape")])
def test_a_shape_that_lies(liar, complaint, cache):
    with zipfile.ZipFile(cache / "reuters.npz", "w") as archive:
        for name, array in WIRES.items():
            with archive.open(f"{name}.npy", "w") as file:
                shape = (10**14,) if name == liar else array.shape
                header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                file.write(pickle.dumps(array) if array.dtype == object else array.tobytes())
    with pytest.raises(ValueError, match=complaint):
        reuters.load_data()
