"""The notebooks of docs/notebooks are clean: no outputs, nothing of the machine they were written on. The site's build
runs them (make docs)."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_the_course_is_there():
    names = {path.stem for path in NOTEBOOKS}
    assert names >= {"clinical_trial", "digits", "images", "movie_reviews", "news_wires", "house_prices"}
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert all(f"\nnotebooks/{name}\n" in index for name in names)


@each
def test_a_notebook_is_stored_clean(path):
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert stored["metadata"] == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                                  "language_info": {"name": "python"}}
    for cell in stored["cells"]:
        assert cell["cell_type"] in ("code", "markdown") and not cell["metadata"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    assert len({cell["id"] for cell in stored["cells"]}) == len(stored["cells"])
    assert path.read_text(encoding="utf-8") == json.dumps(stored, indent=1, ensure_ascii=False) + "\n"


@each
def test_code_is_python_that_fits_the_page(path):
    for cell in cells(path):
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).split("\n")
            assert max(map(len, lines)) <= 98
            ast.parse("\n".join(line for line in lines if not line.startswith("%")))


@each
def test_a_notebook_begins_with_its_title_and_says_where_data_come_from(path):
    first = "".join(cells(path)[0]["source"])
    assert first.startswith("# ")
    code = "".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code")
    if "except OSError" in code:
        assert "**made-up" in first and "not at hand: made-up ones" in code
