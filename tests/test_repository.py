"""What stands beside the package: README, commands, environment, CI."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

import gpukeras

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_command_surface():
    assert {"setup", "demo", "test", "lint", "types", "bench"} <= TARGETS


@pytest.mark.parametrize("file", ["README.md", ".ci/run", "Makefile", "CONTRIBUTING.md"])
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


def declared(extra: str | None = None) -> dict[str, str]:
    """Packages that pyproject.toml asks for, and the bounds of their versions."""
    start = "dependencies" if extra is None else extra
    found = re.search(rf"^{start} = \[(.*?)\]( *#.*)?$", read("pyproject.toml"), re.MULTILINE | re.DOTALL)
    assert found, start
    needs = re.findall(r'^([\w.-]+)(\[\w+\])?(.*)$', "\n".join(re.findall(r'"([^"]+)"', found[1])), re.MULTILINE)
    return {name: bound for name, _, bound in needs}


@pytest.mark.parametrize("file", ["environment.yml", "environment-cpu.yml"])
def test_the_conda_environments_have_what_the_package_and_its_tests_need(file):
    """Conda's names of these packages are those of pip's, except CuPy's."""
    yaml = pytest.importorskip("yaml")
    environment = yaml.safe_load(read(file))
    assert set(environment) == {"name", "channels", "dependencies"} and environment["channels"] == ["conda-forge"]
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": ["--editable ."]} and "pip" in conda
    specs = dict(re.fullmatch(r"([a-z0-9-]+)((?:>=[\d.]+)?)", spec).groups() for spec in conda)
    assert len(specs) == len(conda)
    python = re.search(r'^requires-python = "(.*)"$', read("pyproject.toml"), re.MULTILINE)
    assert python and specs.pop("python") == python[1]
    for name, bound in declared().items():
        assert specs.pop(name) == bound, name
    assert (specs.pop("cupy", None) is not None) == (file == "environment.yml")
    specs.pop("pip")
    test = declared("test")
    assert {"pytest", "pytest-timeout", "hypothesis", "hatchling"} <= set(specs) <= set(test)
    assert all(specs[name] == test[name] for name in specs)


def test_the_two_conda_environments_differ_in_cupy_alone():
    plain, gpu = ({line for line in read(file).splitlines() if not line.strip().startswith("#")}
                  for file in ("environment-cpu.yml", "environment.yml"))
    assert gpu - plain == {"  - cupy"} and plain <= gpu


def test_the_citation_is_of_this_version():
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load(read("CITATION.cff"))
    assert (citation["title"], citation["version"], citation["license"]) == ("gpukeras", gpukeras.__version__, "MIT")
    assert {"cff-version", "message", "authors"} <= set(citation)
    assert f'name = "{citation["authors"][0]["name"]}"' in read("pyproject.toml")


@pytest.mark.parametrize("file", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_what_people_are_told_leads_somewhere(file):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", read(file)) if not link.startswith("https:")]
    assert links or file == "CODE_OF_CONDUCT.md"
    assert all((ROOT / link).exists() for link in links)
    assert set(re.findall(r"\bmake ([a-z-]+)", read(file))) <= TARGETS


@pytest.mark.parametrize("file", ["tests.yml", "wheels.yml"])
def test_the_workflows_run_commands_that_exist(file):
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load(read(f".github/workflows/{file}"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        lines = [step["run"] for step in job["steps"] if "run" in step]
        assert lines
        for line in lines:
            assert line == ".ci/run" or re.fullmatch(r"make ([a-z-]+)( PYTHON=python)?", line)[1] in TARGETS, line


def test_ci_runs_every_python_that_is_promised():
    yaml = pytest.importorskip("yaml")
    matrix = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]["test"]["strategy"]["matrix"]
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', read("pyproject.toml"))
    assert matrix["python"] == promised and {"ubuntu-latest", "macos-latest"} == set(matrix["os"])


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
