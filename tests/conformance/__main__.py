"""Keras 2.0.9's own tests, examples and interface, on gpukeras: `python -m tests.conformance`, `make conformance`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import examples, keras209, suite, surface
from .scope import KERAS1, LEFT_OUT, STANDIN

PARTS = ("tests", "keras1", "standin", "examples", "surface")
Row = tuple[str, int, int, list[str]]


def main() -> int:
    """Runs the parts asked for, and prints a line for each; exit status 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all of them by default")
    parser.add_argument("--select", metavar="NAME", default="", help="only files of tests and examples with this in "
                        "their names")
    options = parser.parse_args()
    for name in options.what:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}: choose of {', '.join(PARTS)}")
    source = keras209.source()
    rows: list[Row] = []
    for part in options.what or PARTS:
        rows += _surface(source) if part == "surface" else [_runs(part, source, options.select)]
    print(_table(rows))
    write_results(rows)
    return int(any(others for name, _, _, others in rows if not name.startswith("signatures")))


def _runs(part: str, source: Path, select: str) -> Row:
    """The row of a part that runs programs."""
    if part == "examples":
        folder = examples.prepare(source)
        return _row("examples", examples.names(folder), lambda name: examples.run(folder, name), select)
    tests = suite.prepare(source)
    chosen = {"tests": [name for name in suite.files(tests) if name not in KERAS1], "keras1": list(KERAS1),
              "standin": list(STANDIN)}[part]
    title = {"tests": "tests", "keras1": "tests of Keras 1's spellings",
             "standin": "a sample of the tests on the stand-in for CuPy"}[part]
    return _row(title, chosen, lambda name: suite.run(tests, name, on_standin=part == "standin"), select)


def _row(title: str, names: list[str], run: Callable[[str], suite.Count], select: str) -> Row:
    total = suite.Count()
    print(f"\n{title}", flush=True)
    for name in names:
        if select in name:
            count = run(name)
            total.add(count)
            print(f"  {name:<50} {count.passed:4} of {count.total:4}  {count.seconds:6.1f} s", flush=True)
            for what, why in count.others:
                print(f"    {what}: {why}", flush=True)
    return title, total.passed, total.total, [what for what, _ in total.others]


def _surface(source: Path) -> list[Row]:
    report = surface.run(source)
    for title, lines in (("names that are missing", report.missing), ("signatures that differ", report.different)):
        print(f"\n{title}", *(f"  {line}" for line in lines), sep="\n")
    return [("public names", report.names - len(report.missing), report.names, report.missing),
            ("signatures: arguments, order, defaults", report.equal + report.longer, report.signatures,
             report.different)]


def _table(rows: list[Row]) -> str:
    """The summary, as README quotes it."""
    lines = ["", "| Keras 2.0.9's | here |", "|---|---|"]
    lines += [f"| {title} | {passed} of {total} |" for title, passed, total, _ in rows]
    left = sum("::" not in name for name in LEFT_OUT), sum("::" in name for name in LEFT_OUT)
    lines += ["", f"Left out: {left[0]} files of tests and {left[1]} tests; tests/conformance/scope.py says why."]
    return "\n".join(lines)


def write_results(rows: list[Row]) -> None:
    """The same for programs, in build/conformance/results.json."""
    import numpy as np

    found: dict[str, Any] = {"python": sys.version.split()[0], "numpy": np.__version__, "machine": platform.machine()}
    found["rows"] = [{"what": title, "passed": passed, "of": total, "others": others}
                     for title, passed, total, others in rows]
    (keras209.FOLDER / "results.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
