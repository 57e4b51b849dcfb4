"""The documents tell the truth: their programs run and print what is printed there, and what they name exists."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import numpy as np
import pytest

from gpukeras import backend as K

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [path.name for path in DOCUMENTS]
BLOCK = re.compile(r"```(\w+)\n(.*?)^ *```(?:\n+ *```text\n(.*?)```)?", re.DOTALL | re.MULTILINE)

TRAINED = {"curves.svg", "kernels.svg"}  # made by more epochs than a test takes


class Program(NamedTuple):
    """A python block, and the text block right after it, if there is one: what the program prints."""

    code: str
    prints: str


def programs(text: str) -> list[Program]:
    return [Program(dedent(code), dedent(prints)) for kind, code, prints in BLOCK.findall(text) if kind == "python"]


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if "```python" in p.read_text(encoding="utf-8")],
                         ids=lambda path: path.name)
def test_programs_print_what_the_document_says(path, tmp_path, monkeypatch):
    """The programs of one document run in order and share their names, in a folder of their own. Training is quick, and
    prints nothing."""
    monkeypatch.chdir(tmp_path)
    K.clear_session()
    np.random.seed(0)
    names: dict[str, object] = {}
    for program in programs(path.read_text(encoding="utf-8")):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(_quiet(program.code), path.name, "exec"), names)
        if program.prints:
            assert printed.getvalue().split("\n") == program.prints.rstrip(" ").split("\n"), (
                f"{path.name} is out of date; its program now prints:\n{printed.getvalue()}")
    for picture in tmp_path.glob("*.svg"):
        shown = ROOT / "docs" / "pictures" / picture.name
        if shown.exists() and picture.name not in TRAINED:
            assert shown.read_bytes() == picture.read_bytes(), f"docs/pictures/{picture.name} is out of date"


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
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not re.match(r"https?:|#", target):
            assert (path.parent / target.partition("#")[0]).exists(), target


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
        assert any(place.exists() for place in places) or name in {"gpukeras/_kernels"}, f"{path.name} names {name}"


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
