"""Files that are there whole or not at all: written beside their place, then moved into it."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from typing import Any


def write_file(path: Any, parts: Iterable[Any]) -> None:
    """Writes bytes-like `parts` to `path`. Whatever happens on the way, the old file or the new one is there.

    The new file begins as ``.<name>.<random>.part`` in the same folder, reaches the disk, and takes the place of the
    old one in one step. A link is followed: the file that it names is replaced. Raises OSError, for example for a full
    disk; nothing of the new file is left then.
    """
    path = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _mode(path))
    try:
        try:
            for data in parts:
                _write_all(handle, memoryview(data).cast("B"))
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(part, path)
    except BaseException as error:
        try:
            os.unlink(part)
        except FileNotFoundError:
            pass
        if isinstance(error, OSError) and error.filename is None:
            error.filename = path
        raise
    _sync_folder(folder)


def _write_all(handle: int, data: memoryview) -> None:
    """All of `data`, in pieces where the system takes no more at once."""
    while len(data):
        data = data[os.write(handle, data[:1 << 26]):]


def _mode(path: str) -> int:
    """The permissions of the file that is replaced, else those of any new file."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return 0o666


def _sync_folder(folder: str) -> None:
    """Takes the new name to the disk, where the system can do that with a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
