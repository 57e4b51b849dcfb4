"""The table of mistakes is docs/mistakes.md: each wrong program brings the message that stands under it, and what is to
be written instead runs without one."""

from __future__ import annotations

import re
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gpukeras import backend as K

DOCUMENT = Path(__file__).parents[1] / "docs" / "mistakes.md"
BLOCK = r"```py\n(.*?)```\n"
ROW = re.compile(rf"^### ([^\n]+)\n\n{BLOCK}\n```text\n(.*?)```\n\nInstead:\n\n{BLOCK}", re.DOTALL | re.MULTILINE)


class Mistake(NamedTuple):
    """A row of the table. `says` begins with the type of the error or warning."""

    title: str
    wrong: str
    says: str
    right: str


TEXT = DOCUMENT.read_text(encoding="utf-8")
TABLE = [Mistake(*found) for found in ROW.findall(TEXT)]
BEGINNING = re.findall(BLOCK, TEXT, re.DOTALL)[0]


@pytest.fixture
def names(tmp_path, monkeypatch, capfd) -> dict[str, Any]:
    """What programs know after the beginning that all of them have."""
    monkeypatch.chdir(tmp_path)
    K.clear_session()
    np.random.seed(0)
    known: dict[str, Any] = {}
    run(BEGINNING, known)
    return known


def run(code: str, names: dict[str, Any]) -> None:
    exec(compile(code, str(DOCUMENT), "exec"), names)


def complaint(code: str, names: dict[str, Any]) -> str:
    """The error that ends a program as Python prints it, or the first warning."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("default")
        try:
            run(code, names)
        except Exception as error:
            return traceback.format_exception_only(error)[-1].rpartition("gpukeras.saving.errors.")[2]
    assert len(heard) == 1, [str(w.message) for w in heard]
    return f"{heard[0].category.__name__}: {heard[0].message}"


@pytest.mark.parametrize("mistake", TABLE, ids=[m.title for m in TABLE])
def test_a_mistake_brings_its_message_and_the_right_program_none(mistake, names):
    assert complaint(mistake.wrong, names).split() == mistake.says.split()
    run(mistake.right, names)  # a warning would be an error here


def test_every_row_is_read():
    assert len(TABLE) == len(re.findall("^### ", TEXT, re.MULTILINE)) >= 70
    assert len({m.title for m in TABLE}) == len(TABLE)


def test_messages_are_short():
    for mistake in TABLE:
        assert len(" ".join(mistake.says.split())) <= 330, mistake.title
