"""Every public name stands in the reference (docs/reference), and says what it is."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import pytest

import gpukeras

PAGES = Path(__file__).parents[1] / "docs" / "reference"
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*.md")))
WHOLE = set(re.findall(r"^\.\. automodule:: ([\w.]+)$(?!\n   :members:)", TEXT, re.MULTILINE))
SINGLE = re.findall(r"^\.\. auto(?:class|function|data):: ([\w.]+)$", TEXT, re.MULTILINE)
DATA = {f"{module}.{name}" for module, text in re.findall(r"^\.\. py:currentmodule:: ([\w.]+)$(.*?)(?=^```)", TEXT,
                                                           re.MULTILINE | re.DOTALL)
        for name in re.findall(r"^\.\. py:data:: (\w+)$", text, re.MULTILINE)}
PACKAGES = ("applications", "datasets", "preprocessing", "wrappers")  # programs import their modules
INDEX = (PAGES / "index.md").read_text(encoding="utf-8")
INSIDE = set(re.findall(r"`(\w+)`", INDEX.split("other modules (")[1].split(")")[0]))
MODULES = sorted(
    [f"gpukeras.{name}" for name in dir(gpukeras) if not name.startswith("_") and name not in INSIDE
     and isinstance(getattr(gpukeras, name), ModuleType)]
    + [f"gpukeras.{package}.{module.name}" for package in PACKAGES
       for module in iter_modules(import_module(f"gpukeras.{package}").__path__)
       if not module.name.startswith("_") and module.name != "building"])
ROUNDABOUT = ("gpukeras.objectives", "gpukeras.legacy")  # other ways to what stands elsewhere


def public(module: ModuleType) -> dict[str, Any]:
    """The module's public names: `__all__`, what it loads when asked, or what it defines itself. No modules."""
    names = getattr(module, "__all__", None) or list(getattr(module, "_FROM", ()))
    own = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__ and callable(v)]
    found = {name: getattr(module, name) for name in names or own}
    return {name: value for name, value in found.items() if name[0] != "_" and not isinstance(value, ModuleType)}


@pytest.mark.parametrize("name", [m for m in MODULES if m not in ROUNDABOUT])
def test_public_names_are_in_the_reference(name):
    module = import_module(name)
    found = public(module)
    missing = {n for n in found if f"{name}.{n}" not in SINGLE} if name not in WHOLE else set()
    assert not missing, f"to be added to a page of docs/reference: {sorted(missing)}"
    plain = {n for n, v in found.items() if _is_plain(v)} if name in WHOLE else set()  # texts that Sphinx misses
    unsaid = {n for n in plain if f"{name}.{n}" not in DATA}
    assert not unsaid, f"data that a page of docs/reference must describe itself: {sorted(unsaid)}"
    unseen = set(found) - set(dir(module)) if name in WHOLE else set()
    assert not unseen, f"loaded late, and not in the module's __dir__, so Sphinx misses them: {sorted(unseen)}"
    silent = {n for n, v in found.items() if callable(v) and not inspect.getdoc(v)}
    assert not silent, f"without a docstring: {sorted(silent)}"


def _is_plain(value: Any) -> bool:
    """Whether it is data: no class, and no function. `tuple[int, ...]` is data, though it can be called."""
    return not callable(value) or hasattr(value, "__origin__")


def test_what_the_reference_names_is_there():
    assert len(SINGLE) == len(set(SINGLE)) > 150
    for path in SINGLE:
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name), path
    for path in WHOLE:
        import_module(path)


def test_modules_that_are_called_the_inside_are_there():
    assert {"compiler", "ops", "engine"} <= INSIDE <= set(dir(gpukeras))


def test_every_page_is_in_the_index():
    listed = re.search(r"```\{toctree\}.*?\n\n(.*?)```", INDEX, re.DOTALL)
    assert listed and set(listed[1].split()) == {path.stem for path in PAGES.glob("*.md")} - {"index"}
