"""The built wheel and sdist: complete, installable, and able to find their kernels and data from anywhere."""

from __future__ import annotations

import email
import os
import platform
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

import gpukeras
from gpukeras.commands import prebuild
from gpukeras.device import prebuilt

ROOT = Path(__file__).parents[1]
hatchling = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import hatchling"], capture_output=True).returncode != 0,
    reason="hatchling builds the distributions: pip install 'gpukeras[test]'",
)
pytestmark = [pytest.mark.slow, hatchling]

# Prints where the package is, where it finds kernels, and that sources, data and commands work.
CHECK = """
import gpukeras
from gpukeras.device import kernel_families, kernel_folder, kernel_source
from gpukeras.datasets import digits
source = kernel_source("softmax_crossentropy")
assert "softmax" in source and "#include" not in source
assert digits.load_data()[0][0].shape == (1437, 8, 8)
import importlib.util
assert importlib.util.find_spec("kernels") is None and importlib.util.find_spec("tests") is None
print(gpukeras.__file__, kernel_folder(), *kernel_families(), sep="\\n")
"""
# A checkout on the path shows its other folders too; an installation must not.
IN_CHECKOUT = "".join(line for line in CHECK.splitlines(keepends=True) if "importlib" not in line)


def build(hook: str, source: Path, out: Path, **variables: str) -> Path:
    """Run a build hook as an installer does; the file that it made."""
    code = f"import hatchling.build as b; print(b.{hook}({str(out)!r}))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HATCH_")} | variables
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("build_wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The sdist, unpacked."""
    path = build("build_sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    with tarfile.open(path) as tar:
        tar.extractall(path.parent, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return path.parent / path.name.removesuffix(".tar.gz")


def fresh_venv(folder: Path) -> Path:
    """A new virtual environment that sees only NumPy of what is installed here; its Python."""
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    numpy_only = folder / "borrowed"
    numpy_only.mkdir()
    site = Path(numpy.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (site / name).exists():
            (numpy_only / name).symlink_to(site / name)
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
    ).stdout.strip()
    (Path(purelib) / "borrowed.pth").write_text(str(numpy_only))
    return python


def pip_install(python: Path, *what: str) -> None:
    """Install into another environment with this one's pip, without the network."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        *what,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check(python: Path | str, folder: Path, path: str | None = None) -> list[str]:
    """Run CHECK far from the checkout; what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if path:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        [str(python), "-W", "error", "-c", CHECK], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


def test_the_wheel_in_a_fresh_environment(wheel, tmp_path):
    python = fresh_venv(tmp_path / "env")
    pip_install(python, str(wheel))
    package, kernels, *families = check(python, tmp_path)
    assert str(tmp_path) in package and Path(kernels) == Path(package).parent / "_kernels"
    assert "softmax_crossentropy" in families
    said = subprocess.run([python, "-m", "gpukeras", "info"], cwd=tmp_path, capture_output=True, text=True)
    assert said.stdout.startswith(f"gpukeras {gpukeras.__version__}"), said.stderr


def test_an_editable_install(tmp_path):
    wheel = build("build_editable", ROOT, tmp_path)
    python = fresh_venv(tmp_path / "env")
    pip_install(python, str(wheel))
    done = subprocess.run([python, "-c", IN_CHECKOUT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    package, kernels, *_ = done.stdout.split("\n")
    assert Path(package).parents[1] == ROOT and Path(kernels) == ROOT / "kernels"


def test_the_wheel_as_a_zip_on_the_path(wheel, tmp_path):
    python = fresh_venv(tmp_path / "env")
    package, kernels, *families = check(python, tmp_path, str(wheel))
    assert wheel.name in package and kernels.rstrip("/").endswith(f"{wheel.name}/gpukeras/_kernels")
    assert "softmax_crossentropy" in families


def test_a_zipped_checkout_and_a_plain_one(tmp_path):
    python = fresh_venv(tmp_path / "env")
    archive = tmp_path / "checkout.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for folder in ("gpukeras", "kernels"):
            for path in (ROOT / folder).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    out.write(path, path.relative_to(ROOT))
    with zipfile.ZipFile(archive) as whole:
        whole.extractall(tmp_path / "checkout")
    for place in (archive, tmp_path / "checkout"):
        environment = os.environ | {"PYTHONPATH": str(place)}
        done = subprocess.run(
            [python, "-c", IN_CHECKOUT], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        package, kernels, *_ = done.stdout.split("\n")
        assert package.startswith(str(place)) and kernels.rstrip("/") == str(place / "kernels")


def test_a_lost_kernel_folder_is_named(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as whole:
        whole.extractall(tmp_path, [name for name in whole.namelist() if "_kernels" not in name])
    python = fresh_venv(tmp_path / "env")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    code = "from gpukeras.device import kernel_source; kernel_source('softmax_crossentropy')"
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path / "env", env=environment, capture_output=True, text=True
    )
    assert "FileNotFoundError: No kernel sources in" in done.stderr and "reinstall gpukeras" in done.stderr


def test_what_is_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "gpukeras",
        f"gpukeras-{gpukeras.__version__}.dist-info",
    }
    assert wheel.name.endswith("-py3-none-any.whl") and not [name for name in names if name.endswith(".so")]
    sources = {path.name for path in (ROOT / "kernels").iterdir()}
    assert {"tasks.c", "tasks.h", "elementwise.c", "types.cuh", "softmax_crossentropy.cu"} <= sources
    assert {name.rsplit("/", 1)[1] for name in names if "/_kernels/" in name} == sources
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "gpukeras").rglob("*.py")}
    assert modules <= set(names)
    assert {
        "gpukeras/py.typed",
        "gpukeras/datasets/digits.npz",
        "gpukeras/datasets/digits-LICENSE.txt",
    } <= set(names)
    assert not [name for name in names if name.endswith((".pyc", ".orig", ".rej"))]


def test_what_the_wheel_asks_for(wheel):
    with zipfile.ZipFile(wheel) as whole:
        name = next(name for name in whole.namelist() if name.endswith("METADATA"))
        metadata = email.message_from_string(whole.read(name).decode())
    needs = metadata.get_all("Requires-Dist")
    always = sorted(need.split(">")[0] for need in needs if "extra ==" not in need)
    assert always == ["h5py", "numpy", "tqdm"]
    assert "cupy-cuda12x[ctk]; extra == 'cuda12'" in needs and "cupy-cuda13x[ctk]; extra == 'cuda13'" in needs
    assert metadata["License-Expression"] == "MIT" and metadata["Requires-Python"] == ">=3.10"


def test_the_sdist_is_whole_and_builds_the_same_wheel(sdist, wheel, tmp_path):
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "Makefile", "environment.yml", "environment-cpu.yml",
                 "pyproject.toml", "hatch_build.py", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md",
                 "CODE_OF_CONDUCT.md"):
        assert (sdist / name).is_file(), name
    assert (sdist / "kernels/softmax_crossentropy.cu").is_file()
    assert (sdist / "tests" / Path(__file__).name).is_file()
    again = build("build_wheel", sdist, tmp_path)
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


# A compiler that is quick: what it writes names the functions of glibc that it would ask for.
COMPILER = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
printf 'GLIBC_2.4 GLIBC_2.27' > "$2"
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the platform's tag is read from glibc's names")
def test_a_wheel_with_compiled_code(tmp_path):
    compiler = tmp_path / "quick"
    compiler.write_text(COMPILER)
    compiler.chmod(0o755)
    made = build("build_wheel", ROOT, tmp_path, HATCH_BUILD_HOOK_ENABLE_CUSTOM="true", CC=str(compiler))
    assert made.name == f"gpukeras-{gpukeras.__version__}-py3-none-manylinux_2_27_{platform.machine()}.whl"
    with zipfile.ZipFile(made) as whole:
        names = whole.namelist()
        text = whole.read(next(name for name in names if name.endswith("/WHEEL"))).decode()
    assert "Root-Is-Purelib: false" in text
    libraries = [name for name in names if name.startswith("gpukeras/_prebuilt/")]
    least = prebuilt.levels()[-1].name  # this compiler makes the same for all levels, and one copy is enough
    assert len(libraries) == len(prebuild.sources())
    assert all(name.startswith(f"gpukeras/_prebuilt/linux-{least}/") for name in libraries)
    assert {f"gpukeras/_kernels/{path.name}" for path in (ROOT / "kernels").iterdir()} <= set(names)


def test_where_nothing_can_be_compiled_the_wheel_is_pure(tmp_path):
    made = build("build_wheel", ROOT, tmp_path, HATCH_BUILD_HOOK_ENABLE_CUSTOM="true", CC="false")
    assert made.name.endswith("-py3-none-any.whl")
    assert not [name for name in zipfile.ZipFile(made).namelist() if "_prebuilt" in name]


@pytest.mark.parametrize("checker", [("twine", "check", "--strict"), ("check_wheel_contents",)], ids=lambda c: c[0])
def test_what_registries_and_installers_would_say(checker, wheel, sdist):
    pytest.importorskip(checker[0])
    files = [wheel, sdist.parent / f"{sdist.name}.tar.gz"]
    done = subprocess.run([sys.executable, "-m", *checker, *map(str, files[:1 if len(checker) == 1 else 2])],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stdout, done.stdout + done.stderr
