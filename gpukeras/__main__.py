"""Commands: `python -m gpukeras program.py` runs a program that was written for Keras; `info` says what it would
compute with; `inspect FILE` what a model file holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence

USAGE = """\
usage: python -m gpukeras [-h] [--version] (info | inspect file | [run] program.py | -m module | -c code | -) [argument
...]

Runs a program in which `import keras` and `from tensorflow import keras` find gpukeras. No installed package changes.

  program.py   a file, with its own arguments after it (-: standard input)
  -m module    a module, as python -m would
  -c code      a text, as python -c would
  info         print backend, device, memory, versions and BLAS
  inspect      print what a model file (HDF5, .keras, safetensors) holds, and build nothing from it

mpiexec -n 4 python -m gpukeras run program.py trains on four processes together (pip install 'gpukeras[distributed]').
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    import gpukeras

    command, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if command == "run" and rest:
        command, *rest = rest
    if command in ("-h", "--help"):
        print(USAGE, end="")
    elif command == "--version":
        print(f"gpukeras {gpukeras.__version__}")
    elif command == "info" and not rest:
        return _info()
    elif command == "inspect" and len(rest) == 1:
        return _inspect(rest[0])
    elif command in ("-m", "-c") and rest:
        from . import program

        (program.run_module if command == "-m" else program.run_code)(rest[0], rest[1:])
    elif command == "-" or command and not command.startswith("-") and command not in ("info", "inspect"):
        from . import program

        program.run_file(command, rest)
    else:
        print(USAGE, end="", file=sys.stderr)
        return 2
    return 0


def _info() -> int:
    import gpukeras

    try:
        print(f"gpukeras {gpukeras.__version__}\n{gpukeras.config()}")
    except (ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _inspect(path: str) -> int:
    from gpukeras.saving import inspect

    try:
        found = inspect(path, isolated=True)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(found)
    return 2 if found.refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
