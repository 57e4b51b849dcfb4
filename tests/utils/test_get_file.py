"""The cache of files: downloads (from file: URLs), hashes, extraction."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gpukeras.utils.data_utils import DownloadError, _hash_file, cached_path, get_file, validate_file

CONTENT = b"0123456789" * 1000
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(CONTENT)
    return path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_fetched_once(cache, source, capsys):
    path = get_file("data.bin", source.as_uri())
    assert path == str(cache / "datasets" / "data.bin") and Path(path).read_bytes() == CONTENT
    assert "Downloading data from file:" in capsys.readouterr().out
    source.unlink()
    assert get_file("data.bin", source.as_uri()) == path
    assert capsys.readouterr().out == ""
    assert names(cache / "datasets") == ["data.bin"]


@pytest.mark.parametrize(
    "hashes", [{"file_hash": SHA256}, {"file_hash": MD5}, {"md5_hash": MD5}, {"file_hash": SHA256.upper()}]
)
def test_a_right_hash_passes_and_a_wrong_cached_file_is_replaced(cache, source, hashes, capsys):
    (cache / "datasets").mkdir(parents=True)
    (cache / "datasets" / "data.bin").write_bytes(b"half")
    path = get_file("data.bin", source.as_uri(), **hashes)
    assert Path(path).read_bytes() == CONTENT and "incomplete or outdated" in capsys.readouterr().out


def test_a_download_of_another_hash_is_thrown_away(cache, source):
    with pytest.raises(ValueError, match="does not have the hash 00"):
        get_file("data.bin", source.as_uri(), file_hash="0" * 64)
    assert names(cache / "datasets") == []


def test_a_failed_download_leaves_what_was_there_and_says_where_to_put_the_file(cache, tmp_path):
    (cache / "datasets").mkdir(parents=True)
    (cache / "datasets" / "data.bin").write_bytes(b"old")
    with pytest.raises(DownloadError, match="URL fetch failure on file:.*put it at .*data.bin"):
        get_file("data.bin", (tmp_path / "missing").as_uri(), file_hash=SHA256)
    assert (cache / "datasets" / "data.bin").read_bytes() == b"old"
    assert names(cache / "datasets") == ["data.bin"]


class _Server(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[:100])

    def log_message(self, *arguments):
        """Silent."""


@pytest.fixture(scope="module")
def url():
    with HTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_http(cache, url):
    assert Path(get_file("data.bin", f"{url}/whole", file_hash=SHA256)).read_bytes() == CONTENT


@pytest.mark.parametrize("page, said", [("cut", "ended after 100 of 10,000 bytes"), ("missing", "Not Found")])
def test_http_that_fails(cache, url, page, said):
    with pytest.raises(DownloadError, match=said):
        get_file("data.bin", f"{url}/{page}")
    assert names(cache / "datasets") == []


def test_no_server_is_a_download_error():
    with pytest.raises(DownloadError, match="Connection refused"):
        get_file("data.bin", "http://127.0.0.1:9/none")


def make_tar(path: Path) -> Path:
    (path.parent / "inner.txt").write_text("inside")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(path.parent / "inner.txt", "folder/inner.txt")
    return path


def test_extract_and_untar(cache, tmp_path):
    archive = make_tar(tmp_path / "a.tar.gz")
    path = get_file("b.tar.gz", archive.as_uri(), extract=True)
    assert (cache / "datasets/folder/inner.txt").read_text() == "inside" and path.endswith("b.tar.gz")
    result = get_file("folder", archive.as_uri(), untar=True, cache_subdir="other")
    assert result == str(cache / "other/folder")
    assert (Path(result) / "inner.txt").read_text() == "inside" and (cache / "other/folder.tar.gz").exists()


def test_zip_named_or_found(cache, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inner.txt", "inside")
    get_file("a.zip", (tmp_path / "a.zip").as_uri(), extract=True, archive_format="zip")
    assert (cache / "datasets/inner.txt").read_text() == "inside"
    get_file("a.zip", (tmp_path / "a.zip").as_uri(), extract=True, cache_subdir="auto")
    assert (cache / "auto/inner.txt").exists()
    get_file("a.zip", (tmp_path / "a.zip").as_uri(), extract=True, cache_subdir="none", archive_format=None)
    assert names(cache / "none") == ["a.zip"]


def test_the_cache_folder(tmp_path, monkeypatch, source):
    assert cached_path("f") == str(tmp_path / "cache/datasets/f")
    assert cached_path("f", "models", tmp_path) == str(tmp_path / "models/f")
    assert cached_path(str(source)) == str(source)
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert cached_path("f") == str(tmp_path / "home/.keras/datasets/f")


def test_a_folder_that_is_not_writable(cache, monkeypatch, source):
    """A file in it is used; others go to the temporary folder."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr("tempfile.tempdir", str(cache.parent / "temporary"))
    assert cached_path("f") == str(cache.parent / "temporary/.keras/datasets/f")
    (cache / "datasets").mkdir(parents=True)
    (cache / "datasets/f").write_bytes(CONTENT)
    assert get_file("f", source.as_uri(), file_hash=SHA256) == str(cache / "datasets/f")


def test_hashes(source):
    assert _hash_file(source) == _hash_file(source, "auto") == SHA256
    assert _hash_file(source, "md5", chunk_size=7) == MD5
    assert (
        validate_file(source, SHA256) and validate_file(source, MD5) and not validate_file(source, "0" * 64)
    )
    assert not validate_file(source, MD5, "sha256")
    with pytest.raises(ValueError, match="hash_algorithm is 'crc'"):
        validate_file(source, MD5, "crc")
