"""`%gpukeras` in a notebook: the commands that tell something, beside the cells."""

from __future__ import annotations

import shlex
from typing import Any

USAGE = """\
%gpukeras info           what this notebook computes with, for a bug report
%gpukeras inspect FILE   what a model file holds
%gpukeras bench          how fast small models train here
"""
TOLD = ("info", "inspect", "bench")


def register(shell: Any) -> None:
    """Give the shell `%gpukeras`, if it has such commands."""
    if hasattr(shell, "register_magic_function"):
        shell.register_magic_function(gpukeras, "line", "gpukeras")


def unregister(shell: Any) -> None:
    """Take it away."""
    if hasattr(shell, "magics_manager"):
        shell.magics_manager.magics["line"].pop("gpukeras", None)


def gpukeras(line: str) -> None:
    """The magic. Its own line alone prints what there is; ValueError for what there isn't."""
    from gpukeras.__main__ import main

    words = shlex.split(line)
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="")
    elif words[0] not in TOLD:
        raise ValueError(f"there is no %gpukeras {words[0]}; there are {', '.join(TOLD)}")
    else:
        main(words)
