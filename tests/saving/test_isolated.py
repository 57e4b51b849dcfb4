"""Files read by another process: the same models, the same errors, and no harm when that process dies."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager

import h5py
import numpy as np
import pytest

from gpukeras.__main__ import main
from gpukeras.layers import LSTM, BatchNormalization, Dense
from gpukeras.models import Sequential, load_model
from gpukeras.saving import BrokenFileError, UnsafeFileError, inspect
from gpukeras.saving import isolated as isolated_module
from gpukeras.saving.errors import CrashedReaderError

X = np.linspace(-1, 1, 2 * 5 * 3).reshape(2, 5, 3)


def built():
    return Sequential([LSTM(4, recurrent_activation="sigmoid", input_shape=(5, 3)), BatchNormalization(),
                       Dense(2, name="out")])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model = built()
    model.compile("adam", "mse")
    model.train_on_batch(X, np.ones((2, 2)))
    folder = tmp_path_factory.mktemp("isolated")
    model.save(folder / "m.h5")
    model.save(folder / "m.keras")
    model.save_weights(folder / "w.h5")
    return model, folder


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_the_same_model(saved, name):
    model, folder = saved
    other = load_model(folder / name, isolated=True)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    for a, b in zip(other.optimizer.get_weights(), model.optimizer.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_the_same_weights_and_contents(saved):
    model, folder = saved
    other = built()
    other.load_weights(folder / "w.h5", isolated=True)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert str(inspect(folder / "m.h5", isolated=True)) == str(inspect(folder / "m.h5"))


def test_the_environment_asks_for_it(saved, monkeypatch):
    begun = []

    @contextmanager
    def told(path, image=None):
        begun.append(path)
        with isolated(path, image) as root:
            yield root

    isolated = isolated_module.isolated
    monkeypatch.setattr(isolated_module, "isolated", told)
    monkeypatch.setenv("GPUKERAS_ISOLATED", "1")
    load_model(saved[1] / "m.h5")
    assert begun == [str(saved[1] / "m.h5")]
    load_model(saved[1] / "m.h5", isolated=False)
    assert len(begun) == 1
    monkeypatch.setenv("GPUKERAS_ISOLATED", "yes")
    with pytest.raises(ValueError, match="GPUKERAS_ISOLATED is 'yes'; it must be 1"):
        load_model(saved[1] / "m.h5")


def test_the_same_errors(saved, tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes((saved[1] / "m.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        del file["model_weights/out/out/kernel:0"]
        file["model_weights/out/out/kernel:0"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(UnsafeFileError, match=f"'{path}', .*kernel:0: is an external link; links are not followed"):
        load_model(path, isolated=True)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BrokenFileError, match=f"'{path}': can't be read; the file is damaged"):
        load_model(path, isolated=True)
    path.write_bytes(b"hello")
    with pytest.raises(BrokenFileError, match="is not an HDF5 file"):
        load_model(path, isolated=True)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.h5", isolated=True)


def instead(monkeypatch, what):
    """The process does something else when it is to read a text."""
    monkeypatch.setattr(isolated_module, "_PROGRAM", isolated_module._PROGRAM.replace(
        "serve()", f"import os, time; from gpukeras.saving import guarded; "
                   f"guarded.Group.text = lambda self, name: {what}; serve()"))


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS"])
def test_a_crash_is_contained_and_reported(saved, monkeypatch, name, capsys):
    instead(monkeypatch, f"os.kill(os.getpid(), {int(getattr(signal, name))})")
    with pytest.raises(CrashedReaderError, match=rf"m.h5': the file is damaged, or made to do harm: the process that "
                                                 rf"reads it crashed in the HDF5 library \({name}\)"):
        load_model(saved[1] / "m.h5", isolated=True)
    assert main(["inspect", str(saved[1] / "m.h5")]) == 1
    assert f"crashed in the HDF5 library ({name})" in capsys.readouterr().err


def test_no_answer_is_an_end_too(saved, monkeypatch):
    instead(monkeypatch, "time.sleep(60)")
    monkeypatch.setattr(isolated_module, "SECONDS", 5.0)
    monkeypatch.setattr(isolated_module._Reader.ask, "__defaults__", (None, 0.3))
    begun = time.monotonic()
    with pytest.raises(CrashedReaderError, match="the process that reads it gave no answer in time"):
        load_model(saved[1] / "m.h5", isolated=True)
    assert time.monotonic() - begun < 30


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's limits")
def test_its_memory_is_limited(saved, monkeypatch):
    instead(monkeypatch, "bytearray(3 << 30)")
    with pytest.raises(CrashedReaderError, match="(?s)ended with status 1: .*MemoryError"):
        load_model(saved[1] / "m.h5", isolated=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's limits")
def test_it_writes_no_files(saved, monkeypatch, tmp_path):
    instead(monkeypatch, f"open({str(tmp_path / 'written')!r}, 'w').write('x' * 100_000)")
    with pytest.raises(BrokenFileError, match="File too large"):
        load_model(saved[1] / "m.h5", isolated=True)
    assert (tmp_path / "written").stat().st_size == 0


def test_no_process_is_left(saved):
    processes = []
    with isolated_module.isolated(str(saved[1] / "m.h5")) as root:
        processes.append(root._reader._process)
        assert root.text("keras_version") and processes[0].poll() is None
    assert processes[0].poll() is not None
