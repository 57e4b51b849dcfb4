"""The site of docs/ is built without a warning, all notebooks run, and everything is in it, for readers without a
network too. `make docs` names the site that it has built; otherwise it is built here, where Sphinx is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.test_notebooks import NOTEBOOKS, cells
from tests.test_reference import MODULES, ROUNDABOUT, public

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [path.relative_to(DOCS).with_suffix("") for kind in ("md", "ipynb") for path in sorted(DOCS.rglob(f"*.{kind}"))]
pytest.importorskip("sphinx")
pytest.importorskip("myst_nb")
pytest.importorskip("furo")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the pages."""
    if os.environ.get("GPUKERAS_SITE"):
        return ROOT / os.environ["GPUKERAS_SITE"]
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", f"{folder}/trees", str(DOCS),
               f"{folder}/html"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return folder / "html"


def test_every_page_is_made(site):
    for page in PAGES:
        assert (site / f"{page}.html").exists(), page


def test_every_public_name_has_its_entry(site):
    """In the inventory that other projects' documents link by."""
    from sphinx.util.inventory import InventoryFile

    with open(site / "objects.inv", "rb") as file:
        found = InventoryFile.load(file, "", os.path.join)
    entries = {name for kind, names in found.items() if kind.startswith("py:") for name in names}
    assert len(entries) > 1000
    missing = []
    for module in (m for m in MODULES if m not in ROUNDABOUT):
        for name, value in public(import_module(module)).items():
            home = f"{value.__module__}.{value.__name__}" if isinstance(value, type) else ""
            if not {f"{module}.{name}", home} & entries:
                missing.append(f"{module}.{name}")
    assert not missing
    assert {"gpukeras.models.Model.fit", "gpukeras.layers.Layer.add_weight",
            "gpukeras.callbacks.Callback.on_epoch_end"} <= entries


def test_names_and_words_can_be_searched(site):
    """The index is a script beside the page, which a browser loads from a folder too."""
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert index.startswith("Search.setIndex(")
    for word in ("EarlyStopping", "Conv2D", "five minut", "mistak", "glorot_uniform"):
        assert word.lower() in index.lower(), word
    assert re.search(r'<script src="searchindex.js', (site / "search.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_were_run(path, site):
    page = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert page.count('class="cell docutils container"') == len(code)
    assert page.count("cell_output docutils") > len(code) / 2 and "Traceback" not in page


def test_pages_need_no_network(site):
    for page in PAGES:
        text = (site / f"{page}.html").read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"', text)
        assert loaded and not [address for address in loaded if re.match(r"(https?:)?//", address)], page


def test_nothing_of_this_machine_is_in_the_pages(site):
    for page in PAGES:
        assert str(ROOT) not in (site / f"{page}.html").read_text(encoding="utf-8"), page
