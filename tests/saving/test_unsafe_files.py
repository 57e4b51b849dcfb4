"""Files made to do harm: each is refused, with an error that says what was found, before anything is read or built."""

from __future__ import annotations

import json
import marshal
import os
import pickle
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest

from gpukeras.__main__ import main
from gpukeras.layers import Dense
from gpukeras.models import Sequential, load_model
from gpukeras.saving import BrokenFileError, UnsafeFileError, inspect
from gpukeras.saving.guarded import opened

KERNEL = "model_weights/dense/dense/kernel:0"


@pytest.fixture
def path(tmp_path):
    """A good file, for a test to spoil."""
    model = Sequential([Dense(3, input_shape=(4,), name="dense")], name="small")
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 3)))
    model.save(tmp_path / "m.h5")
    return tmp_path / "m.h5"


def edit_config(path, change, attribute="model_config"):
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs[attribute])
        change(config)
        file.attrs[attribute] = json.dumps(config).encode()


def refused(path, error, match):
    """Both `load_model` and `load_weights` refuse it, and change nothing."""
    with pytest.raises(error, match=match):
        load_model(path)
    model = Sequential([Dense(3, input_shape=(4,), name="dense")])
    before = model.get_weights()
    with pytest.raises(error, match=match):
        model.load_weights(path)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------------------- out of the file


def test_external_links(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = np.zeros((4, 3), "float32")
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file[KERNEL] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/kernel")
    refused(path, UnsafeFileError, "kernel:0: is an external link; links are not followed")


def test_an_external_link_on_the_way(path, tmp_path):
    path.rename(tmp_path / "good.h5")
    with h5py.File(tmp_path / "good.h5") as good, h5py.File(path, "w") as file:
        for name, value in good.attrs.items():
            file.attrs[name] = value
        file["model_weights"] = h5py.ExternalLink(str(tmp_path / "good.h5"), "/model_weights")
    refused(path, UnsafeFileError, "model_weights: is an external link")


def test_soft_links(path):
    with h5py.File(path, "r+") as file:
        file.move(KERNEL, "elsewhere")
        file[KERNEL] = h5py.SoftLink("/elsewhere")
    refused(path, UnsafeFileError, "kernel:0: is a soft link; links are not followed")


def test_external_storage(path, tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(12, dtype="float32").tobytes())
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (4, 3), "float32", external=[(str(secret), 0, 48)])
    refused(path, UnsafeFileError, "has external storage in b'.*secret.bin', which is not opened")


def test_virtual_data_sets(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = np.zeros((4, 3), "float32")
    layout = h5py.VirtualLayout((4, 3), "float32")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "kernel", (4, 3))
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_virtual_dataset(KERNEL, layout)
    refused(path, UnsafeFileError, "is a virtual data set")


@pytest.mark.parametrize("name", ["../../dense/kernel:0", "/etc/passwd", "dense/./kernel:0", ""])
def test_names_that_climb(path, name):
    with h5py.File(path, "r+") as file:
        file["model_weights/dense"].attrs["weight_names"] = [name.encode(), b"dense/bias:0"]
    refused(path, UnsafeFileError, "is no name of a member")


# ---------------------------------------------------------------------------------------------------- too much


def test_a_shape_that_the_file_cannot_hold(path):
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (2 ** 20, 2 ** 20), "float32")  # nothing is written: the file stays small
    refused(path, UnsafeFileError, r"claims shape \(1048576, 1048576\), 4398046511104 bytes, in a file of")


def test_a_shape_that_compression_hides(path):
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (2 ** 20, 2 ** 20), "float32", chunks=(2 ** 10, 2 ** 10), compression="gzip")
    refused(path, ValueError, r"layer 'dense': weight 'dense/kernel:0' has shape \(4, 3\), .* \(1048576, 1048576\)")


def test_chunks_far_larger_than_the_data(path):
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (4, 3), "float32", chunks=(2 ** 14, 2 ** 14), maxshape=(None, None),
                            compression="gzip")
    refused(path, UnsafeFileError, "has chunks of 1073741824 bytes for 48 bytes of data")


def test_a_layer_without_a_list_of_its_arrays(path):
    with h5py.File(path, "r+") as file:
        del file["model_weights/dense"].attrs["weight_names"]
    refused(path, BrokenFileError, "has no list of weight_names")


@pytest.mark.parametrize("where, change", [
    ((1,), {"units": 2 ** 31}), ((0, 1), {"batch_input_shape": [None, 2 ** 31]})])
def test_an_architecture_larger_than_the_weights(path, where, change):
    edit_config(path, lambda c: [c["config"]["layers"][i]["config"].update(change) for i in where])
    with pytest.raises(ValueError, match="Layer 'dense': weight 'kernel' of shape .* is more than the file has values"):
        load_model(path)


