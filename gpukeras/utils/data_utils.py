"""Files from the network, verified and kept in Keras's cache folder; and data fed by several workers."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import abc
from typing import IO

from gpukeras.utils.archives import extract_archive as _extract_archive
from gpukeras.utils.enqueuers import OrderedEnqueuer, Sequence, get_index
from gpukeras.utils.enqueuing import SequenceEnqueuer, WorkerError
from gpukeras.utils.generator_enqueuer import GeneratorEnqueuer

__all__ = [
    "DownloadError",
    "GeneratorEnqueuer",
    "OrderedEnqueuer",
    "Sequence",
    "SequenceEnqueuer",
    "WorkerError",
    "cached_path",
    "get_file",
    "get_index",
    "validate_file",
]

PathName = str | os.PathLike[str]
_CHUNK = 2**16
_TIMEOUT = 60  # seconds without a byte, after which a download has failed


class DownloadError(OSError):
    """A file could not be fetched; the message says from where, why, and where to put it by hand."""


def cached_path(
    fname: PathName, cache_subdir: PathName = "datasets", cache_dir: PathName | None = None
) -> str:
    """Where `fname` is kept: in `cache_subdir` of `cache_dir`, of $KERAS_HOME, or of ~/.keras, the first one
    given.

    If it is not there and that folder is not writable, in `.keras` of the system's temporary folder. An
    absolute `fname` stays as it is.
    """
    return os.path.join(_cache_folder(fname, cache_subdir, cache_dir), fname)


def _cache_folder(fname: PathName, cache_subdir: PathName, cache_dir: PathName | None) -> str:
    base = os.path.expanduser(cache_dir or os.environ.get("KERAS_HOME") or os.path.join("~", ".keras"))
    folder = os.path.join(base, cache_subdir)
    if os.path.exists(os.path.join(folder, fname)) or _writable(folder):
        return folder
    return os.path.join(tempfile.gettempdir(), ".keras", cache_subdir)


def _writable(folder: str) -> bool:
    """Whether files can be put into `folder`, which may still have to be made."""
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK)


def get_file(
    fname: PathName,
    origin: str,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: PathName = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | abc.Sequence[str] | None = "auto",
    cache_dir: PathName | None = None,
) -> str:
    """Path of `fname` in the cache (see `cached_path`), downloaded from the URL `origin` if it is not there.

    With `file_hash` (`hash_algorithm` 'sha256', 'md5', or 'auto': by its length), a cached file of another
    hash is downloaded again, and a download of another hash is refused. `extract=True` unpacks a tar or zip
    file into the cache folder, safely; `untar=True` fetches `fname.tar.gz`, unpacks it and returns the path
    without that ending. `md5_hash` is the old name of `file_hash`. A download appears under its name only
    when it is whole.

    Raises DownloadError (an OSError) if it cannot be fetched, ValueError for a wrong hash or an unsafe
    archive.
    """
    if file_hash is None and md5_hash is not None:
        file_hash, hash_algorithm = md5_hash, "md5"
    stored = os.fspath(fname) + ".tar.gz" if untar else os.fspath(fname)
    folder = _cache_folder(stored, cache_subdir, cache_dir)
    path, result = os.path.join(folder, stored), os.path.join(folder, fname)
    missing = not os.path.exists(path)
    if not missing and file_hash is not None and not validate_file(path, file_hash, hash_algorithm):
        print(f"{path} is incomplete or outdated: its hash is not {file_hash}. Downloading it again.")
        missing = True
    if missing:
        _download(origin, path, file_hash, hash_algorithm)
    if untar:
        if missing or not os.path.exists(result):
            _extract_archive(path, folder, "tar")
    elif extract:
        _extract_archive(path, folder, archive_format)
    return result


def _download(origin: str, path: str, file_hash: str | None, algorithm: str) -> None:
    """Fetch `origin` into a temporary file beside `path`, check it, and only then give it its name."""
    from http.client import HTTPException
    from urllib.request import urlopen

    print("Downloading data from", origin)
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".downloading-")
    try:
        with os.fdopen(handle, "wb") as file:
            try:
                with urlopen(origin, timeout=_TIMEOUT) as response:
                    _receive(response, file, os.path.basename(path))
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                if hasattr(error, "close"):
                    error.close()  # the answer of a server that refuses
                raise DownloadError(
                    f"URL fetch failure on {origin}: {reason}. Without a network, get the file elsewhere and "
                    f"put it at {path}"
                ) from error
            file.flush()
            os.fsync(file.fileno())
        if file_hash is not None and not validate_file(temporary, file_hash, algorithm):
            raise ValueError(
                f"The file fetched from {origin} does not have the hash {file_hash}; it was thrown away."
            )
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _receive(response: IO[bytes], file: IO[bytes], name: str) -> None:
    """Copy the response with a progress bar; OSError if it ends early."""
    from tqdm import tqdm

    length = response.headers.get("Content-Length")  # type: ignore[attr-defined]
    total, received = int(length) if length else None, 0
    # disable=None: no bar where the output is not a terminal
    with tqdm(total=total, desc=name, unit="B", unit_scale=True, disable=None) as bar:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            received += len(chunk)
            bar.update(len(chunk))
    if total is not None and received != total:
        raise OSError(f"the connection ended after {received:,} of {total:,} bytes")


def _hash_file(fpath: PathName, algorithm: str = "sha256", chunk_size: int = 65535) -> str:
    """Hexadecimal hash of a file; `algorithm` is 'sha256', 'md5', or 'auto', which means 'sha256'."""
    if algorithm not in ("sha256", "md5", "auto"):
        raise ValueError(f"hash_algorithm is {algorithm!r}; it must be 'sha256', 'md5' or 'auto'.")
    digest = hashlib.md5(usedforsecurity=False) if algorithm == "md5" else hashlib.sha256()
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def validate_file(fpath: PathName, file_hash: str, algorithm: str = "auto", chunk_size: int = 65535) -> bool:
    """Whether the file has the given hash. `algorithm` 'auto' takes 64 hexadecimal digits for SHA-256, else
    MD5.
    """
    if algorithm == "auto":
        algorithm = "sha256" if len(file_hash) == 64 else "md5"
    return _hash_file(fpath, algorithm, chunk_size) == file_hash.lower()
