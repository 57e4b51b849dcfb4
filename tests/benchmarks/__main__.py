"""The benchmarks: `python -m tests.benchmarks`, or `make bench`. docs/benchmarks.md tells how to run them, and what
they say."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from . import imports, measure, quick, report
from .programs import CASES
from .rivals import LEFT_OUT, rivals

WHAT = ("imports", "start", "steps")
START = ("mlp", "mnist_cnn", "lstm")  # programs whose first step is timed


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    made.add_argument("what", nargs="*", help="imports, start (from process start to the first finished step), steps "
                      "(fit, predict, memory); all of them by default")
    made.add_argument("--keras2", metavar="PATH", help="a Python interpreter that has Keras 2.15 on TensorFlow")
    made.add_argument("--keras3", metavar="PATH", help="one that has Keras 3, JAX and PyTorch")
    made.add_argument("--keras209", metavar="PATH", help="one that has Keras 2.0.9 on TensorFlow 1")
    made.add_argument("--programs", metavar="NAMES", help=f"with commas between: {', '.join(CASES)}")
    made.add_argument("--rivals", metavar="KEYS", help="with commas between: gpukeras, numpy, keras209, keras2, jax, "
                      "keras3-torch, torch, compile; all whose interpreters are given by default")
    made.add_argument("--rounds", type=int, default=9)
    made.add_argument("--native", choices=["on", "off", "both"], default="both",
                      help="gpukeras with compiled code, with NumPy alone, or each for itself")
    made.add_argument("--device", choices=["cpu", "gpu"], default="cpu",
                      help="gpu: gpukeras on CuPy, the others on CUDA")
    made.add_argument("--patience", type=float, default=60, help="seconds that torch.compile may take for a program")
    made.add_argument("--json", metavar="FILE", type=Path, help="where to keep all samples")
    made.add_argument("--show", metavar="FILE", type=Path, help="measure nothing: the tables of a kept file")
    made.add_argument("--short", action="store_true", help="one round of two steps: only to see that all of it works")
    made.add_argument("--quick", action="store_true", help="count the work of a step instead of timing it, and compare "
                      f"it with {quick.CEILINGS.name}; status 1 if it has grown")
    made.add_argument("--update", action="store_true", help="with --quick: what is counted becomes the table")
    return made


def chosen(names: str | None, default: list[str], command: argparse.ArgumentParser) -> list[str]:
    """The programs named."""
    found = names.split(",") if names else default
    if unknown := [name for name in found if name not in CASES]:
        command.error(f"there is no program {unknown[0]!r}: choose from {', '.join(CASES)}")
    return found


def main() -> int:
    """Runs the benchmarks asked for; the exit status."""
    command = parser()
    options = command.parse_args()
    for name in options.what:
        if name not in WHAT:
            command.error(f"there is no benchmark {name!r}: choose from {', '.join(WHAT)}")
    programs = chosen(options.programs, list(CASES), command)
    if options.quick:
        return quick.main(options.native, programs, options.update)
    if options.device == "gpu" and options.native == "both":
        options.native = "on"  # compiled code for the processor makes no difference there
    those = rivals(options)
    if options.show:
        show(json.loads(options.show.read_text(encoding="utf-8")), those)
        return 0
    for name, why in LEFT_OUT.items():
        if name in os.environ:
            print(f"{name}={os.environ.pop(name)} is left out: {why}.")
    rounds = 1 if options.short else options.rounds
    what = options.what or WHAT
    found: dict[str, object] = {"machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
                                "rivals": [r._asdict() | {"interpreter": "", "environment": {}} for r in those]}

    def keep(name: str, part: object) -> None:
        """What is found is kept at once: a run takes long, and may be interrupted."""
        found[name] = part
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")

    if "imports" in what:
        keep("imports", imports.measure(those, rounds))
    if "start" in what:
        start = chosen(options.programs, list(START), command)
        keep("start", measure.first_steps(those, start, rounds, options.device))
    if "steps" in what:
        keep("steps", measure.steps(those, programs, rounds, options.device, options.short,
                                    lambda part: keep("steps", part)))
    show(found, those)
    return 0


def show(found: dict, those: list) -> None:
    """Prints all tables."""
    from .rivals import Rival
    those = [Rival(**row) for row in found.get("rivals", [])] or those
    print(found["machine"])
    if "imports" in found:
        print(f"\nImports in fresh processes:\n\n"
              f"{report.table(['import', 'ms', 'to NumPy', 'to gpukeras'], imports.rows(found['imports']))}")
    if "start" in found:
        print(f"\n{report.first_steps(found['start'], those)}")
    if "steps" in found:
        print(f"\n{report.steps(found['steps'], those)}")


if __name__ == "__main__":
    sys.exit(main())
