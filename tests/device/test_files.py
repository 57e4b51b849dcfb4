"""Whatever happens while a file is written, the old one or the new one is there, whole."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from gpukeras.callbacks import BackupAndRestore, CSVLogger, ModelCheckpoint
from gpukeras.device import files
from gpukeras.device.files import write_file
from gpukeras.layers import Dense
from gpukeras.models import Sequential

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def test_a_new_file_and_an_old_one(tmp_path):
    path = tmp_path / "f"
    write_file(path, [b"one", np.arange(2, dtype="uint8")])
    assert path.read_bytes() == b"one\0\1"
    write_file(path, [])
    assert path.read_bytes() == b"" and os.listdir(tmp_path) == ["f"]


@POSIX
def test_the_mode_of_a_file_stays_and_a_new_one_has_the_usual(tmp_path):
    path = tmp_path / "f"
    (tmp_path / "usual").touch()
    write_file(path, [b"x"])
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
    path.chmod(0o640)
    write_file(path, [b"y"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@POSIX
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_file(tmp_path / "link", [b"new"])
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"new"


def test_an_error_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def parts():
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_file(path, parts())
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["f"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "none" / "f", [b"x"])


# ------------------------------------------------------------------------------------------- what the killed leave


def left_over(folder, name="f", letters="0123456789ab"):
    part = folder / f".{name}.{letters}.part"
    part.write_bytes(b"half")
    return part


@POSIX
@pytest.mark.parametrize("name", ["f", "model[1]*.h5"])
def test_parts_of_the_dead_are_deleted(name, tmp_path):
    left_over(tmp_path, name)
    left_over(tmp_path, name, "ffffffffffff")
    write_file(tmp_path / name, [b"new"])
    assert os.listdir(tmp_path) == [name]


@POSIX
def test_parts_of_the_living_and_of_others_stay(tmp_path):
    import fcntl

    left_over(tmp_path)
    kept = [left_over(tmp_path, "g"), left_over(tmp_path, "f", "not-of-hexes"), tmp_path / ".f.part"]
    kept[-1].write_bytes(b"")
    kept.append(left_over(tmp_path, "f", "aaaaaaaaaaaa"))
    target = tmp_path / "target"
    target.write_bytes(b"")
    kept.append(tmp_path / ".f.bbbbbbbbbbbb.part")
    kept[-1].symlink_to(target)
    with open(kept[3], "rb") as live:
        fcntl.flock(live, fcntl.LOCK_EX)
        write_file(tmp_path / "f", [b"new"])
    assert sorted(os.listdir(tmp_path)) == sorted(["f", "target", *(path.name for path in kept)])


@POSIX
def test_a_part_that_is_taken_for_left_over_before_it_is_locked(tmp_path, monkeypatch):
    lock, taken = files._lock, []

    def late(handle):
        if not taken:
            taken.extend(tmp_path.glob(".f.*.part"))
            files.delete_parts(str(tmp_path / "f"))
            assert not any(part.exists() for part in taken)
        return lock(handle)

    def first(handle):
        monkeypatch.setattr(files, "_lock", lock)
        return late(handle)

    monkeypatch.setattr(files, "_lock", first)
    write_file(tmp_path / "f", [b"new"])
    assert taken and (tmp_path / "f").read_bytes() == b"new" and os.listdir(tmp_path) == ["f"]


@POSIX
def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(handle, how):
        raise OSError(errno.ENOLCK, "no locks")

    part = left_over(tmp_path)
    monkeypatch.setattr(files.fcntl, "flock", flock)
    write_file(tmp_path / "f", [b"new"])
    assert sorted(os.listdir(tmp_path)) == [part.name, "f"]


def test_many_writers_of_one_file(tmp_path):
    contents = [bytes([i]) * 50_000 for i in range(4)]

    def write(content):
        for _ in range(15):
            write_file(tmp_path / "f", [content[:20_000], content[20_000:]])

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, content) for content in contents]:
            done.result()
    assert (tmp_path / "f").read_bytes() in contents and os.listdir(tmp_path) == ["f"]


# ------------------------------------------------------------------------------------------------------ full disks


@contextmanager
def files_up_to(size):
    """The system takes no more than `size` bytes in one file."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def trained(model, *callbacks, epochs=1):
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 60)), np.ones((4, 60)), epochs=epochs, verbose=0, callbacks=list(callbacks))


WRITERS = {
    "save": lambda model, folder: model.save(folder / "m.h5"),
    "save_weights": lambda model, folder: model.save_weights(folder / "m.h5"),
    "ModelCheckpoint": lambda model, folder: trained(model, ModelCheckpoint(folder / "m.h5")),
    "ModelCheckpoint of weights": lambda model, folder: trained(
        model, ModelCheckpoint(folder / "m.h5", save_weights_only=True)),
    "BackupAndRestore": lambda model, folder: trained(model, BackupAndRestore(folder, delete_checkpoint=False),
                                                      epochs=1 + len(os.listdir(folder))),
}


@POSIX
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_leaves_the_old_file(writer, tmp_path):
    model = Sequential([Dense(60, input_shape=(60,))])
    WRITERS[writer](model, tmp_path)
    (name,) = os.listdir(tmp_path)
    before = (tmp_path / name).read_bytes()
    changed = Sequential([Dense(60, input_shape=(60,))])
    with pytest.raises(OSError, match=f"File too large: '.*{name}'"), files_up_to(len(before) - 1000):
        WRITERS[writer](model if writer == "BackupAndRestore" else changed, tmp_path)
    assert (tmp_path / name).read_bytes() == before and os.listdir(tmp_path) == [name]


@POSIX
def test_a_log_on_a_full_disk_keeps_its_whole_lines(tmp_path):
    log = CSVLogger(tmp_path / "log.csv")
    log.set_params({})
    log.on_train_begin()
    for epoch in range(40):
        log.on_epoch_end(epoch, {"loss": 0.123456789})
    before = (tmp_path / "log.csv").read_text()
    with files_up_to(len(before) + 6):
        with pytest.raises(OSError, match="File too large: '.*log.csv'"):
            log.on_epoch_end(40, {"loss": 0.123456789})
        assert (tmp_path / "log.csv").read_text() == before
    log.on_epoch_end(40, {"loss": 0.5})
    assert (tmp_path / "log.csv").read_text().splitlines() == [*before.splitlines(), "40,0.5"]


ON_A_SMALL_DISK = """
import os, sys
import numpy as np
from gpukeras.layers import Dense
from gpukeras.models import Sequential, load_model
folder = sys.argv[1]
path = os.path.join(folder, "m.h5")
Sequential([Dense(20, input_shape=(20,))]).save(path)
before = open(path, "rb").read()
large = Sequential([Dense(300, input_shape=(300,))])
for save in (large.save, large.save_weights):
    try:
        save(path)
    except OSError as error:
        print(error)
    assert open(path, "rb").read() == before and os.listdir(folder) == ["m.h5"]
load_model(path, compile=False)
print("the old file is there")
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux and unshare, to mount a small disk")
def test_a_disk_that_is_full_indeed(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=200k none "{disk}" && exec "$@"', "sh"]
    if subprocess.run([*mount, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a disk")
    done = subprocess.run([*mount, sys.executable, "-c", ON_A_SMALL_DISK, str(disk)], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and lines[2] == "the old file is there"
    assert all("No space left on device" in line and "m.h5" in line for line in lines[:2])
