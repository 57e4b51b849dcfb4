"""What stands beside the package: README, commands, environment, CI."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_command_surface():
    assert {"setup", "demo", "test", "lint", "types", "bench"} <= TARGETS


@pytest.mark.parametrize("file", ["README.md", ".ci/run", "Makefile"])
def test_commands_that_are_named_exist(file):
    named = set(re.findall(r"(?:^|`|#   )make ([a-z-]+)", read(file), re.MULTILINE))
    assert named and named <= TARGETS


def test_ci_runs_readmes_commands_and_stops_at_the_first_failure():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "set -eu" in text and {"make test", "make demo"} <= set(text.splitlines())
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0


def test_readmes_links_and_folders_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", read("README.md"))
    folders = re.findall(r"`([a-z/_]+/)`", read("README.md"))
    assert links and folders
    for name in [*links, *folders]:
        assert (ROOT / name).exists() or (ROOT / "gpukeras" / name).exists(), name


def test_the_conda_environment_has_what_the_package_needs():
    declared = re.search(r"^dependencies = \[(.*)\]$", read("pyproject.toml"), re.MULTILINE)
    assert declared
    for need in re.findall(r'"([^"]+)"', declared[1]):
        assert f"- {need}\n" in read("environment.yml"), need


def test_the_changelog_tells_of_this_version_or_the_next():
    assert re.search(r"^## \[(Unreleased|0\.1\.0)\]", read("CHANGELOG.md"), re.MULTILINE)


def test_readmes_program_trains():
    """The Python in README, with fewer epochs, in a module of its own."""
    program = re.search(r"```python\n(.*?)```", read("README.md"), re.DOTALL)
    assert program and "epochs=20" in program[1]
    names: dict[str, object] = {}
    exec(program[1].replace("epochs=20", "epochs=10, verbose=0"), names)
    x, y = names["x_test"], names["y_test"]
    loss, accuracy = names["model"].evaluate(x / 16, y, verbose=0)  # type: ignore[attr-defined, operator]
    assert loss < 0.3 and accuracy > 0.92
