"""Files that are there whole or not at all: written beside their place, then moved into it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any

from gpukeras.device.job import joined

fcntl: Any = import_module("fcntl") if os.name == "posix" else None


def write_file(path: Any, parts: Iterable[Any]) -> None:
    """Writes bytes-like `parts` to `path`. Whatever happens on the way, the old file or the new one is there.

    The new file begins as ``.<name>.<random>.part`` in the same folder, reaches the disk, and takes the place of the
    old one in one step. A link is followed: the file that it names is replaced. What processes that were killed while
    they wrote to `path` have left is deleted. Raises OSError, for example for a full disk; nothing of the new file is
    left then.

    An empty file that this process itself has open, a `NamedTemporaryFile` say, is filled where it is: whoever holds it
    is to read what is written.

    Of ranks that train together only rank 0 writes, and the others wait until it has: they may read the file then.
    """
    if os.fsdecode(path).endswith(os.sep):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fsdecode(path))
    path = os.path.realpath(os.fsdecode(path))
    job = joined()
    if job is None or not job.in_use or not job.together:
        _replace(path, parts)
    elif job.rank == 0:
        _replace(path, parts)
        job.tell_written(path)
    elif not job.was_written(path):
        _replace(path, parts)


def _replace(path: str, parts: Iterable[Any]) -> None:
    folder, name = os.path.split(path)
    if _is_held_empty(path):
        with open(path, "r+b") as file:
            for data in parts:
                file.write(memoryview(data).cast("B"))
        return
    delete_parts(path)
    try:
        handle, part = _new_part(folder, name, _mode(path))
        try:
            try:
                for data in parts:
                    _write_all(handle, memoryview(data).cast("B"))
                os.fsync(handle)
                if fcntl is not None:
                    os.replace(part, path)  # while it is locked
            finally:
                os.close(handle)
            if fcntl is None:
                os.replace(part, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    _sync_folder(folder)


def _is_held_empty(path: str) -> bool:
    """Whether `path` is an empty file that this process has open. Told by Linux only."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size:
            return False
        held = os.listdir("/proc/self/fd")
    except OSError:
        return False
    for handle in held:
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(handle)), status):
                return True
    return False


def delete_parts(path: str) -> None:
    """Deletes what writers of `path` have left that are no more: parts that nobody has locked."""
    if fcntl is None:
        return  # without locks there is no telling
    folder, name = os.path.split(path)
    import glob  # late: an import of the package has no use for it
    for part in glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.{'[0-9a-f]' * 12}.part")):
        try:
            handle = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # gone already, or another user's
            continue
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode) and _lock(handle):
                with suppress(OSError):
                    os.unlink(part)
        finally:
            os.close(handle)


def _new_part(folder: str, name: str, mode: int) -> tuple[int, str]:
    """An open file of a new name, locked by this process as long as it is open: the lock ends with the process."""
    while True:
        part = os.path.join(folder, f".{name}.{os.urandom(6).hex()}.part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        # Another writer may have taken it for left over between the two calls.
        if fcntl is None or _lock(handle) is not False and os.fstat(handle).st_nlink:
            return handle, part
        os.close(handle)
        with suppress(FileNotFoundError):
            os.unlink(part)


def _lock(handle: int) -> bool | None:
    """Whether this process holds the lock of a file now; None where the file system has no locks."""
    assert fcntl is not None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


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
