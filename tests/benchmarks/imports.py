"""Time of imports in fresh processes, as ratios to `import numpy`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
IMPORTS = {
    "numpy": "import numpy",
    "gpukeras": "import gpukeras",
    "a program's imports": "from gpukeras.models import Sequential; from gpukeras.layers import Dense; "
                           "from gpukeras.optimizers import Adam; from gpukeras.utils import to_categorical",
}


def seconds(statements: str, bytecode: str) -> float:
    """The time of these statements in a new interpreter, its own start not counted. Compiled modules are kept in the
    folder `bytecode`, so that all libraries find theirs compiled, as installed ones do."""
    program = f"import time; begin = time.perf_counter(); {statements}; print(time.perf_counter() - begin)"
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": paths, "PYTHONPYCACHEPREFIX": bytecode}
    done = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def main(rounds: int) -> None:
    """Measures and prints."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with tempfile.TemporaryDirectory() as bytecode:
        for turn in range(rounds + 1):
            for name, statements in IMPORTS.items():
                took = seconds(statements, bytecode)
                if turn:  # the first round reads the files into the system's cache and writes bytecode
                    found[name].append(took)
    print(f"Imports in a fresh process: median of {rounds} rounds")
    for name, values in found.items():
        ratio = median(v / n for v, n in zip(values, found["numpy"]))
        print(f"  {name:<20} {median(values) * 1e3:7.1f} ms   {ratio:5.2f} x numpy")
