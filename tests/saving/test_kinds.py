"""Files that are given in place of model files: the errors say what they are, and what to do."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gpukeras.__main__ import main
from gpukeras.layers import LSTM, Dense
from gpukeras.models import Sequential, load_model, model_from_json
from gpukeras.saving import BrokenFileError, inspect, load_safetensors, save_model


def small(name="dense", units=3):
    return Sequential([Dense(units, input_shape=(4,), name=name)])


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("m.h5"))
    return buffer.getvalue()


def array():
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


KINDS = {
    "empty": (b"", "it is empty"),
    "pickle": (pickle.dumps({"a": 1}), "it is a pickle, which may run any code"),
    "torch": (zipped(**{"archive__data.pkl": b"x", "archive__version": b"3"}), "it is a file of PyTorch's"),
    "arrays": (zipped(**{"a.npy": array()}), "it holds arrays of NumPy's"),
    "array": (array(), "it is an array of NumPy's"),
    "packed": (zipped(**{"m.h5": b"x"}), "'m.h5' in it may be a model: unpack it first"),
    "packed SavedModel": (zipped(**{"m__saved_model.pb": b"x"}), "a packed SavedModel"),
    "gzip": (gzip.compress(b"x", mtime=0), "compressed by gzip"),
    "tar": (tarred(), "it is a tar archive"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "a model of TensorFlow Lite"),
    "onnx": (b"\x08\x0a\x12\x08gpukeras", "a model of ONNX or of TensorFlow"),
    "json": (small().to_json().encode(), "it is JSON: models.model_from_json"),
    "page": (b"\n<!DOCTYPE html><html>", "it is a page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "checkpoint": (b'model_checkpoint_path: "ckpt"\n', "a checkpoint of TensorFlow's"),
    "safetensors": (b"\x02\0\0\0\0\0\0\0{}", "saving.load_safetensors"),
    "text": (b"hello", "it begins with b'hello'")}


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_it_is(kind, ending, tmp_path):
    data, match = KINDS[kind]
    path = tmp_path / f"m{ending}"
    path.write_bytes(data)
    looks = {"load_model": load_model, "load_weights": small().load_weights, "inspect": inspect}
    if kind == "safetensors":
        del looks["inspect"]
    for look in looks.values():
        with pytest.raises(ValueError, match=match) as found:
            look(path)
        assert str(path) in str(found.value)
        with pytest.raises(ValueError, match=match):
            look(os.fsencode(path))


def test_folders(tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked" / "model.weights.h5").write_bytes(b"x")
    for name, match in (("plain", "a folder, not a model"), ("saved", "SavedModel"), ("unpacked", "was unpacked")):
        for look in (load_model, small().load_weights, inspect):
            with pytest.raises(BrokenFileError, match=match):
                look(tmp_path / name)


def test_names_that_are_nearly_right(tmp_path):
    small().save(tmp_path / "weather.h5")
    with pytest.raises(FileNotFoundError, match=r"there is 'weather\.h5'") as found:
        load_model(tmp_path / "wether.h5")
    assert found.value.filename == str(tmp_path / "wether.h5")
    with pytest.raises(FileNotFoundError, match="No such file or directory: "):
        load_model(tmp_path / "none" / "m.h5")
    (tmp_path / "ckpt.index").write_bytes(b"x")
    with pytest.raises(BrokenFileError, match="a checkpoint of TensorFlow's"):
        small().load_weights(tmp_path / "ckpt")


def test_what_is_no_path(tmp_path, monkeypatch):
    for value in (None, 3, small()):
        for look in (load_model, small().load_weights, inspect, small().save, small().save_weights):
            with pytest.raises(TypeError, match="filepath must be the path of a file"):
                look(value)
    with pytest.raises(IsADirectoryError, match="directory: 'new/'"):
        small().save("new/")
    with pytest.raises(FileNotFoundError, match="m.h5'$"):
        save_model(small(), tmp_path / "none" / "m.h5")


def test_one_kind_for_another(tmp_path):
    pytest.importorskip("safetensors")
    model = small()
    model.save_weights(tmp_path / "m.weights.h5")
    model.save_weights(tmp_path / "w.h5")
    model.save(tmp_path / "m.keras")
    for name in ("m.weights.h5", "w.h5"):
        with pytest.raises(BrokenFileError, match="it holds weights only: build the model, then load_weights"):
            load_model(tmp_path / name)
    for name in ("m.weights.h5", "m.keras"):
        with pytest.raises(BrokenFileError, match="for load_model or load_weights"):
            load_safetensors(model, tmp_path / name)
    other = small()
    other.load_weights(tmp_path / "m.keras")
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    with pytest.raises(json.JSONDecodeError, match=r"the text is no JSON, it begins with 'm\.json'"):
        model_from_json("m.json")


@pytest.mark.parametrize("name", ["w.h5", "m.weights.h5", "m.keras"])
def test_weights_of_another_model(name, tmp_path):
    path = tmp_path / name
    small().save(path) if name == "m.keras" else small().save_weights(path)
    wide, lstm = small(units=5), Sequential([LSTM(2, input_shape=(4, 4), name="dense")])
    for model in (wide, lstm):
        before = model.get_weights()
        with pytest.raises(ValueError, match="layer 'dense'.* in the file has|layer 'dense'.* the file has"):
            model.load_weights(path)
        for a, b in zip(before, model.get_weights()):
            np.testing.assert_array_equal(a, b)
    with pytest.warns(UserWarning, match="none of its layers has the name of one of the model's") as found:
        small("other").load_weights(path, by_name=True)
    assert Path(found[0].filename).name == Path(__file__).name


def test_safetensors_are_inspected(tmp_path, capsys):
    pytest.importorskip("safetensors")
    from gpukeras.saving import save_safetensors

    path = tmp_path / "m.safetensors"
    save_safetensors(small(), path)
    found = inspect(path)
    assert found.parameters == 15 and found.model is None and not found.refused
    assert found.layers == [("dense", "", [("bias", (3,), "F32"), ("kernel", (4, 3), "F32")])]
    assert main(["inspect", str(path)]) == 0
    assert "kernel  (4, 3)  F32" in capsys.readouterr().out
    for header in (b"{", b"[]", b'{"a": 3}', b'{"__metadata__": 3}', b'{"a": {"shape": [-1]}}'):
        path.write_bytes(len(header).to_bytes(8, "little") + header.ljust(len(header)))
        if header == b'{"a": {"shape": [-1]}}':
            assert inspect(path).refused == [f"'{path}', a: has no shape"]
        else:
            with pytest.raises(BrokenFileError):
                inspect(path)
