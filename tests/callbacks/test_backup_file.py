"""The file of a backup, and the plain data in it."""
from __future__ import annotations

import json
import os
import random
import sys
from collections import OrderedDict, deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpukeras.callbacks import backup_file
from gpukeras.callbacks.plain import NotPlain, fingerprint, is_plain, pack, unpack
from gpukeras.saving.errors import BrokenFileError

NUMBERS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary())
PLAIN = st.recursive(NUMBERS, lambda inner: st.one_of(
    st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(st.one_of(st.text(), st.integers()), inner,
                                                                          max_size=4)), max_leaves=12)


def through(value, path):
    backup_file.write(str(path), value)
    return backup_file.read(str(path))


@given(PLAIN)
@settings(derandomize=True, deadline=None, database=None, max_examples=60)
def test_plain_data_comes_back(tmp_path_factory, value):
    found = through(value, tmp_path_factory.getbasetemp() / "plain")
    assert repr(found) == repr(value)  # NaN, -0.0 and the kinds of numbers too


@pytest.mark.parametrize("dtype", "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 >f4"
                         .split())
def test_arrays_come_back(dtype, tmp_path):
    values = np.random.RandomState(0).randint(0, 100, (3, 4, 5)).astype(dtype)
    for array in (values, values.T, values[::2, ::-1], values[:0], values[0, 0, 0, ...], values.reshape(1, -1)):
        found = through([array, 1], tmp_path / "file")[0]
        assert found.shape == array.shape and found.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, array)


def test_containers_and_scalars_come_back(tmp_path):
    value = {"scalar": np.float32(0.1), 3: {"a", "b"}, (1, 2): deque([1, 2]), None: OrderedDict(a=1), True: b"\xff\x00",
             1.5: frozenset([1])}
    found = through(value, tmp_path / "file")
    assert found == value and type(found["scalar"]) is np.float32


@pytest.mark.parametrize("value", [
    object(), print, 1j, np.array(["a"]), np.array([None]), np.array([1j]), [1, {"a": object()}], random.Random(),
    np.zeros(1, [("a", "f4")]), np.datetime64("2020"),
])
def test_other_values_are_refused(value, tmp_path):
    assert not is_plain(value)
    with pytest.raises(NotPlain):
        backup_file.write(str(tmp_path / "file"), value)
    assert os.listdir(tmp_path) == []


def test_a_container_that_holds_itself():
    circle: list = []
    circle.append(circle)
    assert not is_plain(circle)


def test_fingerprints_tell_values_apart():
    values = [0, 0.0, -0.0, False, None, "", b"", [], (), {}, float("nan"), np.zeros(2), np.zeros(2, "f4"),
              np.zeros((2, 1)), [0], (0,), {0: 0}, {"0": 0}, np.float32(0), np.zeros(())]
    assert len({fingerprint(v) for v in values}) == len(values)
    assert fingerprint({"a": np.arange(3)[::-1]}) == fingerprint({"a": np.array([2, 1, 0])})


def test_the_layout_is_that_of_safetensors(tmp_path):
    path = tmp_path / "file.safetensors"
    backup_file.write(str(path), {"weights": np.arange(6, dtype="f4").reshape(2, 3)})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    assert length % 8 == 0
    assert header["0"] == {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    assert np.frombuffer(data[8 + length:], "<f4").tolist() == [0, 1, 2, 3, 4, 5]


def test_damaged_files_are_refused(tmp_path):
    """Whatever byte is changed and wherever the file ends, it is noticed, or made no difference."""
    path = tmp_path / "file"
    value = {"a": np.arange(5.0), "b": [1, "text", {"c": (2, np.float32(3))}]}
    backup_file.write(str(path), value)
    good = path.read_bytes()
    draws = random.Random(0)
    refused = 0
    for _ in range(400):
        data = bytearray(good)
        if draws.random() < 0.3:
            del data[draws.randrange(len(data)):]
        else:
            data[draws.randrange(len(data))] ^= 1 << draws.randrange(8)
        path.write_bytes(data)
        try:
            found = backup_file.read(str(path))
        except BrokenFileError as error:
            assert "is no backup of gpukeras, or a damaged one: it has" in str(error)
            refused += 1
        else:
            assert fingerprint(found) == fingerprint(value)
    assert refused > 350


def header_of(path, change):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length:])


@pytest.mark.parametrize("change, found", [
    (lambda h: h["0"].update(shape=[10**12]), "an array of shape"),
    (lambda h: h["0"].update(shape=[-1, -5]), "an array"),
    (lambda h: h["0"].update(data_offsets=[0, 10**15]), "an array"),
    (lambda h: h["0"].update(dtype="O"), "KeyError"),
    (lambda h: h.update({"7": h.pop("0")}), "KeyError"),
    (lambda h: h["__metadata__"].update(format="pt"), "the format 'pt'"),
    (lambda h: h["__metadata__"].update(content='{"array": 5}'), "checksum"),
    (lambda h: h.pop("__metadata__"), "KeyError"),
])
def test_headers_that_claim_something_else(change, found, tmp_path):
    path = tmp_path / "file"
    backup_file.write(str(path), [np.arange(5.0)])
    header_of(path, change)
    with pytest.raises(BrokenFileError, match=found):
        backup_file.read(str(path))


@pytest.mark.parametrize("packed", [{"array": "0"}, {"call": "os.system"}, {"dict": [[1]]}, {"a": 1, "b": 2}, {}])
def test_other_trees_are_refused(packed):
    with pytest.raises(ValueError, match="no plain data"):
        unpack(packed, lambda number: np.zeros(1))


def test_deep_trees_are_refused(tmp_path):
    path = tmp_path / "file"
    backup_file.write(str(path), [])
    depth = sys.getrecursionlimit() * 10
    header_of(path, lambda h: h["__metadata__"].update(content="[" * depth + "]" * depth))
    with pytest.raises(BrokenFileError):
        backup_file.read(str(path))


def test_packed_data_is_json():
    kept: list = []
    packed = pack({"a": (1, np.ones(2))}, lambda array: kept.append(array) or len(kept) - 1)
    assert json.loads(json.dumps(packed)) == {"dict": [["a", {"tuple": [1, {"array": 0}]}]]}
    assert fingerprint(unpack(packed, kept.__getitem__)) == fingerprint({"a": (1, np.ones(2))})
