"""The documents tell the truth: their programs run and print what is printed there, and what they name exists."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import numpy as np
import pytest

from gpukeras import backend as K

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
WALKS = ROOT / "docs" / "adding"  # what these show is edited and run by test_walkthroughs.py
PROGRAMS = [p for p in DOCUMENTS if "```python" in p.read_text(encoding="utf-8") and p.parent != WALKS]
FOR_KERAS = ROOT / "docs" / "programs.md"  # its programs are for Keras
BLOCK = re.compile(r"```(\w+)\n(.*?)^ *```(?:\n+ *```text\n(.*?)```)?", re.DOTALL | re.MULTILINE)

MADE = {"gpukeras/_kernels", "build/site/index.html",  # in a wheel, by make docs, and what the walks write
        *(n for p in WALKS.glob("*.md") for n in re.findall(r"[Ww]rite `([^`]+)`:", p.read_text(encoding="utf-8")))}
TRAINED = {"curves.svg", "kernels.svg"}  # made by more epochs than a test takes


class Program(NamedTuple):
    """A python block, and the text block right after it, if there is one: what the program prints."""

    code: str
    prints: str


def programs(text: str) -> list[Program]:
    return [Program(dedent(code), dedent(prints)) for kind, code, prints in BLOCK.findall(text) if kind == "python"]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_programs_print_what_the_document_says(path, tmp_path, monkeypatch):
    """The programs of one document run in order and share their names, in a folder of their own. Training is quick, and
    prints nothing."""
    monkeypatch.chdir(tmp_path)
    written = programs(path.read_text(encoding="utf-8"))
    for program, printed in zip(written, (_run_for_keras if path == FOR_KERAS else _run_here)(written, path.name)):
        if program.prints:
            assert printed.split("\n") == program.prints.rstrip(" ").split("\n"), (
                f"{path.name} is out of date; its program now prints:\n{printed}")
        else:
            assert not printed.strip(), f"{path.name} does not show what its program prints:\n{printed}"
    for picture in tmp_path.glob("*.svg"):
        shown = ROOT / "docs" / "pictures" / picture.name
        if shown.exists() and picture.name not in TRAINED:
            assert shown.read_bytes() == picture.read_bytes(), f"docs/pictures/{picture.name} is out of date"


def _run_here(written: list[Program], name: str) -> list[str]:
    """What each program prints."""
    K.clear_session()
    np.random.seed(0)
    names: dict[str, object] = {}
    prints = []
    for program in written:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(_quiet(program.code), name, "exec"), names)
        prints.append(printed.getvalue())
    return prints


def _run_for_keras(written: list[Program], name: str) -> list[str]:
    """The same of programs written for Keras, as one file, by `python -m gpukeras`."""
    end = "\nprint(end='\\0')\n"
    Path("program.py").write_text("".join(ast.unparse(_quiet(program.code)) + end for program in written))
    done = subprocess.run([sys.executable, "-W", "error", "-m", "gpukeras", "program.py"], capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])})
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\0")[:-1]


def _quiet(code: str) -> ast.Module:
    """The program with verbose=0 and at most two epochs in its calls of fit."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fit":
            node.keywords = [k for k in node.keywords if k.arg not in ("verbose", "epochs")]
            node.keywords += [ast.keyword("verbose", ast.Constant(0)), ast.keyword("epochs", ast.Constant(2))]
    return ast.fix_missing_locations(tree)


def test_there_are_programs():
    assert sum(len(programs(path.read_text(encoding="utf-8"))) for path in DOCUMENTS) > 5


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_block_is_tried_somewhere(path):
    """python, sh and text here, directives by the site's build, py by test_mistakes.py, the walks by theirs."""
    kinds = set(re.findall(r"^ *```([^\s`]+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    tried = {"python", "sh", "text", "{eval-rst}", "{toctree}"}
    tried |= {"py"} if path.name == "mistakes.md" else {"c", "cuda", "rst"} if path.parent == WALKS else set()
    assert kinds <= tried


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not re.match(r"https?:|#", target):
            assert (path.parent / target.partition("#")[0]).exists(), target


COMMANDS = [(name, line.split("#")[0].strip()) for path, name in zip(DOCUMENTS, NAMES) if path.parent != WALKS
            for kind, block, _ in BLOCK.findall(path.read_text(encoding="utf-8")) if kind == "sh"
            for line in dedent(block).splitlines() if line.split("#")[0].strip()]


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_commands_are_ones_that_there_are(name, command):
    """Targets of the Makefile, extras of the package, its examples, and its own commands, which are run."""
    words = command.split()
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[:2] == ["pip", "install"]:
        extra = re.search(r"\.\[(\w+)\]", command)
        assert words[2] == "." or extra and re.search(rf"^{extra[1]} = \[", (ROOT / "pyproject.toml").read_text(), re.M)
    elif words[:3] == ["python", "-m", "gpukeras"] and words[3:] == ["info"]:
        assert subprocess.run([sys.executable, *words[1:]], capture_output=True).returncode == 0
    else:  # shown as a form to fill in, or a file that is there
        assert "program.py" in words or words[0] == "conda" and (ROOT / words[-1]).exists(), command


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_files_that_are_named_exist(path):
    """`gpukeras/ops/shape.py`, and `ops/shape.py` for short; folders end in a slash."""
    text = path.read_text(encoding="utf-8")
    quoted = re.findall(r"`([\w./-]+)`", text)
    files = [q for q in quoted if re.search(r"/|\.(py|md|cu|toml|npz|svg)$", q) and not re.search(r"^[./]|\.\.", q)]
    drawn = re.findall(r"^ (?:gpukeras/)(\w+)/ +(.*)$", text, re.MULTILINE)
    files += [f"{folder}/{file}" for folder, what in drawn for file in re.findall(r"\b(\w+\.py)\b", what)]
    for name in files:
        places = [ROOT / name, ROOT / "gpukeras" / name, ROOT / "docs" / name]
        assert any(place.exists() for place in places) or name in MADE, f"{path.name} names {name}"


def defined_names() -> set[str]:
    """Every class, function, attribute, argument and module of the package."""
    found = set()
    for file in (ROOT / "gpukeras").rglob("*.py"):
        found.add(file.stem)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                found.add(node.name)
            elif isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, (ast.Attribute,)):
                found.add(node.attr)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_names_in_the_architecture_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    quoted = set(re.findall(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
    known = defined_names() | {"K", "None", "gpukeras", "np"}
    unknown = sorted(name for name in quoted for part in name.split(".")
                     if part not in known and not re.fullmatch(r"py|md|random|[a-z]+_\d", part))
    assert len(quoted) > 40 and not unknown, unknown


def test_every_floor_is_in_the_drawing():
    drawing = (ROOT / "docs" / "floors.svg").read_text(encoding="utf-8")
    for folder in ("engine", "backend", "compiler", "ops", "graph", "device"):
        assert f">{folder}/<" in drawing
        assert f"gpukeras/{folder}/" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_examples_are_listed_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for example in (ROOT / "docs" / "examples").glob("*.py"):
        assert f"docs/examples/{example.name}" in text, example.name
