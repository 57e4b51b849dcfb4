"""Libraries that a wheel carries: which is taken, and that it is taken instead of compiling."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpukeras.commands import prebuild
from gpukeras.device import native, prebuilt

ROOT = Path(__file__).parents[2]
ALL = frozenset(flag for level in prebuilt._LEVELS["linux", "x86_64"] for flag in level.needs)


@pytest.fixture
def x86(monkeypatch, tmp_path):
    """A Linux machine with an x86-64 processor of all features, and an empty folder of libraries."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(prebuilt, "features", lambda: ALL)
    monkeypatch.setattr(prebuilt, "folder", lambda: tmp_path)
    return tmp_path


def put(folder: Path, source: str, level: prebuilt.Level) -> Path:
    path = folder / prebuilt.place(source, ("-O3",), level)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_best_level_that_the_processor_can_run(x86, monkeypatch):
    assert prebuilt.find("int x;", ("-O3",)) is None and prebuilt.carried() is None
    v4, v3, least = paths = [put(x86, "int x;", level) for level in prebuilt.levels()]
    assert [path.parent.name for path in paths] == ["linux-x86-64-v4", "linux-x86-64-v3", "linux-x86-64"]
    for missing, expected in (((), v4), (("avx512bw",), v3), (("avx512f", "fma"), least), (ALL, least)):
        monkeypatch.setattr(prebuilt, "features", lambda gone=frozenset(missing): ALL - gone)
        assert prebuilt.find("int x;", ("-O3",)) == str(expected)
        assert f"linux-{prebuilt.carried()}" == expected.parent.name


def test_a_library_of_another_source_or_other_flags_is_not_found(x86):
    put(x86, "int x;", prebuilt.levels()[0])
    assert prebuilt.find("int x;", ("-O3",)) is not None
    assert prebuilt.find("int y;", ("-O3",)) is None
    assert prebuilt.find("int x;", ("-O2",)) is None


def test_a_level_that_was_not_built_gives_way_to_the_next(x86):
    expected = put(x86, "int x;", prebuilt.levels()[1])
    assert prebuilt.find("int x;", ("-O3",)) == str(expected)


def test_systems_for_which_nothing_is_built(monkeypatch):
    monkeypatch.setattr(native, "compiler", lambda: ["cc"])  # newer Pythons' shutil.which asks Windows itself
    monkeypatch.setattr("sys.platform", "win32")
    assert prebuilt.levels() == () and prebuilt.find("int x;", ()) is None
    assert prebuild.build(Path("nowhere")) == ([], ["nothing is built ahead for this system"])


def test_every_c_source_is_compiled_ahead():
    sources = prebuild.sources()
    assert {path.stem for path in (ROOT / "kernels").glob("*.c")} <= set(sources)
    assert "bodies[]" in sources["elementwise"], "its generated part"
    assert not [name for name, text in sources.items() if '#include "' in text]


compiles = pytest.mark.skipif(not prebuilt.levels() or shutil.which("cc") is None, reason="needs cc on Linux or macOS")


@compiles
@pytest.mark.slow
def test_what_is_built_is_loaded_without_a_compiler(tmp_path):
    """In a process whose compiler always fails, and with an empty cache."""
    made, failures = prebuild.build(tmp_path / "ahead", ("tasks",))
    assert not failures and 1 <= len(made) <= len(prebuilt.levels())  # levels whose code is the same share it
    assert len({path.read_bytes() for path in made}) == len(made)
    best = next(level.name for level in prebuilt._possible() if any(level.name in path.parts[-2] for path in made))
    shutil.copytree(ROOT / "gpukeras", tmp_path / "gpukeras", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "kernels", tmp_path / "kernels")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "CC": "false",
                   "GPUKERAS_BACKEND": "numpy"}
    code = ("import gpukeras; from gpukeras.device import native, tasks\n"
            "print(tasks.library('tasks') is not None, native.why_not(), gpukeras.config()['compiled'], sep='; ')")

    def printed() -> str:
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True,
                              cwd=tmp_path)  # not in the checkout, whose package would come first
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert printed().startswith("False; Command ")
    shutil.move(tmp_path / "ahead", tmp_path / "gpukeras" / prebuilt.FOLDER)
    assert printed() == f"True; None; steps on the CPU, when the package was built, for {best}"
    assert not [*(tmp_path / "cache").rglob("*.so")]
    for path in (tmp_path / "gpukeras" / prebuilt.FOLDER).rglob("*.library"):
        path.write_bytes(b"damaged")  # as good as one for another C library: it is compiled, or tried
    assert printed().startswith("False; Command ")


def test_without_a_compiler_there_is_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "_program", lambda name: None)
    monkeypatch.delenv("CC", raising=False)
    if prebuilt.levels():
        assert prebuild.build(tmp_path) == ([], ["there is no C compiler"])
    assert prebuild.main([str(tmp_path)]) == 1


def test_flags_leave_the_processor_open():
    assert "-march=native" in native.FLAGS and not [f for f in native.portable_flags() if f.startswith("-m")]