def test_json_that_is_nested_without_end(path):
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = b'{"class_name": "Model", "config": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    with pytest.raises(BrokenFileError, match="is not JSON|nested more than"):
        load_model(path)


# ---------------------------------------------------------------------------------------------------- no numbers


@pytest.mark.parametrize("dtype", [h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype(np.dtype("float32")),
                                   np.dtype([("a", "f4")]), np.dtype("V8"), np.dtype("S4")])
def test_arrays_of_other_things_than_numbers(path, dtype):
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (4, 3), dtype)
    refused(path, UnsafeFileError, "plain numbers")


def test_filters_that_would_be_looked_for_on_the_machine(path):
    with h5py.File(path, "r+") as file:
        group = file["model_weights/dense/dense"]
        del group["kernel:0"]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4, 3))
        plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4, 3)), plist)
    refused(path, UnsafeFileError, "needs HDF5 filter 32015")


def test_a_group_in_place_of_an_array(path):
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_group(KERNEL)
    refused(path, BrokenFileError, "kernel:0: is not a data set")


def test_an_attribute_of_other_things_than_text(path):
    with h5py.File(path, "r+") as file:
        file["model_weights"].attrs["layer_names"] = np.zeros(3)
    refused(path, BrokenFileError, "'layer_names': is not text")


# ---------------------------------------------------------------------------------------------------------- code


def bytecode():
    import codecs

    code = compile("lambda x: __import__('os').system('touch harm') or x", "<file>", "eval").co_consts[0]
    return codecs.encode(marshal.dumps(code), "base64").decode("ascii")


@pytest.mark.parametrize("function", [
    [bytecode(), None, None],
    {"class_name": "__lambda__", "config": {"code": bytecode(), "defaults": None, "closure": None}}])
def test_marshalled_lambdas(path, function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def change(config):
        config["config"]["layers"].append({"class_name": "Lambda", "config": {
            "name": "evil", "function": function, "function_type": "lambda", "arguments": {}}})
    edit_config(path, change)
    for safe_mode in (True, False):
        with pytest.raises(ValueError, match="'evil': its function is a lambda, of which no code is ever loaded"):
            load_model(path, safe_mode=safe_mode)
    assert not os.path.exists("harm")
    load_model(path, custom_objects={"evil": lambda x: x}, compile=False)


@pytest.mark.parametrize("entry", [
    {"class_name": "system", "config": {"command": "touch harm"}, "module": "os"},
    {"class_name": "get_file", "config": {"fname": "x", "origin": "http://localhost/"}, "module": "keras.utils"},
    {"class_name": "enable_unsafe_deserialization", "config": {}, "module": "keras.config"},
    {"class_name": "builtins.eval", "config": {}, "registered_name": "eval"},
    {"class_name": "function", "config": "deserialize", "module": "builtins"},
    {"class_name": "K", "config": {}}, {"class_name": "_registry", "config": {}}])
def test_classes_that_are_no_layers(path, entry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edit_config(path, lambda c: c["config"]["layers"].append(entry))
    with pytest.raises(ValueError, match="Unknown layer"):
        load_model(path)
    assert not os.path.exists("harm")


@pytest.mark.parametrize("argument", ["kernel_initializer", "kernel_regularizer", "kernel_constraint", "activation"])
@pytest.mark.parametrize("entry", ["os.system", {"class_name": "system", "config": {"command": "touch harm"},
                                                 "module": "os"}])
def test_parts_that_are_none(path, argument, entry):
    edit_config(path, lambda c: c["config"]["layers"][1]["config"].update({argument: entry}))
    with pytest.raises((ValueError, TypeError)):
        load_model(path)


@pytest.mark.parametrize("entry", ["os.system", "K", "deserialize", "get", {"class_name": "function", "config": "exec"},
                                   {"class_name": "Registry", "config": {}}])
@pytest.mark.parametrize("where", ["loss", "metrics"])
def test_losses_and_metrics_that_are_none(path, entry, where):
    edit_config(path, lambda c: c.update({where: entry}), "training_config")
    with pytest.warns(UserWarning, match="loaded but not compiled"):
        load_model(path)


def test_an_optimizer_that_is_none(path):
    edit_config(path, lambda c: c.update(optimizer_config={"class_name": "system", "config": {"command": "x"}}),
                "training_config")
    with pytest.warns(UserWarning, match="loaded but not compiled, because Unknown optimizer: 'system'"):
        load_model(path)


def test_a_pickle_is_no_model(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    (tmp_path / "m.h5").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(BrokenFileError, match="is not an HDF5 file: it is a pickle"):
        load_model(tmp_path / "m.h5")
    assert not (tmp_path / "harm").exists()


# ------------------------------------------------------------------------------------------------------- damage


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.h5")
    with pytest.raises(BrokenFileError, match="is a folder"):
        load_model(tmp_path)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9])
def test_files_that_are_cut_off(path, part):
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data) * part)])
    with pytest.raises(BrokenFileError, match="the file is damaged"):
        load_model(path)


