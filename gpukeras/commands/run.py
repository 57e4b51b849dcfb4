"""`python -m gpukeras run program.py`: a program written for Keras, as it stands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches

USAGE = """\
usage: python -m gpukeras run [-h] [--backend numpy|cupy] [--threads N]
                              (program.py | -m module | -c code | -) [argument ...]

Runs a program in which `import keras` and `from tensorflow import keras` find gpukeras. No installed package changes.

  program.py   a file, with its own arguments after it (-: standard input)
  -m module    a module, as python -m would
  -c code      a text, as python -c would
  --backend    compute with numpy, or with cupy on the GPU, whatever GPUKERAS_BACKEND says
  --threads    on the CPU, at most so many threads, whatever GPUKERAS_THREADS says

The exit status is the program's; 2 where there is nothing to run.

mpiexec -n 4 python -m gpukeras run program.py trains on four processes together (pip install 'gpukeras[distributed]').
"""


class Misused(Exception):
    """What is wrong with the command line."""


def _backend(value: str) -> None:
    if value not in ("numpy", "cupy"):
        raise Misused(f"--backend must be numpy or cupy, not {value!r}")
    os.environ["GPUKERAS_BACKEND"] = value


def _threads(value: str) -> None:
    if not value.isdecimal() or not int(value):
        raise Misused(f"--threads must be a whole number, at least 1, not {value!r}")
    os.environ["GPUKERAS_THREADS"] = value


OPTIONS: dict[str, Callable[[str], None]] = {"--backend": _backend, "--threads": _threads}
"""Options before the program, each with a value; what they do is done before any array library is loaded."""


def main(arguments: Sequence[str], commands: Sequence[str] = ()) -> int:
    """Runs what the arguments name, and comes back if it does; `commands` are those that a file's name may have been
    meant for."""
    try:
        rest = _options(list(arguments))
        if rest[:1] in (["-h"], ["--help"]):
            print(USAGE, end="")
            return 0
        _run(rest, commands)
    except Misused as error:
        print(f"{USAGE.partition(chr(10) * 2)[0]}\npython -m gpukeras: {error}", file=sys.stderr)
        return 2
    return 0


def _options(rest: list[str]) -> list[str]:
    """What is left after the options."""
    while rest and rest[0].startswith("--") and rest[0] != "--help":
        name, equals, value = rest.pop(0).partition("=")
        if name not in OPTIONS:
            near = get_close_matches(name, OPTIONS, n=1)
            raise Misused(f"there is no option {name}{f'; did you mean {near[0]}?' if near else ''}")
        if not equals:
            if not rest:
                raise Misused(f"{name} needs a value")
            value = rest.pop(0)
        OPTIONS[name](value)
    return rest


def _run(rest: list[str], commands: Sequence[str]) -> None:
    from gpukeras import program

    if not rest:
        raise Misused("name a program, -m module, -c code, or - for standard input")
    first, *others = rest
    if first in ("-m", "-c"):
        if not others:
            raise Misused(f"{first} needs {'the name of a module' if first == '-m' else 'a text'}")
        (program.run_module if first == "-m" else program.run_code)(others[0], others[1:])
    elif first.startswith("-") and first != "-":
        raise Misused(f"there is no option {first}; a program's own arguments stand after it")
    else:
        if first != "-" and not os.path.exists(first):
            near = get_close_matches(first, commands, n=1)
            if near:
                raise Misused(f"there is no file {first!r}; did you mean the command {near[0]!r}?")
        program.run_file(first, others)
