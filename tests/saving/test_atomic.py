"""Whatever happens while a file is written, the old one or the new one is there, whole."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from gpukeras.layers import Dense
from gpukeras.models import Sequential, load_model
from gpukeras.saving.atomic import write_file

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


FULL = """
import resource, sys
import numpy as np
from gpukeras.layers import Dense
from gpukeras.models import Sequential
model = Sequential([Dense(200, input_shape=(200,))])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    (model.save if sys.argv[2] == "model" else model.save_weights)(sys.argv[1])
except OSError as error:
    print(type(error).__name__, error)
"""


@POSIX
@pytest.mark.parametrize("what", ["model", "weights"])
def test_a_full_disk_leaves_the_old_file(what, tmp_path):
    old = Sequential([Dense(2, input_shape=(3,))])
    old.save(tmp_path / "m.h5")
    before = (tmp_path / "m.h5").read_bytes()
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "m.h5"), what], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout and "m.h5" in done.stdout
    assert (tmp_path / "m.h5").read_bytes() == before and os.listdir(tmp_path) == ["m.h5"]


SAVING = """
import sys
import numpy as np
from gpukeras.layers import Dense
from gpukeras.models import Sequential
model = Sequential([Dense(300, input_shape=(300,), name="dense")])
print("ready", flush=True)
number = 0
while True:
    number += 1
    model.set_weights([np.full((300, 300), number), np.full((300,), number)])
    model.save(sys.argv[1])
"""


@POSIX
@pytest.mark.slow
def test_a_killed_process_leaves_one_file_or_the_other(tmp_path):
    path = tmp_path / "m.h5"
    Sequential([Dense(300, input_shape=(300,), name="dense", kernel_initializer="zeros")]).save(path)
    random = np.random.RandomState(4)
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", SAVING, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0.005, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        kernel, bias = load_model(path, compile=False).get_weights()
        assert np.all(kernel == bias[0]) and np.all(bias == bias[0])
