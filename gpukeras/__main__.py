"""Commands: `python -m gpukeras info` prints what this installation computes with; `inspect FILE` what a model file
holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    import gpukeras

    parser = argparse.ArgumentParser(prog="python -m gpukeras", description="Keras 2 on NumPy and CuPy.")
    parser.add_argument("--version", action="version", version=f"gpukeras {gpukeras.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("info", help="print backend, device, memory, versions and BLAS")
    look = commands.add_parser("inspect", help="print what a model file holds, and build nothing from it")
    look.add_argument("file", help="a model or weights in HDF5")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "inspect":
            from gpukeras.saving import inspect

            found = inspect(chosen.file)
            print(found)
            return 2 if found.refused else 0
        print(f"gpukeras {gpukeras.__version__}\n{gpukeras.config()}")
    except (ImportError, OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
