"""Pickles as plain data: what arrays need is made, whatever NumPy wrote them, and all else is refused by name."""

from __future__ import annotations

import datetime
import os
import pickle
import sys
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest

from gpukeras.utils.pickles import UnsafePickle, load_arrays, parse_arrays

ARRAYS = {
    "floats": np.arange(6.0).reshape(2, 3),
    "another order": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    "bools": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "text": np.array(["ab", "c"]),
    "bytes": np.array([b"ab", b"c"]),
    "empty": np.zeros((0, 4), "uint8"),
    "no axes": np.array(7),
}


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol(protocol):
    again = parse_arrays(pickle.dumps(ARRAYS, protocol))
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].dtype == array.dtype and again[name].flags.writeable, name


@pytest.mark.parametrize("protocol", range(6))
def test_plain_containers_and_values(protocol):
    ragged = np.empty(2, object)
    ragged[0], ragged[1] = [1, 2], [3, 4]  # of one length: no second axis
    shared = [1.5, None]
    data = {"x": [1, (2, b"3"), shared, 2**80], "same": shared, 4: True, "n": np.float32(0.5), "j": 1j}
    again = parse_arrays(pickle.dumps([data, ragged], protocol))
    assert again[0] == data and again[0]["x"][2] is again[0]["same"] and type(again[0]["n"]) is np.float32
    assert again[1].dtype == object and again[1].tolist() == [[1, 2], [3, 4]]
    assert parse_arrays(pickle.dumps([[np.arange(2)], (np.arange(3),)], protocol))[1][0].tolist() == [0, 1, 2]


def test_a_file_of_python_2(tmp_path):
    # cPickle.dumps({'data': numpy.array([[1, 200]], 'uint8'), 'labels': [3]}, 2)
    content = (b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00"
               b"\x85U\x01b\x87Rq\x05(K\x01K\x01K\x02\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|"
               b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x01\xc8tbU\x06labelsq\x08]q\tK\x03au.")
    (tmp_path / "batch").write_bytes(content)
    for encoding, key in (("latin1", "data"), ("bytes", b"data")):
        again = load_arrays(tmp_path / "batch", encoding)
        assert again[key].tolist() == [[1, 200]] and again[key].dtype == np.uint8


class Calls:
    """A pickle that calls a function as soon as it is opened."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class OwnArray(np.ndarray):
    """A subclass has a `__setstate__` of its own."""


REFUSED = {
    r"(os|posix|nt)\.system": Calls(os.system, "exit 3"),
    r"sys\.exit": Calls(sys.exit, 3),
    r"(builtins|__builtin__)\.eval": Calls(eval, "1"),
    r"(builtins|__builtin__)\.getattr": Calls(getattr, 1, "real"),
    r"builtins\.bytes": Calls(bytes, 10**15),
    r"io\.open": Calls(open, "never", "w"),
    r"numpy.*save": Calls(np.save, "never", np.zeros(1)),
    r"numpy.*zeros": Calls(np.zeros, 10**15),
    r"numpy\.ndarray": Calls(np.ndarray, (10**15,)),
    r"collections\.OrderedDict": OrderedDict(a=1),
    r"datetime\.date": datetime.date(2020, 1, 1),
    r"OwnArray|a class of its own": np.zeros(2).view(OwnArray),
    r"(a|builtins\.|__builtin__\.) ?set": {1, 2},
}


@pytest.mark.parametrize("name, bad", REFUSED.items(), ids=list(REFUSED))
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"data": [x]}], ids=["bare", "inside"])
def test_anything_else_is_refused_by_name(name, bad, protocol, wrap, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafePickle, match=f"batch .*({name})"):
        parse_arrays(pickle.dumps(wrap(bad), protocol), source="batch")
    assert not list(tmp_path.iterdir())


DTYPES = [np.dtype([("a", "i4"), ("b", "O")]), np.dtype("M8[s]"), np.dtype(("i4", (2,)))]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_odd_dtypes_are_refused(dtype):
    with pytest.raises(UnsafePickle, match="holds an array of (a compound )?dtype"):
        parse_arrays(pickle.dumps(np.zeros(2, dtype)) if dtype.shape == () else pickle.dumps(dtype))


def reconstructed(shape: bytes, dtype: bytes, data: bytes) -> bytes:
    """A protocol 2 pickle of an array with a state of our choice."""
    return (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01" + shape
            + b"cnumpy\ndtype\nX" + len(dtype).to_bytes(4, "little") + dtype + b"K\x00K\x01\x87R\x89" + data + b"tb.")


def test_states_that_lie():
    """NumPy's own __setstate__ would be given these; a pointer in place of an object would crash the process."""
    assert parse_arrays(reconstructed(b"K\x02\x85", b"u1", b"C\x02ab")).tolist() == [97, 98]
    lies = [(b"K\x03\x85", b"u1", b"C\x02ab"), (b"K\x01\x85", b"O", b"C\x08abcdefgh"),
            (b"J\xff\xff\xff\xff\x85", b"u1", b"C\x00"),
            (b"N\x85", b"u1", b"C\x02ab"), (b"K\x02\x85", b"u1", b"N"), (b"K\x02\x85", b"O", b"]K\x01a")]
    for lie in lies:
        with pytest.raises(ValueError, match="is no whole pickle of plain data"):
            parse_arrays(reconstructed(*lie))


