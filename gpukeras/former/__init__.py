"""Names that Python, NumPy, SciPy and scikit-learn had when programs for Keras 2 were written, and have no more.

Such a program says `np.int`, `time.clock()` or `from scipy.misc import imsave`. While it runs on gpukeras as Keras, the
modules find these names again, with a warning that gives what is written today. Names that are there stay as they are.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..utils.messages import warn
from . import names

_before: dict[ModuleType, Callable[[str], Any] | None] = {}


def has_more(module: str) -> bool:
    """Whether the module of another package had names that it lost."""
    return module in names.TODAY


def install() -> None:
    """Completes the modules that are loaded, and finds those that are gone. Others are completed when they load."""
    for module in names.TODAY:
        if module in sys.modules:
            complete(sys.modules[module])
    sys.meta_path.append(Gone())


def undo() -> None:
    """Makes the modules what they were."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Gone)]
    for module, own in _before.items():
        if own is None:
            del module.__getattr__
        else:
            module.__getattr__ = own  # type: ignore[method-assign]
    _before.clear()
    for name in names.MODULES:
        if isinstance(getattr(sys.modules.get(name), "__loader__", None), _Loader):
            del sys.modules[name]


def complete(module: ModuleType) -> None:
    """Lets a module find the names that it lost."""
    if module in _before:
        return
    own = _before[module] = vars(module).get("__getattr__")
    lost = names.TODAY[module.__name__]

    def find(name: str) -> Any:
        if name in lost:
            return _former(module.__name__, name)
        if own is None:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return own(name)

    module.__getattr__ = find  # type: ignore[method-assign]


def _former(module: str, name: str) -> Any:
    """What the name stood for, with a warning at the line that asks for it."""
    today = names.TODAY[module][name]
    warn(f"`{module}.{name}` is no more: write `{today}`.")
    return _found(names.OWN.get((module, name), today))


def _found(path: str) -> Any:
    """The object at a path such as 'collections.abc.Iterable'; without dots one of Python's own, or a module."""
    place, _, name = path.rpartition(".")
    if place:
        return getattr(import_module(place), name)
    return getattr(builtins, path) if hasattr(builtins, path) else import_module(path)


class Gone(MetaPathFinder):
    """Finds modules that are no more, where nobody else does: last in line."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """A module of the names that another one has today; None for all others."""
        return ModuleSpec(fullname, _Loader()) if fullname in names.MODULES else None


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        complete(module)
