"""Archives made to do harm: each is refused, with an error that says what was found, and nothing is unpacked or run."""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import stat
import struct
import time
import zipfile
import zlib

import h5py
import numpy as np
import pytest

from gpukeras.layers import Dense
from gpukeras.models import Sequential, load_model
from gpukeras.saving import BrokenFileError, UnsafeFileError, inspect

KERNEL = "layers/dense/vars/0"


@pytest.fixture
def path(tmp_path):
    """A good archive, for a test to spoil."""
    model = Sequential([Dense(3, input_shape=(4,), name="dense")], name="small")
    model.compile("adam", "mse")
    model.save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rewritten(path, found, **options):
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, data in found.items():
            file.writestr(name, data)


def edit_config(path, change, name="config.json"):
    found = members(path)
    config = json.loads(found[name])
    change(config)
    rewritten(path, {**found, name: json.dumps(config)})


def edit_weights(path, change):
    found = members(path)
    buffer = io.BytesIO(found["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    rewritten(path, {**found, "model.weights.h5": buffer.getvalue()})


def refused(path, error, match, weights=True):
    """`load_model` refuses it, `load_weights` too and changes nothing, and nothing new lies beside it."""
    before = sorted(os.listdir(path.parent))
    with pytest.raises(error, match=match):
        load_model(path)
    if weights:
        model = Sequential([Dense(3, input_shape=(4,), name="dense")])
        values = model.get_weights()
        with pytest.raises(error, match=match):
            model.load_weights(path)
        for a, b in zip(values, model.get_weights()):
            np.testing.assert_array_equal(a, b)
    assert sorted(os.listdir(path.parent)) == before


# ------------------------------------------------------------------------------------------------- members


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "assets/../../evil", "a\\..\\evil", "C:/evil",
                                  "assets/./x"], ids=range(6))
def test_names_that_lead_out(name, path):
    rewritten(path, {**members(path), name: b"x"})
    refused(path, UnsafeFileError, "leads out of the archive")


def test_members_that_no_model_has(path):
    rewritten(path, {**members(path), "setup.py": b"x"})
    refused(path, UnsafeFileError, "'setup.py' belongs to no model")


def test_assets_are_left_where_they_are(path):
    rewritten(path, {**members(path), "assets/vocabulary.txt": b"x"})
    load_model(path)
    assert "assets/vocabulary.txt: is not asked for" in str(inspect(path))


