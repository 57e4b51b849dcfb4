"""Extraction of archives that may come from anywhere: nothing lands outside the folder, links are refused."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

# An archive may unpack to this many times its own size; real data sets stay far below, bombs far above.
MAX_RATIO = 100
ALWAYS_ALLOWED = 2**30  # bytes, whatever the ratio: small archives of very regular data compress well
MAX_MEMBERS = 5_000_000
_CHUNK = 2**20
_ON_WINDOWS = os.name == "nt"
_DEVICE_NAME = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*:.*")  # or a drive, or a hidden stream


class UnsafeArchive(ValueError):
    """The archive holds a member that must not be extracted; nothing of it was written."""


def extract_archive(
    file_path: str | os.PathLike[str],
    path: str | os.PathLike[str] = ".",
    archive_format: str | Sequence[str] | None = "auto",
) -> bool:
    """Extract a tar (also .gz, .bz2, .xz) or zip file into the folder `path`; False if it is neither.

    `archive_format` is 'auto', 'tar', 'zip', a list of these, or None for not extracting. All members are
    checked before the first is written: UnsafeArchive (a ValueError) names one that climbs out of the folder,
    is a link or a device, or would unpack to more than MAX_RATIO times the archive's size.
    """
    formats = ["tar", "zip"] if archive_format == "auto" else archive_format or []
    for name in [formats] if isinstance(formats, str) else formats:
        if name == "tar":
            if tarfile.is_tarfile(file_path):
                with tarfile.open(file_path) as tar:
                    _extract(_tar_members(tar), Path(file_path), Path(path))
                return True
        elif name == "zip":
            if zipfile.is_zipfile(file_path):
                with zipfile.ZipFile(file_path) as archive:
                    _extract(_zip_members(archive), Path(file_path), Path(path))
                return True
        else:
            raise ValueError(f"archive_format is {name!r}; it must be 'auto', 'tar', 'zip', a list or None.")
    return False


class _Member(NamedTuple):
    """One entry of an archive: its name, declared size, kind, and a way to open it."""

    name: str
    size: int
    kind: str  # "file", "folder", "link" or "device"
    open: Callable[[], Any]


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        links = "link" if info.islnk() or info.issym() else "device"
        kind = "file" if info.isreg() else "folder" if info.isdir() else links
        yield _Member(info.name, info.size, kind, partial(archive.extractfile, info))


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16  # Unix's file type, where the archive was made on Unix
        kind = "link" if stat.S_ISLNK(mode) else "folder" if info.is_dir() else "file"
        yield _Member(info.filename, info.file_size, kind, partial(archive.open, info))


def _extract(found: Iterable[_Member], source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    root = folder.resolve()
    budget = max(ALWAYS_ALLOWED, MAX_RATIO * source.stat().st_size)
    members = list(_checked(found, root, source, min(budget, shutil.disk_usage(root).free)))
    written = 0
    for member, target in members:
        if member.kind == "folder":
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as content:
                written += _write(content, target, budget - written, source)


def _checked(
    found: Iterable[_Member], root: Path, source: Path, budget: int
) -> Iterator[tuple[_Member, Path]]:
    """Every member with the path it goes to; raises before any is written if one must not be."""
    declared = 0
    for count, member in enumerate(found, 1):
        declared += member.size if member.kind == "file" else 0
        if count > MAX_MEMBERS:
            raise UnsafeArchive(f"{source} holds more than {MAX_MEMBERS:,} members.")
        if declared > budget:
            raise UnsafeArchive(
                f"{source} would unpack to more than {budget:,} bytes: too large for its size or the disk."
            )
        if member.kind in ("link", "device"):
            raise UnsafeArchive(
                f"{source} holds {member.name!r}, a {member.kind}: only files and folders are extracted."
            )
        parts = [part for part in member.name.replace("\\", "/").split("/") if part not in ("", ".")]
        climbs = member.name.startswith(("/", "\\")) or ".." in parts
        if climbs or any("\0" in part or _ON_WINDOWS and _DEVICE_NAME.fullmatch(part) for part in parts):
            raise UnsafeArchive(f"{source} holds {member.name!r}, a name that could be outside the folder.")
        target = root.joinpath(*parts)
        if target != root and root not in target.resolve().parents:  # through a link that stood there before
            raise UnsafeArchive(f"{source} holds {member.name!r}, which leads out of {root} through a link.")
        if target != root:
            yield member, target


def _write(content: IO[bytes], target: Path, budget: int, source: Path) -> int:
    """Copy to `target` through a temporary file; counts the real bytes, since declared sizes may lie."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".extracting-")
    written = 0
    try:
        with os.fdopen(handle, "wb") as file:
            while chunk := content.read(_CHUNK):
                written += len(chunk)
                if written > budget:
                    raise UnsafeArchive(f"{source} unpacks to far more than it declares.")
                file.write(chunk)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    return written
