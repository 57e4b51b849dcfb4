"""Commands: `python -m gpukeras run program.py` runs a program that was written for Keras; `info` says what it would
compute with; `inspect FILE` what a model file holds; `bench` how fast it is here."""

from __future__ import annotations

import sys
from collections.abc import Sequence

USAGE = """\
usage: python -m gpukeras [-h] [--version] command [argument ...]

  run program.py   run a program in which `import keras` and `from tensorflow import keras` find gpukeras
  info             print backend, device, memory and versions, for a bug report
  inspect FILE     print what a model file (HDF5, .keras, safetensors) holds, and build nothing from it
  bench            measure training and prediction on this machine, in half a minute

`python -m gpukeras COMMAND --help` says more of each. `run` may be left out: python -m gpukeras program.py, -m module,
-c code, - (standard input).
"""
COMMANDS = {"run": "run", "info": "info", "inspect": "inspecting", "bench": "bench"}
"""The commands, and the files of `commands/` that have them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status, 2 for a command line that makes no sense."""
    command, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if command in ("-h", "--help"):
        print(USAGE, end="")
    elif command == "--version":
        import gpukeras

        print(f"gpukeras {gpukeras.__version__}")
    elif command in COMMANDS:
        return _command(command, rest)
    elif command in ("", "-m", "-c") and not rest:
        print(USAGE, end="", file=sys.stderr)
        return 2
    else:
        from .commands import run

        return run.main([command, *rest], commands=list(COMMANDS))
    return 0


def _command(name: str, arguments: Sequence[str]) -> int:
    from importlib import import_module

    try:
        status: int = import_module(f"gpukeras.commands.{COMMANDS[name]}").main(arguments)
    except SystemExit as ended:
        if name == "run":  # the program's own end
            raise
        return ended.code if isinstance(ended.code, int) else 2
    return status


if __name__ == "__main__":
    raise SystemExit(main())
