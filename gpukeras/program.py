"""Running other people's programs with gpukeras in Keras's place: what `python -m gpukeras program.py` does."""

from __future__ import annotations

import builtins
import io
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any

from . import drop_in
from .launched import together

_BROUGHT = ("six", "yaml", "scipy")
"""Packages that Keras 2.0.9 installed, for programs that count on them."""
_VARIABLE = "GPUKERAS_PROGRAM"
"""Where processes that a program spawns find it: they run its file again, for the functions in it."""


def run_file(path: str, arguments: Sequence[str] = ()) -> None:
    """Runs a file of Python ('-': standard input) as Python itself would. Exits with status 2 if it can't be read."""
    if path == "-":
        code = compile(sys.stdin.read(), "<stdin>", "exec")
    else:
        try:
            with io.open_code(os.path.abspath(path)) as file:
                code = compile(file.read(), path, "exec")
        except OSError as error:
            print(f"python -m gpukeras: can't open file {path!r}: {error.strerror}", file=sys.stderr)
            raise SystemExit(2) from None
        if not getattr(sys.flags, "safe_path", False) and sys.path:
            sys.path[0] = os.path.dirname(os.path.abspath(path))
        os.environ[_VARIABLE] = os.path.abspath(path)
    _execute(code, [path, *arguments], __file__=path, __spec__=None if path == "-" else _rerun(""))


def run_module(name: str, arguments: Sequence[str] = ()) -> None:
    """Runs a module, or a package's `__main__`, found on the module path, as `python -m` would."""
    drop_in.install()
    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(f"{name}.__main__")
    except ModuleNotFoundError:
        spec = None
    code = None if spec is None else spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    if spec is None or code is None:
        print(f"python -m gpukeras: no module named {name!r} that can be run", file=sys.stderr)
        raise SystemExit(1)
    os.environ[_VARIABLE] = spec.origin or ""
    _execute(code, [spec.origin or name, *arguments], __file__=spec.origin, __package__=spec.parent,
             __spec__=_rerun(spec.parent or ""))


def run_code(text: str, arguments: Sequence[str] = ()) -> None:
    """Runs the text, as `python -c` would."""
    _execute(compile(text, "<string>", "exec"), ["-c", *arguments], __spec__=None)


def _rerun(package: str) -> Any:
    """What tells multiprocessing to prepare a spawned process with `gpukeras._spawned`, which takes Keras's name before
    it runs the program's file."""
    return SimpleNamespace(name="gpukeras._spawned", parent=package)


def _execute(code: Any, argv: Sequence[str], **attributes: Any) -> None:
    try:
        from . import device  # noqa: F401 - chooses the backend; nothing of the program is to blame where that fails
    except (ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    drop_in.install()
    main = ModuleType("__main__")
    vars(main).update({"__builtins__": builtins, "__package__": None, "__cached__": None, **attributes})
    sys.argv[:] = argv
    sys.modules["__main__"] = main
    sys.excepthook = _hook(main)
    with together():
        exec(code, vars(main))


def _hook(main: ModuleType) -> Any:
    """Shows a traceback from the program's own first line on."""
    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        start = trace
        while start is not None and start.tb_frame.f_globals is not vars(main):
            start = start.tb_next
        sys.__excepthook__(kind, error.with_traceback(start or trace), start or trace)
        if isinstance(error, ModuleNotFoundError) and error.name in _BROUGHT:
            print(f"Keras 2.0.9 brought {error.name} with it; here: pip install 'gpukeras[keras2]'", file=sys.stderr)
    return show


def run_again() -> dict[str, Any]:
    """In a spawned process: the names that the program's file defines, run under the name `__mp_main__`."""
    from runpy import run_path

    drop_in.install()
    return run_path(os.environ[_VARIABLE], run_name="__mp_main__")
