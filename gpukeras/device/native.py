"""C sources of `kernels/`, compiled once by the system's compiler, or the one of the extra `fast`, and kept; else
NumPy's bodies serve. A wheel may bring them compiled (`prebuilt.py`); then nothing is compiled.

The library lies in the user's cache folder under a name that its source, the compiler's flags and the processor give.
It is loaded only from a folder that nobody else may write to.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from gpukeras.device import prebuilt
from gpukeras.device.choice import NAME

VARIABLE = "GPUKERAS_NATIVE"
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared",
         "-pthread", "-fvisibility=hidden")
WHERE_KNOWN = ("-mprefer-vector-width=512",  # AVX-512 at its full width
               "--param=avoid-fma-max-bits=0")  # for some processors GCC rounds products first, in some loops
SINGLY = "// Each operation is rounded by itself.\n"  # first line of a source whose products and sums are not fused
PATIENCE = 120  # seconds that the compiler may take

_reasons: list[str] = []


def why_not() -> str | None:
    """Why there is no compiled code; None if there is, or nobody has asked for any yet."""
    return _reasons[-1] if _reasons else None


@cache
def load(source: str) -> Any:
    """The compiled source as a ctypes library, or None: on a GPU, where GPUKERAS_NATIVE is 'off', without a compiler,
    and where it fails. ValueError if the variable holds anything else."""
    hindrance = _hindrance()
    if hindrance:
        return _refuse(hindrance)
    ready = prebuilt.find(source, portable_flags())
    if ready is not None:
        with suppress(OSError):  # made for another C library than the one here: then it is compiled for this one
            return ctypes.CDLL(ready)
    command = compiler()
    if command is None:
        return _refuse("there is no C compiler; pip install 'gpukeras[fast]' brings one")
    try:
        path = _path(command, source)
        if not os.path.exists(path):
            _compile(command, source, path)
        _check_own(path)
        return ctypes.CDLL(path)
    except (OSError, NotCompiled) as error:
        return _refuse(str(error))


def compile_together(sources: Sequence[str], at_once: int) -> None:
    """Compiles those of the sources that are not there yet, so many at a time. What goes wrong is `load`'s to say: it
    tries again."""
    command = None if _hindrance() else compiler()
    if command is None:
        return
    try:
        missing = [source for source in sources if prebuilt.find(source, portable_flags()) is None
                   and not os.path.exists(_path(command, source))]
    except OSError:
        return
    if not missing:
        return
    from concurrent.futures import ThreadPoolExecutor  # late: an import of the package has no use for it

    def make(source: str) -> None:
        with suppress(OSError, NotCompiled):
            _compile(command, source, _path(command, source))

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(make, missing))


def _hindrance() -> str | None:
    """Why nothing compiled is to be used here, whatever there is; None if nothing speaks against it."""
    setting = os.environ.get(VARIABLE, "").strip().lower()
    if setting not in ("", "off", "on"):
        raise ValueError(f"{VARIABLE} is {setting!r}; it must be 'on' or 'off'.")
    if NAME != "numpy":
        return "the backend is not NumPy"
    if setting == "off":
        return f"{VARIABLE} is 'off'"
    return None if os.name == "posix" else "it is compiled on Linux and macOS only"


def compiler() -> list[str] | None:
    """The command of a C compiler: what the variable CC says, the system's, or that of the package ziglang."""
    if os.environ.get("CC"):
        import shlex  # late, as what follows: programs that have what they need compiled do without

        return shlex.split(os.environ["CC"])
    found = next(filter(None, map(_program, ("cc", "gcc", "clang"))), None)
    if found is not None:
        return [found]
    import importlib.util
    import sys

    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") is not None else None


def _program(name: str) -> str | None:
    """Where the command is found; `shutil.which`, which loads much beside."""
    paths = (os.path.join(folder, name) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder)
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def portable_flags() -> tuple[str, ...]:
    """FLAGS without the processor that code is made for."""
    return tuple(flag for flag in FLAGS if not flag.startswith("-march="))


def _refuse(reason: str) -> None:
    _reasons.append(reason)


def _path(command: Sequence[str], source: str) -> str:
    """Where the compiled source is kept."""
    import hashlib
    key = "\n".join((source, *command, *FLAGS, *WHERE_KNOWN, _processor()))
    return os.path.join(_folder(), f"native-{hashlib.sha256(key.encode()).hexdigest()[:32]}.so")


def _folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME")
    if not base:
        home = os.path.expanduser("~")
        if home == "~":
            raise FileNotFoundError("there is no home folder to keep compiled code in")
        base = os.path.join(home, ".cache")
    folder = os.path.join(base, "gpukeras")
    os.makedirs(base, exist_ok=True)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    _check_own(folder)
    return folder


def _check_own(path: str) -> None:
    """PermissionError for what others could have put there."""
    found = os.stat(path)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise PermissionError(f"{path} belongs to somebody else, or others may write to it")


class NotCompiled(Exception):
    """What the compiler said, or that it took too long."""


def _compile(command: list[str], source: str, path: str, flags: tuple[str, ...] = FLAGS) -> None:
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as scratch:
        text, made = os.path.join(scratch, "native.c"), os.path.join(scratch, "native.so")
        with open(text, "w", encoding="utf-8") as file:
            file.write(source)
        singly = ["-ffp-contract=off"] if source.startswith(SINGLY) else []
        whole = [*command, *flags, *singly, "-o", made, text, "-lm"]
        try:
            _run_with_most(whole)
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None)
            raise NotCompiled(f"{error}" + (f": {said.decode(errors='replace')[:500]}" if said else "")) from error
        os.chmod(made, 0o700)
        os.replace(made, path)


def _run_with_most(command: list[str]) -> None:
    """Runs a compiler with as many of `WHERE_KNOWN` as it knows."""
    import subprocess

    for known in (WHERE_KNOWN, WHERE_KNOWN[:1]):
        with suppress(subprocess.CalledProcessError):
            return _run([*command, *known])
    _run(command)


def _run(command: list[str]) -> None:
    import subprocess
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


@cache
def _processor() -> str:
    """What the processor can do: compiled for one, the code need not run on another that shares the folder."""
    line = prebuilt.features_line()
    if line:
        return line
    import platform

    return f"{platform.machine()} {platform.processor()}"
