"""Keras 3's archive: a zip file of three members, read as what it is, untrusted input, and written in one step.

Nothing is ever unpacked to a folder. A member is read into memory after its name, its kind and its claims about sizes
were found harmless, and never more of it than it claims.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from ..device.files import write_file
from . import kinds
from .errors import BrokenFileError, UnsafeFileError
from .guarded import MAX_TEXT, translated

if TYPE_CHECKING:
    import zipfile

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
_TEXTS = (METADATA, CONFIG)
MAX_MEMBERS = 1 << 12
MAX_EXPANSION = 100
"""How many times its stored size a member may have; Keras stores its members as they are."""
_SMALL = 1 << 20
"""Bytes up to which the expansion of a member does not matter."""
MAX_DIRECTORY = 1 << 20
"""Bytes that the list of members may have: the reader makes an object of each entry, before it can be asked."""
_PIECE = 1 << 20
_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ENCRYPTED = 0x1


@cache
def _library_errors() -> tuple[type[Exception], ...]:
    """What `zipfile` raises for damaged archives."""
    import zipfile  # late, as everywhere here: an import of the package has no use for it
    return (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, NotImplementedError,
            RuntimeError, OverflowError, ValueError, KeyError, IndexError, OSError)


def is_archive(path: Any) -> bool:
    """Whether it is a path, and the file there begins as zip files do.

    FileNotFoundError if there is none, BrokenFileError for a folder.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    with kinds.open_file(path) as file:
        return file.read(4) in _SIGNATURES


class Archive:
    """An open archive whose list of members was found harmless."""

    def __init__(self, path: str, file: zipfile.ZipFile, size: int) -> None:
        self.path, self._file, self.file_size = path, file, size
        self._members: dict[str, zipfile.ZipInfo] = {}
        self.ignored: list[str] = []
        infos = file.infolist()
        if len(infos) > MAX_MEMBERS:
            raise UnsafeFileError(f"'{path}' has {len(infos)} members; a model has {len(_TEXTS) + 1}")
        for info in infos:
            self._admit(info)
        end = 0
        for info in sorted(infos, key=lambda one: one.header_offset):
            if info.header_offset < end:
                raise UnsafeFileError(f"'{path}': member {info.filename!r} lies inside another one")
            end = info.header_offset + info.compress_size
        if end > size:
            raise BrokenFileError(f"'{path}': the members claim {end} bytes in a file of {size}")

    def _admit(self, info: zipfile.ZipInfo) -> None:
        """Takes note of a member; UnsafeFileError for one that no model has."""
        name, where = info.filename, f"'{self.path}': member {info.orig_filename[:200]!r}"
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or "\0" in info.orig_filename or ":" in parts[0] or \
                any(part in (".", "..") for part in parts):
            raise UnsafeFileError(f"{where} has a name that leads out of the archive")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnsafeFileError(f"{where} is a link or a device, not a file")
        if info.flag_bits & _ENCRYPTED:
            raise UnsafeFileError(f"{where} is encrypted")
        if name in self._members or name in self.ignored:
            raise UnsafeFileError(f"{where} is there twice")
        if name not in (*_TEXTS, WEIGHTS):
            if parts[0] != "assets":
                raise UnsafeFileError(f"{where} belongs to no model: expected are {METADATA}, {CONFIG} and {WEIGHTS}"
                                      + kinds.of_members(self._file.namelist()))
            self.ignored.append(name)
            return
        import zipfile
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsafeFileError(f"{where} is compressed by method {info.compress_type}; known are none and deflate")
        if info.file_size > max(_SMALL, MAX_EXPANSION * info.compress_size) or info.compress_size > self.file_size:
            raise UnsafeFileError(f"{where} claims to become {info.file_size} bytes from {info.compress_size}, in a "
                                  f"file of {self.file_size}")
        if name in _TEXTS and info.file_size > MAX_TEXT:
            raise UnsafeFileError(f"{where} claims {info.file_size} bytes of text")
        self._members[name] = info

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """The bytes of a member; BrokenFileError if it is absent, or is not what it claims to be."""
        where = f"'{self.path}', {name}"
        if name not in self._members:
            raise BrokenFileError(f"{where}: is not there")
        info = self._members[name]
        with translated(where, _library_errors()), self._file.open(info) as member:
            pieces, left = [], info.file_size
            while piece := member.read(min(_PIECE, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise UnsafeFileError(f"{where}: holds more than the {info.file_size} bytes that it claims")
                pieces.append(piece)
        if left:
            raise BrokenFileError(f"{where}: ends {left} bytes before its end")
        return b"".join(pieces)

    def text(self, name: str) -> str:
        """A member as text; BrokenFileError if it is none."""
        try:
            return self.read(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise BrokenFileError(f"'{self.path}', {name}: is not UTF-8 ({error})") from error


def _check_directory(file: Any, size: int, path: str) -> None:
    """UnsafeFileError if the list of members is longer than that of any model (APPNOTE.TXT 6.3, 4.3.14 and 4.3.16)."""
    file.seek(max(0, size - 22 - (1 << 16)))
    tail = file.read()
    at = len(tail) - 22
    if at < 0 or tail[at:at + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\x05\x06")
    lengths = [int.from_bytes(tail[at + 12:at + 16], "little")] if at >= 0 else []
    if at >= 76 and tail[at - 20:at - 16] == b"PK\x06\x07":  # the longer record of an archive above 4 GiB
        lengths = [int.from_bytes(tail[at - 36:at - 28], "little")]
    if lengths and lengths[0] > MAX_DIRECTORY:
        raise UnsafeFileError(f"'{path}': its list of members claims {lengths[0]} bytes")
    file.seek(0)


@contextmanager
def opened_archive(path: Any) -> Iterator[Archive]:
    """The archive at `path`. FileNotFoundError; BrokenFileError and UnsafeFileError for what can't or won't be read."""
    with kinds.open_file(path) as file:
        path = os.fsdecode(path)
        size = os.fstat(file.fileno()).st_size
        _check_directory(file, size, path)
        with translated(f"'{path}'", _library_errors()):
            import zipfile
            found = zipfile.ZipFile(file)
        with found:
            yield Archive(path, found, size)


def write_archive(path: Any, members: Mapping[str, Any]) -> None:
    """A zip file of these members (bytes by name), not compressed, put in its place in one step."""
    buffer = io.BytesIO()
    import zipfile
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data)  # without a date: equal models make equal files
    write_file(path, [buffer.getbuffer()])
