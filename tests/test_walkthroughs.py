"""The walks of docs/adding lead where they say: on a copy of the repository, each edit is made and each command run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gpukeras import device

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "adding"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
QUOTED = r"`([^`]+)`"
WAYS = {
    "write": rf"[Ww]rite {QUOTED}:",
    "append": rf"[Aa]t\s+the\s+end\s+of\s+{QUOTED}:",
    "after": rf"[Ii]n\s+{QUOTED},\s+after\s+the\s+line\s+{QUOTED}:",
    "before": rf"[Ii]n\s+{QUOTED},\s+before\s+the\s+line\s+{QUOTED}:",
    "replace": rf"[Ii]n\s+{QUOTED},\s+in\s+the\s+place\s+of\s+{QUOTED}:",
    "same file before": rf"before\s+the\s+line\s+{QUOTED}:",
    "same file replace": rf"in\s+the\s+place\s+of\s+{QUOTED}:",
    "run": "Run:",
}
KINDS = {".py", ".typed", ".md", ".cu", ".cuh", ".c", ".h", ".npz", ".toml", ".svg", ".txt"}  # of files that are copied
SHOWN = {"text"}  # blocks that are neither an edit nor a command
pytestmark = [pytest.mark.slow, pytest.mark.skipif(device.NAME != "numpy", reason="the walks are of the CPU")]


class Step(NamedTuple):
    """What to do (a key of WAYS), the names in the sentence before the block, and the block."""

    way: str
    names: tuple[str, ...]
    text: str


def steps(page: str) -> Iterator[Step]:
    """The steps of a page; AssertionError for a block that no sentence leads to."""
    text = (PAGES / page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        if found[1] in SHOWN:
            continue
        before = text[:found.start()].rstrip()
        for way, pattern in WAYS.items():
            said = re.search(rf"{pattern}\Z", before)
            if said:
                yield Step(way, tuple(" ".join(name.split()) for name in said.groups()), found[2])
                break
        else:
            raise AssertionError(f"{page}: nothing says what to do with\n{found[2]}")


class Copy:
    """A copy of the repository that is edited."""

    def __init__(self, root: Path):
        self.root, self.file = root, ""
        for name in ("gpukeras", "kernels", "tests", "docs", "pyproject.toml", "README.md", "Makefile"):
            source = ROOT / name
            if source.is_dir():
                for path in source.rglob("*"):
                    if path.is_file() and path.suffix in KINDS:
                        place = root / path.relative_to(ROOT)
                        place.parent.mkdir(parents=True, exist_ok=True)
                        place.write_bytes(path.read_bytes())
            else:
                (root / name).write_bytes(source.read_bytes())

    def follow(self, step: Step) -> None:
        """Makes one edit, or runs the commands."""
        if step.way == "run":
            for line in step.text.splitlines():
                self.run(line)
            return
        names = step.names if not step.way.startswith("same file") else (self.file, *step.names)
        self.file = names[0]
        path = self.root / self.file
        if step.way == "write":
            assert not path.exists(), f"{self.file} is there already"
            path.write_text(step.text, encoding="utf-8")
            return
        text = path.read_text(encoding="utf-8")
        if step.way == "append":
            text += step.text
        elif step.way.endswith("replace"):
            assert text.count(names[1]) == 1, f"{self.file} has {names[1]!r} {text.count(names[1])} times"
            text = text.replace(names[1], step.text.rstrip("\n"))
        else:
            lines = text.split("\n")
            places = [i for i, line in enumerate(lines) if " ".join(line.split()) == names[1]]
            assert len(places) == 1, f"{self.file} has the line {names[1]!r} {len(places)} times"
            at = places[0] + (step.way == "after")
            lines[at:at] = step.text.rstrip("\n").split("\n") if step.text.strip() else []
            text = "\n".join(lines)
        path.write_text(text, encoding="utf-8")

    def run(self, line: str) -> None:
        """A command, which must end well; pytest must run something."""
        words = shlex.split(line)
        more = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
        command = [word for word in words if not re.match(r"[A-Z_]+=", word)]
        assert command[:2] == ["python", "-m"], line
        environment = {**os.environ, "PYTHONPATH": str(self.root), "OPENBLAS_NUM_THREADS": "1", **more}
        environment = {k: v for k, v in environment.items() if not k.startswith(("PYTEST_", "COV_"))}
        done = subprocess.run([sys.executable, *command[1:]], cwd=self.root, env=environment, capture_output=True,
                              text=True, timeout=240)
        assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize("pages", [["layer.md"], ["op.md", "kernel.md"]], ids=["layer", "op-and-kernel"])
def test_following_a_walk(pages, tmp_path):
    copy = Copy(tmp_path)
    for page in pages:
        followed = list(steps(page))
        assert len(followed) > 5 and followed[-1].way == "run"
        for step in followed:
            copy.follow(step)
