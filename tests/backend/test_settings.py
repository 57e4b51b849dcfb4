"""The user's keras.json."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAID = "from gpukeras import backend as K; print(K.floatx(), K.epsilon(), K.image_data_format())"


def started(home: Path, said: str = SAID, **more: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if name != "KERAS_HOME"}
    return subprocess.run([sys.executable, "-W", "error", "-c", said], capture_output=True, text=True, timeout=120,
                          env={**own, "HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": _paths(), **more})


def _paths() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


@pytest.mark.parametrize("variable", [False, True])
def test_settings_of_a_file(tmp_path, variable):
    folder = tmp_path / ("elsewhere" if variable else ".keras")
    folder.mkdir()
    (folder / "keras.json").write_text(json.dumps({"floatx": "float64", "epsilon": 1e-3, "backend": "theano",
                                                   "image_data_format": "channels_first"}))
    done = started(tmp_path, **({"KERAS_HOME": str(folder)} if variable else {}))
    assert done.stdout == "float64 0.001 channels_first\n", done.stderr


def test_without_a_file_none_is_written(tmp_path):
    done = started(tmp_path)
    assert done.stdout == "float32 1e-07 channels_last\n", done.stderr
    assert not list(tmp_path.glob(".keras*"))


@pytest.mark.parametrize("content, words", [
    ('{"floatx": "float12"}', "keras.json: floatx must be one of float16, float32, float64, got 'float12'"),
    ('{"epsilon": "small"}', "keras.json: epsilon must be a number, got 'small'"),
    ('{"image_data_format": "th"}', "keras.json: data_format must be one of channels_last, channels_first, got 'th'"),
    ('{"floatx": ', "keras.json can't be read, so all settings are Keras's own: Expecting value"),
])
def test_what_a_file_cannot_say(tmp_path, content, words):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(content)
    done = started(tmp_path)
    assert done.returncode == 1 and words in done.stderr
