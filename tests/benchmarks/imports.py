"""Time of imports in fresh processes, beside `import numpy`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from statistics import median
from typing import Any

from .rivals import Rival, surroundings

NAMES = ("from {0}.models import Sequential; from {0}.layers import Dense; from {0}.optimizers import Adam; "
         "from {0}.utils import to_categorical")


def statements(rivals: Sequence[Rival], bytecode: str) -> dict[str, tuple[str, str, dict[str, str] | None]]:
    """What is imported, by whom, and where."""
    found: dict[str, tuple[str, str, dict[str, str] | None]] = {"NumPy": ("import numpy", sys.executable, None)}
    for rival in rivals:
        if rival.library == "gpukeras" and rival.key == "gpukeras":
            found["import gpukeras"] = ("import gpukeras", rival.interpreter, surroundings(rival, bytecode))
        if rival.apart or rival.key == "numpy":
            continue
        imports = "import torch" if rival.library == "torch" else NAMES.format(rival.library)
        found[rival.name] = (imports, rival.interpreter, surroundings(rival, bytecode))
    return found


def seconds(imports: str, interpreter: str, environment: dict[str, str] | None) -> float:
    """The time of these statements in a new interpreter, its own start not counted."""
    program = f"import time; begin = time.perf_counter(); {imports}; print('took', time.perf_counter() - begin)"
    done = subprocess.run([interpreter, "-W", "ignore", "-c", program], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{interpreter} could not do '{imports}':\n{done.stderr[-2000:]}")
    return float(done.stdout.rpartition("took ")[2])


def measure(rivals: Sequence[Rival], rounds: int) -> dict[str, list[float]]:
    """Seconds by name, one a round. The first round reads files into the system's cache and is not counted."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as bytecode:
        for turn in range(rounds + 1):
            for name, what in statements(rivals, bytecode).items():
                took = seconds(*what)
                if turn:
                    found.setdefault(name, []).append(took)
    return found


def rows(found: dict[str, list[float]]) -> list[list[str]]:
    """Milliseconds, and ratios to NumPy's and to gpukeras's in the same round."""
    made = []
    for name, values in found.items():
        line: list[Any] = [name, f"{median(values) * 1e3:.0f}"]
        for base in ("NumPy", "gpukeras"):
            line.append(f"{median(v / b for v, b in zip(values, found[base])):.2f}" if base in found else "-")
        made.append(line)
    return made
