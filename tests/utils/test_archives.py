"""Hostile archives: one of each kind, built here. Nothing of them may be written."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from gpukeras.utils import archives
from gpukeras.utils.archives import UnsafeArchive, extract_archive


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "inside" / "target"
    folder.mkdir(parents=True)
    return folder


def tar_with(path: Path, name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 4) -> Path:
    """A good member, then the one described."""
    with tarfile.open(path, "w:gz") as tar:
        for member, member_kind in (("good.txt", tarfile.REGTYPE), (name, kind)):
            info = tarfile.TarInfo(member)
            info.type, info.linkname = member_kind, link
            regular = member_kind == tarfile.REGTYPE
            info.size = size if regular else 0
            tar.addfile(info, io.BytesIO(b"x" * size) if regular else None)
    return path


def zip_with(path: Path, name: str, mode: int = 0o644 | stat.S_IFREG) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.txt", "good")
        info = zipfile.ZipInfo("placeholder")
        info.filename, info.external_attr, info.create_system = name, mode << 16, 3
        archive.writestr(info, "evil")
    return path


OUTSIDE = ["../evil", "a/../../evil", "/evil", "..\\evil", "\\evil", "a/..", "//evil"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [tar_with, zip_with])
def test_names_that_climb_out(make, name, tmp_path, target):
    archive = make(tmp_path / "archive", name)
    with pytest.raises(UnsafeArchive, match="could be outside"):
        extract_archive(archive, target)
    assert list(target.iterdir()) == []
    assert not list(tmp_path.rglob("evil"))


KINDS = {
    "symbolic link": (tarfile.SYMTYPE, "link"),
    "hard link": (tarfile.LNKTYPE, "link"),
    "character device": (tarfile.CHRTYPE, "device"),
    "block device": (tarfile.BLKTYPE, "device"),
    "pipe": (tarfile.FIFOTYPE, "device"),
}


@pytest.mark.parametrize("kind, said", KINDS.values(), ids=list(KINDS))
@pytest.mark.parametrize("link", ["good.txt", "../../etc/passwd"])
def test_links_and_devices_in_tar(kind, said, link, tmp_path, target):
    archive = tar_with(tmp_path / "a.tar.gz", "odd", kind, link)
    with pytest.raises(UnsafeArchive, match=f"'odd', a {said}"):
        extract_archive(archive, target)
    assert list(target.iterdir()) == []


def test_links_in_zip(tmp_path, target):
    archive = zip_with(tmp_path / "a.zip", "odd", 0o777 | stat.S_IFLNK)
    with pytest.raises(UnsafeArchive, match="'odd', a link"):
        extract_archive(archive, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("name", ["door/evil", "door"])
def test_a_link_that_stood_in_the_folder_before(tmp_path, target, name):
    (tmp_path / "elsewhere").mkdir()
    (target / "door").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeArchive, match="through a link"):
        extract_archive(tar_with(tmp_path / "a.tar.gz", name), target)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="about other systems' names")
@pytest.mark.parametrize("name", ["12:30.txt", "con.txt", "nul"])
def test_names_that_only_windows_refuses(name, tmp_path, target, monkeypatch):
    archive = tar_with(tmp_path / "a.tar.gz", name)
    assert extract_archive(archive, target) and (target / name).exists()
    monkeypatch.setattr(archives, "_ON_WINDOWS", True)
    with pytest.raises(UnsafeArchive):
        extract_archive(archive, target)


@pytest.mark.parametrize("compressed", [True, False])
def test_bombs(compressed, tmp_path, target, monkeypatch):
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 1000)
    monkeypatch.setattr(archives, "MAX_RATIO", 2)
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as out:
        out.writestr("zeros", b"\0" * 100_000)
    if not compressed:
        assert extract_archive(archive, target) and (target / "zeros").stat().st_size == 100_000
        return
    with pytest.raises(UnsafeArchive, match="would unpack to more than 1,000 bytes"):
        extract_archive(archive, target)
    assert list(target.iterdir()) == []


def test_a_declared_size_that_lies(tmp_path, target):
    """What is written counts, not what is declared."""
    with pytest.raises(UnsafeArchive, match="more than it declares"):
        archives._write(io.BytesIO(b"x" * 1000), target / "f", 100, tmp_path / "a.zip")
    assert list(target.iterdir()) == []


def test_too_many_members(tmp_path, target, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    with pytest.raises(UnsafeArchive, match="more than 1 members"):
        extract_archive(tar_with(tmp_path / "a.tar.gz", "second"), target)


def test_good_archives_and_what_is_none(tmp_path, target):
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz") as tar:
        tar.add(
            Path(__file__).parent, "./tests", filter=lambda info: None if "__pycache__" in info.name else info
        )
    assert extract_archive(tmp_path / "a.tar.xz", target, "tar")
    assert (target / "tests" / Path(__file__).name).read_bytes() == Path(__file__).read_bytes()
    assert not extract_archive(tmp_path / "a.tar.xz", target, ["zip"])
    assert not extract_archive(tmp_path / "a.tar.xz", target, None)
    assert not extract_archive(Path(__file__), target)
    with pytest.raises(ValueError, match="archive_format is 'rar'"):
        extract_archive(tmp_path / "a.tar.xz", target, "rar")
