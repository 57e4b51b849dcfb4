"""Files that are no model files: what they are by their first bytes or their names, and what to do about them."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from typing import IO, Any

from .errors import BrokenFileError

_NEVER = "which may run any code when it is loaded, and so never is"
_ELSEWHERE = "which is not read: load it in TensorFlow, and save it there as '.h5' or '.keras'"
_BEGINNINGS: tuple[tuple[int, bytes, str], ...] = (
    (4, b"TFL3", "it is a model of TensorFlow Lite, which is not read"),
    (0, b"\x93NUMPY", "it is an array of NumPy's: numpy.load reads it, and Model.set_weights takes arrays"),
    (0, b"\x1f\x8b", "it is compressed by gzip: unpack it first"),
    (0, b"BZh", "it is compressed by bzip2: unpack it first"),
    (0, b"\xfd7zXZ\0", "it is compressed by xz: unpack it first"),
    (257, b"ustar", "it is a tar archive: unpack it first"),
    (0, b"version https://git-lfs", "it is a pointer of Git LFS to the file, which `git lfs pull` fetches"),
    (0, b"model_checkpoint_path", f"it belongs to a checkpoint of TensorFlow's, {_ELSEWHERE}"),
    (8, b"{", "it is a safetensors file: build the model, then saving.load_safetensors(model, path)"),
    (0, b"{", "it is JSON: models.model_from_json takes the text of an architecture, which holds no weights"),
    (0, b"<", "it is a page (HTML or XML), not what was to be downloaded"))
"""Where it stands, what stands there, and what the file is then; the first that is found counts."""


def open_file(path: Any) -> IO[bytes]:
    """A file that may be a model, to be read; TypeError for what is no path.

    FileNotFoundError says which other files have nearly the name; BrokenFileError says what a folder is.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"filepath must be the path of a file, but got {path!r:.200}")
    path = os.fsdecode(path)
    if os.path.isdir(path):
        raise BrokenFileError(f"'{path}' is {_folder(path)}")
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        if os.path.exists(path + ".index"):
            raise BrokenFileError(f"'{path}' is a checkpoint of TensorFlow's, {_ELSEWHERE}") from error
        folder, name = os.path.split(path)
        there = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
        import difflib
        near = difflib.get_close_matches(name, there, 3, 0.75)
        hint = f"; there is {' and '.join(map(repr, near))}" if near else ""
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT) + hint, path) from error


def _folder(path: str) -> str:
    names = os.listdir(path)
    if "saved_model.pb" in names:
        return f"a folder of TensorFlow's SavedModel format, {_ELSEWHERE}"
    if "model.weights.h5" in names:
        return "a folder, an archive (.keras) that was unpacked: load the archive itself"
    return "a folder, not a model file"


def of_bytes(head: bytes) -> str:
    """What a file is that begins so and is no model file."""
    if not head:
        return "it is empty"
    if head[:1] == b"\x80" and 2 <= head[1] <= 5:
        return f"it is a pickle, {_NEVER}"
    head = head if head[8:9] == b"{" else head.lstrip()
    for at, beginning, what in _BEGINNINGS:
        if head[at:at + len(beginning)] == beginning:
            return what
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x22", b"\x3a"):
        return "it is a model of ONNX or of TensorFlow (a Protocol Buffers message), which is not read"
    return f"it begins with {head[:8]!r}"


def of_members(names: Collection[str]) -> str:
    """What a zip file with other members than an archive's may be, as the end of a sentence."""
    last = {name.rpartition("/")[2] for name in names}
    if "data.pkl" in last:
        return f"; it is a file of PyTorch's, a pickle in a zip file, {_NEVER}"
    if names and all(name.endswith(".npy") for name in names):
        return "; it holds arrays of NumPy's: numpy.load reads it, and Model.set_weights takes arrays"
    if "saved_model.pb" in last:
        return f"; it is a packed SavedModel of TensorFlow's, {_ELSEWHERE}"
    inside = [name for name in names if name.endswith((".h5", ".hdf5", ".keras")) and "/" not in name]
    return f"; {inside[0]!r} in it may be a model: unpack it first" if inside and "config.json" not in last else ""
