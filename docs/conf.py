"""How Sphinx makes the site: Markdown pages, notebooks that are run, and the reference from docstrings.

    make docs
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # for notebooks

import gpukeras  # noqa: E402

project = "gpukeras"
author = "the gpukeras authors"
release = version = gpukeras.__version__
html_title = f"gpukeras {version}"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
nitpicky = False
suppress_warnings = ["misc.highlighting_failure"]  # wrong programs of mistakes.md are meant to be wrong

# Pages
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False

# Notebooks: run anew at every build, and an error of theirs is an error of the build
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

# The reference
autodoc_default_options = {"members": True, "undoc-members": True}
autodoc_member_order = "groupwise"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = True
add_module_names = False
toc_object_entries_show_parents = "hide"

CODE = re.compile(r"``(.+?)``|`([^`]+)`", re.DOTALL)
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """A docstring's paragraphs, with the blank lines between them as paragraphs of their own."""
    part: list[str] = []
    for line in lines:
        if bool(line.strip()) != bool(part and part[-1].strip()) and part:
            yield part
            part = []
        part.append(line)
    yield part


def as_rest(part: list[str]) -> list[str]:
    """A paragraph in the words of reStructuredText. Docstrings are plain text: `code` and ``code`` in backticks,
    examples after >>>, blocks that are indented; all other signs stand for themselves."""
    if part and part[0].lstrip().startswith(">>>"):
        return part
    if part and part[0].startswith("    ") and part[0].strip():
        return ["::", "", *part]

    text = "\n".join(part)
    pieces, at = [], 0
    for found in CODE.finditer(text):
        pieces += [escaped(text[at:found.start()]), linked(" ".join((found[1] or found[2]).split()))]
        at = found.end()
    return "".join([*pieces, escaped(text[at:])]).split("\n")


def escaped(text: str) -> str:
    return re.sub(r"([\\*|`]|_\b)", r"\\\1", text)


def linked(code: str) -> str:
    """A name becomes a link to where it is documented, if it is."""
    return rf":py:obj:`{code}`\ " if DOTTED.fullmatch(code) else rf"``{code}``\ "


def process_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = [line for part in paragraphs(lines) for line in as_rest(part)]


def skip_member(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Attributes without a word of their own are no part of the reference; methods and classes are."""
    if what == "class" and not callable(obj) and not isinstance(obj, property):
        return True
    return None


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("autodoc-skip-member", skip_member)