def test_a_state_that_does_not_fit(path):
    with h5py.File(path, "r+") as file:
        name = file["optimizer_weights"].attrs["weight_names"][1].decode()
        del file["optimizer_weights"][name]
        file["optimizer_weights"][name] = np.zeros((7, 7), "float32")
    with pytest.warns(UserWarning, match=r"starts afresh, .*\(7, 7\), and the optimizer needs \(4, 3\)"):
        model = load_model(path)
    assert not any(np.any(w) for w in model.optimizer.get_weights())


# ------------------------------------------------------------------------------------------------------ inspect


def test_inspect_says_what_is_there(path, capsys):
    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "model Sequential" in printed and "dense (Dense)" in printed and "15 parameters in 1 layers" in printed
    assert "compiled: Adam, loss 'mean_squared_error', 5 arrays of state" in printed


def test_inspect_says_what_is_refused(path, capsys):
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file[KERNEL] = h5py.SoftLink("/elsewhere")
        file["model_weights/stowaway"] = np.zeros(3)
    found = inspect(path)
    assert [name for _, _, arrays in found.layers for name, _, _ in arrays] == ["dense/bias:0"]
    assert "is a soft link" in found.refused[0] and "stowaway: is not asked for" in found.refused[1]
    assert main(["inspect", str(path)]) == 2
    assert "refused: " in capsys.readouterr().out


def test_inspect_of_something_else_is_one_line(tmp_path, capsys):
    (tmp_path / "m.txt").write_text("hello")
    assert main(["inspect", str(tmp_path / "m.txt")]) == 1
    assert "is not an HDF5 file" in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------- memory


@pytest.mark.slow
def test_a_bomb_is_refused_within_a_small_memory(path):
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (2 ** 18, 2 ** 18), "float64", chunks=(2 ** 9, 2 ** 9), compression="gzip")
    program = ("import sys\nfrom gpukeras.models import load_model\n"
               "try: load_model(sys.argv[1])\nexcept ValueError as e: print('refused', str(e)[:60])")
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)))
    assert done.stdout.startswith("refused layer 'dense'"), done.stderr


def test_a_heap_that_would_send_the_library_round_in_circles(path):
    data = bytearray(path.read_bytes())
    at = data.find(b"GCOL\x01\0\0\0")
    assert at > 0
    first = int.from_bytes(data[at + 24:at + 32], "little")
    free = at + 32 + (first + 7) // 8 * 8
    while data[free:free + 2] != b"\0\0":
        free += 16 + (int.from_bytes(data[free + 8:free + 16], "little") + 7) // 8 * 8
    data[free + 8:free + 16] = bytes(8)
    path.write_bytes(data)
    refused(path, BrokenFileError, f"the heap at byte {at} has 0 bytes left over")


def references(data):
    """Where references to texts stand: length, address of the heap, number."""
    heap = data.find(b"GCOL\x01\0\0\0").to_bytes(8, "little")
    found, at = [], data.find(heap)
    while at >= 0:
        if 0 < int.from_bytes(data[at - 4:at], "little") < len(data):
            found.append(at - 4)
        at = data.find(heap, at + 1)
    assert len(found) > 5
    return found


@pytest.mark.parametrize("offset, value, match", [
    (0, 0xfffffff0, "claims a text of 4294967280 bytes in a file of"), (0, 3000, "where the heap at byte .* has "),
    (4, 0x7fffffff, "claims 16 bytes at byte 2147483647 of"), (4, 96, "there is no heap at byte 96"),
    (12, 12345, "where the heap at byte .* has 0")])
def test_references_to_texts_that_are_not_there(path, offset, value, match):
    data = bytearray(path.read_bytes())
    for at in references(data):
        data[at + offset:at + offset + 4] = value.to_bytes(4, "little")
    path.write_bytes(data)
    refused(path, BrokenFileError, match)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("count", [3, 8, 60])
def test_texts_of_variable_length_are_those_that_h5py_reads(libver, count, tmp_path):
    """In headers of both versions, in one block or several, or (many, in files of the latest kind) outside of them."""
    texts = ["", "a", "\u2603" * 7, "x" * 5000]
    with h5py.File(tmp_path / "t.h5", "w", libver=libver) as file:
        group = file.create_group("some/group")
        for i in range(count):
            group.attrs[f"one{i}"] = texts[i % 4]
            group.attrs[f"list{i}"] = np.array(texts[:1 + i % 4], object)
            group.attrs[f"number{i}"] = i
            group.attrs[f"fixed{i}"] = np.bytes_(b"abc")
    with opened(tmp_path / "t.h5") as root:
        group = root.group("some/group")
        for i in range(count):
            assert group.text(f"one{i}") == texts[i % 4] and group.text(f"fixed{i}") == "abc"
            assert group.texts(f"list{i}") == texts[:1 + i % 4]
