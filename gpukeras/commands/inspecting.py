"""`python -m gpukeras inspect FILE`: what a model file holds, told by a process that builds nothing from it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Prints what is in the file. 1 if it can't be read, 2 if loading it would be refused."""
    parser = argparse.ArgumentParser(
        "python -m gpukeras inspect",
        description="Prints what a model file (HDF5, .keras, safetensors) holds, and builds nothing from it. Exit "
        "status 1: it can't be read; 2: something in it would be refused.",
    )
    parser.add_argument("file")
    wanted = parser.parse_args(arguments)
    from gpukeras.saving import inspect

    try:
        found = inspect(wanted.file, isolated=True)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(found)
    return 2 if found.refused else 0
