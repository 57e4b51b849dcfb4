"""C sources compiled when a wheel was made (`hatch_build.py`), for a few levels of processors; the best that this one
can run is taken.

A library's name is the hash of its source and flags: one that was made of another source is never found.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

FOLDER = "_prebuilt"  # in the package
SUFFIX = "library"  # for ctypes; `.so` would make Python modules of them


class Level(NamedTuple):
    """Processors that a library is made for: by which flags, and what Linux calls the features that it needs."""

    name: str
    flags: tuple[str, ...]
    needs: tuple[str, ...] = ()


_V3 = ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe")
_LEVELS = {  # the best one first
    ("linux", "x86_64"): (
        Level("x86-64-v4", ("-march=x86-64-v4",), (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
        Level("x86-64-v3", ("-march=x86-64-v3",), _V3),
        Level("x86-64", ("-march=x86-64",)),
    ),
    ("linux", "aarch64"): (Level("armv8-a", ("-march=armv8-a",)),),
    ("darwin", "arm64"): (Level("apple-m1", ("-mcpu=apple-m1",)),),
    ("darwin", "x86_64"): (Level("x86-64", ("-march=x86-64",)),),
}


def levels() -> tuple[Level, ...]:
    """Those of this system, the best one first; none where nothing is built ahead."""
    return _LEVELS.get((sys.platform, os.uname().machine if hasattr(os, "uname") else ""), ())


@cache
def features() -> frozenset[str]:
    """What the processor can do, as Linux tells it; empty elsewhere."""
    return frozenset(features_line().split())


def features_line() -> str:
    """The line in which Linux tells it; empty elsewhere."""
    if not os.path.exists("/proc/cpuinfo"):
        return ""
    with open("/proc/cpuinfo") as lines:
        return next((line.rstrip("\n") for line in lines if line.startswith(("flags", "Features"))), "")


def place(source: str, flags: Sequence[str], level: Level) -> str:
    """Where the library made of this source by these flags lies, within `FOLDER`."""
    import hashlib  # late: an import of the package has no use for it
    digest = hashlib.sha256("\n".join((source, *flags, *level.flags)).encode()).hexdigest()
    return os.path.join(f"{sys.platform}-{level.name}", f"{digest[:32]}.{SUFFIX}")


def find(source: str, flags: Sequence[str]) -> str | None:
    """The library that the installed package has of this source for this processor, if there is one."""
    for level in _possible():
        path = os.path.join(folder(), place(source, flags, level))
        if os.path.isfile(path):
            return path
    return None


def carried() -> str | None:
    """The level of the libraries that the installed package has for this processor; None if it has none."""
    return next((level.name for level in _possible()
                 if os.path.isdir(os.path.join(folder(), os.path.dirname(place("", (), level))))), None)


def folder() -> str:
    """Where they are."""
    return os.path.join(os.path.dirname(os.path.dirname(__file__)), FOLDER)


def _possible() -> list[Level]:
    return [level for level in levels() if features().issuperset(level.needs)]
