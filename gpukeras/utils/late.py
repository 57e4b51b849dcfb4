"""Names of a module that load when they are first asked for, so that an import brings no more than a program uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late(module: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module whose names other modules define: `places` says which, by its name within
    gpukeras; where they call it otherwise, 'module:name'. Of a package, its modules are found too. What was found once
    is the module's own.

    Type checkers do not see such names: import them under TYPE_CHECKING too, and hide the `__getattr__` from them.

    >>> find = late("gpukeras.saving", {"load_model": "saving.files"})
    >>> find("load_model").__module__
    'gpukeras.saving.files'
    """
    def find(name: str) -> Any:
        if name not in places:
            return _module_in(module, name)
        place, _, own = places[name].partition(":")
        value = getattr(import_module(f"gpukeras.{place}"), own or name)
        setattr(sys.modules[module], name, value)
        return value

    return find


def late_classes(module: str, classes: Callable[[], Mapping[str, Any]]) -> Callable[[str], Any]:
    """The `__getattr__` of a module of functions whose `classes` load when a name with a capital is asked for."""
    def find(name: str) -> Any:
        if name[:1].isupper() and name in classes():
            return classes()[name]
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find


def _module_in(package: str, name: str) -> Any:
    if not name.startswith("_") and hasattr(sys.modules[package], "__path__"):
        try:
            return import_module(f"{package}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{name}":
                raise  # the module is there and lacks something itself
    raise AttributeError(f"module {package!r} has no attribute {name!r}")
