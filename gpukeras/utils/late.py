"""Names of a module that load when they are first asked for, so that an import brings no more than a program uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late(module: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module whose names other modules define: `places` says which, by its name within
    gpukeras; where they call it otherwise, 'module:name'. A name whose place ends with it is that module itself.
    What was found once is the module's own.

    Type checkers do not see such names: import them under TYPE_CHECKING too, and hide the `__getattr__` from them.

    >>> find = late("gpukeras.saving", {"load_model": "saving.files"})
    >>> find("load_model").__module__
    'gpukeras.saving.files'
    """
    def find(name: str) -> Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        where, _, own = place.partition(":")
        found = import_module(f"gpukeras.{where}")
        value = found if where.rpartition(".")[2] == name else getattr(found, own or name)
        setattr(sys.modules[module], name, value)
        return value

    return find
