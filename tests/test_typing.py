"""What editors and type checkers are told: names that load late, the typed program, and completion of every name."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from pathlib import Path

import pytest

import gpukeras

ROOT = Path(__file__).parents[1]
MODULES = ["", "activations", "applications", "applications.vgg16", "backend", "callbacks", "constraints", "datasets",
           "datasets.mnist", "export", "initializers", "layers", "losses", "metrics", "models", "optimizers",
           "preprocessing.image", "preprocessing.sequence", "preprocessing.text", "regularizers", "saving", "utils",
           "wrappers", "wrappers.scikit_learn"]


def whole(module: str) -> str:
    return f"gpukeras.{module}".rstrip(".")


def told(module: str) -> set[str]:
    """Names that a module has for type checkers alone."""
    found = importlib.import_module(whole(module))
    names: set[str] = set()
    for node in ast.parse(Path(found.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom):
                    names |= {alias.asname or alias.name for alias in statement.names}
                elif isinstance(statement, ast.Assign):
                    names |= {target.id for target in statement.targets}
    return names


@pytest.mark.parametrize("module", ["", "utils", "saving", "export", "losses", "metrics", "callbacks", "models"])
def test_checkers_are_told_of_every_name_that_loads_late(module):
    found = importlib.import_module(whole(module))
    late = {"": lambda: set(dir(found)) - {"config", "__version__"} | {"Config"},
            "losses": lambda: set(found._objects()) - set(vars(found)),
            "metrics": lambda: set(found._objects()) - set(vars(found))}.get(
                module, lambda: {*found._FROM, *getattr(found, "_MODULES", ()), *getattr(found, "_CUSTOM", ())})
    assert told(module) == late()


@pytest.mark.parametrize("module", ["", "backend", "export", "layers", "losses", "metrics", "optimizers", "saving",
                                    "utils", "wrappers"])
def test_what_checkers_are_told_is_there(module):
    found = importlib.import_module(whole(module))
    names = told(module) - {"Config"}
    assert names
    for name in names:
        assert getattr(found, name) is not None


def test_a_program_over_the_public_face_runs_and_is_checked():
    """mypy holds it to --strict where `make types` runs; here it must run."""
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert 'files = ["gpukeras", "tests/typing"]' in pyproject and '"public_face"' in pyproject
    spec = importlib.util.spec_from_file_location("public_face", ROOT / "tests" / "typing" / "public_face.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert program.main() == 2


def public(module: str) -> list[str]:
    """Classes and functions of gpukeras that a module shows."""
    found = importlib.import_module(whole(module))
    values = {name: getattr(found, name) for name in dir(found) if not name.startswith("_")}
    return [name for name, value in values.items()
            if callable(value) and (getattr(value, "__module__", None) or "").startswith("gpukeras")]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_a_docstring_and_a_signature(module):
    """Those that notebooks ask for at run time."""
    found = importlib.import_module(whole(module))
    for name in public(module):
        value = getattr(found, name)
        assert inspect.getdoc(value), name
        if not (isinstance(value, type) and issubclass(value, (Exception, dict))):  # which have Python's own
            inspect.signature(value)


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_completion_shows_every_name_with_signature_and_docstring(module, tmp_path):
    """What an editor shows that reads the sources, and runs nothing."""
    jedi = pytest.importorskip("jedi")
    project = jedi.Project(ROOT)
    start = f"import {whole(module)}\n{whole(module)}."
    shown = {found.name: found for found in jedi.Script(start, project=project).complete()}
    assert set(public(module)) <= set(shown)
    for name in public(module):
        found = shown[name]
        if not (found.get_signatures() and found.docstring(raw=True)):  # another name of something, or an object
            found, = jedi.Script(start + name, project=project).infer()[:1]
        assert found.get_signatures() and found.docstring(raw=True), name


def test_the_package_says_that_it_is_typed():
    assert (Path(gpukeras.__file__).parent / "py.typed").is_file()
