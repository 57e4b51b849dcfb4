"""Starting jobs of several ranks in tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from gpukeras.utils.training_utils import launcher_of_mpi

ROOT = Path(__file__).parents[2]
LAUNCHER = launcher_of_mpi() if find_spec("mpi4py") else None


class Ended(NamedTuple):
    """How a job ended."""

    status: int
    output: str
    errors: str
    seconds: float


def run(ranks: int, *arguments: object, timeout: float = 120, **variables: str) -> Ended:
    """Runs `python -m gpukeras run ...` as so many ranks; 1 is a process by itself."""
    command = [sys.executable, "-m", "gpukeras", "run", *map(str, arguments)]
    if ranks > 1:
        assert LAUNCHER is not None
        command = [LAUNCHER, "-n", str(ranks), *command]
    folders = [variables.pop("PATH_BEFORE", ""), str(ROOT), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, folders))
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, env={
        **os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path, **variables})
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - started)
