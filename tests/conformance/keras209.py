"""Keras 2.0.9's source distribution, fetched from the package registry; nothing of it is kept in this repository."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "conformance"
ARCHIVE = "Keras-2.0.9.tar.gz"
SHA256 = "6b8572cf1b4a22fd0120b7c23382ba4fa04a6f0397e02af1249be9a7309d1767"


def source() -> Path:
    """The folder with Keras 2.0.9's files, downloaded and unpacked if it is not there. SystemExit if it is another."""
    folder = FOLDER / "Keras-2.0.9"
    if folder.exists():
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not _archive():
        # --no-binary for this one package alone: others may be needed to look at its metadata
        subprocess.check_call([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "keras",
                               "keras==2.0.9", "--dest", str(FOLDER)])
    archive = _archive()[0]
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{archive} is not the Keras 2.0.9 that was pinned. Delete it and try again.")
    partial = FOLDER / f"unpacking-{os.getpid()}"
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(partial, filter="data")
        else:  # an older Python; the hash has said that the archive is harmless
            tar.extractall(partial)
    (partial / "Keras-2.0.9").rename(folder)
    partial.rmdir()
    return folder


def _archive() -> list[Path]:
    return [path for path in FOLDER.glob("*.tar.gz") if path.name.lower() == ARCHIVE.lower()]
