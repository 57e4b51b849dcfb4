"""Weights as safetensors files, read and written here and by the package safetensors."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from gpukeras import layers as L
from gpukeras.models import Model, Sequential
from gpukeras.saving import BrokenFileError, load_safetensors, save_safetensors

safetensors_numpy = pytest.importorskip("safetensors.numpy")


def model(units=2, last="end"):
    return Sequential([L.Dense(3, input_shape=(4,), name="one"), L.BatchNormalization(name="norm"),
                       L.Bidirectional(L.GRU(2), name="both") if units == "gru" else L.Dense(units, name=last)])


def test_round_trip_with_the_package(tmp_path):
    first, second = model(), model()
    save_safetensors(first, tmp_path / "m.safetensors", {"note": "of mine"})
    found = safetensors_numpy.load_file(tmp_path / "m.safetensors")
    assert set(found) == {"one/kernel", "one/bias", "norm/gamma", "norm/beta", "norm/moving_mean",
                          "norm/moving_variance", "end/kernel", "end/bias"}
    np.testing.assert_array_equal(found["one/kernel"], first.get_weights()[0])
    texts = load_safetensors(second, tmp_path / "m.safetensors")
    assert texts["note"] == "of mine" and texts["format"] == "gpukeras" and texts["gpukeras_version"]
    for one, other in zip(first.get_weights(), second.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_files_of_the_package_are_read(tmp_path):
    one = model()
    tensors = {name: np.random.rand(*w.shape).astype("float16") for name, w in
               [(w.name.partition(":")[0], w) for w in one.weights]}
    safetensors_numpy.save_file(tensors, tmp_path / "m.safetensors")
    assert load_safetensors(one, tmp_path / "m.safetensors") == {}
    np.testing.assert_array_equal(one.get_weights()[0], tensors["one/kernel"].astype("float32"))


def test_layers_in_layers_have_names_of_their_own(tmp_path):
    start = L.Input((5, 3))
    inner = Sequential([L.Dense(3, input_shape=(3,)), L.Dense(3)], name="inner")
    first = Model(start, L.Bidirectional(L.GRU(2), name="both")(L.TimeDistributed(inner, name="steps")(start)))
    save_safetensors(first, tmp_path / "m.safetensors")
    found = safetensors_numpy.load_file(tmp_path / "m.safetensors")
    assert len(found) == len(first.weights) and all(name.split("/")[0] in ("both", "steps") for name in found)
    before = first.get_weights()
    first.set_weights([w * 0 for w in before])
    load_safetensors(first, tmp_path / "m.safetensors")
    for one, other in zip(before, first.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_what_does_not_fit_is_named_and_changes_nothing(tmp_path):
    save_safetensors(model(), tmp_path / "m.safetensors")
    for other, match in ((model(5), r"tensor 'end/kernel' has shape \(3, 2\), the model needs \(3, 5\) \(2 in all\)"),
                         (model(2, "other"), "has no tensor 'other/kernel', which the model needs; it has 'end/bias'"),
                         (Sequential(model().layers[:2]), "has a tensor 'end/bias' of shape \\(2,\\), which the model "
                                                          "has no weight for")):
        before = other.get_weights()
        with pytest.raises(ValueError, match=match):
            load_safetensors(other, tmp_path / "m.safetensors")
        for one, now in zip(before, other.get_weights()):
            np.testing.assert_array_equal(one, now)
    other = model(5)
    with pytest.warns(UserWarning, match="Skipped: .*end/"):
        load_safetensors(other, tmp_path / "m.safetensors", skip_mismatch=True)
    np.testing.assert_array_equal(other.get_weights()[0], safetensors_numpy.load_file(
        tmp_path / "m.safetensors")["one/kernel"])


def test_other_kinds_of_numbers(tmp_path):
    one = Sequential([L.Dense(2, input_shape=(2,), use_bias=False, name="d")])
    safetensors_numpy.save_file({"d/kernel": np.ones((2, 2), "int32")}, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="'d/kernel' holds I32, the model needs float32"):
        load_safetensors(one, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="metadata must be texts"):
        save_safetensors(one, tmp_path / "n.safetensors", {"step": 3})
    assert not (tmp_path / "n.safetensors").exists()


def header(entries, data=b"", length=None):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


@pytest.mark.parametrize("content", [
    b"", b"PK\x03\x04", header({}, length=1 << 40), header({}, length=99),
    header({"d/kernel": {"dtype": "F32", "shape": [1 << 40, 2], "data_offsets": [0, 16]}}, bytes(16)),
    header({"d/kernel": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 1 << 40]}}, bytes(16)),
    header({"d/kernel": {"dtype": "F32", "shape": [2, 2], "data_offsets": [8, 24]}}, bytes(24)),
    header({"d/kernel": {"dtype": "pickle", "shape": [2, 2], "data_offsets": [0, 16]}}, bytes(16)),
    header([1]), b"\x08\0\0\0\0\0\0\0{{{{{{{{"], ids=range(10))
def test_damaged_files_are_refused(content, tmp_path):
    one = Sequential([L.Dense(2, input_shape=(2,), use_bias=False, name="d")])
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(BrokenFileError, match="safetensors"):
        load_safetensors(one, tmp_path / "m.safetensors")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_safetensors(model(), tmp_path / "m.safetensors")
    with pytest.raises(BrokenFileError, match="is a folder"):
        load_safetensors(model(), tmp_path)