def test_an_array_of_another_class():
    for kind in (b"cnumpy\ndtype\n", b"K\x01"):
        with pytest.raises(UnsafePickle, match="makes an array of a class of its own"):
            parse_arrays(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n" + kind + b"K\x00\x85C\x01b\x87R.")


def test_names_cannot_be_changed():
    for content in (b"\x80\x02cnumpy\ndtype\n}X\x04\x00\x00\x00makeK\x01sb.", b"\x80\x02cnumpy\ndtype\nN}\x86b."):
        with pytest.raises(UnsafePickle, match="changes numpy.dtype"):
            parse_arrays(content)
    with pytest.raises(UnsafePickle, match="holds a Name"):
        parse_arrays(b"\x80\x02cnumpy\nndarray\n.")


def test_containers_in_themselves_and_too_deep():
    ring: list[object] = []
    ring.append(ring)
    deep: list[object] = [1]
    for _ in range(150):
        deep = [deep]
    twice: list[object] = [np.zeros(1)]
    for _ in range(60):  # 2^60 arrays, if each were made anew
        twice = [twice, twice]
    for bad in (ring, deep):
        with pytest.raises(UnsafePickle, match="within themselves, or more than 100 deep"):
            parse_arrays(pickle.dumps(bad))
    again = parse_arrays(pickle.dumps(twice))
    assert again[0] is again[1]


DAMAGED = [b"", b"text", b"\x80\x02.", b"\x80\x02P1\n.", b"\x80\x02K\x01Q.",
           b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f", b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f."]


@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_is_a_value_error(damage):
    with pytest.raises(ValueError, match="the pickle is no whole pickle"):
        parse_arrays(damage)


def test_every_cut_of_a_good_pickle():
    content = pickle.dumps(ARRAYS, 4)
    for end in range(0, len(content), 7):
        with pytest.raises(ValueError):
            parse_arrays(content[:end])


GREEDY = {
    "LONG_BINPUT": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "PUT": b"I1\np4294967295\n.",
    "BYTEARRAY8": b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b"abc.",
    "BINBYTES": b"\x80\x03B\xff\xff\xff\x7f.",
    "LONG4": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "in a list": b"\x80\x02](" + b"K\x01M\x01\x02J\x01\x02\x03\x04N" * 9000 + b"K\x01r\xff\xff\xff\x7fe.",
}


@pytest.mark.parametrize("content", GREEDY.values(), ids=list(GREEDY))
def test_room_is_made_for_what_is_there_only(content):
    """The standard library would ask for gigabytes before it found that the file ends."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="is no whole pickle.*(memo would be larger|cut off)"):
            parse_arrays(content)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_what_follows_the_end_is_not_read():
    assert parse_arrays(pickle.dumps([1, 2]) + b"r\xff\xff\xff\xff") == [1, 2]


def test_random_changes_are_survived():
    rng = np.random.RandomState(0)
    survived = 0
    for protocol in (0, 2, 4):
        good = pickle.dumps({"x": np.arange(5), "y": [1, 2, "z"], "o": np.array([[1], [2, 3]], object)}, protocol)
        for _ in range(700):
            content = bytearray(good)
            for place in rng.randint(0, len(good), rng.randint(1, 4)):
                content[place] = rng.randint(256)
            try:
                parse_arrays(bytes(content))
                survived += 1
            except ValueError as error:
                assert str(error).startswith("the pickle ")
    assert 50 < survived < 1500