def test_members_that_are_links(path):
    found = members(path)
    link = zipfile.ZipInfo("model.weights.h5")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", found["config.json"])
        file.writestr(link, "/etc/passwd")
    refused(path, UnsafeFileError, "is a link or a device")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_are_there_twice(path):
    found = members(path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("config.json", found["config.json"])
    refused(path, UnsafeFileError, "is there twice")


def test_too_many_members(path):
    rewritten(path, {**members(path), **{f"assets/{i}": b"" for i in range(5000)}})
    refused(path, UnsafeFileError, "has 5003 members")


def test_lists_of_members_without_end(path):
    data = path.read_bytes()
    at = data.rindex(b"PK\x05\x06")
    path.write_bytes(data[:at + 12] + struct.pack("<I", 1 << 30) + data[at + 16:])
    refused(path, UnsafeFileError, "its list of members claims 1073741824 bytes")


def test_members_in_one_another(path):
    data = bytearray(path.read_bytes())
    places = [i for i in range(len(data)) if data[i:i + 4] == b"PK\x01\x02"]
    data[places[1] + 42:places[1] + 46] = data[places[0] + 42:places[0] + 46]
    path.write_bytes(data)
    refused(path, (UnsafeFileError, BrokenFileError), "lies inside another one|verlap")


def test_encrypted_members(path):
    data = bytearray(path.read_bytes())
    for i in range(len(data)):
        if data[i:i + 4] == b"PK\x01\x02":
            data[i + 8] |= 1
    path.write_bytes(data)
    refused(path, UnsafeFileError, "is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_other_compressions(method, path):
    rewritten(path, members(path), compression=method)
    refused(path, UnsafeFileError, f"is compressed by method {method}")


def test_deflated_archives_are_read(path):
    weights = load_model(path).get_weights()
    rewritten(path, members(path), compression=zipfile.ZIP_DEFLATED)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], weights[0])


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_zip_bombs(name, path):
    rewritten(path, {**members(path), name: bytes(1 << 25)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 17
    refused(path, UnsafeFileError, "claims to become 33554432 bytes from", weights=name != "config.json")


def test_zip_bombs_that_claim_less(path):
    """The sizes in the list of members are false; not more is unpacked than they say."""
    rewritten(path, {**members(path), "model.weights.h5": bytes(1 << 25)}, compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            if data[at + offset:at + offset + 4] == struct.pack("<I", 1 << 25):
                data[at + offset:at + offset + 4] = struct.pack("<I", 4096)
    path.write_bytes(data)
    refused(path, BrokenFileError, "model.weights.h5: can't be read; the file is damaged")


def test_a_false_checksum(path):
    data = bytearray(path.read_bytes())
    at = data.index(b"config.json") + 60
    data[at] ^= 1
    path.write_bytes(data)
    refused(path, BrokenFileError, "config.json: can't be read; the file is damaged", weights=False)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_members(name, path):
    found = members(path)
    del found[name]
    rewritten(path, found)
    refused(path, BrokenFileError, f"{name}: is not there", weights=name != "config.json")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"7"],
                         ids=["empty", "half", "list", "bytes", "deep", "number"])
def test_configs_that_are_none(text, path):
    rewritten(path, {**members(path), "config.json": text})
    refused(path, BrokenFileError, "config.json", weights=False)


def test_every_truncation_and_many_flipped_bytes_are_told(path):
    """No other exceptions than those that are promised, and a bounded time."""
    data = path.read_bytes()
    random = np.random.RandomState(3)
    start = time.monotonic()
    for trial in range(150):
        spoiled = bytearray(data)
        if trial % 3 == 0:
            del spoiled[random.randint(len(data)):]
        else:
            for at in random.randint(len(data), size=1 + trial % 5):
                spoiled[at] = random.randint(256)
        path.write_bytes(spoiled)
        try:
            load_model(path, compile=False)
        except (ValueError, TypeError, FileNotFoundError):
            pass  # BrokenFileError and UnsafeFileError are ValueErrors; a layer's complaint may be a TypeError
    assert time.monotonic() - start < 60


# ---------------------------------------------------------------------------------------------- the weights


def test_external_links(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = np.zeros((4, 3), "float32")

    def link(file):
        del file[KERNEL]
        file[KERNEL] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/kernel")

    edit_weights(path, link)
    refused(path, UnsafeFileError, "is an external link; links are not followed")


def test_soft_links(path):
    def link(file):
        file.move("layers/dense", "elsewhere")
        file["layers/dense"] = h5py.SoftLink("/elsewhere")

    edit_weights(path, link)
    refused(path, UnsafeFileError, "is a soft link; links are not followed")


def test_virtual_data_sets_and_external_storage(path, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(48))

    def outside(file):
        del file[KERNEL]
        file.create_dataset(KERNEL, (4, 3), "float32", external=[(str(tmp_path / "raw"), 0, 48)])

    def virtual(file):
        del file[KERNEL]
        layout = h5py.VirtualLayout((4, 3), "float32")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (4, 3))
        file.create_virtual_dataset(KERNEL, layout)

    edit_weights(path, outside)
    refused(path, UnsafeFileError, "has external storage")
    edit_weights(path, virtual)
    refused(path, UnsafeFileError, "is a virtual data set")


def test_shapes_of_any_size(path):
    """A data set of which nothing is stored claims all that a layer of any size would need."""
    def grow(file):
        del file[KERNEL]
        file.create_dataset(KERNEL, (4, 1 << 36), "float32", chunks=(4, 1024), compression="gzip")

    edit_weights(path, grow)
    edit_config(path, lambda c: c["config"]["layers"][-1]["config"].update(units=1 << 36))
    refused(path, UnsafeFileError, "claims shape")


def test_layers_larger_than_the_file(path):
    edit_config(path, lambda c: c["config"]["layers"][-1]["config"].update(units=1 << 30))
    refused(path, ValueError, "is more than the file has values for", weights=False)


def test_groups_that_contain_themselves(path):
    def loop(file):
        file["layers/dense/again"] = file["layers"]
        file["layers/back"] = file["/"]

    edit_weights(path, loop)
    assert load_model(path).count_params() == inspect(path).parameters == 15  # what has two names is counted once


def test_groups_without_end(path):
    edit_weights(path, lambda file: file.create_group("/".join(["deep"] * 80)))
    refused(path, UnsafeFileError, "one group too many", weights=False)


def test_arrays_that_hold_no_numbers(path):
    def spoil(file):
        del file[KERNEL]
        file[KERNEL] = np.array([b"text"] * 12).reshape(4, 3)

    edit_weights(path, spoil)
    refused(path, UnsafeFileError, "not plain numbers")


def test_weights_that_are_not_hdf5(path):
    rewritten(path, {**members(path), "model.weights.h5": b"\x80\x04pickle"})
    refused(path, BrokenFileError, "is not an HDF5 file")


# ---------------------------------------------------------------------------------------------- the config


class Ran(Exception):
    """Code of a file was run."""


def test_bytecode(path, tmp_path):
    def evil(x):
        raise Ran

    code = base64.b64encode(marshal.dumps(evil.__code__)).decode()

    def insert(config):
        config["config"]["layers"].append({
            "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
            "config": {"name": "spy", "trainable": True, "dtype": "float32", "arguments": {}, "function": {
                "class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}}})

    edit_config(path, insert)
    refused(path, ValueError, "Lambda 'spy': its function is a lambda, of which no code is ever loaded", weights=False)
    with pytest.raises(ValueError, match="no code is ever loaded"):
        load_model(path, safe_mode=False)
    assert "bytecode of a lambda: is never loaded" in str(inspect(path))


@pytest.mark.parametrize("module, name", [("os", "system"), ("builtins", "eval"), ("keras.config", "enable_unsafe"),
                                          ("gpukeras.models", "load_model"), ("subprocess", "Popen")],
                         ids=["os", "eval", "keras", "load_model", "subprocess"])
def test_configs_that_name_functions(module, name, path):
    def insert(config):
        config["config"]["layers"].append({"module": module, "class_name": name, "registered_name": name,
                                           "config": {"name": "x", "command": "true", "source": "1"}})

    edit_config(path, insert)
    refused(path, ValueError, f"Unknown layer: '{name}'", weights=False)


@pytest.mark.parametrize("entry", [
    {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
    {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
    {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": None}],
    ids=["system", "eval", "class"])
def test_activations_that_name_functions(entry, path):
    edit_config(path, lambda c: c["config"]["layers"][-1]["config"].update(activation=entry))
    refused(path, ValueError, "system|eval", weights=False)


def test_losses_that_name_functions(path):
    edit_config(path, lambda m: m.pop("gpukeras"), "metadata.json")
    edit_config(path, lambda c: c["compile_config"].update(loss={"module": "os", "class_name": "function",
                                                                 "config": "system", "registered_name": "system"}))
    with pytest.warns(UserWarning, match="loaded but not compiled, because the loss 'system' isn't known"):
        load_model(path)


def test_configs_nested_without_end(path):
    def nest(config):
        inside = config["config"]["layers"][-1]
        for _ in range(300):
            inside = {"class_name": "TimeDistributed", "config": {"layer": inside}}
        config["config"]["layers"][-1] = inside

    edit_config(path, nest)
    refused(path, BrokenFileError, "nested more than 200 deep", weights=False)
    assert "nested more than 200 deep" in str(inspect(path))


@pytest.mark.parametrize("spoiled", [
    {"layers": 3}, {"layers": [3]}, {"layers": [{"class_name": "Dense"}]},
    {"layers": [{"class_name": 3, "config": {}}]}, {}, None, "x",
    {"layers": [{"class_name": "Dense", "config": {"units": "many"}}]},
    {"layers": [[]], "input_layers": [], "output_layers": []},
    {"layers": [{"name": "a", "class_name": "InputLayer", "config": {}, "inbound_nodes": [[3]]}],
     "input_layers": [["a", 0, 0]], "output_layers": [["a", 0, 9]]},
    {"layers": [{"name": "a", "class_name": "Dense", "config": {"units": 2}, "inbound_nodes": [
        {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}], "kwargs": {}}]}],
     "input_layers": [["a", 0, 0]], "output_layers": [["a", 0, 0]]},
    {"layers": [{"name": "a", "class_name": "Dense", "config": {"units": 2}, "inbound_nodes": [
        {"args": 3, "kwargs": 4}]}], "input_layers": 5, "output_layers": [["a"]]}], ids=range(12))
def test_configs_of_nonsense(spoiled, path):
    for kind in ("Sequential", "Functional", "Model"):
        def change(config, kind=kind):
            config["class_name"], config["config"] = kind, spoiled

        edit_config(path, change)
        with pytest.raises((ValueError, TypeError)):
            load_model(path)
        inspect(path)


@pytest.mark.filterwarnings("ignore:.*loaded but not compiled")
@pytest.mark.filterwarnings("ignore:.*does not say how the model was compiled")
@pytest.mark.parametrize("own", [True, False], ids=["own", "of_keras"])
@pytest.mark.parametrize("spoiled", [3, [], {"optimizer": 3}, {"optimizer": {"class_name": "Adam"}}, {"optimizer": "x"},
                                     {"optimizer_config": 3}, {"optimizer_config": {"class_name": [], "config": {}}},
                                     {"optimizer": {"class_name": "Adam", "config": {"learning_rate": {}}}},
                                     {"optimizer": {"class_name": "Adam", "config": {"learning_rate": "x"}}},
                                     {"optimizer": "adam", "loss": 3}, {"optimizer": "adam", "loss": [["mse"]]},
                                     {"optimizer": "adam", "loss": "mse", "metrics": {"x": 4}},
                                     {"optimizer": "adam", "loss": "mse", "loss_weights": "x"}], ids=range(13))
def test_compile_configs_of_nonsense(spoiled, own, path):
    """The model is loaded without them, or the file is refused."""
    if own:
        edit_config(path, lambda m: m["gpukeras"].update(training_config=spoiled), "metadata.json")
    else:
        edit_config(path, lambda m: m.pop("gpukeras"), "metadata.json")
        edit_config(path, lambda c: c.update(compile_config=spoiled))
    try:
        assert load_model(path).built
    except BrokenFileError as error:
        assert "dictionary" in str(error)
    assert inspect(path).model == "Sequential"


@pytest.mark.filterwarnings("ignore:.*the optimizer starts afresh")
@pytest.mark.parametrize("change", [
    lambda f: f.__delitem__("optimizer/vars/0"), lambda f: f.__delitem__("optimizer/vars/5"),
    lambda f: f.__setitem__("optimizer/vars/x", 3), lambda f: f.__setitem__("optimizer/vars/6", np.zeros((2, 2))),
    lambda f: f.move("optimizer/vars/0", "optimizer/vars/6")], ids=range(5))
def test_optimizer_states_that_do_not_fit(change, path):
    edit_weights(path, change)
    try:
        assert float(np.ravel(load_model(path).train_on_batch(np.ones((2, 4)), np.ones((2, 3))))[0]) > 0
    except BrokenFileError as error:
        assert "expected arrays named 0, 1, ..." in str(error)


def test_only_the_archive_is_opened(path, monkeypatch):
    import builtins

    import gpukeras.saving.inspection  # noqa: F401  (modules are loaded before files are watched)

    load_model(path)
    opened, real = [], builtins.open
    monkeypatch.setattr(builtins, "open", lambda name, *a, **k: opened.append(str(name)) or real(name, *a, **k))
    load_model(path)
    assert set(opened) == {str(path)}
    assert zlib.crc32(path.read_bytes())
